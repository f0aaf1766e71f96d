"""Applies a person's decisions: `--adopt` a job, `--refused` (not accepted), `--lost` (give up), a file to adopt.

An adopted job is polled first, and refused when it is of another model or belongs to another receipt. A lost job is
polled again, and the decision is refused while the provider still has the job. Its charge stays counted.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from kbatch.errors import Bug, Refused
from kbatch.providers.base import Balance, Failed, Listed, NotNow, Succeeded
from kbatch.receipts import event_data
from kbatch.receipts.account import AccountMatch, account_of, compare_accounts
from kbatch.receipts.events import Fact
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState, describe_remaining_charge
from kbatch.runner.account_match import bought_by
from kbatch.runner.collect.adopt_file import adopt_file
from kbatch.runner.collect.poll import poll_job
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.job_matching import contradiction


class Decisions(Struct, frozen=True, kw_only=True):
    """`adopt`: job ids by fingerprint; `refused`: fingerprints that were not accepted; `lost`: names by job id.

    `mine` states that the present key is the buyer's, for receipts that do not prove it. `files` are clips that a
    person hands over, each with its purchase.
    """

    adopt: Mapping[str, str] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    lost: Mapping[str, str] = field(default_factory=dict)
    mine: bool = False
    files: tuple[tuple[PendingRender, Path], ...] = ()


async def apply_decisions(run: Run, decisions: Decisions) -> None:
    """Record the decisions; Refused when one contradicts the receipts or the provider's answer."""
    for fingerprint, job_id in decisions.adopt.items():
        receipt = _unknown(run, fingerprint)
        await _adopt(run, fingerprint, receipt, job_id)
    for fingerprint in sorted(decisions.refused):
        receipt = _unknown(run, fingerprint)
        data = event_data.Refused(
            sent_at=receipt.submitted_at or "",
            reason="reconciled",
            message="not accepted, as the user says",
            by="reconcile",
        )
        await run.record(Fact(fingerprint=fingerprint, attempt=receipt.attempt, data=data))
        run.emit(EventKind.NOTE, receipt.address, "settled: it was not accepted, nothing is held")
    for job_id, name in decisions.lost.items():
        await _give_up(run, job_id, name, mine=decisions.mine)
    for pending, file in decisions.files:
        await adopt_file(run, pending, file)


def _unknown(run: Run, fingerprint: str) -> Receipt:
    receipt = run.renders.get(fingerprint)
    if receipt is None or receipt.state is not ReceiptState.UNKNOWN:
        state = receipt.state.value if receipt else "not bought"
        raise Refused("not-unknown", f"{receipt.address if receipt else fingerprint[:12]} is {state}, not unknown")
    return receipt


def _session_of(run: Run, receipt: Receipt) -> ProviderSession:
    session = run.sessions.owner(receipt)
    if session is None:
        raise Bug(f"a decision about a purchase at {receipt.provider}, to which no session is open")
    return session


async def _adopt(run: Run, fingerprint: str, receipt: Receipt, job_id: str) -> None:
    owner = owner_of(run.renders, job_id)
    if owner is not None:
        whose = run.renders[owner[0]].address or owner[0][:12]
        raise Refused("job-has-an-owner", f"job {job_id} belongs to `{whose}` already")
    session = _session_of(run, receipt)
    if session.stopped:
        raise Refused("provider-stopped", f"{session.provider.title}: {session.stop_reason}")
    found = session.provider.read_job(await run.ask_job(session, receipt, job_id))
    if not isinstance(found, Listed):
        raise Refused("job-not-found", f"job {job_id} cannot be read: {found.message}", hint="nothing was changed")
    if found.model and found.model != receipt.model:
        raise Refused(
            "job-of-another-model", f"job {job_id} is of {found.model}, `{receipt.address}` needs {receipt.model}"
        )
    words = contradiction(found, replace(receipt, job_id=job_id))
    if words is not None:
        raise Refused("job-of-another-request", f"`{receipt.address}`: {words}", hint="nothing was changed")
    if session.account is None:
        await session.ask_balance()
    run.claim(receipt.provider, job_id, fingerprint, receipt.attempt)
    sent_at = receipt.submitted_at or ""
    data = event_data.Accepted(sent_at=sent_at, job_id=job_id, account=session.account, by="reconcile")
    await run.record(Fact(fingerprint=fingerprint, attempt=receipt.attempt, data=data))
    run.emit(EventKind.ACCEPTED, receipt.address, f"adopted job {job_id}", provider=receipt.provider)


async def _give_up(run: Run, job_id: str, name: str, *, mine: bool) -> None:
    owner = owner_of(run.renders, job_id)
    if owner is None or owner[1].state is not ReceiptState.SUBMITTED:
        raise not_submitted(name, owner[1].state if owner else None)
    fingerprint, receipt = owner
    said, credits = await _confirm_lost(run, name, receipt, mine=mine)
    data = event_data.Failed(job_id=job_id, message=f"given up as lost; the provider says: {said}", credits=credits)
    await run.record(Fact(fingerprint=fingerprint, attempt=receipt.attempt, data=data))
    run.emit(EventKind.NOTE, name, f"given up: {describe_remaining_charge(credits)}")


def not_submitted(name: str, state: ReceiptState | None) -> Refused:
    """Return the error for `--lost` on a job that is not submitted; `state` None means that it was never sent."""
    hint = "`kbatch reconcile` settles what is unknown" if state is ReceiptState.UNKNOWN else None
    words = f"`{name}` is {state.label if state else 'not bought'}, so there is no job to give up"
    return Refused("not-submitted", words, hint=hint)


async def _confirm_lost(run: Run, name: str, receipt: Receipt, *, mine: bool) -> tuple[str, int | None]:
    """Return the provider's message about a lost job and what stays charged; Refused while the job may exist.

    A provider answers 404 for another account's job as well, and a 404 may be temporary. So the key must be the
    buyer's, proven by the accounts or stated by a person (`mine`), and the job is polled twice.
    """
    session = _session_of(run, receipt)
    title, job_id = session.provider.title, receipt.job_id or ""
    charged = receipt.credits.planned if receipt.credits.reported is None else receipt.credits.reported
    await _check_key(session, name, receipt, mine=mine)
    outcome = await poll_job(run, session, receipt)
    if isinstance(outcome, NotNow) and outcome.gone:
        await run.wait(session, 0, None)
        outcome = await poll_job(run, session, receipt)
    match outcome:
        case NotNow(message=message, gone=False):
            words = f"{title} does not say that job {job_id} of `{name}` is gone: {message}"
            raise Refused("not-lost", words, hint="nothing was changed; try again later")
        case NotNow(message=message):
            return message, charged
        case Failed(message=message, credits=credits):
            return message, credits
        case Succeeded(url=""):
            return "expired", charged
        case _:
            raise Refused("not-lost", f"{title} still has job {job_id} of `{name}`", hint="`kbatch pull` collects it")


async def _check_key(session: ProviderSession, name: str, receipt: Receipt, *, mine: bool) -> None:
    balance = await session.ask_balance()
    if not isinstance(balance, Balance):
        words = (
            f"{session.provider.title} does not answer with this key, so `{name}` cannot be checked: {balance.message}"
        )
        raise Refused("not-lost", words, hint="nothing was changed; `kbatch doctor` looks at the key")
    same = compare_accounts(receipt.account, session.account)
    if same is AccountMatch.OTHER:
        words = f"`{name}` was {bought_by(receipt, session)}, which this one cannot see"
        raise Refused("another-account", words, hint="nothing was changed; use a key of the user who bought it")
    if same is AccountMatch.UNPROVEN and not mine:
        words = f"nothing proves that this key's user bought `{name}` ({account_of(receipt.account)}): for all others "
        hint = "nothing was changed; if you know that this is the buyer's key, say so with `--bought-with-this-key`"
        raise Refused("account-unproven", f"{words}its job is gone too", hint=hint)


def owner_of(renders: Mapping[str, Receipt], job_id: str) -> tuple[str, Receipt] | None:
    """Return the fingerprint and the record of the purchase with this job id, None when no receipt has it."""
    for fingerprint, receipt in renders.items():
        for record in records_of(receipt):
            if record.job_id == job_id:
                return fingerprint, record
    return None
