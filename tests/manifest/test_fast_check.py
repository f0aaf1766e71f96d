"""A quick yes to a value is never given where jsonschema would say no, and is given to what is commonly written."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kbatch.manifest.schema.fast_check import fit_of
from kbatch.manifest.schema.manifest_schema import shape_schema
from kbatch.manifest.schema.strictness import judge_of
from kbatch.manifest.schema.validate import strict_validator
from kbatch.manifest.yaml.document import Document, read_document
from kbatch.providers.registry import full_catalog

ROOT = Path(__file__).parents[2]
SHAPE = shape_schema(("aimlapi", "apiframe"))
SCHEMAS: dict[str, Mapping[str, Any]] = {"manifest": SHAPE}
for _card in full_catalog().cards:
    for _name, _spec in _card.parameters.items():
        SCHEMAS[f"{_card.key}/{_name}"] = _spec
        if "contentSchema" in _spec:
            SCHEMAS[f"{_card.key}/{_name}/content"] = _spec["contentSchema"]

SCALARS = (
    None, True, False, 0, 1, 5, 5.0, 1.0, -1, 10**30, 0.5, float("nan"), float("inf"), "", "a", "5", "16:9", "16:9\n",
    "pro", "{{ a }}", "x" * 5000, "\ud800",
)  # fmt: skip
KINDS = ("string", "integer", "number", "boolean", "array", "object", "null", ["string", "integer"])
KEYS = (
    "a", "kbatch", "name", "shots", "id", "prompt", "prompt_file", "matrix", "params", "duration", "apiframe",
)  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(SCALARS) | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
LEAVES = st.fixed_dictionaries({}, optional={
    "type": st.sampled_from(KINDS), "const": st.sampled_from([1, True, "a", 0, None]), "title": st.just("T"),
    "enum": st.lists(st.sampled_from([1, True, "a", 5, 0.5, "pro"]), min_size=1, max_size=3),
    "pattern": st.sampled_from(["^a", "a", "^[0-9]+:[0-9]+$", "^$"]),
    "minLength": st.integers(0, 3), "maxLength": st.integers(0, 3), "minItems": st.integers(0, 2),
    "maxItems": st.integers(0, 2), "minProperties": st.integers(0, 2), "maxProperties": st.integers(0, 2),
    "minimum": st.integers(-1, 6), "maximum": st.integers(-1, 6), "exclusiveMinimum": st.integers(-1, 6),
    "required": st.lists(st.sampled_from(KEYS[:4]), max_size=2, unique=True), "multipleOf": st.just(2),
    "uniqueItems": st.booleans(), "not": st.just({"type": "object", "required": ["a"]}),
})  # fmt: skip
SCHEMA = st.recursive(
    LEAVES,
    lambda inner: st.fixed_dictionaries({}, optional={
        "anyOf": st.lists(inner, min_size=1, max_size=3), "items": inner, "additionalProperties": inner | st.booleans(),
        "properties": st.dictionaries(st.sampled_from(KEYS[:4]), inner, max_size=3), "propertyNames": LEAVES,
        "not": inner, "$ref": st.sampled_from(["#/$defs/part", "#/$defs/none"]), "allOf": st.lists(inner, min_size=1),
    }),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), VALUES)
def test_what_fits_a_schema_of_kbatch_passes_jsonschema(name: str, value: Any) -> None:
    """A value that is let through unseen by jsonschema is one that it accepts."""
    if fit_of(SCHEMAS[name])(value):
        assert judge_of(SCHEMAS[name]).is_valid(value)


@settings(max_examples=300, deadline=None)
@given(SCHEMA, LEAVES, VALUES)
@example({"not": {"type": "string", "multipleOf": 2}}, {}, 1)
@example({"anyOf": [{"not": {"multipleOf": 2}}]}, {}, 4)
def test_what_fits_any_schema_passes_jsonschema(schema: dict[str, Any], part: dict[str, Any], value: Any) -> None:
    """The same holds for any schema, with unknown keywords too."""
    whole = {**schema, "$defs": {"part": part, "none": True}}
    if fit_of(whole)(value):
        assert judge_of(whole).is_valid(value)


GOOD = [path for folder in ("manifests", "tests/examples/good") for path in sorted((ROOT / folder).glob("*.yaml"))]


def value_of(path: Path) -> Any:
    """Return a manifest as it is read."""
    read = read_document(path.read_bytes(), path.name)
    assert isinstance(read, Document)
    return read.value


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_a_good_manifest_needs_no_second_look(path: Path) -> None:
    """Each example is right at the first walk."""
    assert fit_of(SHAPE)(value_of(path))


def damaged(value: Any) -> Iterator[Any]:
    """Yield copies of a manifest with one thing wrong in each."""
    for at, wrong in (("kbatch", 2), ("name", "No Slug"), ("shots", []), ("extra", 1), ("budget", {"a": -1})):
        yield {**value, at: wrong}
    for index, shot in enumerate(value["shots"]):
        for field, wrong in (("id", "a b"), ("takes", True), ("params", []), ("prompt_file", ""), ("matrix", {"a": 1})):
            changed = copy.deepcopy(value)
            changed["shots"][index] = {**shot, field: wrong}
            yield changed


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_what_is_wrong_is_said_in_jsonschemas_words(path: Path) -> None:
    """A validator names the very errors that jsonschema does, in its order."""
    for wrong in damaged(value_of(path)):
        ours, theirs = (list(each.iter_errors(wrong)) for each in (strict_validator(SHAPE), judge_of(SHAPE)))
        assert [error.message for error in ours] == [error.message for error in theirs] != []


def test_a_manifest_that_is_right_loads_what_it_needs_only() -> None:
    """A start waits neither for jsonschema, which words what is wrong, nor for Jinja where names are only joined."""
    program = (
        "import json, sys\nfrom pathlib import Path\nfrom kbatch.pipeline.load import load\n"
        "load(Path('manifests/quickstart.yaml'))\nprint(json.dumps([name for name in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not {"jsonschema", "jinja2"} & set(json.loads(ended.stdout))
