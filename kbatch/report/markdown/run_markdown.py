"""A report as Markdown: first what needs attention, then the state of every job and what was paid."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from kbatch.report.data.accounts import Account, Report, count_states, jobs_of
from kbatch.report.data.format import count, span, verdict
from kbatch.report.data.rows import ReportRow, RowRole, RowState
from kbatch.report.data.shares import Slice, slices
from kbatch.report.data.sums import dollars
from kbatch.report.markdown.markdown import Block, Table, code, marker, prose, quote, render

STATE_WORDS: Mapping[RowState, str] = {
    RowState.DONE: "done",
    RowState.DELIVERED_WRONG: "delivered wrong",
    RowState.FAILED: "failed",
    RowState.UNKNOWN: "unknown",
    RowState.RENDERED: "owed",
    RowState.SUBMITTED: "owed (rendering)",
    RowState.BLOCKED: "blocked",
    RowState.SKIPPED: "not started",
    RowState.NOT_BOUGHT: "not bought",
}
"""States in words."""
ROLE_WORDS: Mapping[RowRole, str] = {
    RowRole.JOB: "job",
    RowRole.EARLIER: "bought again since",
    RowRole.NOT_SELECTED: "not selected here",
    RowRole.PROFILE: "of another profile",
    RowRole.ORPHAN: "no job refers to it any more",
}
"""Why a paid render stands beside the jobs, in words."""
_FINE = frozenset((RowState.DONE, RowState.NOT_BOUGHT))
_MOST_SLICES = 20


def as_markdown(report: Report, limit: int) -> str:
    """Return the report as Markdown of at most `limit` bytes."""
    return render(list(_blocks(report)), limit)


def _blocks(report: Report) -> Iterator[Block]:
    kind = "report" if report.outcome is None and report.stopped is None else "run"
    profile = f", profile {code(report.profile)}" if report.profile else ""
    yield marker(kind, report.name, report.profile)
    yield f"## {kind.capitalize()} of {code(report.name)}{profile}{_verdict(report)}"
    yield _headline(report)
    yield _accounts(report)
    yield quote("Look", _warnings(report))
    yield _attention(report)
    yield _spending(report)
    yield _all_jobs(report)
    yield _also_paid(report)


def _verdict(report: Report) -> str:
    if report.stopped is not None:
        return ": nothing was run"
    return f": {verdict(report.outcome.exit_code)}" if report.outcome else ""


def _headline(report: Report) -> str:
    rows = jobs_of(report)
    done = sum(row.state is RowState.DONE for row in rows)
    states = [
        f"{number:,} {STATE_WORDS[state]}" for state, number in count_states(rows).items() if state is not RowState.DONE
    ]
    others = f" {', '.join(states)}." if states else ""
    return f"**{done:,} of {count(len(rows), 'clip')} delivered.**{others}" if rows else "No job was reached."


def _accounts(report: Report) -> Block:
    head = ("provider", "planned", "reported", "refunded", "unexplained", "spent in all", "held", "budget left")
    rows = tuple(_account(account) for account in report.accounts)
    return Table(head=head, align="lrrrrrrr", rows=rows) if rows else ""


def _account(account: Account) -> tuple[str, ...]:
    settlement = account.settlement
    usd = dollars(account.usd_per_credit, account.spent)
    left = None if account.budget is None else account.budget - account.spent - account.held
    settled = ("–",) * 4
    if settlement is not None:
        untold = f" + {count(settlement.unreported, 'job')} not known" if settlement.unreported else ""
        reported = f"{settlement.reported:,}{untold}"
        settled = (f"{settlement.planned:,}", reported, f"{settlement.refunded:,}", f"{settlement.unexplained:,}")
    return (
        code(account.provider),
        *settled,
        f"{account.spent:,}{f' ({usd})' if usd else ''}",
        f"{account.held:,}",
        "–" if left is None else f"{left:,}" if left >= 0 else f"**{-left:,} over**",
    )


def _warnings(report: Report) -> Iterator[str]:
    if report.simulated:
        yield "this is a rehearsal: clips, credits and budget are the simulator's; nothing real was bought"
    if report.stopped is not None:
        yield prose(report.stopped)
    for note in report.notes[:5]:
        yield prose(note)
    if report.outcome is not None:
        for said in (*report.outcome.stopped, *report.outcome.surprises, *report.outcome.problems)[:10]:
            yield prose(said)


def _attention(report: Report) -> Block:
    rows = tuple(
        (STATE_WORDS[row.state], code(row.address), _credits(row), prose(row.error or row.reason or "–"))
        for row in jobs_of(report)
        if row.state not in _FINE
    )
    if not rows:
        return ""
    return Table(
        head=("state", "job", "credits", "what happened"),
        align="llrl",
        rows=rows,
        noun="job",
        elsewhere="`kbatch status` has all",
    )


def _credits(row: ReportRow) -> str:
    if row.held:
        return f"{row.held:,} held"
    return "?" if row.spent is None or row.held is None else f"{row.spent:,}"


def _spending(report: Report) -> Block:
    rows = tuple(
        (side, code(part.provider), code(part.name), f"{part.jobs:,}", _sum(part))
        for side in ("model", "shot", "label")
        for part in slices((*report.rows, *report.others), side)[:_MOST_SLICES]
    )
    if not rows:
        return ""
    head = ("by", "provider", "which", "clips", "credits")
    return Table(head=head, align="lllrr", rows=rows, fold="Where the credits went")


def _sum(part: Slice) -> str:
    return f"{part.credits:,} + {part.unknown} ?" if part.unknown else f"{part.credits:,}"


def _all_jobs(report: Report) -> Block:
    rows = tuple(
        (
            code(row.address),
            STATE_WORDS[row.state],
            code(row.name),
            _credits(row),
            code(row.job_id or ""),
            took(row),
            code(row.prompt or "", 160),
        )
        for row in jobs_of(report)
    )
    if not rows:
        return ""
    return Table(
        head=("job", "state", "model and variant", "credits", "job id", "took", "prompt"),
        align="lllrlrl",
        rows=rows,
        fold=f"All {count(len(rows), 'job')}",
        noun="job",
        elsewhere="`kbatch report --csv` has all",
    )


def took(row: ReportRow) -> str:
    """Return how long a render took, from submission to its end, or an en dash."""
    if row.submitted_at is None or row.finished_at is None:
        return "–"
    seconds = (datetime.fromisoformat(row.finished_at) - datetime.fromisoformat(row.submitted_at)).total_seconds()
    return span(round(seconds), round(seconds))


def _also_paid(report: Report) -> Block:
    rows = tuple((code(row.address), ROLE_WORDS[row.role], _credits(row), code(row.output)) for row in report.others)
    if not rows:
        return ""
    fold = f"Also paid: {count(len(rows), 'render')}"
    return Table(head=("was", "because", "credits", "clip"), align="llrl", rows=rows, fold=fold)
