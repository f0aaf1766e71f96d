"""Prices against the documents' tables, typed in here from them."""

from typing import Any

import pytest
from packaged_cards import AIMLAPI, CATALOG, card_of, request_of

from kbatch.models.body import body_of
from kbatch.models.cards import Card
from kbatch.models.pricing import CostlyDefault, OwnPrice, Rate, costly_defaults, price_range, quote, read_prices

PICTURE = "https://example.org/a.png"
CLIPS: list[tuple[str, dict[str, Any], str, int]] = [
    ("kling-2.1", {"mode": "standard", "duration": 5}, "standard-5s", 3),
    ("kling-2.1", {"mode": "standard", "duration": 10}, "standard-10s", 5),
    ("kling-2.1", {"mode": "pro", "duration": 5}, "pro-5s", 5),
    ("kling-2.1", {"mode": "pro", "duration": 10}, "pro-10s", 10),
    ("kling-2.5-turbo-pro", {"duration": 5}, "5s", 4),
    ("kling-2.5-turbo-pro", {"duration": 10}, "10s", 7),
    ("kling-2.6", {"duration": 5, "generate_audio": False}, "5s", 15),
    ("kling-2.6", {"duration": 5, "generate_audio": True}, "5s-audio", 25),
    ("kling-2.6", {"duration": 10, "generate_audio": False}, "10s", 25),
    ("kling-2.6", {"duration": 10, "generate_audio": True}, "10s-audio", 40),
    ("sora-2", {}, "4s", 4),
    ("sora-2", {"duration": 8}, "8s", 8),
    ("sora-2", {"duration": 10}, "10s", 10),
    ("sora-2", {"duration": 12}, "12s", 12),
    ("sora-2", {"duration": 15}, "15s", 15),
    ("sora-2-pro", {}, "standard-4s", 12),
    ("sora-2-pro", {"duration": 15}, "standard-15s", 45),
    ("sora-2-pro", {"resolution": "high"}, "high-4s", 20),
    ("sora-2-pro", {"resolution": "high", "duration": 15}, "high-15s", 75),
    ("veo-2", {}, "5s", 15),
    ("veo-2", {"duration": 6}, "6s", 18),
    ("veo-2", {"duration": 7}, "7s", 20),
    ("veo-2", {"duration": 8}, "8s", 22),
    ("veo-3.1", {}, "4s", 5),
    ("veo-3.1", {"generate_audio": True}, "4s-audio", 10),
    ("veo-3.1", {"duration": 6}, "6s", 8),
    ("veo-3.1", {"duration": 6, "generate_audio": True}, "6s-audio", 15),
    ("veo-3.1", {"duration": 8}, "8s", 10),
    ("veo-3.1", {"duration": 8, "generate_audio": True}, "8s-audio", 20),
    ("kling-2.1", {}, "pro-5s", 5),
    ("kling-2.5-turbo-pro", {}, "5s", 4),
    ("kling-2.6", {}, "5s-audio", 25),
]
PER_SECOND = {
    "standard": ({"mode": "standard", "generate_audio": False}, 3),
    "standard-audio": ({"mode": "standard", "generate_audio": True}, 4),
    "pro": ({"mode": "pro", "generate_audio": False}, 5),
    "pro-audio": ({"mode": "pro", "generate_audio": True}, 7),
}


@pytest.mark.parametrize(("model", "params", "variant", "credits"), CLIPS)
def test_a_clip_costs_what_the_table_says(model: str, params: dict[str, Any], variant: str, credits: int) -> None:
    """Each row of the tables by the clip, and what the defaults come to."""
    found = quote(card_of(model), request_of(model, params), {})
    assert (found.variant, found.credits, found.unit, found.source) == (variant, credits, "credits", "card")
    assert found.working == f"{credits} credits a clip"


@pytest.mark.parametrize("duration", range(3, 16))
@pytest.mark.parametrize("variant", PER_SECOND)
def test_kling_3_is_priced_by_the_second(variant: str, duration: int) -> None:
    """Each duration from 3 to 15 in each of the four variants is rate times seconds, and the working says so."""
    params, rate = PER_SECOND[variant]
    found = quote(card_of("kling-3.0"), request_of("kling-3.0", {**params, "duration": duration}), {})
    assert (found.variant, found.credits, type(found.credits)) == (variant, rate * duration, int)
    assert found.working == f"{rate} credits/s × {duration} s = {rate * duration}"


@pytest.mark.parametrize(
    ("params", "credits"),
    [
        ({"duration": 5, "mode": "pro", "generate_audio": True}, 35),
        ({"duration": 10, "mode": "standard", "generate_audio": False}, 30),
        ({"duration": 15, "mode": "pro", "generate_audio": True}, 105),
        ({}, 35),
    ],
)
def test_the_documents_own_examples_come_out(params: dict[str, Any], credits: int) -> None:
    """The three worked examples of the page, and the request that says nothing."""
    assert quote(card_of("kling-3.0"), request_of("kling-3.0", params), {}).credits == credits


def test_an_undocumented_price_is_unknown_and_not_nothing() -> None:
    """AI/ML's model has a variant and no price; the working says why."""
    found = quote(card_of(AIMLAPI), request_of(AIMLAPI, {"image_url": PICTURE}), {})
    assert (found.credits, found.variant, found.source) == (None, "5s", "unknown")
    assert found.working.startswith("price unknown: no price is documented")


def test_a_mode_without_a_row_has_no_price() -> None:
    """A variant that the table lacks is unknown, whatever its neighbours cost."""
    card = card_of("kling-3.0")
    found = quote(card, body_of(card, "x", {"duration": 5, "mode": "4k", "generate_audio": True}), {})
    assert (found.credits, found.source) == (None, "unknown")
    assert found.working == "price unknown: the card has no price for the variant `4k-audio`"


@pytest.mark.parametrize(
    ("written", "duration", "credits", "working"),
    [
        ({"credits_per_second": 262500}, 10, 2625000, "262,500 credits/s × 10 s = 2,625,000 (price from the manifest)"),
        ({"credits": 900000}, 10, 900000, "900,000 credits a clip (price from the manifest)"),
        ({"credits": 7, "variants": {"10s": {"credits": 9}}}, 10, 9, "9 credits a clip (price from the manifest)"),
        ({"credits": 7, "variants": {"10s": {"credits": 9}}}, 5, 7, "7 credits a clip (price from the manifest)"),
    ],
)
def test_a_price_of_ones_own_fills_an_unknown_one(
    written: dict[str, Any], duration: int, credits: int, working: str
) -> None:
    """By the second, by the clip, and for a single variant."""
    key = f"aimlapi/{AIMLAPI}"
    prices, complaints = read_prices(CATALOG, {key: written})
    assert complaints == ()
    found = quote(card_of(AIMLAPI), request_of(AIMLAPI, {"image_url": PICTURE, "duration": duration}), prices)
    assert (found.credits, found.source, found.lowers, found.working) == (credits, "manifest", False, working)


@pytest.mark.parametrize(
    ("rate", "credits", "lowers"),
    [
        (Rate(credits=8, per_second=True), 80, False),
        (Rate(credits=7, per_second=True), 70, False),
        (Rate(credits=6, per_second=True), 60, True),
        (Rate(credits=69, per_second=False), 69, True),
    ],
    ids=["raised", "equal", "lowered", "lowered-by-the-clip"],
)
def test_lowering_a_known_price_is_said(rate: Rate, credits: int, lowers: bool) -> None:
    """The manifest's price counts, and `lowers` says that it is below the card's for this clip."""
    own = {"apiframe/kling-3.0": OwnPrice(rate=rate)}
    found = quote(card_of("kling-3.0"), request_of("kling-3.0", {"duration": 10}), own)
    assert (found.credits, found.lowers, found.source) == (credits, lowers, "manifest")


def test_a_price_for_one_variant_leaves_the_others_to_the_card() -> None:
    """What a manifest says of `pro-audio` says nothing of `standard`."""
    prices, _ = read_prices(CATALOG, {"apiframe/kling-3.0": {"variants": {"pro-audio": {"credits_per_second": 8}}}})
    card = card_of("kling-3.0")
    raised = quote(card, request_of("kling-3.0", {}), prices)
    other = quote(card, request_of("kling-3.0", {"mode": "standard", "generate_audio": False}), prices)
    assert ((raised.credits, raised.source), (other.credits, other.source)) == ((40, "manifest"), (15, "card"))


@pytest.mark.parametrize(
    ("written", "code", "field", "hint"),
    [
        (
            {"apiframe/kling-3": {"credits": 1}},
            "unknown-model",
            ("prices", "apiframe/kling-3"),
            "did you mean `apiframe/kling-3.0`?",
        ),
        (
            {"apiframe/kling-3.0": {"variants": {"pro-sound": {"credits": 1}}}},
            "unknown-variant",
            ("prices", "apiframe/kling-3.0", "variants", "pro-sound"),
            "did you mean `pro-audio`?",
        ),
    ],
    ids=["model", "variant"],
)
def test_a_price_for_nothing_is_complained_of(written: Any, code: str, field: Any, hint: str) -> None:
    """A price whose model or variant does not exist would silently price nothing."""
    _, (complaint,) = read_prices(CATALOG, written)
    assert (complaint.code, complaint.field, complaint.hint, complaint.on_key) == (code, field, hint, True)


@pytest.mark.parametrize(
    ("model", "params", "dearer"),
    [
        ("kling-2.1", {}, [("mode", "pro", "standard", 2)]),
        ("kling-2.1", {"duration": 10}, [("mode", "pro", "standard", 5)]),
        ("kling-2.1", {"mode": "standard"}, []),
        ("kling-2.1", {"end_image": PICTURE}, []),
        ("kling-2.5-turbo-pro", {}, []),
        ("kling-2.6", {}, [("generate_audio", True, False, 10)]),
        ("kling-2.6", {"duration": 10}, [("generate_audio", True, False, 15)]),
        ("kling-2.6", {"generate_audio": False}, []),
        ("kling-3.0", {}, [("mode", "pro", "standard", 15), ("generate_audio", True, False, 10)]),
        ("kling-3.0", {"duration": 15}, [("mode", "pro", "standard", 45), ("generate_audio", True, False, 30)]),
        ("kling-3.0", {"generate_audio": False}, [("mode", "pro", "standard", 10)]),
        (AIMLAPI, {"image_url": PICTURE}, []),
    ],
)
def test_expensive_defaults_come_from_table_and_default(model: str, params: dict[str, Any], dearer: list[Any]) -> None:
    """What a default costs more than another value that would be allowed here; an unknown price says nothing."""
    found = costly_defaults(card_of(model), request_of(model, params))
    rows = [CostlyDefault(parameter=row[0], default=row[1], cheaper=row[2], saves=row[3]) for row in dearer]
    assert list(found) == rows


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("kling-2.1", (3, 10)),
        ("kling-2.5-turbo-pro", (4, 7)),
        ("kling-2.6", (15, 40)),
        ("kling-3.0", (9, 105)),
        (AIMLAPI, None),
    ],
)
def test_the_range_of_a_models_prices(model: str, expected: tuple[int, int] | None) -> None:
    """From the cheapest clip that can be asked for to the dearest."""
    assert price_range(card_of(model)) == expected


@pytest.mark.parametrize("resolution", ["standard", "high"])
@pytest.mark.parametrize("duration", [8, 10, 12])
def test_a_step_between_two_documented_prices_is_unknown(resolution: str, duration: int) -> None:
    """Nothing is worked out between the least and the greatest price: such a job needs `--allow-unpriced`."""
    found = quote(card_of("sora-2-pro"), request_of("sora-2-pro", {"resolution": resolution, "duration": duration}), {})
    assert (found.credits, found.source) == (None, "unknown")


@pytest.mark.parametrize("card", CATALOG.cards, ids=lambda card: card.key)
def test_a_model_without_a_price_says_so(card: Card) -> None:
    """Each card of AI/ML, and kling-2.1-master, has no price and a note that tells why."""
    unpriced = card.provider == "aimlapi" or card.model == "kling-2.1-master"
    assert (card.pricing.table is None, card.pricing.note is not None) == (
        unpriced,
        unpriced or card.model == "sora-2-pro",
    )
