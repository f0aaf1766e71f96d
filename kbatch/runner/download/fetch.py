"""Fetching a clip that is paid for: into its `.part`, resumed, verified; publishing it is the caller's.

Rules it keeps: a clip counts as fetched only when its announced length is there, the probe finds it whole and it is on
the disk; nothing raises but cancellation: a clip that is not fetched is a value that says why, and it stays owed. What
lacks its end stays in the `.part`: it may be all that there ever is.
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
from kbatch.runner.limits.retry import LONGEST_WAIT_S, retry_wait
from kbatch.runner.limits.waits import asked_for
from kbatch.storage import PartFile, examine, sha256_of

__all__ = ["FetchFailure", "FetchTerms", "Fetched", "NotFetched", "fetch"]

_log = logging.getLogger(__name__)

_STALE_ATTEMPTS = 2
_MOST_ATTEMPTS = 200


class Fetched(Struct, frozen=True, kw_only=True):
    """What the host serves is in the `.part` and on the disk, to its end.

    `media` is None of what is no clip that can be read: `fault` says why, and whether to live with it is the caller's.
    """

    sha256: str
    bytes: int
    media: ProbedMedia | None
    fault: str = ""


async def fetch(client: Client, url: str, part: PartFile, terms: FetchTerms | None = None) -> Fetched | NotFetched:
    """Fetch the clip at `url` into `part`, on from what is there; retried on a budget of its own."""
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
    for _ in range(_MOST_ATTEMPTS):
        outcome: Complete | RetryableFailure | Fetched | NotFetched = await attempt.run()
        if isinstance(outcome, Complete):
            outcome = await run_sync(_verify, part, outcome.rest)
        match outcome:
            case Fetched() | NotFetched():
                return outcome
            case RetryableFailure():
                fruitless = 0 if part.size > furthest else fruitless + 1  # bytes that were here before are no progress
                furthest = max(furthest, part.size)
                if fruitless >= (_STALE_ATTEMPTS if outcome.cause is FetchFailure.STALE else terms.attempts):
                    return NotFetched(message=outcome.message, cause=outcome.cause)
                asked_s = outcome.retry_after_s
                if asked_s is not None:
                    said = f"{outcome.message}; {asked_for('it', asked_s)}"
                    if asked_s > LONGEST_WAIT_S:
                        return NotFetched(message=said, cause=outcome.cause)
                    terms.on_wait(said)
                wait_s = retry_wait(fruitless - 1, terms.jitter(), retry_after_s=asked_s, scale=terms.scale)
                _log.info("%s: %s; fetched again in %.1f s", part.path.name, outcome.message, wait_s)
                await anyio.sleep(wait_s)
            case _:
                assert_never(outcome)
    return NotFetched(message=f"not whole after {_MOST_ATTEMPTS} attempts", cause=FetchFailure.LATER)


def _verify(part: PartFile, rest: bytes) -> Fetched | RetryableFailure:
    """Put the clip on the disk and look at it, all in one visit to a thread.

    One that came in one piece is looked at as it came: what was just written needs no reading.
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
