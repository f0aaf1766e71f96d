"""One job's purchase from its place in the queue to its end: a slot, its variant's gate, the ceiling, the money."""

from kbatch.plan.actions import Entry
from kbatch.receipts.receipt import ReceiptState
from kbatch.run.buy import Bought, MaybeBought, NotBought, Purchase, buy
from kbatch.run.collect import ask_charge, collect, note_charge
from kbatch.run.context import Line, Run
from kbatch.run.errand import Errand, errand_of
from kbatch.run.gates import Gate
from kbatch.run.gather import conclude
from kbatch.run.happenings import Moment
from kbatch.run.outcome import End
from kbatch.run.settle import settle


async def render(run: Run, line: Line, entry: Entry, urgency: float) -> None:
    """Buy a job and see it to its end; the place at the provider is held until its render has ended."""
    gate = run.gates.of(entry.job.provider, entry.job.model, entry.job.quote.variant)
    errand = errand_of(entry.job)
    async with line.slots.place(urgency):
        try:
            async with gate.passing() as ahead:
                purchase = await _purchase(run, line, entry, gate)
                if isinstance(purchase, Bought) and await _accepted(run, line, errand, purchase, ahead=ahead):
                    gate.open()
            ended = await collect(run, line, errand, fresh=True) if isinstance(purchase, Bought) else None
        finally:
            run.unpriced.ended(errand.provider, errand.fingerprint)
    if ended is None:
        end_unbought(run, errand, purchase)
    else:
        await conclude(run, line, errand, ended)


async def _purchase(run: Run, line: Line, entry: Entry, gate: Gate) -> Purchase:
    provider, fingerprint = entry.job.provider, entry.job.fingerprint
    if gate.stopped:
        return NotBought(reason=gate.stopped, skipped=True)
    if line.stopped:
        return NotBought(reason=f"{line.provider.title} stopped the run: {line.why}", skipped=True)
    if not run.may_submit():
        return NotBought(reason="the run is stopping", skipped=True)
    refused = await run.unpriced.take(entry)
    if refused is not None:
        return NotBought(reason=refused, skipped=True)
    run.say(Moment.SUBMITTING, entry.address, credits=entry.credits, provider=provider)
    purchase = await buy(run, line, entry)
    if isinstance(purchase, MaybeBought):
        run.say(Moment.UNKNOWN, entry.address, purchase.reason, provider=provider)
        purchase = await settle(run, line, fingerprint, after=purchase)
    if isinstance(purchase, NotBought):
        run.reserve.give_back(provider, fingerprint)
        run.unpriced.not_bought(provider, fingerprint)
    return purchase


async def _accepted(run: Run, line: Line, errand: Errand, purchase: Bought, *, ahead: bool) -> bool:
    """Tell of an acceptance; True when its charge is known, or is not told before the end: others may follow."""
    line.slots.went_well()
    line.refusing_since_s = None
    receipt = run.receipt(errand)
    credits = receipt.credits.planned
    run.say(Moment.ACCEPTED, errand.address, f"job {receipt.job_id}", credits=credits, provider=errand.provider)
    if purchase.credits is not None:
        await note_charge(run, line, errand, purchase.credits)
        return True
    return ahead and await ask_charge(run, line, errand)


async def settle_unknown(run: Run, line: Line | None, errand: Errand, *, wanted: bool = True) -> bool:
    """Find out what became of an earlier send, unless a person has just said it; True when it was accepted."""
    if run.receipt(errand).state is ReceiptState.UNKNOWN:
        purchase: Purchase = MaybeBought(reason="sent earlier, and its provider takes no part in this run")
        if line is not None:
            purchase = await settle(run, line, errand.fingerprint, wanted=wanted)
        if not isinstance(purchase, Bought):
            end_unbought(run, errand, purchase)
            return False
        run.say(Moment.ACCEPTED, errand.address, "found: it was accepted", provider=errand.provider)
    if run.receipt(errand).state is ReceiptState.SUBMITTED:
        return True
    run.end(errand.address, End.REUSED, "settled: not accepted; the next run buys it")
    return False


def end_unbought(run: Run, errand: Errand, purchase: Purchase) -> None:
    """End a job that has no purchase to follow."""
    match purchase:
        case MaybeBought(reason=reason):
            run.end(errand.address, End.UNKNOWN, reason)
            run.say(Moment.UNKNOWN, errand.address, reason)
        case NotBought(reason=reason, skipped=True):
            run.end(errand.address, End.SKIPPED, reason)
            run.say(Moment.SKIPPED, errand.address, reason)
        case NotBought(reason=reason, blocked=True):
            run.end(errand.address, End.BLOCKED, reason)
            run.say(Moment.BLOCKED, errand.address, reason)
        case NotBought(reason=reason):
            run.end(errand.address, End.FAILED, reason)
            run.say(Moment.REFUSED, errand.address, f"not charged: {reason}")
