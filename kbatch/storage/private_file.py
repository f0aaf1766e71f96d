"""Files private to one user: created atomically and once, readable by no other user, never through a link."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def read_or_make_private(path: Path, data: bytes) -> bytes:
    """Return what a file of this user's alone holds, `data` if there was none; of two makers the first one's stays."""
    with suppress(FileNotFoundError):
        return read_private(path, size=len(data))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{token_hex(4)}.tmp")
    try:
        handle = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_LINK, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key is used
            _put(new, path)
    finally:
        new.unlink(missing_ok=True)
    return read_private(path, size=len(data))


def _put(new: Path, path: Path) -> None:
    """Give a whole file its name, never in place of another one."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError from None
        new.rename(path)


def read_private(path: Path, *, size: int) -> bytes:
    """Return the `size` bytes of a file that is this user's alone; OSError where it is anything else, or a link."""
    with os.fdopen(os.open(path, os.O_RDONLY | _NO_LINK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("is no regular file")
        if os.name != "nt" and (status.st_mode & 0o077 or status.st_uid != os.getuid()):
            raise OSError("is not this user's alone: remove it, or `chmod 600` it if you made it")
        data = file.read(size + 1)
    if len(data) != size:
        raise OSError(f"does not hold {size} bytes: remove it, and a new one is made")
    return data
