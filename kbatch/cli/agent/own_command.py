"""Runs a command of kbatch in a process of its own, with bounded output: the one place where kbatch starts itself.

A process of its own has the contract that people have, its output cannot mix with the protocol on stdout, and a run
handles its signals itself. The commands that only read are started without API keys, and none imports what lies in the
working folder (`-P`), which may be a stranger's checkout.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence

import anyio
from anyio.abc import ByteReceiveStream, Process
from msgspec import Struct

MOST_OUTPUT = 200_000
"""Bytes of stdout that are returned: some 50,000 tokens, more than an agent reads of one answer."""

_MOST_TALK = 20_000
_LONGEST_READING_S = 120.0  # a plan of 10,000 jobs takes seconds
_STOPPING_S = 15.0  # a run saves its state within 5 s after SIGTERM
_KEY = re.compile(r"_API_KEY(_|$)")


class Ended(Struct, frozen=True, kw_only=True):
    """What a command came to; `cut` when it printed more than is returned."""

    code: int
    out: str
    err: str
    cut: bool


async def run_kbatch(words: Sequence[str], *, spends: bool) -> Ended:
    """Run `kbatch WORDS…` to its end; a command that only reads has no key and is stopped after two minutes."""
    environment = dict(os.environ) if spends else _without_keys(os.environ)
    with anyio.move_on_after(None if spends else _LONGEST_READING_S):
        async with await anyio.open_process([sys.executable, "-P", "-m", "kbatch", *words], env=environment) as process:
            try:
                return await _read(process)
            finally:
                await _stop(process)
    return Ended(code=1, out="", err=f"stopped after {_LONGEST_READING_S:.0f} s: choose fewer jobs", cut=False)


def _without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not _KEY.search(name)}


async def _read(process: Process) -> Ended:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdin.aclose()
    out, err = bytearray(), bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_fill, out, process.stdout, MOST_OUTPUT + 1)
        tasks.start_soon(_fill, err, process.stderr, _MOST_TALK)
    code = await process.wait()
    text = bytes(out[:MOST_OUTPUT]).decode("utf-8", "replace")
    return Ended(code=code, out=text, err=bytes(err).decode("utf-8", "replace"), cut=len(out) > MOST_OUTPUT)


async def _fill(found: bytearray, stream: ByteReceiveStream, most: int) -> None:
    """Read a stream to its end, and keep its beginning."""
    async for data in stream:
        found += data[: max(0, most - len(found))]


async def _stop(process: Process) -> None:
    """End a process that a cancelled call leaves behind: a run gets the time to save its state."""
    if process.returncode is not None:
        return
    with anyio.CancelScope(shield=True):
        process.terminate()
        with anyio.move_on_after(_STOPPING_S):
            await process.wait()
        if process.returncode is None:
            process.kill()
