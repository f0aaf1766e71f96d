"""A number that no provider can be sent is said where it comes from: a template's text, its reckoning, a data file."""

import pytest
from small_manifests import Files, resolved

from kbatch.errors import Problem
from kbatch.manifest.data import read_rows

SHOTS = {
    "alone": "prompt: '{{ 1e400 }}'",
    "in-a-text": "prompt: 'a {{ 1e400 }} b'",
    "negative": "prompt: '{{ -1e400 }}'",
    "set": "prompt: '{% set x = 1e400 %}a'",
    "product": "prompt: '{{ 1e300 * 1e300 }}'",
    "read-from-a-text": "prompt: '{{ \"1e400\" | float }}'",
    "no-number": "prompt: '{{ \"nan\" | float }}'",
    "when": "prompt: x\n    when: 1e400 > 1",
    "label": "prompt: x\n    labels: {a: '{{ 1e400 }}'}",
    "model": "prompt: x\n    model: '{{ 1e400 }}'",
    "parameter": "prompt: x\n    params: {duration: '{{ 1e400 }}'}",
    "axis": "prompt: 'x {{ n }}'\n    matrix: {n: '{{ [1e400] }}'}",
    "output": "prompt: x\n    output: '{{ 1e400 }}.mp4'",
}


@pytest.mark.parametrize("shot", SHOTS.values(), ids=SHOTS)
def test_a_template_makes_no_number_beyond_a_float(shot: str) -> None:
    """Each is `bad-number`, as `1e400` in YAML is, and no job is made of it."""
    found = resolved(f"shots:\n  - id: a\n    {shot}\n")
    assert set(found.codes) == {"bad-number"}


@pytest.mark.parametrize("number", ["1e999", "-1e999", "Infinity", "NaN"])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_data_holds_no_number_beyond_a_float(name: str, number: str) -> None:
    """JSON that Python reads as infinity is refused by its own spelling."""
    row = f'{{"x": {number}}}'
    found = read_rows(name, Files({name: f"[{row}]" if name == "a.json" else row}).read, name)
    assert isinstance(found, Problem)
    assert (found.code, f"`{number}`" in found.message) == ("bad-number", True)
