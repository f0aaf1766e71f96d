"""Durable writes: a file is replaced whole or not at all, and what is called written is on the disk."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from kbatch.files.reading import MEBIBYTE, read_bytes


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Replace `path` by `data`, whole or not at all: temporary file beside it, fsync, rename, fsync of the folder."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a seekable file that takes the place of `path` when the block ends well, else it goes."""
    temporary = _free_name(path)
    try:
        with _opened_new(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_lightly(path: Path, data: bytes) -> None:
    """Replace what can be made again, not waiting for the disk: a power cut may leave it as it was, empty, or zeros."""
    temporary = _free_name(path)
    try:
        with _opened_new(temporary) as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _free_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{token_hex(4)}.tmp")


def _opened_new(path: Path) -> BinaryIO:
    """Return a new file, and its folder if that is missing too."""
    try:
        return path.open("x+b")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("x+b")


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
    try:
        source.rename(target)
    except OSError:  # its folder is missing, or it is on another disk
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
