"""Two requests field by field, in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.planner.comparison.request_diff import differences, text_change

LONG = "a lighthouse on a basalt cliff at first light, slow aerial orbit"
PICTURE = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        pytest.param({"duration": 5}, {"duration": 10}, ["duration 5 → 10"], id="number"),
        pytest.param({"p": {"duration": 5}}, {"p": {"duration": 10}}, ["duration 5 → 10"], id="nested"),
        pytest.param({"p": {"mode": "pro"}}, {}, ["mode pro → unset"], id="nested-gone"),
        pytest.param({}, {"generate_audio": True}, ["generate_audio unset → true"], id="boolean"),
        pytest.param({"x": 1}, {"x": True}, ["x 1 → true"], id="one-is-not-true"),
        pytest.param({"prompt": "a ridge"}, {"prompt": "a valley"}, ["prompt a ridge → a valley"], id="short-text"),
        pytest.param(
            {"prompt": LONG}, {"prompt": LONG.replace("basalt", "chalk")}, ["prompt “basalt” → “chalk”"], id="word"
        ),
        pytest.param({"prompt": LONG}, {"prompt": "x " * 30}, ["prompt rewritten"], id="rewritten"),
        pytest.param({}, {"prompt": LONG}, ["prompt set"], id="long-text-set"),
        pytest.param({"negative_prompt": LONG}, {}, ["negative_prompt removed"], id="long-text-removed"),
        pytest.param({"image": PICTURE}, {"image": PICTURE[:-1] + "b"}, ["image is another picture"], id="picture"),
        pytest.param({}, {"image": PICTURE}, ["image added"], id="picture-added"),
        pytest.param({"image": PICTURE}, {}, ["image removed"], id="picture-removed"),
        pytest.param({"image": "frame:last:a"}, {"image": "frame:last:b"}, ["image from another clip"], id="frame"),
        pytest.param(
            {"image": PICTURE}, {"image": "frame:last:b"}, ["image is another picture"], id="picture-to-frame"
        ),
        pytest.param({"prompt": PICTURE}, {"prompt": "x"}, ["prompt rewritten"], id="a-prompt-is-no-picture"),
        pytest.param({"b": 1, "a": 1}, {"b": 2, "a": 2}, ["a 1 → 2", "b 1 → 2"], id="by-name"),
    ],
)
def test_a_change_in_words(before: dict[str, Any], after: dict[str, Any], words: list[str]) -> None:
    """Short values stand for themselves, texts by their changed words, pictures by what they are."""
    assert [field.words for field in differences(before, after)] == words


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (LONG.replace("slow ", ""), "without “slow”"),
        (LONG + ", rain", "“orbit” → “orbit, rain”"),
        (LONG.replace("slow aerial", "slow and steady aerial"), "with “and steady”"),
        (LONG.replace("a lighthouse", "the lighthouse").replace("orbit", "dive"), "“a” → “the”, “orbit” → “dive”"),
        (LONG.replace(" ", "  "), "differs in white space"),
        (" ".join(reversed(LONG.split())), "rewritten"),
        (f"{LONG} {'and so on ' * 20}", "rewritten"),
        ("word " * 3000, "rewritten"),
    ],
)
def test_a_changed_text_by_its_words(after: str, words: str) -> None:
    """What went and what came; more than a few pieces, or long ones, are `rewritten`."""
    assert text_change(LONG, after) == words


_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x", LONG, PICTURE, "frame:last:a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
_requests = st.dictionaries(st.sampled_from(["prompt", "image", "duration", "klingParams"]), _values, max_size=4)


@given(_requests, _requests)
def test_every_difference_is_reported_and_nothing_else(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Equal requests have no differences; words are one line and never empty; there and back are as many."""
    assert differences(before, before) == ()
    found = differences(before, after)
    assert all(field.words and "\n" not in field.words for field in found)
    assert [field.name for field in found] == [field.name for field in differences(after, before)]
