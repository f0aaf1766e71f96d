"""Output paths that a user names for a document: a file is replaced atomically, a device or a pipe is written to.

What is no regular file (a device, a FIFO, `/dev/stdout`) is never renamed over. A symbolic link is followed where
`links` allows it, and stays a link. `/dev/fd/N` means the open descriptor itself, since opening its file anew would
write over what stands there.
"""

import errno
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

from kbatch.storage.atomic import own, replacing, write_atomic
from kbatch.storage.links import resolve
from kbatch.storage.open_folder import OpenFolder

_log = logging.getLogger(__name__)
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")
_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def descriptor_of(path: Path) -> int | None:
    """Return the open descriptor that a path such as `/dev/stdout` or `/dev/fd/63` names."""
    name = path.as_posix()
    found = _DESCRIPTOR.fullmatch(name)
    return int(found[1]) if found else _STREAMS.get(name)


def is_replaced(path: Path) -> bool:
    """Whether writing a document to a path replaces a regular file or makes one; IsADirectoryError for a folder."""
    if descriptor_of(path) is not None:
        return False
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return True
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return stat.S_ISREG(mode)


def put(path: Path, data: bytes) -> None:
    """Write a document to a path, a file atomically; OSError when that is impossible."""
    if is_replaced(path):
        write_atomic(resolve(path).real, data)
        return
    with os.fdopen(_opened_stream(path), "wb") as file:
        file.write(data)


@contextmanager
def putting(path: Path) -> Iterator[BinaryIO]:
    """Yield a seekable file whose bytes are written to the path when the block ends without an error."""
    if is_replaced(path):
        with replacing(resolve(path).real) as file:
            yield file
        return
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        with os.fdopen(_opened_stream(path), "wb") as stream:
            copyfileobj(file, stream)


def opened_for_lines(path: Path) -> int:
    """Return the descriptor of a file that is empty now, or of a device or a pipe; close it."""
    if not is_replaced(path):
        return _opened_stream(path)
    place = resolve(path).real
    with OpenFolder(place.parent, make=True) as folder:
        own(folder, place.name)
        descriptor = folder.grow(place.name)
    os.ftruncate(descriptor, 0)
    return descriptor


def _opened_stream(path: Path) -> int:
    _log.info("writing to %s, which is no regular file", path)
    number = descriptor_of(path)
    if number is not None:
        return os.dup(number)
    resolve(path)
    return os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0))
