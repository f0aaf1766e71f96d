"""Cards in words: the list, the page of one model, and the two commands that print."""

import json

import pytest
from click.testing import CliRunner
from packaged_cards import AIMLAPI, CATALOG, card_of

from kbatch.cli.commands import models, schema
from kbatch.models.describe import ModelRow, as_json, describe, list_models


def test_the_list_has_a_row_for_each_model() -> None:
    """Price range, duration, audio and pictures in a few words."""
    rows = {row.model: row for row in list_models(CATALOG.cards)}
    assert rows["kling-3.0"] == ModelRow(
        provider="apiframe",
        model="kling-3.0",
        price="9–105 credits",
        duration="3–15 s",
        audio="on unless turned off",
        pictures="start_image, end_image",
    )
    assert rows[AIMLAPI] == ModelRow(
        provider="aimlapi",
        model=AIMLAPI,
        price="unknown",
        duration="5 or 10 s",
        audio="none",
        pictures="image_url, static_mask",
    )
    assert [rows[model].price for model in ("kling-2.1", "kling-2.5-turbo-pro", "kling-2.6")] == [
        "3–10 credits",
        "4–7 credits",
        "15–40 credits",
    ]


def test_a_page_says_what_each_parameter_takes() -> None:
    """Type, default, range and whether it is required, exact and apart from the description."""
    facts = {row.name: (row.type, row.facts) for row in describe(card_of(AIMLAPI)).parameters}
    assert facts["image_url"] == ("picture", "required, accepts url, data, file")
    assert facts["duration"] == ("integer", "accepts 5 or 10, default 5 (kbatch's own)")
    assert facts["cfg_scale"] == ("number", "accepts 0 to 1, default 0.5")
    assert facts["prompt"] == ("string", "")
    facts = {row.name: (row.type, row.facts) for row in describe(card_of("kling-3.0")).parameters}
    assert facts["prompt"] == ("string", "required, accepts 1 to 4,000 characters")
    assert facts["mode"] == ("string", "accepts standard or pro, default pro")
    assert facts["generate_audio"] == ("boolean", "default true")
    assert facts["duration"] == ("integer", "accepts 3 to 15, default 5")
    assert facts["aspect_ratio"] == ("string", "accepts W:H")


def test_a_page_has_prices_rules_notes_and_sources() -> None:
    """Disagreements between documents are shown where someone chooses a model."""
    page = describe(card_of("kling-3.0"))
    assert [(row.variant, row.price) for row in page.prices] == [
        ("standard", "3 credits/s"),
        ("standard-audio", "4 credits/s"),
        ("pro", "5 credits/s"),
        ("pro-audio", "7 credits/s"),
    ]
    assert page.rules == ("the durations in `multi_prompt` add up to the clip's `duration`",)
    assert any("4k" in note for note in page.notes)
    assert page.sources[0] == "parameters: “Kling 3.0”, Apiframe, read 2026-11-21, SHA-256 31b6c54e46b7…"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("kling-2.1", ["cfg_scale", "aspect_ratio"]),
        ("kling-2.5-turbo-pro", ["guidance_scale", "16:9, 9:16 and 1:1"]),
        ("kling-2.6", ["default false", "16:9, 9:16 and 1:1"]),
        ("kling-3.0", ["default false", "4k", "16:9, 9:16 and 1:1"]),
        (AIMLAPI, ["tail_image_url", "5 and 10"]),
    ],
)
def test_each_known_disagreement_is_on_its_models_card(model: str, words: list[str]) -> None:
    """What other documents say otherwise stands in the notes of the model that it is about."""
    notes = " ".join(describe(card_of(model)).notes)
    assert [word for word in words if word not in notes] == []


def test_an_unknown_price_is_said_and_has_no_number() -> None:
    """AI/ML's page has its variants without credits, and says why."""
    page = describe(card_of(AIMLAPI))
    assert [(row.variant, row.credits, row.price) for row in page.prices] == [
        ("5s", None, "unknown"),
        ("10s", None, "unknown"),
    ]
    assert page.price_note.startswith("Price unknown: no price is documented")


def test_the_json_form_has_the_schemas_of_the_parameters() -> None:
    """A script gets numbers and schemas, not only words."""
    (card,) = as_json([card_of("kling-2.6")])
    assert card["parameters"]["duration"]["enum"] == [5, 10]
    assert {row["variant"]: row["credits"] for row in card["prices"]} == {
        "5s": 15,
        "5s-audio": 25,
        "10s": 25,
        "10s-audio": 40,
    }
    assert json.loads(json.dumps(card)) == json.loads(json.dumps(card))


@pytest.mark.parametrize("name", ["kling-2.6", "apiframe/kling-2.6"])
def test_models_prints_one_model(name: str) -> None:
    """With or without the provider, the page of that model is on stdout."""
    result = CliRunner().invoke(models.command, [name])
    assert result.exit_code == 0
    for words in ("apiframe/kling-2.6: Kling 2.6", "10s-audio  40 credits a clip", "default true", "read 2026-11-21"):
        assert words in result.stdout


def test_models_prints_the_list() -> None:
    """Every model and the price range of each, aligned under the headings."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(models.command, [])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["provider", "model", "price", "duration", "audio", "pictures"]
    assert len(lines) == 1 + len(CATALOG.cards)
    assert all(
        line.index(card.model) == lines[0].index("model") for line, card in zip(lines[1:], CATALOG.cards, strict=True)
    )


def test_models_prints_json() -> None:
    """The same cards for scripts."""
    result = CliRunner().invoke(models.command, ["--format", "json"])
    assert [card["key"] for card in json.loads(result.stdout)] == [card.key for card in CATALOG.cards]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("kling-2.7", "did you mean `kling-2.6`?"), ("apiframe/kling-2.7", "did you mean `apiframe/kling-2.6`?")],
)
def test_models_refuses_an_unknown_model(name: str, hint: str) -> None:
    """Exit 2, nothing on stdout, and the nearest name."""
    result = CliRunner().invoke(models.command, [name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"there is no model `{name}`; {hint}" in result.stderr


@pytest.mark.parametrize("name", ["manifest", "model-card"])
def test_schema_prints_a_schema(name: str) -> None:
    """What is printed is JSON Schema 2020-12, byte for byte the packaged file."""
    result = CliRunner().invoke(schema.command, [name])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_schema_refuses_an_unknown_name() -> None:
    """Exit 2 and the names there are."""
    result = CliRunner().invoke(schema.command, ["cards"])
    assert result.exit_code == 2
    for name in ("manifest", "lockfile", "plan", "events", "model-card"):
        assert name in result.stderr


@pytest.mark.parametrize("command", [models.command, schema.command], ids=["models", "schema"])
def test_help_has_an_example(command: object) -> None:
    """The help of each command has an example."""
    result = CliRunner().invoke(command, ["--help"])  # type: ignore[arg-type]
    assert result.exit_code == 0
    assert "kbatch " in result.stdout
