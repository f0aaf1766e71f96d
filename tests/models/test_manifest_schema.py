"""The manifest's JSON Schema: the packaged file is what the cards make, good manifests pass and bad ones do not."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from packaged_cards import CATALOG, SCHEMAS

from kbatch.manifest.schema.manifest_schema import shape_schema
from kbatch.manifest.schema.validate import strict_validator
from kbatch.models.editor_schema import manifest_schema, schema_text

EDITOR = manifest_schema(CATALOG.cards)
SHAPE = shape_schema(CATALOG.providers)
SMALL: dict[str, Any] = {"kbatch": 1, "name": "demo", "shots": [{"id": "a", "model": "kling-2.6", "prompt": "x"}]}
WHOLE: dict[str, Any] = {
    "kbatch": 1,
    "name": "solstice-launch",
    "provider": "apiframe",
    "vars": {"brand": "Solstice"},
    "data": {"products": "data/products.csv"},
    "matrix": {"product": "{{ data.products }}"},
    "defaults": {"model": "kling-2.6", "params": {"duration": 5, "aspect_ratio": "16:9", "generate_audio": False}},
    "profiles": {
        "draft": {
            "override": {
                "model": "kling-2.5-turbo-pro",
                "params": {"duration": 5},
                "takes": 1,
                "drop_unsupported": True,
            }
        }
    },
    "budget": {"max_credits": {"apiframe": 2000}, "max_credits_per_job": 105},
    "rates": {"apiframe": {"usd_per_credit": 0.01}},
    "prices": {},
    "output": {"dir": "renders", "name": "{{ shot.id }}/{{ slug }}.mp4"},
    "run": {"concurrency": {"apiframe": 8, "aimlapi": 4}},
    "shots": [
        {
            "id": "hero",
            "model": "kling-3.0",
            "labels": {"market": "eu"},
            "prompt": "{{ brand }} {{ product.name }} on a ridge in {{ city }}, {{ light }}, slow dolly in",
            "matrix": {
                "city": ["Lisbon", "Tokyo"],
                "light": ["golden hour", "blue hour"],
                "exclude": [{"city": "Tokyo", "light": "golden hour"}],
                "include": [{"city": "Oslo", "light": "polar night"}],
            },
            "takes": 2,
            "params": {"duration": 10, "mode": "pro", "generate_audio": True},
        },
        {
            "id": "reveal",
            "prompt_file": "prompts/reveal.j2",
            "params": {"start_image": "{{ last_frame('hero', light='blue-hour') }}"},
            "matrix": {"city": ["Lisbon", "Tokyo"]},
        },
        {
            "id": "still-life",
            "model": "kling-2.1",
            "params": {"mode": "pro", "start_image": "stills/table.png", "end_image": "stills/table-night.png"},
            "prompt": "a slow push over the table as night falls",
        },
        {
            "id": "compare",
            "model": "{{ engine }}",
            "matrix": {"engine": ["kling-2.1", "kling-2.5-turbo-pro", "kling-2.6", "kling-3.0"]},
            "prompt": "{{ brand }} logo forming from sand",
        },
    ],
}
AIMLAPI = "kling-video/v2.1/pro/image-to-video"


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    """Return the whole example with one value set."""
    manifest = deepcopy(WHOLE)
    *steps, last = path
    place: Any = manifest
    for step in steps:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    place[last] = value
    return manifest


GOOD = {
    "small": SMALL,
    "whole": WHOLE,
    "takes-of-defaults": changed("defaults", "takes", value=3),
    "bare-budget": changed("budget", value={"max_credits": 100}),
    "own-price": changed("prices", value={f"aimlapi/{AIMLAPI}": {"credits_per_second": 262500}}),
    "price-of-a-variant": changed(
        "prices", value={"apiframe/kling-3.0": {"variants": {"pro-audio": {"credits_per_second": 8}}}}
    ),
    "zip": changed("shots", 0, "matrix", "zip", value=[["city", "light"]]),
    "axis-of-mappings": changed("shots", 0, "matrix", "city", value=[{"id": "lisbon", "sun": 8}]),
    "templates-as-values": changed(
        "shots", 0, "params", value={"duration": "{{ s }}", "generate_audio": "{{ a }}", "mode": "{{ m }}"}
    ),
    "multi-prompt-as-list": changed("shots", 0, "params", value={"multi_prompt": [{"prompt": "a", "duration": 10}]}),
    "multi-prompt-as-text": changed("shots", 0, "params", value={"multi_prompt": "[]"}),
    "when": changed("shots", 0, "when", value="city != 'Tokyo'"),
    "provider-of-a-shot": changed("shots", 0, "provider", value="aimlapi"),
    "provider-as-template": changed("shots", 0, "provider", value="{{ p }}"),
    "weak-parameter-of-another-model": changed("defaults", "params", "mode", value="pro"),
    "profile-with-all": changed(
        "profiles",
        "draft",
        value={"vars": {"a": 1}, "defaults": {}, "budget": {}, "output": {"dir": "d"}, "prices": {}},
    ),
    "name-of-another-script": changed("name", value="зима-2026"),
}
BAD = {
    "no-version": {key: value for key, value in SMALL.items() if key != "kbatch"},
    "another-version": changed("kbatch", value=2),
    "version-as-text": changed("kbatch", value="1"),
    "no-shots": changed("shots", value=[]),
    "shot-without-id": changed("shots", 0, value={"prompt": "a"}),
    "unknown-at-the-top": changed("shot", value=[]),
    "unknown-in-a-shot": changed("shots", 0, "secnds", value=6),
    "unknown-in-defaults": changed("defaults", "id", value="a"),
    "matrix-in-defaults": changed("defaults", "matrix", value={}),
    "unknown-in-a-profile": changed("profiles", "draft", "drop_unsupported", value=True),
    "unknown-in-override": changed("profiles", "draft", "override", "matrix", value={}),
    "drop-unsupported-in-a-shot": changed("shots", 0, "drop_unsupported", value=True),
    "unknown-in-budget": changed("budget", "max", value=1),
    "unknown-in-output": changed("output", "folder", value="x"),
    "unknown-in-run": changed("run", "jobs", value=1),
    "upper-case-name": changed("name", value="Solstice"),
    "name-with-space": changed("name", value="a b"),
    "id-with-bracket": changed("shots", 0, "id", value="a[b]"),
    "no-takes": changed("shots", 0, "takes", value=0),
    "takes-as-text": changed("shots", 0, "takes", value="2"),
    "both-prompts": changed("shots", 0, "prompt_file", value="a.j2"),
    "axis-as-scalar": changed("shots", 0, "matrix", "city", value="Lisbon"),
    "axis-with-null": changed("shots", 0, "matrix", "city", value=[None]),
    "exclude-as-mapping": changed("shots", 0, "matrix", "exclude", value={"city": "Tokyo"}),
    "zip-of-one": changed("shots", 0, "matrix", "zip", value=[["city"]]),
    "budget-with-fraction": changed("budget", "max_credits", value=1.5),
    "budget-below-zero": changed("budget", "max_credits", "apiframe", value=-1),
    "rate-of-nothing": changed("rates", "apiframe", "usd_per_credit", value=0),
    "price-with-fraction": changed("prices", value={"a/b": {"credits": 1.5}}),
    "price-of-nothing": changed("prices", value={"a/b": {"credits": 0}}),
    "price-twice": changed("prices", value={"a/b": {"credits": 1, "credits_per_second": 1}}),
    "price-empty": changed("prices", value={"a/b": {}}),
    "params-as-list": changed("shots", 0, "params", value=[]),
    "labels-as-list": changed("shots", 0, "labels", value=["a"]),
    "concurrency-of-none": changed("run", "concurrency", value={"apiframe": 0}),
}
BAD_FOR_ITS_MODEL = {
    "parameter-of-another-model": changed("shots", 0, "params", "cfg_scale", value=0.5),
    "parameter-of-no-model": changed("defaults", "params", "wumpus", value=1),
    "parameter-of-no-model-by-template": changed("shots", 3, "params", value={"wumpus": 1}),
    "value-not-listed": changed("shots", 2, "params", "mode", value="4k"),
    "value-out-of-range": changed("shots", 0, "params", "duration", value=16),
    "value-of-another-type": changed("shots", 0, "params", "generate_audio", value="yes"),
    "no-model-takes-it": changed("shots", 3, "params", value={"duration": 99}),
    "unknown-model": changed("shots", 0, "model", value="kling-9"),
    "unknown-provider": changed("provider", value="other"),
}


def _fits(schema: dict[str, Any], manifest: Any) -> bool:
    return Draft202012Validator(schema).is_valid(manifest)


def test_the_packaged_schema_is_what_the_cards_make() -> None:
    """`schemas/manifest.schema.json` never lags behind the cards."""
    packaged = (SCHEMAS / "manifest.schema.json").read_bytes().decode()
    assert packaged == schema_text(manifest_schema(CATALOG.cards))


@pytest.mark.parametrize("manifest", GOOD.values(), ids=GOOD)
def test_good_manifests_pass_both_schemas(manifest: dict[str, Any]) -> None:
    """What may be written is accepted by the shape and by the editor's schema."""
    assert [error.message for error in Draft202012Validator(SHAPE).iter_errors(manifest)] == []
    assert [error.message for error in strict_validator(SHAPE).iter_errors(manifest)] == []
    assert [error.message for error in Draft202012Validator(EDITOR).iter_errors(manifest)] == []


@pytest.mark.parametrize("manifest", BAD.values(), ids=BAD)
def test_bad_manifests_fail_both_schemas(manifest: dict[str, Any]) -> None:
    """What the shape forbids, the editor forbids too."""
    assert (_fits(SHAPE, manifest), _fits(EDITOR, manifest)) == (False, False)
    assert not strict_validator(SHAPE).is_valid(manifest)


@pytest.mark.parametrize("manifest", BAD_FOR_ITS_MODEL.values(), ids=BAD_FOR_ITS_MODEL)
def test_only_the_editors_schema_knows_models(manifest: dict[str, Any]) -> None:
    """The shape leaves models to the cards, which have better words; an editor underlines at once."""
    assert (_fits(SHAPE, manifest), _fits(EDITOR, manifest)) == (True, False)


@pytest.mark.parametrize("card", CATALOG.cards, ids=lambda card: card.key)
def test_hovering_over_a_model_shows_its_prices(card: Any) -> None:
    """Each model's description has every row of its table, or says that the price is unknown."""
    (option,) = [each for each in EDITOR["$defs"]["model"]["anyOf"] if each.get("const") == card.model]
    for variant, credits in (card.pricing.table or {}).items():
        assert f"{variant} {'unknown' if credits is None else credits}" in option["description"]
    assert ("Price unknown" in option["description"]) is (card.pricing.table is None)


def _parts(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if isinstance(schema.get("examples"), list):
            yield path, schema
        for key, value in schema.items():
            if key not in ("examples", "default", "enum", "const"):
                yield from _parts(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from _parts(value, f"{path}/{index}")


@pytest.mark.parametrize("name", ["manifest", "model-card"])
def test_every_example_in_a_schema_is_valid_there(name: str) -> None:
    """What a schema shows to a reader is accepted by the part that shows it; and each schema is itself valid."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    whole = Draft202012Validator(schema)
    shown = 0
    for path, part in _parts(schema):
        for example in part["examples"]:
            shown += 1
            assert whole.evolve(schema=part).is_valid(example), (path, example)
    assert shown > 10


def _fields(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, part in schema.items() if isinstance(schema, dict) else ():
        if key in ("properties", "$defs"):
            for name, each in part.items():
                yield f"{path}/{name}", each
                yield from _fields(each, f"{path}/{name}")


def test_every_field_is_described() -> None:
    """A field without a description is a field that an editor cannot explain."""
    described = {"description", "$ref"}
    silent = [path for path, part in _fields(EDITOR) if not described & part.keys()]
    assert silent == []
