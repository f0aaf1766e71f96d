"""Where clips lie: a paid clip is never overwritten, only moved aside, and comes back when a job wants it again.

What stands at a target without being the wanted clip moves to `<output dir>/.kept/<its sha256>.mp4`, whether a receipt
knows it, a hand changed it, or nobody knows it.
"""

from pathlib import Path

import anyio

from kbatch import files
from kbatch.receipts.events import Fact
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Receipt
from kbatch.run.context import Run
from kbatch.run.happenings import Moment


def kept_path(root: str, digest: str) -> str:
    """Return where a clip is kept that no job wants at present.

    >>> kept_path("renders", "ab12")
    'renders/.kept/ab12.mp4'
    """
    return f"{root}/.kept/{digest}.mp4"


async def make_room(run: Run, output: str, *, wanted: str | None = None) -> None:
    """Leave nothing at `output` but the clip with the digest `wanted`; what stands there otherwise is kept aside."""
    target = run.folder / output
    if files.size_of(target) is None:
        return
    digest = await anyio.to_thread.run_sync(files.sha256_of, target)
    if digest == wanted:
        return
    aside = kept_path(run.confirmed.plan.settings.output_root, digest)
    place = run.folder / aside
    if files.size_of(place) is None:
        await anyio.to_thread.run_sync(files.move, target, place)
    else:
        await anyio.to_thread.run_sync(files.remove, target)
    for fingerprint, owner in _owners(run, output, digest):
        await run.record(Fact(kind=Kind.MOVED, fingerprint=fingerprint, attempt=owner.attempt, data={"job_id": owner.job_id, "path": aside}))
    run.say(Moment.MOVED, None, f"{output} was kept aside as {aside}")


def _owners(run: Run, output: str, digest: str) -> list[tuple[str, Receipt]]:
    """Return the receipts whose clip lies at `output`, a clip that was changed by hand having none."""
    return [
        (fingerprint, one)
        for fingerprint, receipt in run.renders.items()
        for one in (receipt, *receipt.also)
        if one.output is not None and one.output.placed and one.output.path == output and one.output.sha256 == digest and one.job_id
    ]


async def bring(run: Run, fingerprint: str, output: str, *, keep: bool) -> bool:
    """Put the clip of a receipt at `output`: moved there, or linked when another job keeps it; True when it is there.

    A clip that is not on this disk stays where its receipt says; fetching it is not done here.
    """
    receipt = run.renders[fingerprint]
    if receipt.output is None or not receipt.output.placed:
        return False
    async with run.places:
        here = run.folder / receipt.output.path
        target = run.folder / output
        if here == target:
            return files.size_of(target) is not None
        if files.size_of(here) is None:
            return await _is(target, receipt.output.sha256)
        if await anyio.to_thread.run_sync(files.sha256_of, here) != receipt.output.sha256:
            return False
        await make_room(run, output, wanted=receipt.output.sha256)
        if files.size_of(target) is None:
            act = files.link_or_copy if keep else files.move
            await anyio.to_thread.run_sync(act, here, target)
        elif not keep:
            await anyio.to_thread.run_sync(files.remove, here)
        if not keep:
            data = {"job_id": receipt.job_id, "path": output}
            await run.record(Fact(kind=Kind.MOVED, fingerprint=fingerprint, attempt=receipt.attempt, data=data))
            run.say(Moment.MOVED, None, f"{receipt.output.path} moved to {output}")
        return True


async def keep_orphans(run: Run, wanted: frozenset[str]) -> None:
    """Move the clips of receipts that no job of any profile refers to into `.kept/`; their receipts follow."""
    for fingerprint, receipt in list(run.renders.items()):
        output = receipt.output
        if fingerprint in wanted or output is None or not output.placed or "/.kept/" in output.path:
            continue
        here = run.folder / output.path
        if files.size_of(here) == output.bytes and await _is(here, output.sha256):
            await make_room(run, output.path)


async def _is(path: Path, digest: str) -> bool:
    return files.size_of(path) is not None and await anyio.to_thread.run_sync(files.sha256_of, path) == digest
