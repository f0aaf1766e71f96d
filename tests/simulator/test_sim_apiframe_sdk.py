"""The vendor's own client is answered as its documents say: its requests, replayed byte for byte, against the schemas.

The answers are read with `json` and held against the OpenAPI document by `jsonschema`; nothing of kbatch reads them.
"""

import json
import re
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema
import pytest
from openapi_document import DOCUMENT

from kbatch.simulator.listen import serving
from kbatch.simulator.server import SimulatorSettings

RECORDED = json.loads((Path(__file__).parent / "sdk_requests.json").read_text(encoding="utf-8"))
NAMES = [request["name"] for request in RECORDED["requests"]]
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER

Answers = dict[str, tuple[int, Any]]
"""Status and document of each answer, by the name of its request."""


def filled(text: str, known: dict[str, str]) -> str:
    """Return a request's text with what earlier answers gave in the places that are kept free for it."""
    return re.sub(r"\{(job|cursor|upload|hook)\}", lambda place: known[place[1]], text)


def learn(name: str, document: Any, known: dict[str, str]) -> None:
    """Keep what later requests name, as the client would."""
    match name:
        case "upload":
            known["upload"] = document["url"]
        case "submit":
            known["job"] = document["jobId"]
        case "first page":
            known["cursor"] = quote(document["nextCursor"], safe="")


@pytest.fixture(scope="module")
def answers() -> Answers:
    """Replay the whole conversation over a socket."""
    found: Answers = {}
    known = {"hook": "http://127.0.0.1:9/hook"}
    with serving(SimulatorSettings(clips=False)) as base:
        connection = HTTPConnection(urlsplit(base).netloc, timeout=10)
        for request in RECORDED["requests"]:
            headers = {**RECORDED["headers"], **request.get("headers", {})}
            body = filled(request.get("body", ""), known).encode("latin-1") or None
            connection.request(request["method"], filled(request["target"], known), body=body, headers=headers)
            response = connection.getresponse()
            document = json.loads(response.read())
            assert response.headers["content-type"] == "application/json"
            found[request["name"]] = response.status, document
            learn(request["name"], document, known)
        connection.close()
    return found


def schema_of(request: dict[str, Any], status: int) -> Any:
    """Return the documented schema of an answer."""
    path = request["target"].partition("?")[0]
    path = path if path in DOCUMENT["paths"] else "/v2/jobs/{id}"
    answer = DOCUMENT["paths"][path][request["method"].lower()]["responses"][str(status)]
    return answer["content"]["application/json"]["schema"]


@pytest.mark.parametrize("request_", RECORDED["requests"], ids=NAMES)
def test_the_vendors_client_is_answered_as_documented(request_: dict[str, Any], answers: Answers) -> None:
    """Each request has the status that was recorded, and a body that the document's schema for it allows."""
    status, document = answers[request_["name"]]
    assert status == request_["status"], document
    validator = jsonschema.Draft202012Validator(schema_of(request_, status), format_checker=FORMATS)
    assert [error.message for error in validator.iter_errors(document)] == []


def test_the_conversation_means_what_the_client_takes_it_for(answers: Answers) -> None:
    """A key with spaces is one purchase, the job shows its picture, pages follow, errors name their fields."""
    told = {name: document for name, (_, document) in answers.items()}
    assert told["submit again"]["jobId"] == told["submit"]["jobId"] == told["job"]["id"]
    assert told["job"]["input"]["klingParams"]["start_image"] == told["upload"]["url"]
    assert told["job"]["input"]["prompt"] == "a fox \u2013 at dawn"
    assert told["upload of sound"]["kind"] == "audio"
    assert [job["id"] for job in told["next page"]["jobs"]] == [job["id"] for job in told["search"]["jobs"]]
    assert told["finished jobs and models"]["models"] == ["kling-2.1", "kling-2.6"]
    refused = {name: set(told[name].get("details", {})) for name, (status, _) in answers.items() if status == 400}
    assert refused == {
        "models of no modality": {"modality"},
        "upload of text": {"file"},
        "submit without events": {"webhookEvents"},
        "submit with a seed": {"seed"},
        "limit of none": {"limit"},
        "no id": set(),
    }
