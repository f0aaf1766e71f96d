"""The AI/ML API's endpoints: what they answer, and each documented refusal with its body."""

import re

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

from kbatch.simulator.exchange import Reply

PRICE = 1_312_500
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


@pytest.mark.parametrize(
    ("turn", "pending"), [(0, ("queued", "generating")), (1, ("queued", "generating")), (2, ("waiting", "active"))]
)
def test_a_job_runs_its_course(turn: int, pending: tuple[str, str]) -> None:
    """Pending in the words of its age, then completed with a video and the usage; no progress is told."""
    world = new(latency_s=100)
    job = [job_id(aimlapi_submit(world)) for _ in range(turn + 1)][turn]
    seen = [document(aimlapi_poll(world, job, now=START + after)) for after in (0, 10, 99, 100)]
    assert [found["status"] for found in seen] == [pending[0], pending[1], pending[1], "completed"]
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
    ("value", "status"), [("run-1:a.b_c", 200), ("x" * 128, 200), ("x" * 129, 400), ("a b", 400), ("", 400)]
)
def test_the_tracing_header_is_checked(value: str, status: int) -> None:
    """1 to 128 of its alphabet, else 400."""
    body = {"model": KLING, "image_url": "https://a.example/b.png"}
    headers = {**AIMLAPI_KEY, "x-client-request-id": value}
    assert call(new(), "POST", GENERATION, headers=headers, body=body).status == status


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
