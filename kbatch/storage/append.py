"""Files that grow: a journal whose lines are synced, a download in progress, lines that others follow."""

import logging
import os
from io import FileIO
from pathlib import Path

from kbatch.storage.atomic import own, remove
from kbatch.storage.open_folder import OpenFolder
from kbatch.storage.output_targets import opened_for_lines
from kbatch.storage.reading import size_of

_log = logging.getLogger(__name__)


def _grown(folder: OpenFolder, name: str, *, new: bool = True) -> FileIO:
    """Open a file to append to it; unbuffered, so that after a full disk no rest lingers for a later close to write."""
    own(folder, name)
    return FileIO(folder.grow(name, new=new), "ab")


class Appender:
    """An append-only file whose every `append` is on the disk when it returns; blocking, so call it in a thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with OpenFolder(path.parent, make=True) as folder:
            self._file = _grown(folder, path.name)
            folder.sync()
        _log.info("appending to %s", path)

    def append(self, data: bytes) -> None:
        """Write all of `data` and fsync; OSError (a full disk) leaves at most a torn last line."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        os.fsync(self._file.fileno())
        _log.debug("%d bytes are on the disk in %s", len(data), self.path)

    def close(self) -> None:
        """Close the file; what was appended is already durable."""
        self._file.close()


def cut_back(path: Path, size: int) -> None:
    """Truncate a file to `size` bytes durably: a torn last line is removed this way."""
    with OpenFolder(path.parent) as folder, _grown(folder, path.name, new=False) as file:
        file.truncate(size)
        os.fsync(file.fileno())
    _log.info("cut %s back to %d bytes", path, size)


def part_of(target: Path, tag: str = "") -> Path:
    """Return where a download to `target` collects its bytes; `tag` keeps two clips for one target apart."""
    return target.with_name(f"{target.name}.{tag}.part" if tag else f"{target.name}.part")


class PartFile:
    """A download in progress beside its target; there is no file before the first byte is written."""

    def __init__(self, target: Path, tag: str = "") -> None:
        self.target = target
        self.path = part_of(target, tag)
        self._file: FileIO | None = None
        self._size = size_of(self.path) or 0

    @property
    def size(self) -> int:
        """Bytes on the file so far, an earlier attempt's included."""
        return self._size

    def write(self, data: bytes) -> None:
        """Append received bytes; best in large pieces, since each call goes to the system."""
        if self._file is None:
            self._file = self._opened()
        view = memoryview(data)
        while view:
            count = self._file.write(view) or 0
            self._size += count
            view = view[count:]

    def _opened(self) -> FileIO:
        with OpenFolder(self.path.parent, make=True) as folder:
            file = _grown(folder, self.path.name)
        self._size = file.seek(0, os.SEEK_END)
        _log.info("receiving %s, %d bytes are here", self.path, self._size)
        return file

    def restart(self) -> None:
        """Drop what was received: the server does not resume, or it was not this clip."""
        if self._file is None:
            self._file = self._opened()
        self._file.truncate(0)
        self._file.seek(0)
        _log.info("dropped what was received in %s", self.path)
        self._size = 0

    def sync(self) -> None:
        """Put what was received on the disk."""
        if self._file is None:
            self._file = self._opened()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close and keep the `.part` for a later resume."""
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """Close and remove the `.part`."""
        self.close()
        remove(self.path)


class LineFile:
    """A file that others follow while it grows: each line reaches it as it is written, and is not synced.

    `path` may be anything that a user can write to, as `targets` has it; OSError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = FileIO(opened_for_lines(path), "wb")

    def write(self, line: str) -> None:
        """Append a line."""
        view = memoryview(f"{line}\n".encode())
        while view:
            view = view[self._file.write(view) or 0 :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
