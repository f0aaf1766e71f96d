"""Locks of the operating system without a card of their holder: a short wait for one, or a look whether it is held."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kbatch.errors import Refused
from kbatch.storage.lock import checked


class Lease:
    """A lock that is held from one thread to another until it is released, or its process ends."""

    def __init__(self, lock: Any, path: Path) -> None:
        self._lock = lock
        self._path = path

    def release(self) -> None:
        """Release the lock; its file stays for who may wait for it."""
        self._lock.release()

    def end(self) -> None:
        """Release the lock and remove its file, which none waits for."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._lock.release()


def lease(path: Path, *, wait_s: float = 0) -> Lease | None:
    """Return the lock at a path, None where another holds it for longer than the wait; it blocks."""
    import filelock  # noqa: PLC0415 - only what is bounded by envelopes takes one

    lock = filelock.FileLock(checked(path), timeout=wait_s, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        return None
    except NotImplementedError as error:
        raise Refused("no-locks", f"the file system of `{path.parent}` has no locks: not supported") from error
    return Lease(lock, path)


@contextmanager
def exclusive(path: Path, *, wait_s: float) -> Iterator[None]:
    """Hold the lock at a path for the time of the block; Refused where another holds it for longer than the wait."""
    held = lease(path, wait_s=wait_s)
    if held is None:
        raise Refused("locked", f"another kbatch holds `{path}` for more than {wait_s:.0f} s", hint="try again")
    try:
        yield
    finally:
        held.release()
