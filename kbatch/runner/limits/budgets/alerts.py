"""Thresholds of envelopes: the user's command is called once, with JSON on stdin, and can stop or repay nothing.

A threshold is recorded before its command is called, so that it is called at most once: for this envelope, period,
provider and amount of credits on this machine. The command is that of the user's own file of budgets, split into words;
no shell reads it, and it gets no key. It has a bounded time; that it failed is said.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from signal import SIGTERM
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import Process

from kbatch import storage
from kbatch.planner.budgets.envelopes import EnvelopeUse, Threshold, as_document, reached
from kbatch.receipts.journal.seals import Seals
from kbatch.runner.limits.budgets.budget_state import Budgets
from kbatch.storage.state_key import make_key

_LONGEST_S = 20.0
"""For a message to a chat or a mail server; the run waits no longer for it at its end."""
_SECRET = ("_API_KEY", "KBATCH_STATE_KEY")
"""Parts of the names of variables that hold keys of this program."""


class Alerts:
    """Calls the commands of thresholds; `say` gets what is to be said of them."""

    def __init__(
        self, budgets: Budgets, environment: Mapping[str, str], say: Callable[[str], None], *, simulated: bool
    ) -> None:
        self._budgets = budgets
        self._environment = {
            name: value for name, value in environment.items() if not any(part in name.upper() for part in _SECRET)
        }
        self._say = say
        self._simulated = simulated
        self._told: set[str] = set()

    async def tell(self, uses: Iterable[EnvelopeUse]) -> None:
        """Call the commands of all thresholds that are reached and were not called before."""
        for use in uses:
            for threshold in reached(use):
                name = self._name(use, threshold)
                if name not in self._told:
                    self._told.add(name)
                    await self._tell(use, threshold, name)

    def _name(self, use: EnvelopeUse, threshold: Threshold) -> str:
        what = [use.envelope.name, use.period, use.provider, use.limit, threshold.percent, self._simulated]
        return sha256(json.dumps(what).encode()).hexdigest()[:32]

    async def _tell(self, use: EnvelopeUse, threshold: Threshold, name: str) -> None:
        document = {**as_document(use), "percent": threshold.percent}
        data = json.dumps(document, indent=2).encode() + b"\n"
        what = f"envelope `{use.envelope.name}`: {threshold.percent}% of {use.provider}'s credits are used or held"
        if self._simulated:  # it would alarm people about what costs nothing
            self._say(f"{what}; `{threshold.command[0]}` is not called in a simulation")
            return
        try:
            first = await anyio.to_thread.run_sync(self._record, name, document)
        except OSError as error:
            self._say(f"{what}; its command is not called, since that cannot be recorded: {error.strerror}")
            return
        if not first:
            return
        try:
            trouble = await _call(threshold.command, data, self._budgets.path.parent, self._environment)
        except Exception as error:  # whatever a user's program does to its pipes must not end a run that pays
            trouble = f"failed: {error!r}"
        self._say(f"{what}{f'; `{threshold.command[0]}` {trouble}' if trouble else ''}")

    def _record(self, name: str, document: Mapping[str, Any]) -> bool:
        """Record durably that a threshold was reached; False where this user's seal says that it was before.

        A record without it may have come with a checkout, to keep an alarm quiet, and is replaced.
        """
        path = self._budgets.folder / "told" / f"{name}.json"
        seal = Seals(key=make_key().secret, stem=self._budgets.path.name).of("threshold", name.encode())
        data = json.dumps({**document, "seal": seal}, indent=2).encode() + b"\n"
        try:
            storage.write_new(path, data)
        except FileExistsError:
            if _seal_in(storage.read_bytes(path)) == seal:
                return False
            storage.write_atomic(path, data)
        return True


def _seal_in(data: bytes) -> object:
    try:
        return dict(json.loads(data)).get("seal")
    except (ValueError, TypeError):
        return None


async def _call(command: tuple[str, ...], data: bytes, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command to its end and return what went wrong, empty when nothing did."""
    try:
        process = await anyio.open_process(
            command,
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot be called: {getattr(error, 'strerror', None) or error}"
    try:
        with anyio.fail_after(_LONGEST_S):
            await _feed(process, data)
            code = await process.wait()
    except TimeoutError:
        return f"was stopped after {_LONGEST_S:.0f} s"
    finally:
        if process.returncode is None:
            _stop(process)
        with anyio.CancelScope(shield=True):
            await process.aclose()
    return f"ended with {code}" if code else ""


async def _feed(process: Process, data: bytes) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it need not read it
        if process.stdin is not None:
            await process.stdin.send(data)
            await process.stdin.aclose()


def _stop(process: Process) -> None:
    """Stop a command with what it has started; on Windows the command alone."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, SIGTERM)
    with suppress(ProcessLookupError):
        process.kill()
