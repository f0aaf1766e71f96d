"""A comparison of two plans as Markdown blocks: totals and what changed for the reviewer, every job below a fold."""

from collections.abc import Iterator, Sequence

from kbatch.planner.comparison.compare import Change, ChangeKind, Comparison, add
from kbatch.report.data.format import count
from kbatch.report.markdown.markdown import Block, Table, code, prose
from kbatch.report.text.compare_text import grouped, money

_MOST_REASONS = 12


def blocks(comparison: Comparison) -> Iterator[Block]:
    """Yield the section that stands in a review of the plan."""
    changes = [change for change in comparison.changes if change.kind is not ChangeKind.SAME]
    detail = comparison.detail.removeprefix("sha256:")[:12]
    yield f"### Compared with {code(comparison.name)}{f' ({code(detail)})' if detail else ''}"
    yield "  \n".join(prose(note) for note in comparison.notes)
    yield _totals(comparison)
    if changes:
        yield _reasons(changes)
        yield _shots(comparison)
        yield _jobs(changes)
    paid = f" {comparison.counts['paid']:,} of this plan's jobs are paid already." if comparison.counts["paid"] else ""
    same = comparison.counts[ChangeKind.SAME.value]
    yield f"{count(same, 'job')} unchanged.{paid}" if changes else f"Nothing differs in {count(same, 'job')}.{paid}"


def _totals(comparison: Comparison) -> Block:
    rows = tuple(
        (code(provider), _number(total.before), _number(total.after), _signed(total.difference))
        for provider, total in comparison.totals.items()
    )
    return Table(head=("provider", "before", "now", "difference"), align="lrrr", rows=rows) if rows else ""


def _number(amount: int | None) -> str:
    return "unknown" if amount is None else f"{amount:,}"


def _signed(amount: int | None) -> str:
    return "unknown" if amount is None else f"**{amount:+,}**" if amount else "0"


def _reasons(changes: Sequence[Change]) -> Table:
    ordered = grouped(changes)
    rows = tuple(
        (
            kind.value,
            f"{len(group):,}",
            prose(money(add(change.credits for change in group))),
            "; ".join(prose(words) for words in said),
            code(group[0].job.address),
        )
        for kind, said, group in ordered
    )
    if len(rows) > _MOST_REASONS:
        hidden = [change for _, _, group in ordered[_MOST_REASONS:] for change in group]
        credits = prose(money(add(change.credits for change in hidden)))
        more = f"{count(len(rows) - _MOST_REASONS, 'more reason')}, each below"
        rows = (*rows[:_MOST_REASONS], ("…", f"{len(hidden):,}", credits, more, ""))
    return Table(head=("change", "jobs", "difference", "what", "first"), align="lrrll", rows=rows)


def _shots(comparison: Comparison) -> Block:
    if len(comparison.shots) < 2:
        return ""
    rows = tuple(
        (
            code(one.shot),
            ", ".join(f"{number:,} {kind}" for kind, number in one.counts.items() if number),
            prose(money(one.credits)),
        )
        for one in comparison.shots
    )
    return Table(
        head=("shot", "jobs", "difference"),
        align="llr",
        rows=rows,
        fold=f"By shot: {count(len(rows), 'shot')}",
        noun="shot",
    )


def _jobs(changes: Sequence[Change]) -> Table:
    rows = tuple(
        (
            change.kind.value,
            code(change.job.address),
            "; ".join(prose(words) for words in change.words) or "–",
            _price(change),
            prose(money(change.credits)),
        )
        for change in changes
    )
    return Table(
        head=("change", "job", "what", "credits", "difference"),
        align="lllrr",
        rows=rows,
        fold=f"All {count(len(rows), 'change')}",
        noun="change",
        elsewhere="`kbatch plan --format json` has all",
    )


def _price(change: Change) -> str:
    shown = [
        "?" if job.credits is None else f"{job.credits:,}" for job in (change.before, change.after) if job is not None
    ]
    return " → ".join(shown)
