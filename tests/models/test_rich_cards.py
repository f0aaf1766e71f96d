"""Cards beyond texts and numbers: lists, mappings, pictures inside them, and prices of every kind."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from frozen_fingerprints import FROZEN
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from packaged_cards import CATALOG, DIGEST, card_of, request_of
from rich_cards import card, done, faults, priced, written

from kbatch.manifest.drafts import Frame
from kbatch.models.body import bind_frames, body_of, publish
from kbatch.models.cards import CardEndpoint
from kbatch.models.fingerprint import fingerprint
from kbatch.models.pricing import price_range, quote, values_of

CARD = card()
URL = "https://a.example/b.png"
FRAME = Frame("last", "hero")


@pytest.mark.parametrize(("model", "params", "known"), FROZEN)
def test_a_packaged_models_fingerprints_stay_what_they_were(model: str, params: dict[str, Any], known: str) -> None:
    """A richer form of cards buys nothing again."""
    assert fingerprint(card_of(model).provider, model, request_of(model, params), 1, card_of(model)) == known


@pytest.mark.parametrize(("model", "params", "known"), FROZEN)
def test_an_endpoint_is_outside_the_fingerprint(model: str, params: dict[str, Any], known: str) -> None:
    """A card that chooses another endpoint, or none, buys nothing again."""
    for name in (None, "legacy", "v2"):
        chosen = CardEndpoint(name=name, why="", source=card_of(model).source) if name else None
        moved = replace(card_of(model), endpoint=chosen)
        assert fingerprint(moved.provider, model, request_of(model, params), 1, moved) == known


def test_each_card_says_from_which_text_it_was_read() -> None:
    """The document of the parameters and of the prices has title, publisher, day and digest, or the commit it is of."""
    for each in CATALOG.cards:
        for source in (each.source, each.pricing.source):
            assert source is None or source.sha256 or re.search(r" at commit [0-9a-f]{40}$", source.title), each.key


def test_pictures_in_lists_and_mappings_are_tokens_in_the_request_and_inputs_with_a_place() -> None:
    """A file, a URL and a frame stand where they were written, the first and the last as tokens."""
    made = done(CARD, {"reference_images": ["a.png", URL], "elements": [{"image": FRAME, "name": "hat"}]})
    assert made.complaints == ()
    assert made.request is not None
    params = made.request["klingParams"]
    assert params["reference_images"] == [f"sha256:{DIGEST}", URL]
    assert params["elements"] == [{"image": "frame:last:hero", "name": "hat"}]
    assert [part.parameter for part in made.inputs] == [
        "reference_images[0]", "reference_images[1]", "elements[0].image",
    ]  # fmt: skip


def test_pictures_in_lists_are_bound_and_published_in_their_places() -> None:
    """Upstream fingerprints and upload URLs reach the inside of lists, and nothing else that looks like a token."""
    made = done(CARD, {"reference_images": ["a.png"], "elements": [{"image": FRAME, "name": "sha256:x"}]})
    bound = bind_frames(CARD, made.request or {}, {"frame:last:hero": "f" * 64})
    assert bound["klingParams"]["elements"][0]["image"] == f"frame:last:{'f' * 64}"
    sent = json.loads(
        publish(CARD, bound, {f"sha256:{DIGEST}": "https://u/1", f"frame:last:{'f' * 64}": "https://u/2"})
    )
    assert sent["klingParams"]["reference_images"] == ["https://u/1"]
    assert sent["klingParams"]["elements"] == [{"image": "https://u/2", "name": "sha256:x"}]


def test_a_picture_inside_a_list_counts_in_the_fingerprint() -> None:
    """Another picture, or another order, is another purchase."""
    prints = {
        fingerprint("acme", "acme-1", done(CARD, {"reference_images": each}).request or {}, 1, CARD)
        for each in (["a.png", URL], [URL, "a.png"], ["a.png"], [URL])
    }
    assert len(prints) == 4


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"reference_images": "a.png"}, "wrong-type", ("params", "reference_images")),
        ({"reference_images": []}, "too-short", ("params", "reference_images")),
        ({"reference_images": [URL] * 4}, "too-long", ("params", "reference_images")),
        ({"reference_images": [URL, 5]}, "wrong-type", ("params", "reference_images", 1)),
        ({"reference_images": ["missing.png"]}, "file-not-found", ("params", "reference_images", 0)),
        ({"elements": [{"name": "hat"}]}, "missing-field", ("params", "elements", 0)),
        ({"elements": [{"image": URL, "size": 1}]}, "unknown-field", ("params", "elements", 0, "size")),
        ({"elements": [{"image": URL, "name": "a long name"}]}, "too-long", ("params", "elements", 0, "name")),
        ({"elements": [{"image": URL, "name": FRAME}]}, "wrong-type", ("params", "elements", 0, "name")),
        ({"camera_control": []}, "wrong-type", ("params", "camera_control")),
        ({"camera_control": {"zoom": float("nan")}}, "not-finite", ("params", "camera_control")),
        ({"camera_control": {"type": "\ud800"}}, "not-unicode", ("params", "camera_control")),
    ],
    ids=[
        "no-list", "empty", "too-many", "no-picture", "missing-file", "no-image", "unknown", "long", "frame-as-name",
        "no-mapping", "nan", "half-a-character",
    ],
)  # fmt: skip
def test_a_fault_inside_a_list_is_marked_where_it_stands(
    params: dict[str, Any], code: str, field: tuple[Any, ...]
) -> None:
    """Each wrong item has its own code and place, whichever stage finds it."""
    found = done(CARD, params).complaints
    assert [(complaint.code, complaint.field) for complaint in found][:1] == [(code, field)]


def test_a_mapping_that_is_not_documented_is_sent_as_it_is() -> None:
    """`camera_control` may hold any JSON."""
    control = {"type": "simple", "config": {"zoom": [1, 2.5, None]}}
    assert (done(CARD, {"camera_control": control}).request or {})["klingParams"]["camera_control"] == control


PER_OUTPUT = card(pricing=priced({"draft": 2, "final": 5}, [{"parameter": "mode"}], "output", outputs="count"))


def test_several_outputs_are_refused_since_one_clip_is_fetched() -> None:
    """Clips that would be paid and lost are not asked for."""
    (found,) = done(PER_OUTPUT, {"count": 3}).complaints
    assert (found.code, found.hint) == ("several-outputs", "write `count: 1`, and `takes: 3` at the shot")


@pytest.mark.parametrize(
    ("table", "usd", "credits"),
    [("0.28 USD", 2_000_000, 560_000), ("1 USD", 100, 100), ("0.000001 USD", 1_000_000, 1)],
)
def test_a_price_in_usd_is_whole_units_exactly(table: str, usd: int, credits: int) -> None:
    """What the vendor writes in dollars is the integer that it comes to."""
    found = card(pricing=priced({"flat": table}, [], per_usd=usd))
    assert quote(found, done(found, {}).request or {}, {}).credits == credits


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "usd-not-whole": ({"pricing": priced({"flat": "0.005 USD"}, [], per_usd=100)}, "is no whole number of units"),
    "usd-without-rate": ({"pricing": priced({"flat": "0.05 USD"}, [])}, "'per_usd' is a required property"),
    "usd-nothing": ({"pricing": priced({"flat": "0 USD"}, [], per_usd=100)}, "is no whole number of units"),
    "price-as-float": ({"pricing": priced({"flat": 2.5}, [])}, "not a whole number of units"),
    "price-nothing": ({"pricing": priced({"flat": 0}, [])}, "not a whole number of units"),
    "row-left-out": ({"pricing": priced({"draft": 1}, [{"parameter": "mode"}])}, "`final` has no price"),
    "row-too-many": ({"pricing": priced({"flat": 1, "x": 2}, [])}, "`x` cannot be asked for"),
    "outputs-unnamed": ({"pricing": priced({"flat": 1}, [], "output")}, "'outputs' is a required property"),
    "priced-by-a-list": (
        {"pricing": priced({"flat": 1}, [{"parameter": "camera_control"}])},
        "`camera_control` has no default",
    ),
    "picture-nowhere": ({"images": {"elements[].picture": ["url"]}}, "there is no text at this path"),
    "picture-unknown": ({"images": {"stills[]": ["url"]}}, "speaks of `stills`"),
    "host": ({"host": "https://evil.example"}, "a card has no field `host` here"),
    "base-url": (
        {"body": {"parameters": None, "base_url": "https://evil.example"}},
        "a card has no field `base_url` here",
    ),
    "duration-unknown": ({"delivers": {"duration": "length", "audio": None}}, "speaks of `length`"),
    "extra-as-parameter": (
        {"parameters": {**written()["parameters"], "extra": {"type": "object", "description": "x"}}},
        "`parameters`",
    ),
}


@pytest.mark.parametrize(("changes", "why"), BAD.values(), ids=BAD)
def test_a_card_that_does_not_hold_together_is_refused(changes: dict[str, Any], why: str) -> None:
    """What a price or a place cannot be read from, and what chooses a host, is no card."""
    found = faults(written(**changes))
    assert any(why in fault for fault in found), found


AMOUNT = st.one_of(st.integers(1, 10**9), st.none())
MODES, AUDIO = ("draft", "final"), ("", "-audio")


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_quote_is_what_is_worked_out_by_hand(data: st.DataObject) -> None:
    """Flat, a second or an output, by any parameters: the quote is row × amount, unknown where the row is."""
    per = data.draw(st.sampled_from(["clip", "second", "output"]))
    by = [part for part in ("mode", "audio", "duration") if data.draw(st.booleans())]
    parts = {"mode": {"parameter": "mode"}, "audio": {"parameter": "audio", "true": "audio"}}
    parts["duration"] = {"parameter": "duration", "suffix": "s"}
    names = {"mode": ["draft", "final"], "audio": ["", "audio"], "duration": ["4s", "8s"]}
    rows = [""]
    for part in by:
        rows = ["-".join(filter(None, (row, name))) for row in rows for name in names[part]]
    table = {row or "flat": data.draw(AMOUNT) for row in rows}
    usd = {
        row: f"{Decimal(amount) / 1000} USD" for row, amount in table.items() if amount is not None and amount % 7 == 0
    }
    usd = {row: text for row, text in usd.items() if "E" not in text and Decimal(text[:-4]) < 10**6}
    more = {"outputs": "count"} if per == "output" else {}
    made = card(pricing=priced({**table, **usd}, [parts[part] for part in by], per, per_usd=1000, **more))
    chosen = {
        name: data.draw(st.sampled_from(values_of(made, name))) for name in ("mode", "audio", "duration", "count")
    }
    found = quote(made, body_of(made, "a", chosen), {})
    words = {"mode": chosen["mode"], "audio": "audio" if chosen["audio"] else "", "duration": f"{chosen['duration']}s"}
    row = "-".join(filter(None, (words[part] for part in by))) or "flat"
    times = {"clip": 1, "second": chosen["duration"], "output": chosen["count"]}[per]
    amount = table[row]
    assert (found.variant, found.credits) == (row, None if amount is None else amount * times)
    every = [
        a * n
        for a in table.values()
        if a is not None
        for n in {"clip": (1,), "second": (4, 8), "output": (1, 2, 3, 4)}[per]
    ]
    assert price_range(made) == ((min(every), max(every)) if every else None)
