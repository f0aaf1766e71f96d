"""The only module that touches the disk: bounded reads, durable writes, the lock, and the tree a manifest may read.

Rules it keeps: what is called written is on the disk (file and folder are synced); a file is replaced whole or not at
all; a manifest reads nothing outside its tree, symlinks resolved first. What it cannot promise: a disk that lies about
fsync. It knows no format.
"""

import errno
import hashlib
import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from io import FileIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, TypeVar

from kbatch.problems import Refused, StateUnreadable, Unreadable

MEBIBYTE = 1024 * 1024
_CHUNK = MEBIBYTE

Found = TypeVar("Found")


# reading


def read_bytes(path: Path, *, limit: int = 256 * MEBIBYTE) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes; OSError as the system says it."""

    def opener(name: str, flags: int) -> int:
        # A pipe that nobody writes to would hold this up until someone does.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    with open(path, "rb", opener=opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", str(path))
    return data


def read_if_there(path: Path, *, limit: int = 1024 * MEBIBYTE) -> bytes | None:
    """Return the file's bytes, or None only when no file stands there: any other trouble is raised."""
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


class There(NamedTuple):
    """A file that a folder holds: bytes, and when it was last changed, in nanoseconds."""

    size: int
    changed_ns: int


class Look:
    """The files below a folder as they are at the first look at each."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root}/"
        self._seen: dict[str, There | None] = {}

    def at(self, path: str) -> There | None:
        """Return the file at a path relative to the root, None when there is none that can be seen."""
        if path in self._seen:
            return self._seen[path]
        try:
            status = os.stat(self._root + path)  # noqa: PTH116 - 200,000 paths, as they are written
        except (OSError, ValueError):
            there = None
        else:
            there = There(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
        self._seen[path] = there
        return there


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    return resources.files("kbatch.schemas").joinpath(name).read_bytes()


def packaged_page(name: str) -> str:
    """Return a part of the HTML pages that lie beside `kbatch.report`: a template, the style or the script."""
    return resources.files("kbatch.report").joinpath("page", name).read_text(encoding="utf-8")


def packaged_cards() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every packaged model card, in a stable order."""

    def walk(folder: "resources.abc.Traversable", prefix: str) -> Iterator[tuple[str, bytes]]:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                yield from walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".json"):
                yield f"{prefix}{entry.name}", entry.read_bytes()

    yield from walk(resources.files("kbatch.schemas").joinpath("models"), "models/")


# writing


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Replace `path` by `data`, whole or not at all: temporary file beside it, fsync, rename, fsync of the folder."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, durably: bool = True) -> Iterator[BinaryIO]:
    """Yield a seekable file that takes the place of `path` when the block ends well, else it goes.

    Its bytes are on the disk before its name is; `durably` puts the name there too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_mode_of_new_files())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durably:
        sync_folder(path.parent)


def write_lightly(path: Path, data: bytes) -> None:
    """Replace what can be made again, whole or not at all; a power cut may bring back what stood there before."""
    with replacing(path, durably=False) as file:
        file.write(data)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet; FileExistsError when it does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move(source: Path, target: Path) -> None:
    """Move a file durably, across file systems too; an existing target is an error, since it may have been paid."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, "already exists", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent and source.parent.exists():
        sync_folder(source.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """Give one file a second name: a hard link, or a copy where the file system has none."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, "already exists", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        write_atomic(target, read_bytes(source, limit=8 * 1024 * MEBIBYTE))
    sync_folder(target.parent)


def remove(path: Path) -> None:
    """Remove a file of kbatch's own making, such as a `.part`; no error when it is gone."""
    path.unlink(missing_ok=True)


def merge_copies(source: Path, target: Path) -> None:
    """Leave one of two files with the same bytes, under the target's name; they may be one file, told apart by case."""
    if source.samefile(target) and source.stat().st_nlink == 1:
        source.rename(target)
    else:
        source.unlink()
    sync_folder(target.parent)


def _mode_of_new_files() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


class Appender:
    """An append-only file whose every `append` is on the disk when it returns; blocking, so call it in a thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        sync_folder(path.parent)

    def append(self, data: bytes) -> None:
        """Write all of `data` and fsync; OSError (a full disk) leaves at most a torn last line."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; what was appended is already durable."""
        self._file.close()


def cut_back(path: Path, size: int) -> None:
    """Truncate a file to `size` bytes durably: a torn last line is removed this way."""
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: after a full disk no rest may linger that a later close would try to write again.
        file = self.path.open("ab", buffering=0)
        self._size = file.tell()
        return file

    def restart(self) -> None:
        """Drop what was received: the server does not resume, or it was not this clip."""
        if self._file is None:
            self._file = self._opened()
        self._file.truncate(0)
        self._file.seek(0)
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
        self.path.unlink(missing_ok=True)


# the lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock: process id, host name and the start in UTC."""

    pid: int
    host: str
    since: str


class Lock:
    """The operating system's lock on a state: free at once when its holder dies, refused while it lives."""

    def __init__(self, path: Path, *, break_foreign: bool = False) -> None:
        self.path = path
        self._card = path.with_name(path.name + ".holder.json")
        self._break_foreign = break_foreign
        import filelock  # noqa: PLC0415 - only what runs takes a lock

        self._lock = filelock.FileLock(path, timeout=0)
        self._taken = filelock.Timeout

    def holder(self) -> Holder | None:
        """Return who last took the lock and did not give it back, None when unknown."""
        try:
            card = json.loads(self._card.read_bytes())
            return Holder(pid=int(card["pid"]), host=str(card["host"]), since=str(card["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        here = socket.gethostname()
        try:
            self._lock.acquire()
        except self._taken as error:
            raise self._refusal(self.holder(), "is running on this state") from error
        holder = self.holder()
        if holder is not None and holder.host != here and not self._break_foreign:
            self._lock.release()
            raise self._refusal(holder, "on another host may be running on this state", hint="--break-lock takes over")
        card = {"pid": os.getpid(), "host": here, "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        write_atomic(self._card, json.dumps(card).encode())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._card.unlink(missing_ok=True)
        self._lock.release()

    def _refusal(self, holder: Holder | None, what: str, *, hint: str | None = None) -> Refused:
        who = f"pid {holder.pid} on {holder.host} since {holder.since}" if holder else "its holder left no name"
        return Refused("locked", f"another kbatch {what}: {who} ({self.path})", hint=hint)


# the tree that a manifest may read

_IN_TREE = "paths are relative to the manifest and stay within its git root, or its folder"


@dataclass(slots=True)
class Folder:
    """The files that a manifest may name: relative to its folder, within the nearest git root, no dot components.

    `seen` records each file read, by its path relative to the manifest's folder, with its SHA-256.
    """

    base: Path
    root: Path
    seen: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Path) -> "Folder":
        """Return the tree of a manifest: the nearest git root above it, else its own folder."""
        base = manifest.parent.resolve()
        root = next((folder for folder in (base, *base.parents) if (folder / ".git").exists()), base)
        return cls(base=base, root=root)

    def read(self, reference: str, *, limit: int = 64 * MEBIBYTE) -> bytes:
        """Return the bytes of a file named in the manifest; Unreadable says which rule it breaks."""
        path = self._locate(reference)
        try:
            data = read_bytes(path, limit=limit)
        except FileNotFoundError:
            raise Unreadable("file-not-found", f"there is no file `{reference}`") from None
        except OSError as error:
            code = "file-too-large" if error.errno == errno.EFBIG else "file-unreadable"
            raise Unreadable(code, f"`{reference}` cannot be read: {error.strerror}") from error
        self.seen[PurePosixPath(reference).as_posix()] = hashlib.sha256(data).hexdigest()
        return data

    def _locate(self, reference: str) -> Path:
        check_reference(reference)
        try:
            path = Path(os.path.realpath(self.base / reference))
        except (OSError, ValueError) as error:
            raise Unreadable("file-unreadable", f"`{reference}` cannot be resolved: {error}") from error
        if not path.is_relative_to(self.root):
            raise Unreadable("path-outside-tree", f"`{reference}` leads out of the manifest's tree", hint=_IN_TREE)
        within = self.base if path.is_relative_to(self.base) else self.root
        if any(is_hidden(part) for part in path.relative_to(within).parts):
            raise Unreadable("path-hidden", f"`{reference}` leads to a component that begins with a dot", hint=_IN_TREE)
        return path


def check_reference(reference: str) -> None:
    """Raise Unreadable for what no manifest may name, whatever stands there: absolute paths and hidden components."""
    windows = PureWindowsPath(reference)
    if "\0" in reference or PurePosixPath(reference).is_absolute() or windows.drive or windows.root:
        raise Unreadable("path-outside-tree", f"`{reference}` is not a relative path", hint=_IN_TREE)
    if any(is_hidden(part) for part in windows.parts):
        raise Unreadable("path-hidden", f"`{reference}` has a component that begins with a dot", hint=_IN_TREE)


def is_hidden(part: str) -> bool:
    """Whether a component of a path begins with a dot, `.` and `..` themselves aside."""
    return part.startswith(".") and part not in (".", "..")


class LineFile:
    """A file that others follow while it grows: each line is flushed as it is written, not synced."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")

    def write(self, line: str) -> None:
        """Append a line."""
        self._file.write(line + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
