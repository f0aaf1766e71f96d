"""Submits one job: the only module that sends paying requests.

Write before spend: `intended` is on the disk before the first byte of the request is sent, and the job id before the
answer is used otherwise. A first send is repeated only after an answer that says "not accepted". Every other answer is
unknown, and only a provider with idempotency keys gets a resend, with the same key and the same bytes.
"""

import logging
from datetime import datetime
from hashlib import sha256

import anyio
from msgspec import UNSET, Struct
from msgspec.structs import replace

from kbatch.models.body import publish
from kbatch.planner.actions import PlanEntry
from kbatch.planner.jobs import Job
from kbatch.providers.base import Accepted, NotAccepted, Reason, Request, SubmitOutcome, Unknown
from kbatch.providers.endpoints import at_endpoint, endpoint_for
from kbatch.providers.request_records import request_records
from kbatch.receipts import event_data
from kbatch.receipts.event_data import AcceptedBy, EventData, Intended, Lost, Refused
from kbatch.receipts.events import Fact
from kbatch.receipts.fold import next_attempt
from kbatch.receipts.receipt import Purchase, Receipt, without_queries
from kbatch.runner.context import FATAL, ProviderSession, Run
from kbatch.runner.limits.retry import SUBMIT_TRIES, retry_wait
from kbatch.runner.limits.waits import until
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.uploads import NotPublished, Published, publish_inputs

_log = logging.getLogger(__name__)

_STOPPED = "the run is stopping"
_TURNED = "the month has turned as it was to be sent, and its credits are reserved in the other one: run again"


class Submitted(Struct, frozen=True, kw_only=True):
    """The provider accepted the job; `credits` is the charge where the acceptance reports one."""

    credits: int | None


class NotSubmitted(Struct, frozen=True, kw_only=True):
    """Nothing was charged; `skipped`: no request was sent, `blocked`: it waits for what the reason says.

    `fields` are the paths of the fields that the provider refused.
    """

    reason: str
    fields: tuple[str, ...] = ()
    skipped: bool = False
    blocked: bool = False


class SubmitUnknown(Struct, frozen=True, kw_only=True):
    """The outcome is unknown and the credits stay reserved; `exists`: the provider says that the purchase exists.

    `final`: to ask the provider's log again will not settle it.
    """

    reason: str
    exists: bool = False
    final: bool = False
    retry_after_s: float | None = None


SubmitResult = Submitted | NotSubmitted | SubmitUnknown


def idempotency_key(fingerprint: str, attempt: int) -> str:
    """Return the `Idempotency-Key` of a purchase: the same on every machine for one attempt of one job."""
    return "kbatch-" + sha256(f"{fingerprint}:{attempt}".encode()).hexdigest()


async def submit(run: Run, session: ProviderSession, entry: PlanEntry) -> SubmitResult:
    """Upload the images, record `intended`, send, and record the answer; repeated after temporary refusals."""
    published: Published | None = None
    tries: dict[Reason, int] = {}
    while True:
        async with session.submit_turn:  # one at a time, so that polls need not wait behind all that wait to submit
            await run.shutdown.pause(session.turn())
        if not run.may_submit() or session.stopped or session.closed_reason:
            return NotSubmitted(reason=session.stop_reason or session.closed_reason or _STOPPED, skipped=True)
        try:
            if published is None or published.stale(session):
                published = await publish_inputs(run, session, entry.job)
        except NotPublished as error:
            skipped = (run.shutdown.graceful or bool(session.closed_reason)) and not session.stopped
            return NotSubmitted(reason=error.message, skipped=skipped, blocked=error.frame)
        objection = await run.admit()
        if objection is not None:
            return NotSubmitted(reason=objection, skipped=True)
        with run.download_slots.purchase():
            outcome = await _send_first(run, session, entry, published)
        match outcome:
            case None:
                return NotSubmitted(reason=_STOPPED if run.shutdown.graceful else _TURNED, skipped=True)
            case Accepted(credits=credits):
                return Submitted(credits=credits)
            case Unknown():
                return SubmitUnknown(reason=outcome.message, exists=outcome.exists, retry_after_s=outcome.retry_after_s)
            case NotAccepted():
                if not await _after_refusal(run, session, outcome, tries):
                    skipped = bool(session.closed_reason) and not session.stopped
                    reason = session.closed_reason if skipped else outcome.message
                    return NotSubmitted(reason=reason, skipped=skipped, fields=outcome.fields)


async def _send_first(
    run: Run, session: ProviderSession, entry: PlanEntry, published: Published
) -> SubmitOutcome | None:
    """Record `intended`, send, and record the answer; None when a shutdown or another month came before the send.

    Shielded from cancellation as a whole, so that neither an answer nor its record is lost.
    """
    job = entry.job
    fingerprint, attempt = job.fingerprint, next_attempt(run.renders.get(job.fingerprint))
    body = session.with_webhook(publish(job.card, job.request, published.values))
    intention = _intention(session, entry, published, attempt, body)
    if run.purchase is not None:
        intention = replace(intention, purchase=_purchase(run.purchase, job))
    with anyio.CancelScope(shield=True):
        await run.record(Fact(fingerprint=fingerprint, attempt=attempt, data=intention))
        sent_at = _sent_at(run, fingerprint)
        turned = run.budgets is not None and not run.budgets.holds(sent_at)
        if run.shutdown.graceful or turned:
            message = f"not sent, {_STOPPED if run.shutdown.graceful else 'the month has turned'}"
            unsent = Refused(sent_at=sent_at, reason="not-sent", message=message, by="submit")
            await _record(run, fingerprint, unsent)
            return None
        run.touched.add((fingerprint, attempt))
        provider = at_endpoint(session.provider, intention.endpoint or None)
        request = provider.submit(body, idempotency_key=intention.key)
        outcome = await _send(run, session, request, first=True)
        outcome = _reject_claimed_job(run, session, fingerprint, attempt, outcome)
        await record_answer(run, session, fingerprint, outcome, by="submit")
    return outcome


def _intention(session: ProviderSession, entry: PlanEntry, published: Published, attempt: int, body: bytes) -> Intended:
    job = entry.job
    provider_time, key = session.provider_time(), idempotency_key(job.fingerprint, attempt)
    return Intended(
        address=job.address,
        provider=job.provider,
        model=job.model,
        variant=job.quote.variant,
        origin=session.origin,
        account=session.account,
        key=key,
        client_request_id=UNSET if request_records(session.provider) is None else key,
        credits=entry.credits,
        request=dict(job.request),
        inputs={name: dict(used) for name, used in published.record.items()},
        body=body.decode() if session.provider.resend_within else None,
        provider_time=provider_time.strftime("%Y-%m-%dT%H:%M:%SZ") if provider_time else None,
        endpoint=endpoint_for(session.provider, job.card) or UNSET,
    )


def _purchase(of_run: Purchase, job: Job) -> Purchase:
    labels, axes = without_queries(job.draft.labels), dict(job.draft.axes)
    return replace(of_run, address=job.address, labels=labels, axes=axes)


async def send_again(run: Run, session: ProviderSession, fingerprint: str, receipt: Receipt) -> SubmitOutcome:
    """Send an unknown purchase again with its key and bytes, to its endpoint; only an acceptance resolves it."""
    with anyio.CancelScope(shield=True):
        run.touched.add((fingerprint, receipt.attempt))
        _log.info("attempt %d of %s is sent again, with its own key and bytes", receipt.attempt, receipt.address)
        provider = at_endpoint(session.provider, receipt.endpoint)
        request = provider.submit((receipt.body or "").encode(), idempotency_key=receipt.key)
        outcome = await _send(run, session, request, first=False)
        outcome = _reject_claimed_job(run, session, fingerprint, receipt.attempt, outcome)
        await record_answer(run, session, fingerprint, outcome, by="resend")
    return outcome


async def _send(run: Run, session: ProviderSession, request: Request, *, first: bool) -> SubmitOutcome:
    outcome: SubmitOutcome = Unknown(message="kbatch was stopped before the answer came")
    with run.shutdown.send():
        reply = await session.ask(request, timeout_s=run.options.submit_timeout_s)
        outcome = session.provider.read_submit(reply, first=first)
    return outcome


def _reject_claimed_job(
    run: Run, session: ProviderSession, fingerprint: str, attempt: int, outcome: SubmitOutcome
) -> SubmitOutcome:
    """Return Unknown in place of an acceptance whose job another purchase owns: one job is one purchase."""
    if not isinstance(outcome, Accepted):
        return outcome
    owner = run.claim(session.provider.name, outcome.job_id, fingerprint, attempt)
    if owner is None:
        return outcome
    address = run.renders[fingerprint].address
    message = f"the answer names job {outcome.job_id}, which is `{owner}`'s already"
    run.emit(EventKind.NOTE, address, f"{message}: it is not taken for `{address}`'s")
    return Unknown(message=message)


async def record_answer(
    run: Run, session: ProviderSession, fingerprint: str, outcome: SubmitOutcome, *, by: AcceptedBy
) -> None:
    """Record the outcome of the latest send; a job id that cannot be written is reported to the user."""
    match outcome:
        case Accepted(job_id=job_id):
            await record_accepted(run, session, fingerprint, job_id, by=by)
        case NotAccepted(reason=reason, message=message):
            sent_at = _sent_at(run, fingerprint)
            await _record(run, fingerprint, Refused(sent_at=sent_at, reason=reason.value, message=message, by="submit"))
        case Unknown(message=message):
            await _record(run, fingerprint, Lost(sent_at=_sent_at(run, fingerprint), message=message))


async def record_accepted(run: Run, session: ProviderSession, fingerprint: str, job_id: str, *, by: AcceptedBy) -> None:
    """Record a job id; on any failure it is reported to the user, so that `reconcile --adopt` can restore it."""
    address = run.renders[fingerprint].address
    try:
        sent_at = _sent_at(run, fingerprint)
        accepted = event_data.Accepted(sent_at=sent_at, job_id=job_id, account=session.account, by=by)
        await _record(run, fingerprint, accepted)
    except Exception as error:
        why = "the journal cannot be written" if isinstance(error, OSError) else f"that cannot be recorded ({error})"
        run.emit(EventKind.NOTE, address, f"accepted as job {job_id}, and {why}: keep this line")
        run.stop_submitting(f"{address} was accepted as job {job_id}, and {why}: keep this line")
        raise


def _sent_at(run: Run, fingerprint: str) -> str:
    return run.renders[fingerprint].submitted_at or ""


async def _record(run: Run, fingerprint: str, data: EventData) -> None:
    await run.record(Fact(fingerprint=fingerprint, attempt=run.renders[fingerprint].attempt, data=data))


async def _after_refusal(run: Run, session: ProviderSession, outcome: NotAccepted, tries: dict[Reason, int]) -> bool:
    """Return True after waiting out a temporary refusal; stop the session when it concerns the whole provider."""
    if outcome.reason in FATAL:
        session.stop(outcome.reason, outcome.message)
        return False
    attempt = tries.get(outcome.reason, 0)
    tries[outcome.reason] = attempt + 1
    most = SUBMIT_TRIES.get(outcome.reason, 1)
    if tries[outcome.reason] >= most:
        _log.info("not accepted (%s), try %d of %d: not sent again", outcome.reason.value, attempt + 1, most)
        return False
    if outcome.reason is Reason.RATE:
        session.slots.rate_limited(anyio.current_time())
    wait_s = retry_wait(attempt, run.jitter(), retry_after_s=outcome.retry_after_s, scale=session.scale)
    session.note_refusal(wait_s, outcome.message)
    if session.closed_reason:
        return False
    _log.info("not accepted (%s), try %d of %d: sent again in %.1f s", outcome.reason.value, attempt + 1, most, wait_s)
    if outcome.retry_after_s is None:  # with `Retry-After` the session has reported the wait
        again = f"{outcome.message}; sent again {until(wait_s, datetime.now().astimezone())}"
        run.emit(EventKind.WAITING, None, again, provider=session.provider.name)
    await run.shutdown.pause(wait_s)
    return True
