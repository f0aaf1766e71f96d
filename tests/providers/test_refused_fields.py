"""Which fields a 400 names: keys, paths and quoted words of every documented form, and nothing of any other."""

import json
from typing import Any

import pytest

from kbatch.providers.base import Answer
from kbatch.providers.error_messages import refused_fields


@pytest.mark.parametrize(
    ("told", "fields"),
    [
        ({"details": {"klingParams.mode": ["no"], "prompt": ["long"]}}, ("klingParams.mode", "prompt")),
        ({"details": {"klingParams": ["Unrecognized key(s) in object: 'a', 'b_c'"]}}, ("klingParams", "a", "b_c")),
        ({"error": {"data": [{"path": "duration", "message": "no"}]}}, ("duration",)),
        ({"error": {"data": [{"path": ["masks", 0, "x"], "message": 3}]}}, ("masks.0.x",)),
        ({"detail": [{"loc": ["body", "image_url"], "msg": "field required"}]}, ("body.image_url",)),
        ({"details": "klingParams.mode"}, ()),
        ({"details": {"a b": 1, "": 2, "x" * 300: 3, "\u001b[31m": 4}}, ()),
        ({"details": [1, None, {}], "error": {"data": [[]]}}, ()),
        ([], ()),
    ],
)
def test_the_fields_of_a_refusal(told: Any, fields: tuple[str, ...]) -> None:
    """Names come from where documents put them, are names, and are few however many are sent."""
    assert refused_fields(Answer(status=400, body=json.dumps(told).encode())) == fields


def test_no_more_fields_are_kept_than_a_request_can_have() -> None:
    """A thousand names are twenty."""
    body = json.dumps({"details": {f"p{n}": ["no"] for n in range(1000)}}).encode()
    assert len(refused_fields(Answer(status=400, body=body))) == 20
