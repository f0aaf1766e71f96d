"""A disk that a test can hold back, fill or break while a journal writes to it."""

import errno
import threading
from pathlib import Path

from kbatch import storage


class Disk:
    """The real file, which counts its writes, holds them back while `gate` is shut, and may be full."""

    def __init__(self, path: Path) -> None:
        self._file = storage.Appender(path)
        self.writes = 0
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.room: int | None = None

    def append(self, data: bytes) -> None:
        """Write as the real file does, or a part of it when the disk is full."""
        self.begun.set()
        assert self.gate.wait(timeout=20)
        self.writes += 1
        if self.room is not None and len(data) > self.room:
            self._file.append(data[: self.room])
            raise OSError(errno.ENOSPC, "No space left on device")
        self._file.append(data)

    def close(self) -> None:
        """Close the real file."""
        self._file.close()
