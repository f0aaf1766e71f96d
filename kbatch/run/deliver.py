"""Brings a rendered clip to its place: fetched, verified against what was bought, recorded; or it stays visibly owed."""

from typing import Any

import anyio

from kbatch import files
from kbatch.files import PartFile
from kbatch.media.mp4 import Media, wrong
from kbatch.plan.actions import Entry
from kbatch.providers.base import Failed, NotNow, Running, Succeeded
from kbatch.receipts.events import Fact
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import ReceiptState
from kbatch.run.collect import StillOwed, poll
from kbatch.run.context import Line, Run
from kbatch.run.attempt import NotFetched, Terms, Why
from kbatch.run.download import Fetched, fetch
from kbatch.run.happenings import Moment
from kbatch.run.places import make_room

_FRESH_URLS = 3


async def deliver(run: Run, line: Line, entry: Entry, found: Succeeded) -> tuple[str, ...] | StillOwed:
    """Fetch the clip to the job's output; return how it differs from what was bought, empty when it does not."""
    finished = await _finish_interrupted(run, entry)
    if finished is not None:
        return finished
    target = run.folder / entry.job.draft.output
    for attempt in range(_FRESH_URLS):
        part = await anyio.to_thread.run_sync(PartFile, target)
        try:
            terms = Terms(allow_hosts=run.options.allow_hosts, scale=line.scale)
            run.say(Moment.DOWNLOADING, entry.address)
            fetched = await fetch(line.client, found.url, part, terms)
            if isinstance(fetched, Fetched):
                return await _publish(run, entry, part, fetched)
        finally:
            part.close()
        if fetched.why is not Why.STALE:
            return StillOwed(reason=_why(fetched))
        fresh = await _fresh_url(run, line, entry, attempt)
        if not isinstance(fresh, Succeeded):
            return fresh
        found = fresh
    return StillOwed(reason=f"paid and not fetched: {fetched.message}; `kbatch pull` tries again")


async def _fresh_url(run: Run, line: Line, entry: Entry, attempt: int) -> Succeeded | StillOwed:
    """Poll again: providers sign a new URL for each answer."""
    for again in range(_FRESH_URLS):
        await run.wait(line, attempt + again, None)
        outcome = await poll(run, line, entry)
        match outcome:
            case Succeeded():
                return outcome
            case Failed(message=message):
                return StillOwed(reason=f"rendered earlier, and now the provider says: {message}")
            case Running() | NotNow():
                continue
    return StillOwed(reason="the provider does not give a URL of the clip at present; `kbatch pull` tries again")


def _why(fetched: NotFetched) -> str:
    hint = "; `kbatch pull --allow-host HOST` fetches it" if fetched.why is Why.REFUSED else "; `kbatch pull` tries again"
    return f"paid and not fetched: {fetched.message}{hint}"


async def _publish(run: Run, entry: Entry, part: PartFile, fetched: Fetched) -> tuple[str, ...]:
    clip = entry.job.clip
    reasons = wrong(fetched.media, seconds=clip.duration_s, audio=clip.audio)
    data = {
        "job_id": run.renders[entry.job.fingerprint].job_id,
        "path": entry.job.draft.output,
        "sha256": fetched.sha256,
        "bytes": fetched.bytes,
        "media": _media(fetched.media),
    }
    await _record(run, entry, Kind.DOWNLOADED, data)
    async with run.places:
        await make_room(run, entry.job.draft.output)
        await anyio.to_thread.run_sync(part.publish)
    await _delivered(run, entry, data, reasons)
    return reasons


async def _delivered(run: Run, entry: Entry, data: dict[str, Any], reasons: tuple[str, ...]) -> None:
    if reasons:
        await _record(run, entry, Kind.DELIVERED_WRONG, {**data, "reasons": list(reasons)})
    else:
        await _record(run, entry, Kind.DELIVERED, data)


async def _record(run: Run, entry: Entry, kind: Kind, data: dict[str, Any]) -> None:
    attempt = run.renders[entry.job.fingerprint].attempt
    await run.record(Fact(kind=kind, fingerprint=entry.job.fingerprint, attempt=attempt, data=data))


async def _finish_interrupted(run: Run, entry: Entry) -> tuple[str, ...] | None:
    """Finish a delivery that was cut off after its digest was recorded; None when the clip has to be fetched."""
    receipt = run.renders[entry.job.fingerprint]
    output = receipt.output
    if receipt.state is not ReceiptState.RENDERED or output is None or output.path != entry.job.draft.output:
        return None
    target = run.folder / output.path
    part = target.with_name(target.name + ".part")
    for place in (target, part):
        if files.size_of(place) != output.bytes:
            continue
        if await anyio.to_thread.run_sync(files.sha256_of, place) != output.sha256:
            continue
        if place == part:
            async with run.places:
                await make_room(run, output.path)
                await anyio.to_thread.run_sync(PartFile(target).publish)
        media = Media(
            duration=output.media.duration,
            width=output.media.width,
            height=output.media.height,
            fps=output.media.fps,
            audio=output.media.audio,
        )
        clip = entry.job.clip
        reasons = wrong(media, seconds=clip.duration_s, audio=clip.audio)
        data = {
            "job_id": receipt.job_id,
            "path": output.path,
            "sha256": output.sha256,
            "bytes": output.bytes,
            "media": _media(media),
        }
        await _delivered(run, entry, data, reasons)
        return reasons
    return None


def _media(media: Media) -> dict[str, Any]:
    return {
        "duration": media.duration,
        "width": media.width,
        "height": media.height,
        "fps": media.fps,
        "audio": media.audio,
    }
