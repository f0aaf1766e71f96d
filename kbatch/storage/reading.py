"""Bounded reads, folder listings, and the files of the package."""

import errno
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

from kbatch.errors import StateUnreadable

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_log = logging.getLogger(__name__)

MEBIBYTE = 1024 * 1024
_MARK = b"\xef\xbb\xbf"

Found = TypeVar("Found")


def read_bytes(path: Path, *, limit: int = 256 * MEBIBYTE) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes; OSError as the system says it."""

    def opener(name: str, flags: int) -> int:
        # Opening a pipe without a writer would block.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    with open(path, "rb", opener=opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", str(path))
    _log.debug("read %s, %d bytes", path, len(data))
    return data


def read_if_there(path: Path, *, limit: int = 1024 * MEBIBYTE) -> bytes | None:
    """Return a file's bytes, None only when there is no file; every other error is raised."""
    try:
        return read_bytes(path, limit=limit)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateUnreadable(f"{path}: cannot be read: {error.strerror}") from error


def size_of(path: Path) -> int | None:
    """Return the size in bytes of a regular file, None when there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


class FileStatus(NamedTuple):
    """Size of a file in bytes, and its last change in nanoseconds."""

    size: int
    changed_ns: int


class FolderSnapshot:
    """Cached file sizes and times below a folder, each read once."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root}/"
        self._seen: dict[str, FileStatus | None] = {}

    def at(self, path: str) -> FileStatus | None:
        """Return the file at a path relative to the root, None when there is none that can be seen."""
        if path in self._seen:
            return self._seen[path]
        try:
            status = os.stat(self._root + path)  # noqa: PTH116 - 200,000 paths, as they are written
        except (OSError, ValueError):
            there = None
        else:
            there = FileStatus(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
        self._seen[path] = there
        return there


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_input(data: bytes) -> str:
    """Return the SHA-256 in hex of an input: of a text, without byte order mark and with line feeds as line ends.

    So a clone in which git wrote CRLF (`core.autocrlf`) has the same inputs. What holds a NUL or is not UTF-8 is no
    text.
    """
    if (b"\r" in data or data.startswith(_MARK)) and b"\0" not in data and _is_utf8(data):
        data = data.removeprefix(_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return hashlib.sha256(data).hexdigest()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def examine(path: Path, read: Callable[[BinaryIO], Found]) -> Found:
    """Return what `read` makes of a file that may be too large to hold, such as a clip."""
    with path.open("rb") as file:
        return read(file)


def opened(path: Path) -> BinaryIO:
    """Return a file that is open for reading; close it, or use it as a block."""
    return path.open("rb")


def names_in(folder: Path, pattern: str) -> list[Path]:
    """Return the files of `folder` that match, sorted; empty when there is no such folder."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def files_below(folder: Path) -> list[Path]:
    """Return every file under `folder`, links as they are, sorted; empty when there is no such folder."""
    found = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
    return sorted(found)


def packaged(name: str) -> bytes:
    """Return a file of the packaged `schemas` folder, such as `models/apiframe/kling-2.1.json`."""
    return (_folder_of("kbatch.schemas") / name).read_bytes()


def packaged_page(name: str) -> str:
    """Return a part of the HTML pages that lie beside `kbatch.report`: a template, the style or the script."""
    return (_folder_of("kbatch.report.html") / "page" / name).read_text(encoding="utf-8")


def packaged_cards() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every packaged model card, in a stable order."""
    yield from cards_below(_folder_of("kbatch.schemas") / "models", "models/")


def _folder_of(package: str) -> Path:
    """Return a package's folder; `importlib.resources` finds the same and takes 2 ms of a start for it."""
    return Path(import_module(package).__path__[0])


def cards_below(folder: "Traversable", prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every JSON file below a folder, in a stable order; names begin with `prefix`."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from cards_below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".json"):
            yield f"{prefix}{entry.name}", entry.read_bytes()


def can_be_named(path: str) -> bool:
    """Whether this system's files can have such a name: Python encodes names, in ASCII where the locale is C."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True
