"""The AI/ML API's endpoints: what they answer, and each documented refusal with its body."""

import re
from typing import Any

import pytest
from simulator_calls import (
    AIMLAPI_KEY,
    GENERATION,
    KLING,
    START,
    aimlapi_poll,
    aimlapi_submit,
    bill_of,
    call,
    document,
    job_id,
    new,
)

from kbatch.simulator.exchange import Reply, SimulatedRequest
from kbatch.simulator.faults.selection import rule as fault
from kbatch.simulator.state import World
from kbatch.simulator.world import answer

PRICE = 1_312_500
NEWER = "/v2/video/generations"
NEW_ENVELOPE = {"title", "status", "message", "instance", "timestamp", "error"}
OLD_ENVELOPE = {"message", "path", "requestId", "statusCode", "timestamp"}


def test_ids_take_the_three_documented_forms_in_turn() -> None:
    """An 18-digit number, a UUID with the model's path, a nanoid; each can be polled."""
    world = new()
    ids = [job_id(aimlapi_submit(world)) for _ in range(6)]
    forms = [r"[1-9]\d{17}", rf"[0-9a-f-]{{36}}:{KLING}", r"[A-Za-z0-9_-]{21}"] * 2
    for found, form in zip(ids, forms, strict=True):
        assert re.fullmatch(form, found)
        assert document(aimlapi_poll(world, found))["id"] == found
    assert len(set(ids)) == 6


def test_a_submit_tells_its_usage_where_the_api_does() -> None:
    """200 and queued; credits and dollars agree; the third form has no `meta`, as older answers."""
    world = new()
    first, _, third = (aimlapi_submit(world) for _ in range(3))
    assert first.status == 200
    assert document(first)["status"] == "queued"
    assert document(first)["meta"] == {"usage": {"credits_used": PRICE, "usd_spent": 0.65625}}
    assert document(third).keys() == {"id", "status"}


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_a_job_runs_its_course(turn: int) -> None:
    """Queued, generating, then completed with a video and the usage; no progress is told."""
    world = new(latency_s=100)
    job = [job_id(aimlapi_submit(world)) for _ in range(turn + 1)][turn]
    seen = [document(aimlapi_poll(world, job, now=START + after)) for after in (0, 10, 99, 100)]
    assert [found["status"] for found in seen] == ["queued", "generating", "generating", "completed"]
    assert all(found["video"] is None and found["error"] is None for found in seen[:-1])
    video = seen[-1]["video"]
    assert video["url"].startswith("http://127.0.0.1/clips/")
    assert video.keys() == ({"url"} if turn == 2 else {"url", "content_type", "file_name"})
    assert seen[-1]["meta"]["usage"]["credits_used"] == PRICE
    assert "progress" not in seen[1]


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_a_failure_stands_inside_a_200(turn: int) -> None:
    """Status error with one of the two documented shapes of `error`, and no video."""
    world = new("fail")
    job = [job_id(aimlapi_submit(world)) for _ in range(turn + 1)][turn]
    reply = aimlapi_poll(world, job)
    found = document(reply)
    assert (reply.status, found["status"], found["video"]) == (200, "error", None)
    if turn == 1:
        assert found["error"]["detail"][0].keys() == {"loc", "msg", "type"}
    else:
        assert found["error"].keys() == {"name", "message"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Basic eA=="},
        {"x-api-key": "k"},
        {"authorization": "Bearer invalid"},
        {"authorization": "Bearer bad1"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", GENERATION), ("GET", GENERATION), ("GET", "/v2/billing")])
def test_a_key_is_required(method: str, path: str, headers: dict[str, str]) -> None:
    """Without a bearer key, or with one rehearsed as unknown, each endpoint answers 401 in the older envelope."""
    reply = call(new(), method, path, headers=headers)
    assert reply.status == 401
    assert document(reply).keys() == OLD_ENVELOPE
    assert document(reply)["statusCode"] == 401


def test_an_unknown_id_is_404_and_a_missing_one_400() -> None:
    """`Inference not found` for an id that never was; an Apiframe id is none either."""
    world = new()
    reply = aimlapi_poll(world, "nothing")
    assert (reply.status, document(reply)["message"]) == (404, "Inference not found")
    assert document(reply).keys() == OLD_ENVELOPE
    reply = call(world, "GET", GENERATION, headers=AIMLAPI_KEY)
    assert reply.status == 400
    assert document(reply).keys() == NEW_ENVELOPE


def test_out_of_credits_is_a_403_with_their_spelling() -> None:
    """`error.data.kind` is `err_insufficent_credits`; what is held for running jobs cannot be spent again."""
    world = new(credits={"aimlapi": 2 * PRICE - 1}, latency_s=10)
    assert aimlapi_submit(world).status == 200
    reply = aimlapi_submit(world)
    assert reply.status == 403
    assert document(reply).keys() == NEW_ENVELOPE
    assert document(reply)["error"]["data"] == {"kind": "err_insufficent_credits"}


def balance(world: object, now: float = START) -> float:
    """Return the balance in USD."""
    found = document(call(world, "GET", "/v2/billing", headers=AIMLAPI_KEY, now=now))  # type: ignore[arg-type]
    assert found["currency"] == "USD"
    return float(found["current_balance"])


def test_the_charge_posts_when_the_job_completes() -> None:
    """$10 at first; the balance falls by $0.65625 at completion, not at submission."""
    world = new(credits={"aimlapi": 20_000_000}, latency_s=60)
    aimlapi_submit(world)
    assert balance(world) == 10.0
    assert balance(world, START + 59) == 10.0
    assert balance(world, START + 60) == 9.34375


def test_a_failed_job_is_not_charged() -> None:
    """What was held is released: the balance stays, and the whole amount is there to spend again."""
    world = new("fail", credits={"aimlapi": PRICE}, latency_s=60)
    aimlapi_submit(world)
    assert aimlapi_submit(world).status == 403
    assert balance(world, START + 60) == 0.65625
    assert aimlapi_submit(world, now=START + 60).status == 200
    assert bill_of(world, now=START + 60)["totals"]["aimlapi"] == {"charged": 2 * PRICE, "refunded": PRICE}


@pytest.mark.parametrize(
    ("value", "kept"), [("run-1:a.b_c", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False)]
)
@pytest.mark.parametrize("path", [GENERATION, NEWER])
def test_a_malformed_name_of_a_request_is_dropped_in_silence(value: str, kept: bool, path: str) -> None:
    """1 to 128 of its alphabet are echoed and logged; anything else is bought all the same, and leads to nothing."""
    world = new()
    body = {"model": KLING, "image_url": "https://a.example/b.png"}
    reply = call(world, "POST", path, headers={**AIMLAPI_KEY, "x-client-request-id": value}, body=body)
    assert reply.status == 200
    assert reply.headers.get("x-client-request-id") == (value if kept else None)
    assert [row["client_request_id"] for row in logged(world)] == [value if kept else None]
    assert len(bill_of(world)["charges"]) == 1


def test_there_is_no_idempotency() -> None:
    """The same request with the same key header is two jobs and two charges, and the bill notes no key."""
    world = new()
    body = {"model": KLING, "image_url": "https://a.example/b.png"}
    headers = {**AIMLAPI_KEY, "idempotency-key": "same"}
    ids = {job_id(call(world, "POST", GENERATION, headers=headers, body=body)) for _ in range(2)}
    assert len(ids) == 2
    assert [charge["idempotency_key"] for charge in bill_of(world)["charges"]] == [None, None]


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"x"'])
def test_a_body_that_is_no_object_is_400(body: bytes) -> None:
    """In the newer envelope."""
    reply = call(new(), "POST", GENERATION, headers=AIMLAPI_KEY, body=body)
    assert reply.status == 400
    assert document(reply).keys() == NEW_ENVELOPE


def test_limits_answer_429_without_retry_after() -> None:
    """Rate and concurrency are 429 in the older envelope; no Retry-After is documented and none is sent."""
    crowded = new(concurrency=1, latency_s=10)
    aimlapi_submit(crowded)
    hasty = new(rate_per_minute=1)
    aimlapi_submit(hasty)
    for reply in (aimlapi_submit(crowded), aimlapi_submit(hasty)):
        assert reply.status == 429
        assert document(reply).keys() == OLD_ENVELOPE
        assert "retry-after" not in reply.headers


# the list of models


def models(query: dict[str, str] | None = None, **headers: str) -> Reply:
    """Return the answer to `GET /v1/models`, without a key."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(new(), "GET", "/v1/models", query=query, headers=names)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, True),
        ({"id": KLING}, True),
        ({"id": KLING.upper()}, True),
        ({"id": f"klingai/{KLING}"}, True),
        ({"id": f"other,{KLING}"}, True),
        ({"id": "other"}, False),
        ({"type": "video"}, True),
        ({"type": "chat"}, False),
        ({"output_modalities": "video", "capabilities": "image_to_video,text_to_video"}, True),
        ({"output_modalities": "video", "capabilities": "text_to_video"}, False),
    ],
    ids=["all", "id", "letters", "alias", "one-of-two", "other-id", "type", "other-type", "and", "and-not"],
)
def test_models_are_filtered(query: dict[str, str], found: bool) -> None:
    """Values of one filter are alternatives, several filters must all hold; an alias counts as the id."""
    shown = document(models(query))
    assert shown["object"] == "list"
    assert [model["id"] for model in shown["data"]] == ([KLING] if found else [])


@pytest.mark.parametrize(
    ("query", "sections"),
    [
        ({}, set()),
        ({"include": "pricing"}, {"pricing"}),
        ({"include": "pricing,nonsense,capabilities"}, {"pricing", "capabilities"}),
        ({"include": "all"}, {"pricing", "modalities", "capabilities"}),
        ({"details": "true"}, {"pricing", "modalities", "capabilities"}),
    ],
    ids=["identity", "one", "some", "all", "details"],
)
def test_sections_of_a_model_are_asked_for(query: dict[str, str], sections: set[str]) -> None:
    """Without `include` a model is its identity; an unknown section is ignored."""
    [model] = document(models(query))["data"]
    assert model.keys() == {"id", "aliases", "type", "info", "tags"} | sections


def test_published_prices_are_those_that_are_charged() -> None:
    """A price in USD a clip by duration; 2,000,000 credits a dollar make what the bill says."""
    [model] = document(models({"include": "pricing"}))["data"]
    pricing = model["pricing"]
    assert (pricing["kind"], pricing["currency"], pricing["dimensions"]) == ("variants", "USD", ["duration"])
    for variant in pricing["variants"]:
        world = new()
        aimlapi_submit(world, **variant["when"])
        assert variant["price"] / variant["per"] * 2_000_000 == bill_of(world)["charges"][0]["credits"]


def test_a_known_answer_is_not_sent_again() -> None:
    """304 without a body for its ETag; another content has another one."""
    first = models({"include": "pricing"})
    again = models({"include": "pricing"}, if_none_match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert models(if_none_match=first.headers["etag"]).status == 200


# where an answer leads


def logged(world: World, key: str = "test", now: float = START, **query: str) -> Any:
    """Return the rows of the log for a key."""
    asked = {"period": "7d", **query} if "start" not in query else query
    headers = {"authorization": f"Bearer {key}"}
    return document(call(world, "GET", "/v2/logs", headers=headers, query=asked, now=now))["data"]


def charged(world: World, now: float = START, **query: str) -> Any:
    """Return the ledger."""
    return document(call(world, "GET", "/v2/billing/transactions", headers=AIMLAPI_KEY, query=query, now=now))["data"]


def test_every_answer_names_its_inference() -> None:
    """The id of a job on its submit and its polls, with the cost once that is known; its own on a refusal."""
    world = new(latency_s=10)
    first = aimlapi_submit(world)
    job = job_id(first)
    early, late = (aimlapi_poll(world, job, now=START + after) for after in (5, 10))
    assert [reply.headers["x-inference-id"] for reply in (first, early, late)] == [job] * 3
    costs = [reply.headers.get("x-aimlapi-credits-used") for reply in (first, early, late)]
    assert costs == [str(PRICE), None, str(PRICE)]
    assert late.headers["x-aimlapi-usd-spent"] == "0.656250000"
    refused = aimlapi_submit(world, duration=7)
    assert refused.status == 400
    assert refused.headers["x-inference-id"] not in world.jobs
    assert "x-inference-id" not in aimlapi_poll(world, "no id at all").headers


@pytest.mark.parametrize(("begun", "other"), [(GENERATION, NEWER), (NEWER, GENERATION)])
def test_a_job_is_found_on_its_own_path_only(begun: str, other: str) -> None:
    """The other path answers 404, as for an id that never was."""
    world = new()
    body = {"model": KLING, "image_url": "https://a.example/b.png"}
    job = job_id(call(world, "POST", begun, headers=AIMLAPI_KEY, body=body))
    query = {"generation_id": job}
    found = {path: call(world, "GET", path, headers=AIMLAPI_KEY, query=query).status for path in (begun, other)}
    assert found == {begun: 200, other: 404}


def test_a_request_comes_into_the_log_after_its_end() -> None:
    """Only final outcomes, after a while, newest first; a failed one cost nothing; each key sees its own."""
    world = new(fault("fail", match="dog"), latency_s=100)
    cat = job_id(aimlapi_submit(world))
    dog = job_id(aimlapi_submit(world, prompt="a dog", now=START + 1))
    assert logged(world, now=START + 109) == []
    rows = logged(world, now=START + 111)
    assert [(row["inference_id"], row["status"], row["cost"]["credits"]) for row in rows] == [
        (dog, "failed", 0),
        (cat, "succeeded", PRICE),
    ]
    assert logged(world, key="other", now=START + 111) == []
    assert [row["inference_id"] for row in logged(world, key="mgmt", key_prefix="te", now=START + 111)] == [dog, cat]
    assert [row["status"] for row in logged(world, status="failed", now=START + 111)] == ["failed"]
    assert logged(world, model="v2.1/pro/image-to-video", now=START + 111) == rows
    assert logged(world, model="a,b", now=START + 111) == []
    assert logged(world, now=START + 111, limit="1", offset="1") == rows[1:]
    assert logged(world, now=START + 91 * 86_400, period="91d") == rows
    assert logged(world, now=START + 91 * 86_400) == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"period": "7x"}, 400),
        ({"period": "0d"}, 400),
        ({"period": "93d"}, 400),
        ({"period": "92d"}, 200),
        ({"period": "7d", "start": "2026-01-01T00:00:00Z"}, 400),
        ({"start": "2026-01-01T00:00:00Z"}, 400),
        ({"start": "2026-01-01T00:00:00Z", "end": "2026-04-03T00:00:00Z"}, 200),
        ({"start": "2026-01-01T00:00:00", "end": "2026-01-02"}, 200),
        ({"start": "2026-01-01T00:00:00Z", "end": "2026-04-03T00:00:01Z"}, 400),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, 400),
        ({"start": "noon", "end": "2026-01-01T00:00:00Z"}, 400),
        ({"period": "1d", "status": "succeeded,failed"}, 400),
        ({"period": "1d", "limit": "101"}, 400),
        ({"period": "1d", "offset": "-1"}, 400),
        ({"period": "1d", "key_prefix": "other"}, 403),
        ({"period": "1d", "key_prefix": "te"}, 200),
    ],
)
def test_the_log_takes_one_window_of_92_days_at_most(query: dict[str, str], status: int) -> None:
    """Either `period` or both of `start` and `end`; another key's rows need a management key."""
    assert call(new(), "GET", "/v2/logs", headers=AIMLAPI_KEY, query=query).status == status


def test_statuses_and_models_may_be_repeated() -> None:
    """Repeated values are alternatives."""
    pairs = (("period", "1d"), ("status", "succeeded"), ("status", "failed"), ("model", "other"), ("model", KLING))
    world = new()
    job = job_id(aimlapi_submit(world))
    asked = SimulatedRequest(method="GET", path="/v2/logs", query=dict(pairs), pairs=pairs, headers=AIMLAPI_KEY)
    assert [row["inference_id"] for row in document(answer(world, asked, START))["data"]] == [job]


def test_the_ledger_has_a_charge_for_each_job_that_completed() -> None:
    """By the inference's id, after its end, page by page; what failed moved nothing."""
    world = new(fault("fail", match="dog"), latency_s=10)
    jobs = [job_id(aimlapi_submit(world, now=START + number)) for number in range(5)]
    aimlapi_submit(world, prompt="a dog")
    assert charged(world, now=START + 10) == []
    later = START + 60
    seen, cursor = [], {}
    while True:
        reply = call(
            world,
            "GET",
            "/v2/billing/transactions",
            headers=AIMLAPI_KEY,
            query={"limit": "2", "type": "MODEL_USAGE", **cursor},
            now=later,
        )
        page = document(reply)
        seen += page["data"]
        assert page["pagination"]["has_more"] == (page["pagination"]["next_cursor"] is not None)
        if not page["pagination"]["has_more"]:
            break
        cursor = {"cursor": page["pagination"]["next_cursor"]}
    assert [row["reference_id"] for row in seen] == jobs[::-1]
    assert {(row["direction"], row["type"], row["amount"]["credits"]) for row in seen} == {
        ("CHARGE", "MODEL_USAGE", PRICE)
    }
    assert charged(world, now=later, direction="TOPUP") == charged(world, now=later, type="REFUND") == []
    since = "2026-05-28T20:26:52Z"
    assert [row["reference_id"] for row in charged(world, now=later, **{"from": since})] == jobs[:1:-1]
    assert [row["reference_id"] for row in charged(world, now=later, to=since)] == jobs[1::-1]


@pytest.mark.parametrize(
    "query",
    [{"cursor": "c1"}, {"from": "2026-01-01T00:00:00"}, {"direction": "UP"}, {"type": "GIFT"}, {"limit": "0"}],
    ids=["cursor", "no-offset", "direction", "type", "limit"],
)
def test_the_ledger_refuses_what_it_does_not_know(query: dict[str, str]) -> None:
    """400 in the newer envelope."""
    reply = call(new(), "GET", "/v2/billing/transactions", headers=AIMLAPI_KEY, query=query)
    assert (reply.status, document(reply).keys()) == (400, NEW_ENVELOPE)
