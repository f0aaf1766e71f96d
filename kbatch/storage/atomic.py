"""Durable writes: a file is replaced whole or not at all, and what is called written is on the disk.

Nothing is written through a symbolic link that `links` refuses, and none is ever replaced by a file.
"""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from kbatch.storage.open_folder import OpenFolder

_log = logging.getLogger(__name__)


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Replace `path` by `data`, whole or not at all: temporary file beside it, fsync, rename, fsync of the folder."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a seekable file that takes the place of `path` when the block ends well, else it goes."""
    with OpenFolder(path.parent, make=True) as folder:
        temporary = _free_name(path)
        try:
            with _opened_new(folder, temporary) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            folder.replace(temporary, path.name)
        except BaseException:
            folder.remove(temporary)
            raise
        folder.sync()
        _log.info("wrote %s", path)


def write_lightly(path: Path, data: bytes) -> None:
    """Replace what can be made again, not waiting for the disk: a power cut may leave it as it was, empty, or zeros."""
    with OpenFolder(path.parent, make=True) as folder:
        temporary = _free_name(path)
        try:
            with _opened_new(folder, temporary) as file:
                file.write(data)
            folder.replace(temporary, path.name)
        except BaseException:
            folder.remove(temporary)
            raise
        _log.info("wrote %s", path)


def _free_name(path: Path) -> str:
    return f".{path.name}.{token_hex(4)}.tmp"


def _opened_new(folder: OpenFolder, name: str) -> BinaryIO:
    return os.fdopen(folder.create(name), "w+b")


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet; FileExistsError when it does."""
    with OpenFolder(path.parent, make=True) as folder:
        with _opened_new(folder, path.name) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        folder.sync()
        _log.info("wrote %s, which is new", path)


def try_writing(folder: Path) -> None:
    """Make a file in a folder that is there and remove it; OSError says why nothing can be written there."""
    name = f".kbatch.{token_hex(4)}.tmp"
    with OpenFolder(folder) as opened:
        os.close(opened.create(name))
        opened.remove(name)


def move(source: Path, target: Path) -> None:
    """Move a file durably, across file systems too; an existing target is an error, since it may have been paid."""
    with OpenFolder(source.parent) as here, OpenFolder(target.parent, make=True) as there:
        try:
            here.move(source.name, there, target.name)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(here, source.name, there, target)
            here.remove(source.name)
        there.sync()
        if source.parent != target.parent:
            here.sync()
        _log.info("moved %s to %s", source, target)


def link_or_copy(source: Path, target: Path) -> None:
    """Give one file a second name: a hard link, or a copy where the file system has none."""
    with OpenFolder(source.parent) as here, OpenFolder(target.parent, make=True) as there:
        if there.status(target.name) is not None:
            raise FileExistsError(errno.EEXIST, "already exists", str(target))
        try:
            here.link(source.name, there, target.name)
        except OSError:
            _copy(here, source.name, there, target)
        there.sync()
        _log.info("put %s at %s too", source, target)


def copy(source: Path, target: Path) -> None:
    """Replace `target` by a copy of a file that a person names, through links too; durable, whole or not at all."""
    with source.open("rb") as old, replacing(target) as new:
        shutil.copyfileobj(old, new, 1024 * 1024)


def _copy(here: OpenFolder, name: str, there: OpenFolder, target: Path) -> None:
    """Copy a file into another folder, whole or not at all."""
    temporary = _free_name(target)
    try:
        with os.fdopen(here.read(name), "rb") as old, _opened_new(there, temporary) as new:
            shutil.copyfileobj(old, new, 1024 * 1024)
            new.flush()
            os.fsync(new.fileno())
        there.replace(temporary, target.name)
    except BaseException:
        there.remove(temporary)
        raise


def own(folder: OpenFolder, name: str) -> None:
    """Make a file that has further names (hard links) one of its own, so that what is added to it goes nowhere else."""
    status = folder.status(name)
    if status is not None and status.st_nlink > 1:
        _copy(folder, name, folder, folder.path / name)


def remove(path: Path) -> None:
    """Remove a file of kbatch's own making, such as a `.part`; no error when it is gone."""
    try:
        with OpenFolder(path.parent) as folder:
            folder.remove(path.name)
            _log.debug("removed %s", path)
    except FileNotFoundError:
        return


def touch(path: Path) -> None:
    """Let a file count as changed now, but nothing that a link leads to; no error when that cannot be."""
    with suppress(OSError):
        if not path.is_symlink():
            os.utime(path)


def merge_copies(source: Path, target: Path) -> None:
    """Leave one of two files with the same bytes, under the target's name; they may be one file in two letter cases."""
    with OpenFolder(source.parent) as here, OpenFolder(target.parent) as there:
        if source.samefile(target) and source.stat().st_nlink == 1:
            here.rename(source.name, there, target.name)
        else:
            here.remove(source.name)
        there.sync()
