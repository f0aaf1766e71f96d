"""A folder opened for writing: opened component by component; its files are created relative to its descriptor.

Every component is opened without following links, so that the checked folder is the one used, whatever changes on the
disk meanwhile. Links are followed as `links` allows. Systems without these calls (Windows) check names instead.
"""

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from kbatch.storage.links import MOST_LINKS, LinkRefused, judge, resolve

BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_PLAIN: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
_FOLDER: int = getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW | _PLAIN
_SEARCH: int = getattr(os, "O_PATH", os.O_RDONLY) | _FOLDER
"""A folder on the way need not be readable, where the system can say so."""
_NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)
_IS_A_LINK = "is a symbolic link, and nothing is written through it; put a file in its place, or remove it"


def named(error: OSError, path: Path) -> OSError:
    """Return an error with the whole path that it is about: by a descriptor the system only knows a name."""
    return OSError(error.errno, error.strerror, str(path))


class OpenFolder:
    """A folder in which files are made, renamed and removed; `path` is where it really is. Use it as a block."""

    def __init__(self, folder: Path, *, make: bool = False) -> None:
        self._descriptor: int | None = None
        if BY_DESCRIPTOR:
            try:
                self.path, self._descriptor = _descend(folder, make=make)
            except PermissionError:
                if hasattr(os, "O_PATH"):
                    raise
            else:
                return
        way = resolve(folder)
        for one in way.links:
            one.target.stat()
        self.path = way.real  # no such calls, or a folder on the way may be passed and not read
        if make:
            self.path.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def create(self, name: str) -> int:
        """Return the descriptor of a file that was not there, for reading and writing; FileExistsError when it was."""
        return self._open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def read(self, name: str) -> int:
        """Return the descriptor of a file for reading."""
        return self._open(name, os.O_RDONLY | _NO_WAIT)

    def grow(self, name: str, *, new: bool = True) -> int:
        """Return the descriptor of a regular file for appending, made when it is missing unless `new` is false."""
        flags = os.O_RDWR | os.O_APPEND | _NO_WAIT | (os.O_CREAT if new else 0)
        descriptor = self._open(name, flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise LinkRefused(self.path / name, "is no regular file")
        return descriptor

    def _open(self, name: str, flags: int) -> int:
        try:
            if self._descriptor is not None:
                return os.open(name, flags | _NOFOLLOW | _PLAIN, 0o666, dir_fd=self._descriptor)
            if self._is_link(name):
                raise LinkRefused(self.path / name, _IS_A_LINK)
            return os.open(self.path / name, flags | _PLAIN, 0o666)
        except OSError as error:
            if isinstance(error, LinkRefused):
                raise
            if error.errno != errno.EEXIST and self._is_link(name):
                raise LinkRefused(self.path / name, _IS_A_LINK) from error
            raise named(error, self.path / name) from error

    def status(self, name: str) -> os.stat_result | None:
        """Return what stands at a name, a link as a link; None for nothing."""
        try:
            if self._descriptor is not None:
                return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            return (self.path / name).lstat()
        except FileNotFoundError:
            return None

    def replace(self, name: str, new: str) -> None:
        """Rename a file, over a regular file that may have the new name; LinkRefused where something else has it."""
        before = self.status(new)
        if before is not None and stat.S_ISLNK(before.st_mode):
            raise LinkRefused(self.path / new, _IS_A_LINK)
        if before is not None and not (stat.S_ISREG(before.st_mode) or stat.S_ISDIR(before.st_mode)):
            raise LinkRefused(self.path / new, "is no regular file, and is not replaced by one")
        self.rename(name, self, new)

    def move(self, name: str, folder: "OpenFolder", new: str) -> None:
        """Rename a file into another folder, where nothing may have that name; OSError EXDEV to another disk."""
        before = self.status(name)
        if before is not None and stat.S_ISLNK(before.st_mode):
            raise LinkRefused(self.path / name, _IS_A_LINK)
        if folder.status(new) is not None:
            raise FileExistsError(errno.EEXIST, "already exists", str(folder.path / new))
        self.rename(name, folder, new)

    def rename(self, name: str, folder: "OpenFolder", new: str) -> None:
        """Give a file another name, whatever stands there."""
        try:
            if self._descriptor is None:
                os.replace(self.path / name, folder.path / new)  # noqa: PTH105 - as the line below
            else:
                os.replace(name, new, src_dir_fd=self._descriptor, dst_dir_fd=folder._descriptor)
        except OSError as error:
            raise named(error, folder.path / new) from error

    def link(self, name: str, folder: "OpenFolder", new: str) -> None:
        """Give a file a second name; OSError where the file system has no hard links."""
        if self._descriptor is None:
            os.link(self.path / name, folder.path / new)
            return
        places = {"src_dir_fd": self._descriptor, "dst_dir_fd": folder._descriptor}
        os.link(name, new, follow_symlinks=False, **places)

    def remove(self, name: str) -> None:
        """Remove a name; no error when it is gone. A link goes itself, not what it names."""
        try:
            if self._descriptor is None:
                (self.path / name).unlink()
            else:
                os.unlink(name, dir_fd=self._descriptor)
        except FileNotFoundError:
            return

    def sync(self) -> None:
        """Make renames durable; Windows has no such call and needs none."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def _is_link(self, name: str) -> bool:
        found = self.status(name)
        return found is not None and stat.S_ISLNK(found.st_mode)


def _descend(folder: Path, *, make: bool) -> tuple[Path, int]:
    """Open a folder component by component; return where it really is, and its descriptor."""
    rest = list(reversed(folder.absolute().parts))
    start = rest.pop()
    here, descriptor = Path(start), os.open(start, os.O_RDONLY | _FOLDER if not rest else _SEARCH)
    links = 0
    try:
        while rest:
            part = rest.pop()
            if part == os.pardir:
                part, here = os.pardir, here.parent
                inner = os.open(part, _SEARCH if rest else os.O_RDONLY | _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
                continue
            leads = _target_in(descriptor, part)
            if leads is not None:
                judge(here / part)
                _check_target(descriptor, part, here)
                links += 1
                if links > MOST_LINKS:
                    raise LinkRefused(folder, "too many symbolic links")
                if leads.is_absolute():
                    os.close(descriptor)
                    here, descriptor = Path(leads.anchor), os.open(leads.anchor, _SEARCH)
                rest.extend(reversed(leads.parts[1:] if leads.is_absolute() else leads.parts))
                rest = rest or ["."]
                continue
            inner = _step(descriptor, part, here, last=not rest, make=make)
            os.close(descriptor)
            here, descriptor = here / part, inner
    except BaseException:
        os.close(descriptor)
        raise
    return here, descriptor


def _target_in(descriptor: int, name: str) -> Path | None:
    try:
        return Path(os.readlink(name, dir_fd=descriptor))
    except (OSError, ValueError):
        return None


def _check_target(descriptor: int, name: str, here: Path) -> None:
    """Raise FileNotFoundError for a link to nothing: what it names may be a disk that is not there now."""
    try:
        os.stat(name, dir_fd=descriptor)
    except OSError as error:
        raise named(error, here / name) from error


def _step(descriptor: int, name: str, here: Path, *, last: bool, make: bool) -> int:
    """Open one folder in another, as no link, and make it when it is missing and wanted."""
    flags = os.O_RDONLY | _FOLDER if last else _SEARCH
    try:
        return os.open(name, flags, dir_fd=descriptor)
    except FileNotFoundError:
        if not make:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(here / name)) from None
    except OSError as error:
        raise named(error, here / name) from error
    try:
        os.mkdir(name, dir_fd=descriptor)
    except FileExistsError:
        pass  # another run or task has created it
    except OSError as error:
        raise named(error, here / name) from error
    try:
        return os.open(name, flags, dir_fd=descriptor)
    except OSError as error:
        raise named(error, here / name) from error
