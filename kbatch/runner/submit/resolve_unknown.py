"""Resolves a send without an answer: a resend with the same key while that is safe, else the job list, or the log.

Safety is decided by the provider's own clock, read anew each time, since this machine's may have jumped. A key belongs
to an account, so a resend never goes to another account. A resend may be a purchase: for a send of an earlier run it
needs consent in this run, for a send of this run it has it. An orphan is only searched for, never sent again.
"""

from datetime import datetime, timedelta

from kbatch.providers.base import Accepted, Listed, NotNow, Unknown
from kbatch.receipts.account import AccountMatch, compare_accounts
from kbatch.receipts.receipt import Receipt, how_to_resolve
from kbatch.runner.account_match import bought_by, match_account
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.limits.retry import RESEND_TRIES
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.find_job import Ambiguous, find_job
from kbatch.runner.submit.resolve_from_log import resolve_from_log
from kbatch.runner.submit.submit import SubmitResult, Submitted, SubmitUnknown, record_accepted, send_again
from kbatch.runner.submit.uploads import expired_uploads

_BACKWARDS = timedelta(minutes=5)  # how far the provider's clock may have been set back since the send


async def resolve_unknown(
    run: Run, session: ProviderSession, fingerprint: str, *, may_resend: bool = True, after: SubmitUnknown | None = None
) -> SubmitResult:
    """Resolve an unknown send; `after` is the result of this run's own send, `may_resend` False only searches.

    When the provider says that the key is in use, its job list is read first: the key may have another body.
    """
    if fingerprint in run.mismatched and after is None:
        way_out = how_to_resolve(session.provider.unknown_help)
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
        and session.provider.resend_within
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
    logged = await resolve_from_log(run, session, fingerprint)
    if logged is not None:
        return logged
    why = run.resend_objections.get(fingerprint)
    words = [f"sent, and it is not known whether it was accepted; {how_to_resolve(session.provider.unknown_help)}"]
    words += [f"not sent again: {why}"] if why else []
    words += [found] if found else []
    return SubmitUnknown(reason="; ".join(words))


async def _send_until_answered(
    run: Run, session: ProviderSession, fingerprint: str, after: SubmitUnknown | None
) -> Accepted | Unknown | None:
    """Resend until accepted; returns the acceptance, or an Unknown that says that the purchase exists."""
    retry_after_s = after.retry_after_s if after else None
    for attempt in range(RESEND_TRIES):
        if not await run.wait(session, attempt, retry_after_s, to_submit=True):
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
    """Whether a resend cannot buy twice: within the window, with the same API key, and with all uploads still valid.

    No document says whether an idempotency key is unique to a team, a user or an API key. So the API key must be the
    same, which it is for a send of this run (`own`).
    """
    before = session.last_date
    await session.ask_balance()
    theirs = session.provider_time() if session.last_date is not before else None
    if theirs is None or not within_window(receipt.provider_time, theirs, session.provider.resend_within):
        return False
    same = compare_accounts(receipt.account, session.account, key=True)
    if same is AccountMatch.OTHER or (same is AccountMatch.UNPROVEN and not own):
        proof = (
            f"it was {bought_by(receipt, session)}"
            if same is AccountMatch.OTHER
            else "nothing proves that this key has sent it"
        )
        run.emit(EventKind.NOTE, receipt.address, f"{proof}, so it is not sent again")
        return False
    return not expired_uploads(run.uploaded, receipt, theirs)


def within_window(sent: str | None, now: datetime, window: timedelta | None) -> bool:
    """Whether the provider still knows the key of a send, both times by its own clock; False when unknown.

    >>> within_window("2026-01-01T00:00Z", datetime.fromisoformat("2026-01-01T19:59Z"), timedelta(hours=20))
    True
    """
    if sent is None or window is None:
        return False
    return -_BACKWARDS <= now - datetime.fromisoformat(sent) < window


async def _look_up(run: Run, session: ProviderSession, fingerprint: str, *, exists: bool) -> Listed | str | None:
    """Search the job list and claim the job under a lock, so that two similar sends cannot claim the same one.

    Returns a text when the search cannot decide. Another account's list is not searched: a similar job in it is
    another purchase.
    """
    receipt = run.renders[fingerprint]
    if not session.provider.lists_jobs:
        return None
    async with session.lookup_lock:
        if await match_account(session, receipt) is AccountMatch.OTHER:
            return f"it was {bought_by(receipt, session)}, and only a key of that user shows its jobs"
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
