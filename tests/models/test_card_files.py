"""The card files themselves: their form, and that what they say holds together."""

import json
from itertools import product
from typing import get_args

import pytest
from jsonschema import Draft202012Validator
from packaged_cards import CATALOG, FILES, KLING_2_1, SCHEMAS

from kbatch.errors import Bug
from kbatch.manifest.schema.validate import strict_validator
from kbatch.models.cards import Card, read_cards
from kbatch.models.describe import describe
from kbatch.models.pricing import values_of, variant_of, variants
from kbatch.providers.aimlapi import AIMLAPI
from kbatch.receipts.shapes import EndpointName

SCHEMA = json.loads((SCHEMAS / "model-card.schema.json").read_bytes())
CARDS = pytest.mark.parametrize("card", CATALOG.cards, ids=lambda card: card.key)


def test_there_is_one_card_for_each_model_of_the_documents() -> None:
    """The documented models, and no other, have a card."""
    assert [card.key for card in CATALOG.cards] == [
        "aimlapi/kling-video/v2.1/pro/image-to-video",
        "aimlapi/kling-video/v2.1/standard/image-to-video",
        "aimlapi/klingai/video-v2-6-pro-image-to-video",
        "aimlapi/klingai/video-v3-pro-image-to-video",
        "aimlapi/klingai/video-v3-standard-image-to-video",
        "apiframe/kling-2.1",
        "apiframe/kling-2.1-master",
        "apiframe/kling-2.5-turbo-pro",
        "apiframe/kling-2.6",
        "apiframe/kling-3.0",
        "apiframe/sora-2",
        "apiframe/sora-2-pro",
        "apiframe/veo-2",
        "apiframe/veo-3.1",
    ]


@pytest.mark.parametrize(("name", "data"), FILES, ids=[name for name, _ in FILES])
def test_a_card_has_the_form_of_its_schema(name: str, data: bytes) -> None:
    """Every card file validates, and points an editor at the schema that stands where it says."""
    card = json.loads(data)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(card)] == []
    assert ((SCHEMAS / name).parent / card["$schema"]).resolve() == (SCHEMAS / "model-card.schema.json").resolve()


def test_the_schema_refuses_a_card_that_says_nothing_of_its_price() -> None:
    """A card without a table must say why; a table without a source is refused."""
    card = json.loads(KLING_2_1[1])
    for change in ({"table": None}, {"source": None}, {"table": {"5s": 0}}, {"table": {"5s": 2.5}}):
        worse = {**card, "pricing": {**card["pricing"], **change}}
        assert not Draft202012Validator(SCHEMA).is_valid(worse), change


@CARDS
def test_each_parameter_is_a_valid_json_schema(card: Card) -> None:
    """Parameters, prompt and the contents of JSON texts are JSON Schema 2020-12."""
    for spec in (card.prompt, *card.parameters.values()):
        Draft202012Validator.check_schema(spec)
        Draft202012Validator.check_schema(spec.get("contentSchema", {}))


@CARDS
def test_a_card_only_names_parameters_that_it_has(card: Card) -> None:
    """Images, rules, variants, durations and what is required refer to parameters of the same card."""
    named = {part.parameter for part in card.pricing.variant} | card.image_parameters | {card.duration}
    named |= {name for rule in card.rules for name in rule.involved} | (card.required - {"prompt"})
    named |= {card.audio} if card.audio else set()
    assert named <= set(card.parameters)


@CARDS
def test_defaults_and_examples_are_values_that_the_parameter_takes(card: Card) -> None:
    """No card fills in or suggests what it would refuse."""
    for name, spec in card.parameters.items():
        for value in (*([spec["default"]] if "default" in spec else []), *spec.get("examples", ())):
            assert strict_validator(spec).is_valid(value), (name, value)


@CARDS
def test_what_the_price_depends_on_always_has_a_value(card: Card) -> None:
    """Each parameter of the variant, and the duration, has a default, so that every request can be priced."""
    for name in (card.duration, *(part.parameter for part in card.pricing.variant)):
        assert "default" in card.parameters[name]


@CARDS
def test_every_variant_that_can_be_asked_for_has_a_price_and_no_other(card: Card) -> None:
    """The table's names are exactly those that the parameters can make."""
    names = list(dict.fromkeys(part.parameter for part in card.pricing.variant))
    rows = product(*(values_of(card, name) for name in names))
    made = {variant_of(card, dict(zip(names, row, strict=True))) for row in rows}
    assert made == set(variants(card))


@CARDS
def test_every_fact_has_a_source_and_a_day(card: Card) -> None:
    """Parameters, prices and render times name document, publisher and the day they were read."""
    sources = [card.source, card.typical_source, *([card.pricing.source] if card.pricing.table else [])]
    for source in sources:
        assert source is not None
        assert (bool(source.title), bool(source.publisher), source.read >= "2026-11-21") == (True, True, True)


def test_a_card_chooses_among_the_endpoints_of_receipts() -> None:
    """Schema, receipts and the provider have the same names; each AI/ML card says which, why, and by which document."""
    names = SCHEMA["properties"]["endpoint"]["properties"]["name"]["enum"]
    assert tuple(names) == get_args(EndpointName) == AIMLAPI.endpoints
    chosen = {card.model: card.endpoint for card in CATALOG.cards if card.endpoint}
    assert {model: end.name for model, end in chosen.items()} == {
        "kling-video/v2.1/pro/image-to-video": "legacy",
        "kling-video/v2.1/standard/image-to-video": "legacy",
        "klingai/video-v2-6-pro-image-to-video": "v2",
        "klingai/video-v3-pro-image-to-video": "v2",
        "klingai/video-v3-standard-image-to-video": "v2",
    }
    assert all(end.why and end.source.read >= "2026-11-21" for end in chosen.values())
    page = describe(next(card for card in CATALOG.cards if card.model == "klingai/video-v3-pro-image-to-video"))
    assert any("endpoint `v2`: the OpenAPI of this model" in note for note in page.notes)
    assert any(source.startswith("endpoint `v2`: “video-v3-pro") for source in page.sources)


def test_a_card_in_the_wrong_place_is_a_bug() -> None:
    """A file whose path is not its provider and model is not read as something else."""
    with pytest.raises(Bug, match=r"is that of apiframe/kling-2\.1"):
        read_cards([("models/apiframe/kling-9.json", KLING_2_1[1])])


def test_two_cards_of_one_model_are_a_bug() -> None:
    """A second card never hides a first."""
    with pytest.raises(Bug, match="two model cards"):
        read_cards([KLING_2_1, KLING_2_1])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("kling-2.6", ["apiframe/kling-2.6"]),
        ("apiframe/kling-2.6", ["apiframe/kling-2.6"]),
        ("kling-video/v2.1/pro/image-to-video", ["aimlapi/kling-video/v2.1/pro/image-to-video"]),
        ("aimlapi/kling-2.6", []),
        ("kling-2", []),
    ],
)
def test_a_card_is_named_with_or_without_its_provider(name: str, found: list[str]) -> None:
    """Only a whole name names a card."""
    assert [card.key for card in CATALOG.named(name)] == found


@pytest.mark.parametrize(
    ("provider", "model", "code", "message", "hint"),
    [
        ("apifram", "kling-2.6", "unknown-provider", "there is no provider `apifram`", "did you mean `apiframe`?"),
        ("apiframe", "kling-2.7", "unknown-model", "`apiframe` has no model `kling-2.7`", "did you mean `kling-2.6`?"),
        ("aimlapi", "kling-2.6", "unknown-model", "`aimlapi` has no model `kling-2.6`", "`provider: apiframe` has it"),
    ],
    ids=["provider-misspelt", "model-misspelt", "model-of-another-provider"],
)
def test_an_unknown_model_is_said_with_what_was_meant(
    provider: str, model: str, code: str, message: str, hint: str
) -> None:
    """Each way of missing a card has its code, its message and a hint that helps."""
    assert CATALOG.find(provider, model) is None
    complaint = CATALOG.explain_missing(provider, model)
    assert (complaint.code, complaint.message, complaint.hint) == (code, message, hint)
