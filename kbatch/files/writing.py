"""Durable writes: a file is replaced whole or not at all, and what is called written is on the disk."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kbatch.files.reading import MEBIBYTE, read_bytes


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
