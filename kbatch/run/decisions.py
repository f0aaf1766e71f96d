"""What a person says about unknown sends: it is that job (`--adopt`), or it was not accepted (`--refused`).

An adopted job is asked for first, and refused when it is of another model or belongs to another receipt.
"""

from collections.abc import Mapping

from msgspec import Struct, field

from kbatch.problems import Refused
from kbatch.providers.base import Listed
from kbatch.receipts.events import Fact
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.run.context import Run
from kbatch.run.happenings import Moment


class Decisions(Struct, frozen=True, kw_only=True):
    """By fingerprint: the job id that an unknown send is, and the sends that were not accepted."""

    adopt: Mapping[str, str] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()


async def apply_decisions(run: Run, decisions: Decisions) -> None:
    """Record what was decided; Refused when a decision does not fit what is known."""
    for fingerprint, job_id in decisions.adopt.items():
        receipt = _unknown(run, fingerprint)
        await _adopt(run, fingerprint, receipt, job_id)
    for fingerprint in sorted(decisions.refused):
        receipt = _unknown(run, fingerprint)
        data = {
            "sent_at": receipt.submitted_at,
            "reason": "reconciled",
            "message": "not accepted, as the user says",
            "by": "reconcile",
        }
        await run.record(Fact(kind=Kind.REFUSED, fingerprint=fingerprint, attempt=receipt.attempt, data=data))
        run.say(Moment.NOTE, receipt.address, "settled: it was not accepted, nothing is held")


def _unknown(run: Run, fingerprint: str) -> Receipt:
    receipt = run.renders.get(fingerprint)
    if receipt is None or receipt.state is not ReceiptState.UNKNOWN:
        state = receipt.state.value if receipt else "not bought"
        raise Refused("not-unknown", f"{receipt.address if receipt else fingerprint[:12]} is {state}, not unknown")
    return receipt


async def _adopt(run: Run, fingerprint: str, receipt: Receipt, job_id: str) -> None:
    owner = _owner(run, job_id)
    if owner is not None:
        raise Refused("job-has-an-owner", f"job {job_id} belongs to `{owner}` already")
    line = run.lines[receipt.provider]
    if line.stopped:
        raise Refused("provider-stopped", f"{line.provider.title}: {line.why}")
    found = line.provider.read_job(await line.ask(line.provider.poll(job_id), timeout_s=run.options.poll_timeout_s))
    if not isinstance(found, Listed):
        raise Refused("job-not-found", f"job {job_id} cannot be read: {found.message}", hint="nothing was changed")
    if found.model and found.model != receipt.model:
        raise Refused(
            "job-of-another-model", f"job {job_id} is of {found.model}, `{receipt.address}` needs {receipt.model}"
        )
    data = {"sent_at": receipt.submitted_at, "job_id": job_id, "account": line.account, "by": "reconcile"}
    await run.record(Fact(kind=Kind.ACCEPTED, fingerprint=fingerprint, attempt=receipt.attempt, data=data))
    run.say(Moment.ACCEPTED, receipt.address, f"adopted job {job_id}", provider=receipt.provider)


def _owner(run: Run, job_id: str) -> str | None:
    for fingerprint, receipt in run.renders.items():
        if any(one.job_id == job_id for one in (receipt, *receipt.also, *receipt.failed)):
            return receipt.address or fingerprint[:12]
    return None
