"""The answer of `kbatch fit` in words: what would be spent, the chosen edits, and the way from the whole to them."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from kbatch.planner.fit.answer import Fit
from kbatch.planner.fit.description import name_of
from kbatch.report.data.format import amount, count


def lines(fits: Sequence[Fit], width: int) -> Iterator[str]:
    """Yield the lines; words are broken at `width` columns."""
    for number, found in enumerate(fits):
        if number:
            yield ""
        yield from _one(found, width)


def sentence(found: Fit) -> str:
    """Return whether a plan fits, in one sentence with all its figures."""
    held = f", {found.held:,} of them held by unknown outcomes" if found.held else ""
    head = f"{found.provider}: {amount(found.expected + found.held, found.unit)}{held}, {found.wanted:,} wanted"
    if not found.fits:
        return f"{head}: nothing fits, {found.after + found.held:,} is the least"
    return f"{head}: it fits" if not found.lines else f"{head}: {found.after + found.held:,} with these edits"


def _one(found: Fit, width: int) -> Iterator[str]:
    yield from wrap(sentence(found), width, subsequent_indent="    ", break_long_words=False)
    for line in found.lines:
        text = f"saves {line.saves:,}  {line.edit}  ({line.loses})"
        yield from wrap(text, width, initial_indent="  ", subsequent_indent="      ", break_long_words=False)
    if found.lines and len(found.frontier) > 1:
        yield ""
        yield from wrap("From the whole to the limit, the least loss for each sum:", width)
        for one in found.frontier:
            mark = "→" if one == found.chosen and found.lines else " "
            names = "; ".join(name_of(one)) or "as it is"
            text = f"{mark} {one.cost + found.held:>9,}  {count(one.loss, 'point'):>13}  {names}"
            yield from wrap(text, width, subsequent_indent=" " * 28, break_long_words=False, drop_whitespace=True)


def offers(fits: Sequence[Fit]) -> Iterator[str]:
    """Yield a sentence for each of the best sets that fit, for a refusal."""
    for found in fits:
        for one in found.best_three:
            yield f"{found.provider}: {amount(one.cost + found.held, found.unit)} with {'; '.join(name_of(one))}"
