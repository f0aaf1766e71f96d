"""The outcome of a run from its state: the end of each job and the settlement."""

from collections.abc import Iterator

from kbatch.planner.approval.coverage import is_made
from kbatch.providers.registry import log_asked_until
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.context import Run
from kbatch.runner.outcome import JobEnd, Outcome, UnknownSend, charge_of, count_ends, settlement_of
from kbatch.runner.scheduler import stopped_sessions


def outcome_of(run: Run, lockfile: str) -> Outcome:
    """Return the outcome of the run; jobs that a shutdown interrupted get the end that their receipt shows."""
    for entry in run.confirmed.plan.entries:
        if entry.address not in run.ends:
            run.ends[entry.address] = run.end_of_interrupted(entry)
    receipts = [receipt for one in sorted(run.touched) for receipt in _purchases(run, *one)]
    return Outcome(
        ends=dict(run.ends),
        reasons=dict(run.reasons),
        absent=dict(run.absent),
        unknown=tuple(_unknown_sends(run)),
        credits=settlement_of(receipts),
        charges=tuple(charge_of(receipt) for receipt in receipts),
        stopped=stopped_sessions(run.sessions),
        surprises=tuple(run.surprises),
        problems=tuple(run.problems),
        interrupted=run.shutdown.requested,
        lockfile=lockfile,
        counts=count_ends(run.ends),
    )


def _unknown_sends(run: Run) -> Iterator[UnknownSend]:
    """Yield the unknown sends of this plan's jobs, and those that no job refers to any more."""
    jobs = {entry.job.fingerprint: entry.address for entry in reversed(run.confirmed.plan.entries)}
    others = {fingerprint for fingerprint, _ in run.referenced} - jobs.keys()
    for fingerprint, receipt in sorted(run.renders.items()):
        if receipt.state is ReceiptState.UNKNOWN and fingerprint not in others:
            yield UnknownSend(
                address=jobs.get(fingerprint) or receipt.address or fingerprint[:12],
                provider=receipt.provider,
                submitted_at=receipt.submitted_at,
                client_request_id=receipt.client_request_id,
                asked_until=log_asked_until(receipt),
            )


def finished(run: Run) -> bool:
    """Whether every job of the plan and of its approval was tried; otherwise the same command continues the plan."""
    stopped = run.shutdown.graceful or stopped_sessions(run.sessions) or JobEnd.SKIPPED in run.ends.values()
    return not (stopped or _leaves_out(run))


def _leaves_out(run: Run) -> bool:
    """Whether the approval covers a purchase that was not made and is not in the plan, which selects a part of it."""
    covers = run.confirmed.terms.covers
    if covers is None:
        return False
    tried = {entry.job.fingerprint for entry in run.confirmed.plan.entries}
    return any(key not in tried and not is_made(covers, key, run.renders) for key in covers.fingerprints)


def _purchases(run: Run, fingerprint: str, attempt: int) -> list[Receipt]:
    receipt = run.renders.get(fingerprint)
    records = records_of(receipt) if receipt else ()
    return [one for one in records if one.attempt == attempt and one.job_id is not None]
