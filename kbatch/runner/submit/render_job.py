"""One job's purchase from its place in the queue to its end: a slot, its variant's gate, the ceiling, the money."""

from kbatch.planner.actions import PlanEntry
from kbatch.receipts.receipt import ReceiptState
from kbatch.runner.collect.finish import conclude
from kbatch.runner.collect.poll import ask_charge, collect, note_charge
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.limits.price_guard import PriceGuard
from kbatch.runner.outcome import End
from kbatch.runner.pending import PendingRender, pending_render_of
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.resolve_unknown import resolve_unknown
from kbatch.runner.submit.submit import Bought, MaybeBought, NotBought, Purchase, submit


async def render(run: Run, session: ProviderSession, entry: PlanEntry, urgency: float) -> None:
    """Buy a job and see it to its end; the place at the provider is held until its render has ended."""
    guard = run.price_guards.of(entry.job.provider, entry.job.model, entry.job.quote.variant)
    pending = pending_render_of(entry.job)
    async with session.slots.place(urgency):
        try:
            async with guard.passing() as ahead:
                purchase = await _purchase(run, session, entry, guard)
                if isinstance(purchase, Bought) and await _accepted(run, session, pending, purchase, ahead=ahead):
                    guard.open()
            ended = await collect(run, session, pending, fresh=True) if isinstance(purchase, Bought) else None
        finally:
            run.unpriced.ended(pending.provider, pending.fingerprint)
    if ended is None:
        end_unbought(run, pending, purchase)
    else:
        await conclude(run, session, pending, ended)


async def _purchase(run: Run, session: ProviderSession, entry: PlanEntry, guard: PriceGuard) -> Purchase:
    provider, fingerprint = entry.job.provider, entry.job.fingerprint
    if guard.stopped:
        return NotBought(reason=guard.stopped, skipped=True)
    if session.stopped:
        return NotBought(reason=f"{session.provider.title} stopped the run: {session.why}", skipped=True)
    if not run.may_submit():
        return NotBought(reason="the run is stopping", skipped=True)
    refused = await run.unpriced.take(entry)
    if refused is not None:
        return NotBought(reason=refused, skipped=True)
    run.say(EventKind.SUBMITTING, entry.address, credits=entry.credits, provider=provider)
    purchase = await submit(run, session, entry)
    if isinstance(purchase, MaybeBought):
        run.say(EventKind.UNKNOWN, entry.address, purchase.reason, provider=provider)
        purchase = await resolve_unknown(run, session, fingerprint, after=purchase)
    if isinstance(purchase, NotBought):
        run.reservations.give_back(provider, fingerprint)
        run.unpriced.not_bought(provider, fingerprint)
    return purchase


async def _accepted(
    run: Run, session: ProviderSession, pending: PendingRender, purchase: Bought, *, ahead: bool
) -> bool:
    """Tell of an acceptance; True when its charge is known, or is not told before the end: others may follow."""
    session.slots.went_well()
    session.refusing_since_s = None
    receipt = run.receipt(pending)
    credits = receipt.credits.planned
    run.say(EventKind.ACCEPTED, pending.address, f"job {receipt.job_id}", credits=credits, provider=pending.provider)
    if purchase.credits is not None:
        await note_charge(run, session, pending, purchase.credits)
        return True
    return ahead and await ask_charge(run, session, pending)


async def resolve_earlier_send(
    run: Run, session: ProviderSession | None, pending: PendingRender, *, wanted: bool = True
) -> bool:
    """Find out what became of an earlier send, unless a person has just said it; True when it was accepted."""
    if run.receipt(pending).state is ReceiptState.UNKNOWN:
        purchase: Purchase = MaybeBought(reason="sent earlier, and its provider takes no part in this run")
        if session is not None:
            purchase = await resolve_unknown(run, session, pending.fingerprint, wanted=wanted)
        if not isinstance(purchase, Bought):
            end_unbought(run, pending, purchase)
            return False
        run.say(EventKind.ACCEPTED, pending.address, "found: it was accepted", provider=pending.provider)
    if run.receipt(pending).state is ReceiptState.SUBMITTED:
        return True
    run.end(pending.address, End.REUSED, "settled: not accepted; the next run buys it")
    return False


def end_unbought(run: Run, pending: PendingRender, purchase: Purchase) -> None:
    """End a job that has no purchase to follow."""
    match purchase:
        case MaybeBought(reason=reason):
            run.end(pending.address, End.UNKNOWN, reason)
            run.say(EventKind.UNKNOWN, pending.address, reason)
        case NotBought(reason=reason, skipped=True):
            run.end(pending.address, End.SKIPPED, reason)
            run.say(EventKind.SKIPPED, pending.address, reason)
        case NotBought(reason=reason, blocked=True):
            run.end(pending.address, End.BLOCKED, reason)
            run.say(EventKind.BLOCKED, pending.address, reason)
        case NotBought(reason=reason):
            run.end(pending.address, End.FAILED, reason)
            run.say(EventKind.REFUSED, pending.address, f"not charged: {reason}")
