"""`--events FILE`: what is recorded in a run, one JSON object a line, for other programs to follow.

The lines are those of the journal, as `kbatch schema events` describes them, without the bodies that were sent and
without the queries of URLs.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from kbatch.files import LineFile
from kbatch.receipts.events import Event
from kbatch.receipts.receipt import without_queries


class EventsFile:
    """Writes events as they become durable; without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file = LineFile(path) if path is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file:
            self._file.close()

    def write(self, event: Event) -> None:
        """Append one event."""
        if self._file:
            data = without_queries(event.data)
            if "body" in data:
                data["body"] = None
            self._file.write(replace(event, data=data, seal=None).to_line().decode().rstrip())
