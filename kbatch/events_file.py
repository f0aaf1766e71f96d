"""`--events FILE`: what happens in a run, one JSON object a line, for other programs to follow."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from kbatch.files import LineFile
from kbatch.run.happenings import Happening


class EventsFile:
    """Writes happenings as they come; without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file = LineFile(path) if path is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file:
            self._file.close()

    def write(self, happening: Happening) -> None:
        """Append one happening with the time of day in UTC."""
        if self._file:
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._file.write(json.dumps({"at": at, **asdict(happening)}, sort_keys=True))
