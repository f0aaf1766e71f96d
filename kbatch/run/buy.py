"""Buys one job: the only place from which a paying request leaves.

Write before spend: the intention is on the disk before the first byte of the request leaves, the job id before anything
else is done with the answer. A first send may be repeated only after an answer that says "not accepted"; whatever else
comes back is unknown, and only a provider with an idempotency key is asked again, with the same key and the same bytes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import anyio

from kbatch.catalog.bodies import publish
from kbatch.plan.actions import Entry
from kbatch.problems import KbatchError
from kbatch.providers.base import Accepted, Listed, NotAccepted, NotNow, Reason, Reply, SubmitOutcome, Unknown
from kbatch.receipts.events import Fact
from kbatch.receipts.fold import next_attempt
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Receipt
from kbatch.run.context import FATAL, Line, Run
from kbatch.run.happenings import Moment
from kbatch.run.inputs import NotPublished, publish_inputs
from kbatch.run.lookup import find_job

RESEND_WINDOW = timedelta(hours=20)
_TRIES = {Reason.RATE: 30, Reason.UNAVAILABLE: 6, Reason.NO_CONNECTION: 5}
_RESENDS = 5
_NEVER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """The purchase stands; `credits` is what the provider said it charges, where it said so with the acceptance."""

    credits: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBought:
    """Nothing was charged, for sure; `skipped` when it was not even tried."""

    reason: str
    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeBought:
    """Nobody knows yet; the credits stay held."""

    reason: str


Purchase = Bought | NotBought | MaybeBought


def idempotency_key(fingerprint: str, attempt: int) -> str:
    """Return the key of a purchase: the same for everyone who buys the same attempt of the same job."""
    return "kbatch-" + sha256(f"{fingerprint}:{attempt}".encode()).hexdigest()


async def buy(run: Run, line: Line, entry: Entry) -> Purchase:
    """Publish the pictures, write the intention, send, and record the answer."""
    job = entry.job
    try:
        words, inputs = await publish_inputs(run, line, job)
    except (NotPublished, KbatchError) as error:
        return NotBought(reason=str(error))
    body = publish(job.card, job.request, words)
    attempt = next_attempt(run.renders.get(job.fingerprint))
    key = idempotency_key(job.fingerprint, attempt)
    intention = {
        "address": job.address,
        "provider": job.provider,
        "model": job.model,
        "variant": job.quote.variant,
        "origin": line.origin,
        "key": key,
        "credits": job.quote.credits,
        "request": dict(job.request),
        "inputs": inputs,
        "body": body.decode() if line.provider.resends else None,
        "provider_time": _their_time(line),
    }
    tries: dict[Reason, int] = {}
    while True:
        if not run.may_submit() or line.stopped:
            return NotBought(reason=line.why or "the run is stopping", skipped=True)
        outcome = await _send_first(run, line, job.fingerprint, attempt, intention, body)
        match outcome:
            case Accepted():
                return Bought(credits=outcome.credits)
            case Unknown():
                run.say(Moment.UNKNOWN, job.address, outcome.message, provider=job.provider)
                return await settle(run, line, run.renders[job.fingerprint])
            case NotAccepted():
                waited = await _after_refusal(run, line, outcome, tries)
                if not waited:
                    return NotBought(reason=outcome.message)


async def _send_first(
    run: Run, line: Line, fingerprint: str, attempt: int, intention: dict[str, Any], body: bytes
) -> SubmitOutcome:
    """Write the intention, send, and record what the answer says, shielded: a stop must not lose an answer."""
    scope = anyio.CancelScope(shield=True, deadline=anyio.current_time() + _NEVER_S)
    run.stopping.scopes.add(scope)
    outcome: SubmitOutcome = Unknown(message="kbatch was stopped before the answer came")
    try:
        with anyio.CancelScope(shield=True):
            await run.record(Fact(kind=Kind.INTENDED, fingerprint=fingerprint, attempt=attempt, data=intention))
            run.touched.add((fingerprint, attempt))
            with scope:
                reply = await _send(run, line, body, intention["key"])
                outcome = line.provider.read_submit(reply, first=True)
            await _record_answer(run, line, fingerprint, attempt, outcome, by="submit")
    finally:
        run.stopping.scopes.discard(scope)
    return outcome


async def _send(run: Run, line: Line, body: bytes, key: str) -> Reply:
    request = line.provider.submit(body, idempotency_key=key)
    return await line.ask(request, timeout_s=run.options.submit_timeout_s)


async def _record_answer(
    run: Run, line: Line, fingerprint: str, attempt: int, outcome: SubmitOutcome, *, by: str
) -> None:
    sent_at = run.renders[fingerprint].submitted_at
    kind: Kind
    data: dict[str, Any]
    match outcome:
        case Accepted(job_id=job_id):
            kind, data = Kind.ACCEPTED, {"job_id": job_id, "account": line.account, "by": by}
        case NotAccepted(reason=reason, message=message):
            kind, data = Kind.REFUSED, {"reason": reason.value, "message": message, "by": "submit"}
        case Unknown(message=message):
            kind, data = Kind.LOST, {"message": message}
    await run.record(Fact(kind=kind, fingerprint=fingerprint, attempt=attempt, data={"sent_at": sent_at, **data}))


async def _after_refusal(run: Run, line: Line, outcome: NotAccepted, tries: dict[Reason, int]) -> bool:
    """Wait when the refusal may pass, True then; note when it concerns the whole provider."""
    if outcome.reason in FATAL:
        line.stop(outcome.reason, outcome.message)
        return False
    attempt = tries.get(outcome.reason, 0)
    tries[outcome.reason] = attempt + 1
    if tries[outcome.reason] >= _TRIES.get(outcome.reason, 1):
        return False
    if outcome.reason is Reason.RATE:
        line.slots.pushed_back(anyio.current_time())
    run.say(Moment.WAITING, None, outcome.message, provider=line.provider.name)
    await run.wait(line, attempt, outcome.retry_after_s)
    return True


# when nobody knows


async def settle(run: Run, line: Line, receipt: Receipt) -> Purchase:
    """Find out what became of a send without an answer: the same key again while that is safe, else the job list."""
    fingerprint = next(key for key, known in run.renders.items() if known is receipt)
    address = receipt.address or fingerprint[:12]
    if line.provider.resends and receipt.body is not None:
        for attempt in range(_RESENDS):
            if run.stopping.hard or not _within_window(line, receipt):
                break
            await run.wait(line, attempt, None)
            outcome = await _resend(run, line, fingerprint, receipt)
            if isinstance(outcome, Accepted):
                return Bought(credits=outcome.credits)
            if isinstance(outcome, Unknown) and outcome.exists:
                break
    if line.provider.lists_jobs and not run.stopping.hard:
        found = await find_job(run, line, receipt)
        if isinstance(found, Listed):
            data = {"sent_at": receipt.submitted_at, "job_id": found.job_id, "account": line.account, "by": "list"}
            await run.record(Fact(kind=Kind.ACCEPTED, fingerprint=fingerprint, attempt=receipt.attempt, data=data))
            return Bought(credits=found.credits)
        if isinstance(found, NotNow):
            run.say(Moment.NOTE, address, f"the job list cannot be read: {found.message}")
    return MaybeBought(reason="sent, and nobody knows whether it was accepted: `kbatch reconcile` settles it")


async def _resend(run: Run, line: Line, fingerprint: str, receipt: Receipt) -> SubmitOutcome:
    scope = anyio.CancelScope(shield=True, deadline=anyio.current_time() + _NEVER_S)
    run.stopping.scopes.add(scope)
    outcome: SubmitOutcome = Unknown(message="kbatch was stopped before the answer came")
    try:
        with anyio.CancelScope(shield=True):
            run.touched.add((fingerprint, receipt.attempt))
            with scope:
                reply = await _send(run, line, (receipt.body or "").encode(), receipt.key)
                outcome = line.provider.read_submit(reply, first=False)
            await _record_answer(run, line, fingerprint, receipt.attempt, outcome, by="resend")
    finally:
        run.stopping.scopes.discard(scope)
    return outcome


def _their_time(line: Line) -> str:
    return (datetime.now(UTC) + timedelta(seconds=line.skew_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _within_window(line: Line, receipt: Receipt) -> bool:
    """Whether the provider still knows the key, by its own clock: less than 20 of its 24 hours have passed."""
    sent = receipt.provider_time or receipt.submitted_at
    if sent is None:
        return False
    age = datetime.now(UTC) + timedelta(seconds=line.skew_s) - datetime.fromisoformat(sent)
    return timedelta(minutes=-5) <= age < RESEND_WINDOW
