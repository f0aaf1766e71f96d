"""Nothing is torn inside a number or a price, however narrow the terminal is."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_plans import CITIES, loaded, plan_of, review_of

from kbatch.report.text import plan_text
from kbatch.report.text.wrapping import Line, wrap

_WORDS = st.lists(st.sampled_from(("12,345 credits", "render", "hero[city=oslo,light=dusk]", "70", "$4.30", " ", "·")))


def plain(line: Line) -> str:
    """Return a line's text."""
    return "".join(words for words, _ in line)


@given(words=_WORDS, width=st.integers(20, 120))
def test_rows_hold_the_words_of_the_line(words: list[str], width: int) -> None:
    """All words in their order, each whole, none wider than the width but a word that is itself."""
    line = [(f"  {word}", "money") for word in words]
    rows = [plain(row) for row in wrap(line, width)]
    assert " ".join(rows).split() == plain(line).split()
    assert all(len(row) <= width or len(row.split()) <= 2 for row in rows)
    assert not any(row.endswith("12,345") for row in rows)


@pytest.mark.parametrize("width", range(30, 121, 5))
def test_a_plan_fits_and_keeps_its_prices(width: int, tmp_path: Path) -> None:
    """At every width each price of the plan stands in one row, whole, with its unit."""
    plan = plan_of(loaded(tmp_path, CITIES), {})
    lines = list(plan_text.lines(plan, review_of(plan).summary, width=width))
    rows = [plain(row) for line in lines for row in wrap(line, width)]
    for line in lines:
        for price in re.findall(r"\d[\d,.]* credits", plain(line)):
            assert any(price in row for row in rows), price
    assert all(len(row) <= width or len(row.split()) == 1 for row in rows)
