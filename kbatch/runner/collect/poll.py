"""Polls an accepted job to its end, singly or by list, and counts its charge; a slow job stays owed, never failed."""

import logging
from contextlib import AbstractContextManager
from functools import partial

import anyio
from msgspec import Struct

from kbatch.providers.base import Failed, NotNow, PollOutcome, Running, Succeeded
from kbatch.receipts import event_data
from kbatch.receipts.event_data import EventData, Reported
from kbatch.receipts.events import Fact
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.account_match import not_visible_reason
from kbatch.runner.collect.list_poll import date_in, is_proof, read_ended
from kbatch.runner.collect.poll_for_team import poll_for_team
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.limits.polling.list_polling import Step, after_single, next_step, overlooked, polled_singly, shown
from kbatch.runner.limits.polling.render_time_estimate import POLL_CEILING_S
from kbatch.runner.limits.polling.watches import Watch
from kbatch.runner.limits.retry import CHARGE_TRIES, LONGEST_WAIT_S
from kbatch.runner.limits.waits import asked_for
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.job_matching import contradiction

_log = logging.getLogger(__name__)

_STRANGE = 4  # answers in a row about another job until polling ends: one may be a mix-up, and more waste its rate


class StillOwed(Struct, frozen=True, kw_only=True):
    """The job is paid, or may be, and its clip is not here yet; `reason` says why."""

    reason: str


class Rendered(Struct, frozen=True, kw_only=True):
    """The render has ended and its charge is counted; the caller records `facts`."""

    found: Succeeded
    facts: tuple[Fact, ...]


async def ask_charge(run: Run, session: ProviderSession, pending: PendingRender) -> bool:
    """Poll a newly accepted job for its charge; True when the provider answered, with or without one.

    False for a job that failed, since its charge was refunded.
    """
    outcome = await run.retry(session, CHARGE_TRIES, partial(poll, run, session, pending))
    if isinstance(outcome, NotNow):
        if outcome.stop is not None:
            session.stop(outcome.stop, outcome.message)
        return False
    if isinstance(outcome, Failed):
        return False
    if outcome.credits is not None:
        await note_charge(run, session, pending, outcome.credits)
    return True


async def collect(
    run: Run, session: ProviderSession, pending: PendingRender, *, fresh: bool
) -> Rendered | Failed | StillOwed:
    """Poll until the job has ended; `fresh` for a newly accepted job, whose first poll may wait.

    The deadline counts from the call, for a resumed job from its first poll.
    """
    schedule = run.poll_schedules.of(pending, session.scale, fresh=fresh)
    began, held, running_s, strange, singly = anyio.current_time(), session.held_so_far_s, 0.0, 0, not fresh
    with schedule.following(fresh=fresh) as leads, _watching(run, session, pending, fresh=fresh) as watch:
        if fresh:
            with watch.sleeping():
                await schedule.first_poll(run.jitter(), leads=leads)
        while True:
            asked = session.since(began, held)
            if session.held_s > 0 and asked + session.held_s > run.options.render_deadline_s:
                return StillOwed(reason=_held(session))
            # A job of an earlier run may be another account's, and what is asked last decides what is said of it.
            singly = singly or asked + 2 * POLL_CEILING_S > run.options.render_deadline_s
            outcome = await _outcome_of(run, session, pending, watch, singly=singly)
            singly = False
            elapsed = session.since(began, held)
            wait, asked_s = schedule.next_poll_after(elapsed, run.jitter(), leads=leads), 0.0
            match outcome:
                case Succeeded():
                    if fresh:
                        running_s = max(running_s, (watch.absent_s - began) / session.scale)
                        schedule.ended(running_s=running_s, ended_s=elapsed)
                    return _rendered(run, session, pending, outcome)
                case Failed():
                    await _failed(run, session, pending, outcome)
                    return outcome
                case NotNow(stop=stop) if stop is not None:
                    session.stop(stop, outcome.message)
                    return StillOwed(reason=outcome.message)
                case NotNow():
                    asked_s = outcome.retry_after_s or 0.0
                    strange = strange + 1 if outcome.strange else 0
                    if strange >= _STRANGE:
                        return StillOwed(reason=_strange(outcome))
                case Running() | None:
                    running_s = asked
                    await _note_running(run, session, pending, outcome)
            if asked_s > LONGEST_WAIT_S or elapsed + max(wait, asked_s) > run.options.render_deadline_s:
                outcome = outcome or Running()
                unusable = await unusable_poll_reason(run, session, pending, outcome)
                return StillOwed(reason=unusable or _late(session, outcome, elapsed))
            wait_s = max(wait * session.scale, asked_s)
            _log.debug("%s: %s, polled again in %.1f s", pending.address, type(outcome).__name__, wait_s)
            with watch.sleeping():
                await anyio.sleep(wait_s)


def _watching(
    run: Run, session: ProviderSession, pending: PendingRender, *, fresh: bool
) -> AbstractContextManager[Watch]:
    receipt = run.receipt(pending)
    sent = date_in(receipt.provider_time or receipt.submitted_at)
    return session.watches.watch(receipt.job_id or "", Watch(sent, began_s=anyio.current_time(), own=fresh))


async def _note_running(run: Run, session: ProviderSession, pending: PendingRender, outcome: Running | None) -> None:
    if outcome is None:
        return
    if outcome.credits is not None:
        await note_charge(run, session, pending, outcome.credits)
    run.emit(EventKind.RENDERING, pending.address, progress=outcome.progress)


async def _outcome_of(
    run: Run, session: ProviderSession, pending: PendingRender, watch: Watch, *, singly: bool
) -> PollOutcome | None:
    """Poll a job that is due, with many in flight by the list of ended jobs; None when it does not show this one."""
    watches = session.watches
    if not singly and session.ended_jobs is not None and not await _shown(run, session, watch):
        return None
    job, watch.shown = watch.shown, None
    if job is not None:
        watches.lists = shown(watches.lists)
        if is_proof(job, run.receipt(pending), own=watch.own):
            return job.outcome
    outcome = await poll(run, session, pending)
    if job is None and watch.absences and isinstance(outcome, Succeeded):
        watches.lists = overlooked(watches.lists, now_s=anyio.current_time())
    return outcome


async def _shown(run: Run, session: ProviderSession, watch: Watch) -> bool:
    """Wait until a list shows the job or it is to be polled singly; False when a list was read and neither holds."""
    watches, absences = session.watches, watch.absences
    hinted, watch.due, watch.missed, watch.hinted = watch.hinted, True, False, False
    try:
        while watch.shown is None and not watch.missed:
            if hinted and session.spacing_s == 0:
                return True
            if watch.absences > absences:
                singly = polled_singly(watches.lists, watch.absences)
                watches.lists = after_single(watches.lists) if singly else watches.lists
                return singly
            if watches.reading is not None:
                await watches.reading.wait()
                continue
            now_s = anyio.current_time()
            step, wait_s = next_step(
                watches.lists,
                now_s=now_s,
                in_flight=len(watches.jobs),
                age_s=now_s - watch.began_s,
                call_s=session.spacing_s,
            )
            match step:
                case Step.SINGLE:
                    return True
                case Step.WAIT:
                    with watch.sleeping():
                        await anyio.sleep(wait_s)
                case Step.LIST:
                    await read_ended(run, session)
        return True
    finally:
        watch.due = False


async def unusable_poll_reason(
    run: Run, session: ProviderSession, pending: PendingRender, outcome: PollOutcome
) -> str | None:
    """Return why polling will not help: the answer is about another job, or the job is another key's; else None."""
    if not isinstance(outcome, NotNow):
        return None
    if outcome.strange:
        return _strange(outcome)
    whose = await not_visible_reason(session, run.receipt(pending)) if outcome.gone else None
    if whose is None:
        return None
    return f"{session.provider.title} says: {outcome.message}; {whose}"


def _strange(outcome: NotNow) -> str:
    return f"{outcome.message}: it is not taken; `kbatch lock check` looks at the lockfile, `kbatch pull` asks again"


def _held(session: ProviderSession) -> str:
    until = session.closed_reason if session.too_long_wait else asked_for(session.provider.title, session.held_s)
    return f"the provider does not report its state now ({until}); `kbatch pull` collects it later"


def _late(session: ProviderSession, outcome: Running | NotNow, elapsed_s: float) -> str:
    if isinstance(outcome, NotNow):
        asked_s = outcome.retry_after_s
        until = f"; {asked_for(session.provider.title, asked_s)}" if asked_s else ""
        return f"the provider does not report its state now ({outcome.message}{until}); `kbatch pull` collects it later"
    after = f" after {elapsed_s / 60:.0f} min" if elapsed_s >= 60 else ""
    return f"still rendering{after}; `kbatch pull` collects it later"


async def poll(run: Run, session: ProviderSession, pending: PendingRender) -> PollOutcome:
    """Poll a pending render once."""
    return await poll_job(run, session, run.receipt(pending))


async def poll_job(run: Run, session: ProviderSession, receipt: Receipt) -> PollOutcome:
    """Poll a receipt's job once; NotNow when the answer is about another job, model or input.

    A colleague's job is asked for in the team's list, which an admin's key may read.
    """
    found = await poll_for_team(run, session, receipt)
    if found is not None:
        return found
    outcome = await _poll_own(run, session, receipt)
    if isinstance(outcome, NotNow) and outcome.gone and session.account is None:
        await session.ask_balance()
        return await poll_for_team(run, session, receipt) or outcome
    return outcome


async def _poll_own(run: Run, session: ProviderSession, receipt: Receipt) -> PollOutcome:
    reply = await run.ask_job(session, receipt, receipt.job_id or "")
    outcome = session.provider.read_poll(reply)
    if isinstance(outcome, NotNow):
        return outcome
    found = session.provider.read_job(reply)
    if isinstance(found, NotNow):
        return NotNow(message=f"the answer does not say which job it is about ({found.message})", strange=True)
    message = contradiction(found, receipt)
    return outcome if message is None else NotNow(message=message, strange=True)


async def note_charge(run: Run, session: ProviderSession, pending: PendingRender, credits: int) -> None:
    """Count a reported charge, and record it when it is higher than the recorded one."""
    for fact in _charged(run, session, pending, credits):
        await run.record(fact)


def _charged(run: Run, session: ProviderSession, pending: PendingRender, credits: int) -> tuple[Fact, ...]:
    """Count a charge against the ceilings without awaiting, and return the facts to record.

    A charge above the quote stops the model. Charges reported for one job only grow, so the highest one counts.
    """
    receipt = run.receipt(pending)
    known, quote = receipt.credits.reported, receipt.credits.planned
    if receipt.job_id is None or (known is not None and credits <= known):
        return ()
    before = quote if known is None else known
    run.reservations.charge(pending.provider, pending.purchase, credits, before=before)
    run.unpriced.charged((pending.provider, pending.model, pending.variant), pending.purchase, credits)
    if quote is not None and credits > quote:
        surprise = (
            f"{session.provider.title} charged {credits:,} for {pending.model} {pending.variant}, quoted {quote:,}"
        )
        run.price_guards.stop(pending.provider, pending.model, surprise)
        if surprise not in run.surprises:
            run.surprises.append(surprise)
            run.emit(EventKind.NOTE, pending.address, f"{surprise}: nothing more of this model is submitted")
    return (_fact(run, pending, Reported(job_id=receipt.job_id, credits=credits)),)


def _rendered(run: Run, session: ProviderSession, pending: PendingRender, found: Succeeded) -> Rendered:
    facts = () if found.credits is None else _charged(run, session, pending, found.credits)
    reported = run.receipt(pending).credits.reported
    charges = [credits for credits in (found.credits, reported) if credits is not None]
    if charges:
        run.reservations.finalize(pending.provider, pending.purchase, max(charges), before=max(charges))
    run.unpriced.rendered(pending.provider, pending.purchase)
    receipt = run.receipt(pending)
    if receipt.state is ReceiptState.SUBMITTED:
        facts = (*facts, _fact(run, pending, event_data.Rendered(job_id=receipt.job_id or "", credits=found.credits)))
    return Rendered(found=found, facts=facts)


def _fact(run: Run, pending: PendingRender, data: EventData) -> Fact:
    return Fact(fingerprint=pending.fingerprint, attempt=run.receipt(pending).attempt, data=data)


async def _failed(run: Run, session: ProviderSession, pending: PendingRender, outcome: Failed) -> None:
    receipt = run.receipt(pending)
    before = receipt.credits.planned if receipt.credits.reported is None else receipt.credits.reported
    failed = event_data.Failed(job_id=receipt.job_id or "", message=outcome.message, credits=outcome.credits)
    await run.record(_fact(run, pending, failed))
    run.reservations.finalize(pending.provider, pending.purchase, outcome.credits or 0, before=before)
    run.unpriced.not_charged(pending.provider, pending.purchase)
