"""`--events FILE`: the events of a run, one JSON object a line, for other programs to follow.

The lines are those of the journal, as `kbatch schema events` describes them, without the bodies that were sent and
without the queries of URLs.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from kbatch.errors import Invalid, Problem
from kbatch.receipts.events import Event, write_line
from kbatch.receipts.receipt import without_queries
from kbatch.storage import LineFile


class EventsFile:
    """Writes events as they become durable; without a path it does nothing.

    A log that cannot be opened is Invalid, before anything is sent. A later failure is only reported to `lost`: the run
    goes on, since the journal is its record.
    """

    def __init__(self, path: Path | None, *, lost: Callable[[str], None]) -> None:
        self._file: LineFile | None = None
        self._path = path
        self._lost = lost
        try:
            self._file = LineFile(path) if path is not None else None
        except OSError as error:
            message = f"the event log `{path}` cannot be written: {error.strerror}"
            raise Invalid([Problem(code="bad-output", message=message)]) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def write(self, event: Event) -> None:
        """Append one event."""
        if self._file is None:
            return
        fields = msgspec.to_builtins(replace(event, seal=UNSET))
        fields["data"] = without_queries(fields["data"])
        if "body" in fields["data"]:
            fields["data"]["body"] = None
        try:
            self._file.write(write_line(fields).decode().rstrip())
        except OSError as error:
            self._close()
            self._lost(f"the event log is cut off, and the run goes on: {self._path}: {error.strerror or error}")

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
