"""The lock of a state, with who holds it."""

import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from kbatch.files.writing import write_atomic
from kbatch.problems import Refused


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
