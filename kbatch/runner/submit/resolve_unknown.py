"""Finds out what became of a send without an answer: the same key again while that is safe, else the job list.

What is safe, the provider's own clock decides, asked for anew each time: this machine's may have jumped since. A key
belongs to an account, so another account is never sent the same again. A send again is a purchase: that of an earlier
run takes a consent of this one, that of this run has it already. What nobody wants any more is only looked for.
"""

from datetime import datetime, timedelta

from kbatch.providers.base import Accepted, Listed, NotNow, Unknown
from kbatch.receipts.account import Same, compare
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.unknown import settle_by_hand
from kbatch.runner.account_match import bought_by, same_account
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.find_job import Ambiguous, find_job
from kbatch.runner.submit.submit import SubmitResult, Submitted, SubmitUnknown, record_accepted, send_again
from kbatch.runner.submit.uploads import expired_uploads

WINDOW = timedelta(hours=20)
"""How long a key is relied on, of the 24 hours for which Apiframe documents to know it."""

_BACKWARDS = timedelta(minutes=5)
_RESENDS = 5


async def resolve_unknown(
    run: Run, session: ProviderSession, fingerprint: str, *, may_resend: bool = True, after: SubmitUnknown | None = None
) -> SubmitResult:
    """Return what is found out about an unknown send; `after` is what its first answer said, `wanted` as above.

    A provider that says that the key is taken is asked for its list first: another body may have been sent with it.
    """
    if fingerprint in run.mismatched and after is None:
        way_out = settle_by_hand(session.provider.unknown_help)
        return SubmitUnknown(reason=f"{run.resend_objections[fingerprint]}; {way_out}")
    found: Listed | str | None = None
    exists = after is not None and after.exists
    if exists:
        found = await _look_up(run, session, fingerprint, exists=True)
    agreed = after is not None or fingerprint in run.resends
    if (
        not isinstance(found, Listed)
        and may_resend
        and agreed
        and session.provider.resends
        and run.renders[fingerprint].body
    ):
        answer = await _send_until_answered(run, session, fingerprint, after)
        if isinstance(answer, Accepted):
            return Submitted(credits=answer.credits)
        exists = exists or (answer is not None and answer.exists)
    if not isinstance(found, Listed):
        found = await _look_up(run, session, fingerprint, exists=exists)
    if isinstance(found, Listed):
        return Submitted(credits=found.credits)
    why = run.resend_objections.get(fingerprint)
    words = [f"sent, and nobody knows whether it was accepted; {settle_by_hand(session.provider.unknown_help)}"]
    words += [f"not sent again: {why}"] if why else []
    words += [found] if found else []
    return SubmitUnknown(reason="; ".join(words))


async def _send_until_answered(
    run: Run, session: ProviderSession, fingerprint: str, after: SubmitUnknown | None
) -> Accepted | Unknown | None:
    """Send the same again until it is accepted; the last answer when that says that the purchase is there."""
    retry_after_s = after.retry_after_s if after else None
    for attempt in range(_RESENDS):
        if not await run.wait_to_submit(session, attempt, retry_after_s):
            return None
        receipt = run.renders[fingerprint]
        if run.shutdown.graceful or session.stopped or session.closed_reason:
            return None
        if not await _safe(run, session, receipt, own=after is not None):
            return None
        await run.shutdown.pause(session.turn())
        outcome = await send_again(run, session, fingerprint, receipt)
        if isinstance(outcome, Accepted):
            return outcome
        if isinstance(outcome, Unknown):
            if outcome.exists:
                return outcome
            retry_after_s = outcome.retry_after_s
    return None


async def _safe(run: Run, session: ProviderSession, receipt: Receipt, *, own: bool) -> bool:
    """Whether a resend can only bring the first purchase to light, or make it: the same key, known, and all inputs.

    Within what an idempotency key is one, a team, a user or the API key alone, no document tells: so it must be the
    very key, which it is for a send of this run (`own`).
    """
    before = session.last_date
    await session.ask_balance()
    theirs = session.provider_time() if session.last_date is not before else None
    if theirs is None or not within_window(receipt.provider_time, theirs):
        return False
    same = compare(receipt.account, session.account, key=True)
    if same is Same.OTHER or (same is Same.UNPROVEN and not own):
        proof = f"it was {bought_by(receipt)}" if same is Same.OTHER else "nothing proves that this key has sent it"
        run.emit(EventKind.NOTE, receipt.address, f"{proof}, so it is not sent again")
        return False
    return not expired_uploads(run.uploaded, receipt, theirs)


def within_window(sent: str | None, now: datetime) -> bool:
    """Whether the provider still knows the key of a send, both moments by its own clock; unknown is no.

    >>> within_window("2026-01-01T00:00:00Z", datetime.fromisoformat("2026-01-01T19:59:59Z"))
    True
    """
    return sent is not None and -_BACKWARDS <= now - datetime.fromisoformat(sent) < WINDOW


async def _look_up(run: Run, session: ProviderSession, fingerprint: str, *, exists: bool) -> Listed | str | None:
    """Look for the job and claim it at once: two sends that look alike must not both take the same one.

    A colleague's list holds a colleague's jobs: what is like ours there is another purchase. A text says why not.
    """
    receipt = run.renders[fingerprint]
    if not session.provider.lists_jobs:
        return None
    async with session.lookup_lock:
        if await same_account(session, receipt) is Same.OTHER:
            return f"it was {bought_by(receipt)}, and only a key of that user shows its jobs"
        found = await find_job(run, session, fingerprint, exists=exists)
        if isinstance(found, NotNow):
            run.emit(EventKind.NOTE, receipt.address, f"the job list cannot be read: {found.message}")
            return None
        if isinstance(found, Ambiguous):
            return found.reason
        if found is not None and run.claim(session.provider.name, found.job_id, fingerprint, receipt.attempt) is None:
            await record_accepted(run, session, fingerprint, found.job_id, by="list")
            return found
        return None
