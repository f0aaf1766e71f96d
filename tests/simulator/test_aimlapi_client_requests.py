"""Requests as AI/ML's Python SDK (2.24.0rc1) sends them for a video, recorded, get answers of the documented shapes.

The shapes are the vendor's (OpenAPI of "Usage Logs" and "Account Balance", page "Model Catalogue API"), read by
jsonschema and not by kbatch's own readers.
"""

from collections.abc import Mapping
from typing import Any

import jsonschema
from response_shapes import CATALOGUE, GENERATED, GENERATION, LEDGER, LOGS
from simulator_calls import KLING, START, document, new

from kbatch.simulator.exchange import Reply, SimulatedRequest
from kbatch.simulator.state import World
from kbatch.simulator.world import answer

SDK = {
    "accept": "application/json", "accept-encoding": "gzip, deflate", "connection": "keep-alive",
    "user-agent": "AIMLAPI/Python 2.24.0rc1", "x-stainless-lang": "python", "x-stainless-retry-count": "0",
    "x-stainless-read-timeout": "600", "http-referer": "github.com/aimlapi/aimlapi-sdk-python",
    "x-title": "AI/ML API Python SDK (OpenAI)", "authorization": "Bearer sdk-key",
}  # fmt: skip
BODY = b'{"model":"%s","prompt":"a cat","duration":5,"image_url":"https://example.com/a.png"}' % KLING.encode()
PATH = "/v2/video/generations"


def send(world: World, method: str, path: str, after: float, query: Mapping[str, str], **more: Any) -> Reply:
    """Return the answer to a request with the SDK's headers."""
    headers = {**SDK, **more.pop("headers", {})}
    request = SimulatedRequest(method=method, path=path, query=query, headers=headers, **more)
    return answer(world, request, START + after)


def test_the_vendors_client_gets_its_clip_and_its_records() -> None:
    """Submit with a name, poll on the newer path to the end, list the models; then log and ledger name the job."""
    world = new(latency_s=1)
    sent = {"content-type": "application/json", "x-client-request-id": "sdk:1"}
    first = send(world, "POST", PATH, 0, {}, body=BODY, headers=sent)
    jsonschema.validate(document(first), GENERATION)
    job = document(first)["id"]
    assert (first.headers["x-inference-id"], first.headers["x-client-request-id"]) == (job, "sdk:1")
    polls = [document(send(world, "GET", PATH, after, {"generation_id": job})) for after in (0, 0.5, 1)]
    for poll in polls:
        jsonschema.validate(poll, GENERATED)
    assert [poll["status"] for poll in polls] == ["queued", "generating", "completed"]
    models = document(send(world, "GET", "/v1/models", 1, {}))
    jsonschema.validate(models, CATALOGUE)
    assert KLING in {model["id"] for model in models["data"]}
    log = document(send(world, "GET", "/v2/logs", 5, {"period": "24h"}))
    jsonschema.validate(log, LOGS)
    assert [(row["client_request_id"], row["inference_id"]) for row in log["data"]] == [("sdk:1", job)]
    ledger = document(send(world, "GET", "/v2/billing/transactions", 5, {"direction": "CHARGE", "limit": "50"}))
    jsonschema.validate(ledger, LEDGER)
    assert [row["reference_id"] for row in ledger["data"]] == [job]
