"""A report as one value: the rows, the charges of each provider, and the outcome of a run, where it is about one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from kbatch.planner.plan import Plan
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.receipt import Receipt
from kbatch.report.claims.claim_text import open_words
from kbatch.report.data.rows import KnownFingerprints, ReportRow, RowRole, RowState, other_rows, read_rows
from kbatch.runner.outcome import JobEnd, Outcome, Settlement, settlement_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One provider's money, in its own credits.

    `spent` is all that the lockfile's receipts were charged, `held` what unknown outcomes may have cost; `settlement`
    compares quotes with charges, of one run when the report is about one, else of all receipts; None
    when none was accepted.
    """

    provider: str
    unit: str
    settlement: Settlement | None
    spent: int
    held: int
    budget: int | None = None
    usd_per_credit: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The content of all renderers; `name` is how the manifest is called here, `made_at` a time in UTC (ISO 8601).

    `others` are paid renders beside the jobs' own; `outcome` is there when the report is about one run; `stopped` says
    why nothing was run at all.
    """

    title: str
    name: str
    profile: str | None
    made_at: str
    rows: tuple[ReportRow, ...]
    others: tuple[ReportRow, ...] = ()
    accounts: tuple[Account, ...] = ()
    notes: tuple[str, ...] = ()
    outcome: Outcome | None = None
    stopped: str | None = None
    simulated: bool = False


def make_report(plan: Plan, lockfile: Lockfile, here: frozenset[str], *, name: str, made_at: str) -> Report:
    """Return the report of a plan's jobs as their receipts stand; `here` are the outputs that exist on this disk."""
    profile = plan.settings.profile
    indexes = (index for name, index in lockfile.profiles.items() if name != profile)
    elsewhere = frozenset(
        entry.fingerprint for index in (*indexes, *((lockfile.jobs,) if profile else ())) for entry in index.values()
    )
    shown = frozenset(entry.job.fingerprint for entry in plan.entries)
    rows = read_rows(plan.entries, lockfile.renders, here)
    others = other_rows(
        lockfile.renders, here, KnownFingerprints(shown=shown, elsewhere=elsewhere, jobs=plan.basis.known)
    )
    return Report(
        title=plan.settings.name,
        name=name,
        profile=profile,
        made_at=made_at,
        rows=rows,
        others=others,
        accounts=_accounts(plan, (*rows, *others), lockfile.renders),
        notes=(*plan.basis.notes, *open_words(lockfile.renders)),
        simulated=any(row.simulated for row in (*rows, *others)),
    )


def _accounts(plan: Plan, rows: Sequence[ReportRow], renders: Mapping[str, Receipt]) -> tuple[Account, ...]:
    attempts = [one for receipt in renders.values() for one in (receipt, *receipt.also, *receipt.failed)]
    settled = settlement_of(one for one in attempts if one.job_id is not None)
    budget = plan.settings.max_credits
    return tuple(
        Account(
            provider=provider,
            unit=plan.totals[provider].unit if provider in plan.totals else "credits",
            settlement=settled.get(provider),
            spent=sum(row.spent or 0 for row in rows if row.provider == provider),
            held=sum(row.held or 0 for row in rows if row.provider == provider),
            budget=budget.get(provider, budget.get(None)),
            usd_per_credit=plan.settings.usd_per_credit.get(provider),
        )
        for provider in dict.fromkeys(row.provider for row in rows)
    )


_ENDED = {JobEnd.SKIPPED: RowState.SKIPPED, JobEnd.BLOCKED: RowState.BLOCKED}


def of_run(report: Report, outcome: Outcome) -> Report:
    """Return the report of a run: the end of each job, and the charges of this run alone."""
    return replace(
        report,
        rows=tuple(_ended(row, outcome) for row in report.rows),
        accounts=tuple(
            replace(account, settlement=outcome.credits.get(account.provider)) for account in report.accounts
        ),
        outcome=outcome,
    )


def _ended(row: ReportRow, outcome: Outcome) -> ReportRow:
    end = outcome.ends.get(row.address)
    reason = outcome.reasons.get(row.address, "")
    if end in (JobEnd.DONE, JobEnd.REUSED, None):
        return replace(row, reason="bought earlier" if end is JobEnd.REUSED else reason)
    lacking = end is JobEnd.OWED and row.state is RowState.DONE  # bought and known, but its clip is not here
    state = RowState.RENDERED if lacking else _ENDED.get(end, row.state)
    return replace(row, state=state, reason=reason, error=row.error or reason or None)


def not_run(report: Report, why: str) -> Report:
    """Return the report of a run that never began: its purchases are `skipped`, with the reason."""
    return replace(
        report,
        rows=tuple(
            replace(row, state=RowState.SKIPPED, error=why) if row.state is RowState.NOT_BOUGHT else row
            for row in report.rows
        ),
        stopped=why,
    )


def count_states(rows: Iterable[ReportRow]) -> dict[RowState, int]:
    """Return how many rows stand in each state, in the order of the states, without zeros."""
    found = [row.state for row in rows]
    return {state: found.count(state) for state in RowState if state in found}


def jobs_of(report: Report) -> tuple[ReportRow, ...]:
    """Return the rows of jobs, without further paid renders."""
    return tuple(row for row in report.rows if row.role is RowRole.JOB)
