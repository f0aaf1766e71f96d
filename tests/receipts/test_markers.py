"""Conflict markers: whatever git leaves in a file, both sides come out of it whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbatch.errors import StateUnreadable
from kbatch.receipts.lockfile.conflict_markers import has_markers, split_sides

Hunk = tuple[list[str], list[str] | None, list[str]]

_line = st.sampled_from(
    ["{", '  "a": 1,', "}", "", "  <<<<<<< no marker", '"======="', "=====", "<<<<<<", "||||||| ?"[:3]]
)
_lines = st.lists(_line, max_size=4)
_hunks = st.tuples(_lines, st.none() | _lines, _lines)


def conflict(hunk: Hunk, size: int, label: str) -> list[str]:
    """Return a hunk as git writes it; with a base where it was asked to (`merge.conflictStyle=diff3`)."""
    ours, base, theirs = hunk
    middle = [] if base is None else [f"{'|' * size} base", *base]
    return [f"{'<' * size}{label}", *ours, *middle, "=" * size, *theirs, f"{'>' * size}{label}"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(_lines, _hunks), min_size=1, max_size=4),
    _lines,
    st.integers(7, 9),
    st.sampled_from([" HEAD", "", " a branch: with words"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_both_sides_come_out_whole(  # noqa: PLR0917 - one argument a strategy
    parts: list[tuple[list[str], Hunk]], tail: list[str], size: int, label: str, end: str, last: bool
) -> None:
    """Text and hunks in any order, in both styles, with any label, size and line end, give our text and theirs."""
    written: list[str] = []
    ours: list[str] = []
    theirs: list[str] = []
    for common, hunk in parts:
        written += [*common, *conflict(hunk, size, label)]
        ours += [*common, *hunk[0]]
        theirs += [*common, *hunk[2]]
    text = end.join([*written, *tail]) + (end if last else "")
    expected = []
    for side in (ours, theirs):
        integer = "".join(line + end for line in [*side, *tail])
        expected.append(integer if last or not tail else integer.removesuffix(end))
    if tail or last:
        assert split_sides(text, "x") == tuple(expected)
    assert has_markers(text)


@given(_lines)
def test_a_text_without_a_conflict_is_both_sides(lines: list[str]) -> None:
    """What only looks like a marker stays where it is."""
    text = "\n".join(lines)
    assert split_sides(text, "x") == (text, text)
    assert not has_markers(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("a\n<<<<<<< HEAD\nb\n=======\nc\n", "x:2: a conflict begins here and does not end", id="no-end"),
        pytest.param("<<<<<<< HEAD\nb\n", "x:1: a conflict begins here", id="only-a-beginning"),
        pytest.param("<<<<<<< a\n<<<<<<< b\n=======\n>>>>>>> b\n", "x:2: a conflict marker `<<<<<<<`", id="within"),
        pytest.param("<<<<<<< a\n=======\n>>>>>>> b\nc\n=======\n", "x:5: a conflict marker", id="stray-middle"),
        pytest.param("<<<<<<< a\n=======\n>>>>>>> b\n>>>>>>> b\n", "x:4: a conflict marker", id="stray-end"),
        pytest.param("<<<<<<< a\n=======\n=======\n>>>>>>> b\n", "x:3: a conflict marker", id="two-middles"),
        pytest.param("<<<<<<< a\n>>>>>>> b\n", "x:2: a conflict marker", id="no-middle"),
    ],
)
def test_half_a_conflict_is_no_side(text: str, where: str) -> None:
    """Markers that do not form hunks are an error with the line, never a guess."""
    with pytest.raises(StateUnreadable) as raised:
        split_sides(text, "x")
    assert raised.value.message.startswith(where)
    assert "kbatch lock merge" in str(raised.value.hint)


def test_the_markers_of_an_earlier_merge_are_part_of_the_base() -> None:
    """A merge of merges leaves longer markers inside the base, which are no markers of this one."""
    inner = ["<<<<<<<<< Temporary merge branch 1", "x", "=========", "y", ">>>>>>>>> Temporary merge branch 2"]
    text = "\n".join(conflict((["ours"], inner, ["theirs"]), 7, " HEAD")) + "\n"
    assert split_sides(text, "x") == ("ours\n", "theirs\n")
