"""What a job is, as a hash: the same for what a provider cannot tell apart, another for everything else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from packaged_cards import AIMLAPI, card_of, request_of

from kbatch.models.fingerprint import canonical, fingerprint

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
QUICK = settings(max_examples=150, deadline=None)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values mean the same, decided without the encoder: true is not 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return type(one) is type(other) and one == other


def shuffled(value: Any) -> Any:
    """Return the value in another form: keys in reverse order, whole numbers as floats where that is exact."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    return value


@QUICK
@given(VALUES)
def test_order_of_keys_and_form_of_numbers_do_not_count(value: Any) -> None:
    """What means the same has one encoding, and reading the encoding gives the value back."""
    assert canonical(shuffled(value)) == canonical(value)
    assert same(json.loads(canonical(value)), value)


@QUICK
@given(VALUES, VALUES)
def test_values_that_differ_have_different_encodings(one: Any, other: Any) -> None:
    """Encodings are equal exactly when the values mean the same."""
    assert (canonical(one) == canonical(other)) is same(one, other)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1, 2]}, '{"a":[1,2],"b":1}'),
        ("é — 漢", '"é — 漢"'),
        (5.0, "5"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e16, "10000000000000000"),
        (True, "true"),
        (None, "null"),
        ((1, (2,)), "[1,[2]]"),
        ({}, "{}"),
    ],
)
def test_the_encoding_is_the_one_that_receipts_rely_on(value: Any, text: str) -> None:
    """These bytes may never change: fingerprints of clips that were paid for hang on them."""
    assert canonical(value) == text.encode()


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (float("nan"), ValueError),
        ([float("inf")], ValueError),
        ({"a": float("-inf")}, ValueError),
        ("\ud800", ValueError),
        ({1: "a"}, TypeError),
        (b"bytes", TypeError),
        ({"a": {1, 2}}, TypeError),
    ],
    ids=["nan", "inf", "minus-inf", "half-a-character", "key-that-is-no-text", "bytes", "set"],
)
def test_what_json_does_not_have_is_refused(value: Any, error: type[Exception]) -> None:
    """Nothing is hashed that could not be sent."""
    with pytest.raises(error):
        canonical(value)


CARD = card_of("kling-3.0")
BASE = request_of("kling-3.0", {"duration": 5, "negative_prompt": "blur"}, prompt="a")


def _print(request: Any = BASE, *, take: int = 1, model: str = "kling-3.0", provider: str = "apiframe") -> str:
    return fingerprint(provider, model, request, take, CARD)


def test_a_fingerprint_stays_what_it_was() -> None:
    """A known request has a known fingerprint: an upgrade that changed it would buy everything again."""
    request = {
        "prompt": "a",
        "model": "kling-3.0",
        "klingParams": {"duration": 5, "mode": "pro", "generate_audio": True},
    }
    assert _print(request) == "9b32641c092afa5f946cc4816142e709733a1a815d86baed416137831a62b611"


def test_takes_differ_and_the_first_is_the_plain_one() -> None:
    """Take 2 is another purchase; take 1 is what the request was before takes were asked for."""
    assert len({_print(take=1), _print(take=2), _print(take=3)}) == 3
    assert _print(take=1) == _print()


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": "b"},
        {"klingParams": {**BASE["klingParams"], "duration": 6}},
        {"klingParams": {**BASE["klingParams"], "generate_audio": False}},
        {"klingParams": {**BASE["klingParams"], "negative_prompt": "blur "}},
        {"klingParams": {**BASE["klingParams"], "aspect_ratio": "16:9"}},
        {"klingParams": {key: value for key, value in BASE["klingParams"].items() if key != "negative_prompt"}},
    ],
    ids=["prompt", "duration", "audio", "one-space", "one-more", "one-less"],
)
def test_any_changed_field_is_another_purchase(changed: dict[str, Any]) -> None:
    """Whatever reaches the provider counts."""
    assert _print({**BASE, **changed}) != _print()


def test_model_and_provider_count() -> None:
    """The same body sent elsewhere is another clip."""
    assert len({_print(), _print(model="kling-2.6"), _print(provider="aimlapi")}) == 3


@QUICK
@given(st.dictionaries(st.sampled_from(["prompt", "a", "b"]), TEXT | NUMBER, min_size=1), st.integers(1, 5))
def test_fingerprints_do_not_depend_on_form(params: dict[str, Any], take: int) -> None:
    """Key order and number form leave the fingerprint as it is, whatever the request holds."""
    request = {"prompt": "x", "model": "kling-3.0", "klingParams": params}
    assert _print(shuffled(request), take=take) == _print(request, take=take)


@pytest.mark.parametrize("model", ["kling-2.6", AIMLAPI])
def test_a_parameter_added_later_costs_nothing_at_its_default(model: str) -> None:
    """With `since`, a new default leaves old fingerprints valid; any other value of it is another purchase."""
    card = card_of(model)
    added = {"type": "number", "default": 1, "since": 2, "description": "new"}
    newer = replace(card, parameters={**card.parameters, "sharpness": added})

    def with_sharpness(value: Any) -> dict[str, Any]:
        request = dict(request_of(model, {"image_url": "https://example.org/a"} if model == AIMLAPI else {}))
        if card.body_key is None:
            return {**request, "sharpness": value}
        return {**request, card.body_key: {**request[card.body_key], "sharpness": value}}

    old = request_of(model, {"image_url": "https://example.org/a"} if model == AIMLAPI else {})
    before = fingerprint(card.provider, model, old, 1, card)
    assert fingerprint(card.provider, model, with_sharpness(1), 1, newer) == before
    assert fingerprint(card.provider, model, with_sharpness(1.0), 1, newer) == before
    assert fingerprint(card.provider, model, with_sharpness(2), 1, newer) != before
    assert fingerprint(card.provider, model, with_sharpness(True), 1, newer) != before
