"""The simulator holds to its own OpenAPI document, whatever a fuzzer sends it."""

import itertools
import json
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from openapi_document import DOCUMENT
from schemathesis.config import SchemathesisConfig
from simulator_calls import PNG, apiframe_submit, document, new

from kbatch.simulator.server import SimulatorSettings, build_app

# any key that is not empty works, by contract: the check that a made-up key is refused does not apply
_CONFIG = SchemathesisConfig.from_dict(
    {"generation": {"with-security-parameters": False}, "checks": {"ignored_auth": {"enabled": False}}}
)
_APP = build_app(SimulatorSettings(clips=False, credits={"apiframe": 10**12, "aimlapi": 10**15}, clock=lambda: 1e9))
_SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)), config=_CONFIG)
_SCHEMA.app = _APP
_NUMBERS = itertools.count()


@_SCHEMA.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_every_endpoint_answers_as_its_document_says(case: Any) -> None:
    """No request gives a 5xx, an undocumented answer, or an acceptance of what the document forbids."""
    say_what_json_schema_cannot(case)
    key = {} if case.path.startswith(("/clips", "/uploads")) else {"X-API-Key": "k", "Authorization": "Bearer k"}
    case.call_and_validate(headers=key)


def say_what_json_schema_cannot(case: Any) -> None:
    """Make values that the document allows fit the rules that JSON Schema has no words for."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key.strip()) <= 255:  # white space around it is no part of it
        case.headers["Idempotency-Key"] = f"key-{next(_NUMBERS)}"  # a key is for one body
    if "cursor" in (case.query or {}):
        del case.query["cursor"]  # only the provider makes one
    body = case.body
    if not isinstance(body, dict):
        return
    if case.path == "/v2/uploads" and isinstance(body.get("file"), str | bytes):
        body["file"] = PNG  # the content decides, not the declared type
    for values in (body, body.get("klingParams")):
        if isinstance(values, dict):
            make_whole(values)


def make_whole(values: dict[str, Any]) -> None:
    """Write 7.0 as 7, which JSON Schema does not tell apart, and let a timeline fill its clip."""
    duration = values.get("duration", 5)
    if isinstance(duration, float) and duration.is_integer():
        values["duration"] = duration = int(duration)
    if isinstance(values.get("multi_prompt"), str):
        values["multi_prompt"] = json.dumps([{"prompt": "one", "duration": duration}])


def test_the_document_is_valid_json_schema_throughout() -> None:
    """Every schema in the document is a schema."""
    found = list(schemas_in(DOCUMENT["paths"]))
    for schema in found:
        jsonschema.Draft202012Validator.check_schema(schema)
    assert len(found) > 60


def schemas_in(node: Any) -> Any:
    """Yield what stands under a key `schema`."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "schema":
                yield value
            else:
                yield from schemas_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from schemas_in(value)


def test_the_document_lists_every_endpoint_of_the_reference() -> None:
    """Both APIs, the clip host and the bill are described."""
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {
        ("POST", "/v2/videos/generate"),
        ("GET", "/v2/jobs/{id}"),
        ("GET", "/v2/jobs"),
        ("GET", "/v2/me"),
        ("GET", "/v2/models"),
        ("POST", "/v2/uploads"),
        ("POST", "/v2/generate/video/kling/generation"),
        ("GET", "/v2/generate/video/kling/generation"),
        ("GET", "/v2/billing"),
        ("GET", "/v1/models"),
        ("POST", "/v2/video/generations"),
        ("GET", "/v2/video/generations"),
        ("GET", "/v2/logs"),
        ("GET", "/v2/billing/transactions"),
        ("GET", "/clips/{name}"),
        ("GET", "/uploads/{id}/{name}"),
        ("GET", "/__bill"),
    }


@pytest.mark.parametrize("place", ["body", "klingParams"])
def test_an_unknown_key_is_refused_at_its_path(place: str) -> None:
    """A key that no page documents is refused by name, in the body and in its parameters."""
    world = new()
    extra = {"colour": 1}
    reply = apiframe_submit(world, **(extra if place == "body" else {"klingParams": extra}))
    path = "colour" if place == "body" else "klingParams.colour"
    assert reply.status == 400
    assert document(reply)["details"] == {path: ["Unrecognized key"]}
    assert not world.bill.charges
