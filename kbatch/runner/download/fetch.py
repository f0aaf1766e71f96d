"""Downloads a paid clip into its `.part`, resumed and verified; the caller moves it to its path.

A clip counts as downloaded only when its announced length is there, the probe finds it whole and it is synced to disk.
Only cancellation raises: a failure is a value with its cause, and the clip stays owed. An incomplete file stays in the
`.part`, since it may be all that can be had.
"""

import logging
from hashlib import sha256
from typing import assert_never

import anyio
from anyio.to_thread import run_sync
from msgspec import Struct

from kbatch.media.mp4 import NotWhole, ProbedMedia, probe
from kbatch.providers.http.client import Client
from kbatch.runner.download.attempt import Attempt, Complete, FetchFailure, FetchTerms, NotFetched, RetryableFailure
from kbatch.runner.limits.retry import DOWNLOADS_IN_ALL, STALE_TRIES, pause
from kbatch.runner.limits.waits import asked_for
from kbatch.storage import PartFile, examine, sha256_of

__all__ = ["FetchFailure", "FetchTerms", "Fetched", "NotFetched", "fetch"]

_log = logging.getLogger(__name__)


class Fetched(Struct, frozen=True, kw_only=True):
    """A complete file, synced in the `.part`.

    `media` is None when the file is no readable clip: `fault` says why, and the caller decides whether to keep it.
    """

    sha256: str
    bytes: int
    media: ProbedMedia | None
    fault: str = ""


async def fetch(client: Client, url: str, part: PartFile, terms: FetchTerms | None = None) -> Fetched | NotFetched:
    """Download the clip at `url` into `part`, resuming after its bytes; retried within the bounds of `terms`."""
    terms = terms or FetchTerms()
    try:
        with anyio.move_on_after(terms.total_s):
            return await _fetch(client, url, part, terms)
    except OSError as error:
        return NotFetched(message=f"{part.path.name}: {error.strerror or error}", cause=FetchFailure.DISK)
    return NotFetched(message=f"not fetched within {terms.total_s:g} s", cause=FetchFailure.LATER)


async def _fetch(client: Client, url: str, part: PartFile, terms: FetchTerms) -> Fetched | NotFetched:
    attempt = Attempt(client=client, url=url, part=part, terms=terms)
    fruitless, furthest = 0, part.size
    for _ in range(DOWNLOADS_IN_ALL):
        outcome: Complete | RetryableFailure | Fetched | NotFetched = await attempt.run()
        if isinstance(outcome, Complete):
            outcome = await run_sync(_verify, part, outcome.rest)
        match outcome:
            case Fetched() | NotFetched():
                return outcome
            case RetryableFailure():
                fruitless = 0 if part.size > furthest else fruitless + 1  # only new bytes count as progress
                furthest = max(furthest, part.size)
                if fruitless >= (STALE_TRIES if outcome.cause is FetchFailure.STALE else terms.attempts):
                    return NotFetched(message=outcome.message, cause=outcome.cause)
                asked_s, message = outcome.retry_after_s, outcome.message
                if asked_s is not None:
                    message += f"; {asked_for('it', asked_s)}"
                    terms.on_wait(message)
                _log.info("%s: %s", part.path.name, message)
                if not await pause(
                    fruitless - 1,
                    asked_s,
                    name=part.path.name,
                    scale=terms.scale,
                    jitter=terms.jitter(),
                    sleep=anyio.sleep,
                ):
                    return NotFetched(message=message, cause=outcome.cause)
            case _:
                assert_never(outcome)
    return NotFetched(message=f"not whole after {DOWNLOADS_IN_ALL} attempts", cause=FetchFailure.LATER)


def _verify(part: PartFile, rest: bytes) -> Fetched | RetryableFailure:
    """Write, sync and probe the clip in one thread call.

    A clip that arrived in one piece is probed from memory, which saves reading it back.
    """
    whole = None if part.size else rest
    part.write(rest)
    part.sync()
    media = examine(part.path, probe) if whole is None else probe(whole)
    if isinstance(media, NotWhole) and (media.cut or media.blank):
        if media.blank:
            part.restart()
        return RetryableFailure(message=f"what was fetched is no whole clip: {media.message}", cause=FetchFailure.STALE)
    digest = sha256_of(part.path) if whole is None else sha256(whole).hexdigest()
    part.close()
    if isinstance(media, NotWhole):
        return Fetched(sha256=digest, bytes=part.size, media=None, fault=media.message)
    return Fetched(sha256=digest, bytes=part.size, media=media)
