"""The lock of a state, with a record of its holder."""

import errno
import json
import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from kbatch.errors import Refused
from kbatch.storage.atomic import own, remove, write_atomic
from kbatch.storage.open_folder import OpenFolder
from kbatch.storage.reading import read_bytes

_log = logging.getLogger(__name__)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system without locks says: some network and FUSE mounts."""
_CARD_BYTES = 4096


class Holder(Struct, frozen=True, kw_only=True):
    """The holder of a lock: process id, host name and start time in UTC."""

    pid: int
    host: str
    since: str


class Lock:
    """The operating system's lock on a state: released when its holder dies, refused while it lives."""

    def __init__(self, path: Path, *, break_foreign: bool = False) -> None:
        self.path = path
        self._card = path.with_name(path.name + ".holder.json")
        self._break_foreign = break_foreign

    def holder(self) -> Holder | None:
        """Return the last holder that did not release the lock, None when unknown."""
        try:
            card = json.loads(read_bytes(self._card, limit=_CARD_BYTES))
            return Holder(pid=int(card["pid"]), host=str(card["host"]), since=str(card["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __enter__(self) -> Self:
        import socket  # noqa: PLC0415 - 2 ms of a start, and only what runs takes a lock

        import filelock  # noqa: PLC0415

        here = socket.gethostname()
        self._lock = filelock.FileLock(checked(self.path), timeout=0)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise self._refusal(self.holder(), "is running on this state") from error
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise
            raise self._no_locks(error) from error
        holder = self.holder()
        if holder is not None and holder.host != here and not self._break_foreign:
            self._lock.release()
            raise self._refusal(holder, "on another host may be running on this state", hint="--break-lock takes over")
        card = {"pid": os.getpid(), "host": here, "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        write_atomic(self._card, json.dumps(card).encode())
        _log.info("locked %s", self.path)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with suppress(OSError):  # its folder may be another by now; what the run did is not undone by that
                remove(self._card)
        finally:
            self._lock.release()
            _log.info("unlocked %s", self.path)

    def _no_locks(self, error: Exception) -> Refused:
        said = error.strerror if isinstance(error, OSError) else "not supported"
        message = f"the file system of `{self.path.parent}` has no locks ({said}), so a second run would not be refused"
        hint = "keep the manifest, or with `--lockfile` its state, on a disk of this machine, or mount it with locks"
        return Refused("no-locks", message, hint=hint)

    def _refusal(self, holder: Holder | None, what: str, *, hint: str | None = None) -> Refused:
        who = f"pid {holder.pid} on {holder.host} since {holder.since}" if holder else "its holder left no name"
        return Refused("locked", f"another kbatch {what}: {who} ({self.path})", hint=hint)


def checked(path: Path) -> Path:
    """Return where a lock really lies, its folder made; LinkRefused where its file would be another's.

    Some versions of filelock empty the file that they lock.
    """
    with OpenFolder(path.parent, make=True) as folder:
        if folder.status(path.name) is not None:
            os.close(folder.grow(path.name, new=False))
            own(folder, path.name)
        return folder.path / path.name
