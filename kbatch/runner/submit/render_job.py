"""Runs one job from the queue to its end: slot, price guard, reservation, submit, collection."""

from kbatch.planner.actions import PlanEntry
from kbatch.receipts.receipt import ReceiptState
from kbatch.runner.collect.finish import finish_job
from kbatch.runner.collect.poll import ask_charge, collect, note_charge
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.limits.price_guard import PriceGuard
from kbatch.runner.outcome import JobEnd
from kbatch.runner.pending import PendingRender, pending_render_of
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.resolve_from_log import wait_for_log
from kbatch.runner.submit.resolve_unknown import resolve_unknown
from kbatch.runner.submit.submit import NotSubmitted, SubmitResult, Submitted, SubmitUnknown, submit


async def render(run: Run, session: ProviderSession, entry: PlanEntry, priority: float) -> None:
    """Submit a job and collect its clip; the provider's slot is held until its render has ended."""
    guard = run.price_guards.of(entry.job.provider, entry.job.model, entry.job.quote.variant)
    pending = pending_render_of(entry.job)
    async with session.slots.hold(priority):
        try:
            async with guard.passing() as ahead:
                result = await _reserve_and_submit(run, session, entry, guard)
                if isinstance(result, Submitted) and await _accepted(run, session, pending, result, ahead=ahead):
                    guard.open()
            if isinstance(result, SubmitUnknown):  # outside the guard: the others of its variant need not wait for it
                result = await wait_for_log(run, session, pending.fingerprint, result)
                if isinstance(result, Submitted):
                    await _accepted(run, session, pending, result, ahead=False)
            ended = await collect(run, session, pending, fresh=True) if isinstance(result, Submitted) else None
        finally:
            run.unpriced.ended(pending.provider, pending.fingerprint)
    if ended is None:
        end_without_job(run, pending, result)
    else:
        await finish_job(run, session, pending, ended)


async def _reserve_and_submit(run: Run, session: ProviderSession, entry: PlanEntry, guard: PriceGuard) -> SubmitResult:
    provider, fingerprint = entry.job.provider, entry.job.fingerprint
    if guard.stopped:
        return NotSubmitted(reason=guard.stopped, skipped=True)
    if session.stopped:
        return NotSubmitted(reason=f"{session.title} stopped the run: {session.stop_reason}", skipped=True)
    if not run.may_submit():
        return NotSubmitted(reason="the run is stopping", skipped=True)
    objection = run.refused_parameters.objection(entry.job)
    if objection is not None:
        return NotSubmitted(reason=objection, blocked=True)
    refused = await run.unpriced.reserve(entry)
    if refused is not None:
        return NotSubmitted(reason=refused, skipped=True)
    run.emit(EventKind.SUBMITTING, entry.address, credits=entry.credits, provider=provider)
    result = await submit(run, session, entry)
    if isinstance(result, SubmitUnknown):
        run.emit(EventKind.UNKNOWN, entry.address, result.reason, provider=provider)
        result = await resolve_unknown(run, session, fingerprint, after=result)
    if isinstance(result, NotSubmitted):
        run.reservations.release(provider, fingerprint)
        run.unpriced.not_charged(provider, fingerprint)
        news = run.refused_parameters.note(entry.job, result.fields, session.provider.title)
        for said in news:
            run.surprises.append(said)
            run.emit(EventKind.NOTE, entry.address, said)
    return result


async def _accepted(
    run: Run, session: ProviderSession, pending: PendingRender, result: Submitted, *, ahead: bool
) -> bool:
    """Report an acceptance; True when others may follow: the charge is known, or is not reported before the end."""
    session.slots.accepted()
    session.refusing_since_s = None
    receipt = run.receipt(pending)
    credits = receipt.credits.planned
    run.emit(EventKind.ACCEPTED, pending.address, f"job {receipt.job_id}", credits=credits, provider=pending.provider)
    if result.credits is not None:
        await note_charge(run, session, pending, result.credits)
        return True
    return ahead and await ask_charge(run, session, pending)


async def resolve_earlier_send(
    run: Run, session: ProviderSession | None, pending: PendingRender, *, may_resend: bool = True
) -> bool:
    """Resolve an earlier unknown send, unless a decision has done so; True when it was accepted."""
    if run.receipt(pending).state is ReceiptState.UNKNOWN:
        result: SubmitResult = SubmitUnknown(reason="sent earlier, and its provider takes no part in this run")
        if session is not None:
            result = await resolve_unknown(run, session, pending.fingerprint, may_resend=may_resend)
            result = await wait_for_log(run, session, pending.fingerprint, result)
        if not isinstance(result, Submitted):
            end_without_job(run, pending, result)
            return False
        run.emit(EventKind.ACCEPTED, pending.address, "found: it was accepted", provider=pending.provider)
        if session is not None and result.credits is not None:
            await note_charge(run, session, pending, result.credits)
    if run.receipt(pending).state is ReceiptState.SUBMITTED:
        return True
    run.end_job(pending.address, JobEnd.REUSED, "settled: not accepted; the next run buys it")
    return False


def end_without_job(run: Run, pending: PendingRender, result: SubmitResult) -> None:
    """End a job that was not submitted, or whose submit is unknown."""
    match result:
        case SubmitUnknown(reason=reason):
            run.end_job(pending.address, JobEnd.UNKNOWN, reason)
            run.emit(EventKind.UNKNOWN, pending.address, reason)
        case NotSubmitted(reason=reason, skipped=True):
            run.end_job(pending.address, JobEnd.SKIPPED, reason)
            run.emit(EventKind.SKIPPED, pending.address, reason)
        case NotSubmitted(reason=reason, blocked=True):
            run.end_job(pending.address, JobEnd.BLOCKED, reason)
            run.emit(EventKind.BLOCKED, pending.address, reason)
        case NotSubmitted(reason=reason):
            run.end_job(pending.address, JobEnd.FAILED, reason)
            run.emit(EventKind.REFUSED, pending.address, f"not charged: {reason}")
