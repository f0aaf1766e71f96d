"""The answer of `kbatch fit` as Markdown: a table of the chosen edits and one of the frontier."""

from collections.abc import Iterator, Sequence

from kbatch.planner.fit.answer import Fit
from kbatch.planner.fit.description import name_of
from kbatch.report.markdown.markdown import Block, Table, code, prose, render
from kbatch.report.text.fit_text import sentence

_LIMIT = 60_000
"""Bytes of a page: GitHub takes comments of 65,536 characters."""


def lines(fits: Sequence[Fit]) -> Iterator[str]:
    """Yield the page's lines."""
    blocks = [block for found in fits for block in blocks_of(found)]
    yield from render(blocks, _LIMIT).splitlines()


def blocks_of(found: Fit) -> Iterator[Block]:
    """Yield the sentence, the chosen edits, and the frontier folded."""
    yield prose(sentence(found))
    if found.lines:
        rows = tuple((code(line.edit), f"{line.saves:,}", prose(line.loses)) for line in found.lines)
        yield Table(head=("Edit", f"Saves ({found.unit})", "Loses"), align="lrl", rows=rows)
    if len(found.frontier) > 1:
        rows = tuple(
            (f"{one.cost + found.held:,}", f"{one.loss:,}", code("; ".join(name_of(one)) or "as it is", 400))
            for one in found.frontier
        )
        fold = "From the whole to the limit"
        yield Table(head=(found.unit, "Points of loss", "Edits"), align="rrl", rows=rows, fold=fold)


def offers(fits: Sequence[Fit]) -> Iterator[Block]:
    """Yield the best sets that fit, for a plan that is refused; nothing where none fits."""
    for found in fits:
        rows = tuple((f"{one.cost + found.held:,}", code("; ".join(name_of(one)), 400)) for one in found.best_three)
        if rows:
            yield Table(head=(f"{found.unit} ({found.provider})", "What would fit"), align="rl", rows=rows)
