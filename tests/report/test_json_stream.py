"""JSON that is written in pieces reads as if it had been written whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.report.machine import json_stream
from kbatch.report.machine.json_stream import pieces

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXTS | st.sampled_from([0.5, 1.25, "a\nb", "\u2028"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), st.lists(VALUES, max_size=7))
def test_pieces_are_the_whole_text(document: dict[str, Any], rows: list[Any]) -> None:
    """An iterator stands where a list would, however many pieces it is written in, and keys keep their order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_AT_ONCE", 2)
        written = "".join(pieces({**document, "rows": iter(rows), "last": 1}))
    assert written == json.dumps({**document, "rows": rows, "last": 1}, indent=2, ensure_ascii=False) + "\n"


def test_rows_are_not_gathered_before_they_are_written() -> None:
    """The first rows are out before the last ones are made: 100,000 are never held as text."""
    rows = iter(range(10_000))
    first = next(piece for piece in pieces({"rows": rows}) if "999" in piece)
    assert "1000" not in first
    assert next(rows) == 1_000
