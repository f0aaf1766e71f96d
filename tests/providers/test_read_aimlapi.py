"""The AI/ML API's answers, each documented shape in a row."""

import json

import pytest
from msgspec import structs

from kbatch.errors import Bug
from kbatch.providers.aimlapi import AIMLAPI
from kbatch.providers.apiframe import APIFRAME
from kbatch.providers.base import (
    Accepted,
    Answer,
    Balance,
    Failed,
    Listed,
    NoAnswer,
    NotAccepted,
    NotNow,
    Reason,
    Running,
    Succeeded,
    Unknown,
)
from kbatch.providers.endpoints import at_endpoint

CLIP = "https://cdn.example.net/v/clip.mp4"


def answer(status, told, **headers):
    """Return an answer with a JSON body, or with the very bytes."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Answer(status=status, headers=headers, body=body)


def envelope(status, message, error):
    """Return the newer error envelope."""
    return {"title": "E", "status": status, "message": message, "instance": "/v2", "timestamp": "t", "error": error}


IDS = [
    pytest.param("295632514238816352", "295632514238816352", id="18-digits"),
    pytest.param(295632514238816352, "295632514238816352", id="18-digits-as-a-number"),
    pytest.param("60ac7c34-3224-4b14:kling-video/v2.1/pro", "60ac7c34-3224-4b14:kling-video/v2.1/pro", id="uuid:model"),
    pytest.param("V1StGXR8_Z5jdHi6B-myT", "V1StGXR8_Z5jdHi6B-myT", id="nanoid"),
]


@pytest.mark.parametrize(("given", "job_id"), IDS)
@pytest.mark.parametrize("status", [200, 201])
def test_each_form_of_id_is_accepted_and_never_parsed(given, job_id, status):
    """The id goes into the receipt as it came."""
    told = {"id": given, "status": "queued", "meta": {"usage": {"credits_used": 525000, "usd_spent": 0.2}}}
    assert AIMLAPI.read_submit(answer(status, told), first=True) == Accepted(job_id=job_id, credits=525000)
    assert AIMLAPI.read_submit(answer(status, {"id": given}), first=True) == Accepted(job_id=job_id)


def test_an_id_goes_back_encoded():
    """`:` and `/` in an id do not change the URL's shape."""
    path = AIMLAPI.poll("u:kling-video/v2.1/pro").path
    assert path == "/v2/generate/video/kling/generation?generation_id=u%3Akling-video%2Fv2.1%2Fpro"


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [(None, "/v2/generate/video/kling/generation"), ("legacy", "/v2/generate/video/kling/generation"),
     ("v2", "/v2/video/generations")],
)  # fmt: skip
def test_a_receipts_endpoint_chooses_the_path_of_submits_and_polls(endpoint, path):
    """All else is the same; a receipt of an earlier version names none."""
    there = at_endpoint(AIMLAPI, endpoint)
    assert there.submit(b"{}", idempotency_key="k") == structs.replace(
        AIMLAPI.submit(b"{}", idempotency_key="k"), path=path
    )
    assert there.poll("a:b").path == f"{path}?generation_id=a%3Ab"
    assert there.balance() == AIMLAPI.balance()
    assert at_endpoint(APIFRAME, endpoint) is APIFRAME


REFUSED = [
    pytest.param(
        400,
        envelope(
            400, "Invalid payload provided", {"name": "E", "data": [{"path": ["duration"], "message": "must be 5"}]}
        ),
        Reason.INVALID,
        "HTTP 400: Invalid payload provided; duration: must be 5; E",
        id="400-newer-envelope",
    ),
    pytest.param(
        400,
        {"message": "Bad", "path": "/v2/generate", "requestId": "r", "statusCode": 400, "timestamp": "t"},
        Reason.INVALID,
        "HTTP 400: Bad",
        id="400-older-envelope",
    ),
    pytest.param(
        400,
        envelope(400, "Rejected", {"name": "E", "message": "the prompt contains sensitive words"}),
        Reason.MODERATION,
        "HTTP 400: Rejected; the prompt contains sensitive words; E",
        id="400-moderation",
    ),
    pytest.param(401, {"message": "Unauthorized", "statusCode": 401}, Reason.KEY, "HTTP 401: Unauthorized", id="401"),
    pytest.param(402, {"message": "Pay"}, Reason.CREDITS, "HTTP 402: Pay", id="402"),
    pytest.param(
        403,
        envelope(403, "Forbidden", {"name": "E", "message": "Top up", "data": {"kind": "err_insufficent_credits"}}),
        Reason.CREDITS,
        "HTTP 403: Forbidden; Top up; kind: err_insufficent_credits; E",
        id="403-out-of-credits",
    ),
    pytest.param(403, envelope(403, "Forbidden", None), Reason.FORBIDDEN, "HTTP 403: Forbidden; E", id="403-forbidden"),
    pytest.param(404, {"message": "No such model"}, Reason.NOT_FOUND, "HTTP 404: No such model", id="404"),
    pytest.param(429, b"slow down", Reason.RATE, "HTTP 429: the body is no JSON object", id="429-text"),
]


@pytest.mark.parametrize(("status", "told", "reason", "message"), REFUSED)
def test_the_one_send_is_refused_by_the_documented_answers(status, told, reason, message):
    """Each row of the error table says that nothing was bought, and why."""
    outcome = AIMLAPI.read_submit(answer(status, told), first=True)
    assert isinstance(outcome, NotAccepted)
    assert (outcome.reason, outcome.message) == (reason, message)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(200, {"status": "queued"}), id="200-without-an-id"),
        pytest.param(answer(200, {"id": 1.5e17}), id="200-with-a-float-for-an-id"),
        pytest.param(answer(200, {"id": True}), id="200-with-a-bool-for-an-id"),
        pytest.param(answer(200, {"id": ".."}), id="200-with-dots-for-an-id"),
        pytest.param(answer(200, b"\xff\xfe"), id="200-not-text"),
        pytest.param(answer(301, b""), id="301"),
        pytest.param(answer(409, {"message": "x"}), id="409"),
        pytest.param(answer(500, {"error": "x"}), id="500"),
        pytest.param(answer(503, {"error": "documented only by the other API"}), id="503"),
        pytest.param(answer(524, b"<html>a timeout occurred</html>"), id="524-html"),
        pytest.param(NoAnswer(message="cut", maybe_sent=True), id="cut-after-sending"),
    ],
)
def test_everything_else_is_unknown(reply):
    """This API has no idempotency: whatever is not plain is held as unknown."""
    assert isinstance(AIMLAPI.read_submit(reply, first=True), Unknown)


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        pytest.param({"status": "queued"}, Running(), id="queued"),
        pytest.param({"status": "generating", "error": None}, Running(), id="generating"),
        pytest.param({"status": "waiting"}, Running(), id="waiting"),
        pytest.param({"status": "active"}, Running(), id="active"),
        pytest.param({"status": "polishing"}, Running(), id="unknown-status"),
        pytest.param({"status": "completed", "video": {"url": CLIP, "file_size": 9}}, Succeeded(url=CLIP), id="object"),
        pytest.param({"status": "completed", "video": [{"url": CLIP}]}, Succeeded(url=CLIP), id="list"),
        pytest.param(
            {"status": "completed", "video": {"url": CLIP}, "meta": {"usage": {"credits_used": 525000}}},
            Succeeded(url=CLIP, credits=525000),
            id="with-the-charge",
        ),
        pytest.param(
            {"status": "error", "error": {"name": "Oops", "message": "upstream died"}},
            Failed(message="upstream died"),
            id="error-named",
        ),
        pytest.param(
            {"status": "error", "error": {"detail": [{"loc": ["body", "image_url"], "msg": "no image", "type": "v"}]}},
            Failed(message="body.image_url: no image"),
            id="error-of-the-upstream",
        ),
        pytest.param(
            {"status": "error", "error": None}, Failed(message="the generation ended with an error"), id="mute"
        ),
    ],
)
def test_a_poll_reads_each_state(told, outcome):
    """Every documented state, and what is not documented is still running."""
    assert AIMLAPI.read_poll(answer(200, {"id": "g", **told})) == outcome


@pytest.mark.parametrize(
    ("reply", "stop"),
    [
        pytest.param(answer(404, {"message": "Inference not found"}), None, id="404-passes"),
        pytest.param(answer(504, b"<html>"), None, id="504-html"),
        pytest.param(answer(524, b"<html>"), None, id="524-html"),
        pytest.param(answer(401, {"message": "x"}), Reason.KEY, id="401-stops"),
        pytest.param(answer(403, {"message": "x"}), Reason.FORBIDDEN, id="403-stops"),
        pytest.param(
            answer(403, envelope(403, "x", {"data": {"kind": "err_insufficent_credits"}})),
            None,
            id="no-credits-goes-on",
        ),
        pytest.param(answer(200, {"status": "completed", "video": None}), None, id="completed-without-a-video"),
        pytest.param(answer(200, {"video": {"url": CLIP}}), None, id="no-status"),
    ],
)
def test_a_poll_that_tells_nothing_is_asked_again(reply, stop):
    """Transient trouble is no failure of the generation; only a refused key ends the asking."""
    outcome = AIMLAPI.read_poll(reply)
    assert isinstance(outcome, NotNow)
    assert outcome.stop is stop


@pytest.mark.parametrize(
    ("body", "credits"),
    [
        pytest.param(b'{"current_balance": 12.5, "currency": "USD"}', 25_000_000, id="decimal"),
        pytest.param(b'{"current_balance": 0.0000009, "currency": "USD"}', 1, id="rounded-down"),
        pytest.param(b'{"current_balance": 0.1, "currency": "USD"}', 200_000, id="exact-tenth"),
        pytest.param(b'{"current_balance": 70.07, "currency": "USD"}', 140_140_000, id="exact-where-floats-are-not"),
        pytest.param(b'{"current_balance": "3", "currency": "USD"}', 6_000_000, id="text"),
        pytest.param(b'{"current_balance": -0.0000001, "currency": "USD"}', -1, id="negative-down"),
        pytest.param(
            b'{"current_balance": 999999999.99999999999999999999, "currency": "USD"}', 1_999_999_999_999_999, id="long"
        ),
    ],
)
def test_the_balance_is_dollars_times_two_million(body, credits):
    """A decimal number of dollars becomes whole credits, rounded down, without floats."""
    assert AIMLAPI.read_balance(answer(200, body)) == Balance(credits=credits)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"current_balance": 5}', id="no-currency"),
        pytest.param(b'{"current_balance": 5, "currency": "EUR"}', id="other-currency"),
        pytest.param(b'{"current_balance": null, "currency": "USD"}', id="null"),
        pytest.param(b'{"current_balance": NaN, "currency": "USD"}', id="nan"),
        pytest.param(b'{"current_balance": 1e99999999, "currency": "USD"}', id="absurd-exponent"),
        pytest.param(b'{"current_balance": 1e99999999999999999999, "currency": "USD"}', id="impossible-exponent"),
        pytest.param(b'{"current_balance": true, "currency": "USD"}', id="bool"),
        pytest.param(b"[]", id="list"),
    ],
)
def test_an_unreadable_balance_is_never_a_number(body):
    """What is no amount of dollars is not taken for 0 or anything else."""
    outcome = AIMLAPI.read_balance(answer(200, body))
    assert isinstance(outcome, NotAccepted)
    assert outcome.reason is Reason.UNAVAILABLE


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        pytest.param("k-1.2_3:4", "k-1.2_3:4", id="fits"),
        pytest.param("k" * 129, None, id="too-long"),
        pytest.param("a b", None, id="space"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_request_id_is_for_tracing_only(key, sent):
    """The key goes along where it fits, and nothing pretends to be an idempotency key."""
    request = AIMLAPI.submit(b"{}", idempotency_key=key)
    assert request.headers.get("X-Client-Request-Id") == sent
    assert "Idempotency-Key" not in request.headers
    assert (request.method, request.path, request.content) == ("POST", "/v2/generate/video/kling/generation", b"{}")


def test_what_this_api_lacks_is_a_bug_to_ask_for():
    """No uploads and no job list; the answers to them are refusals all the same."""
    with pytest.raises(Bug):
        AIMLAPI.upload("a.png", "image/png", b"")
    with pytest.raises(Bug):
        AIMLAPI.jobs(None)
    assert isinstance(AIMLAPI.read_upload(answer(201, {"url": CLIP})), NotAccepted)
    assert isinstance(AIMLAPI.read_jobs(answer(200, {"jobs": []})), NotNow)


def test_a_generation_is_read_for_adoption():
    """The answer names neither model nor input: they are empty, not guessed."""
    told = {"id": "g", "status": "generating", "meta": {"usage": {"credits_used": 7}}}
    assert AIMLAPI.read_job(answer(200, told)) == Listed(job_id="g", model="", status="generating", credits=7)
    assert isinstance(AIMLAPI.read_job(answer(404, {"message": "Inference not found"})), NotNow)


def test_the_key_goes_as_a_bearer():
    """White space around the key is not part of it."""
    assert AIMLAPI.authorization("abc\n") == ("Authorization", "Bearer abc")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"id": "j-1", "meta": {"usage": {"usd_spent": NaN}}}', id="NaN"),
        pytest.param(b'{"id": "j-1", "meta": {"usage": {"usd_spent": 1e400}}}', id="1e400"),
        pytest.param(b'{"id": "j-1"}\x00', id="stray-byte"),
        pytest.param(b'{"id": "j-1"} // edge-7', id="comment"),
        pytest.param(b'\xef\xbb\xbf{"id": "j-1"}', id="byte-order-mark"),
        pytest.param(b'{"data": {"id": "j-1"}, "success": true}', id="envelope"),
        pytest.param(b'{"id": " j-1\\n"}', id="line-end-around-the-id"),
        pytest.param(b'{"id": "j-1\n"}', id="raw-line-end"),
        pytest.param(b'{"id": "j-1", "status": "que', id="breaks-off"),
        pytest.param(b'{"id": "j-1", "id": "j-1"}', id="the-same-twice"),
        pytest.param(b'[{"id": "j-1"}]', id="list"),
    ],
)
def test_an_id_that_can_be_found_is_taken(body):
    """What was paid is never lost to a field that nobody needs, or to bytes around the answer."""
    for status in (200, 201, 202):
        assert AIMLAPI.read_submit(answer(status, body), first=True) == Accepted(job_id="j-1")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"id": "j-1", "id": "j-2"}', id="twice"),
        pytest.param(b'{"id": "j-1"}{"id": "j-2"}', id="two-answers"),
        pytest.param(b'{"id": "j-1", "data": {"id": "j-2"}}', id="envelope-and-inside"),
        pytest.param(b'[{"id": "j-1"}, {"id": "j-2"}]', id="list"),
    ],
)
def test_two_ids_are_none_and_both_are_told(body):
    """Which of them is the purchase nobody can say: it stays unknown, and its message names them."""
    outcome = AIMLAPI.read_submit(answer(200, body), first=True)
    assert isinstance(outcome, Unknown)
    assert "j-1, j-2" in outcome.message


def test_what_an_acceptance_without_an_id_says_is_kept():
    """The text may be all that leads to the job: it stands in the message, bounded and without a key."""
    outcome = AIMLAPI.read_submit(answer(200, b"<p>created job 4711</p> afk_secret" + b"x" * 10_000), first=True)
    assert isinstance(outcome, Unknown)
    assert "created job 4711" in outcome.message
    assert "afk_secret" not in outcome.message
    assert len(outcome.message) <= 500


def test_the_header_has_the_id_where_the_body_cannot_be_read():
    """`x-inference-id` is the generation's id; beside an answer that can be read it is only another name for it."""
    headers = {"x-inference-id": "j-1"}
    assert AIMLAPI.read_submit(answer(200, b"<html>", **headers), first=True) == Accepted(job_id="j-1")
    assert isinstance(AIMLAPI.read_submit(answer(200, {"error": "no"}, **headers), first=True), Unknown)
    assert isinstance(AIMLAPI.read_submit(answer(500, b"<html>", **headers), first=True), Unknown)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "queued"},
        {"id": ["j-1"], "status": "queued"},
        {"id": "j-1\u202e"},
        {"id": "y" * 10_000},
        {"id": 1.5},
        {"id": "j-1", "generation_id": "j-2"},
        b'{"id": "j-2", "id": "j-1"}',
    ],
    ids=["none", "list", "bidi", "long", "fraction", "two", "twice"],
)
def test_the_header_has_the_id_where_the_body_has_none_that_can_be_used(body):
    """An id that can be found is kept, whatever stands in its place; where both disagree nothing is chosen."""
    assert AIMLAPI.read_submit(answer(200, body, **{"x-inference-id": "j-1"}), first=True) == Accepted(job_id="j-1")
    both = answer(200, {"id": "a", "generation_id": "b"}, **{"x-inference-id": "j-1"})
    assert isinstance(AIMLAPI.read_submit(both, first=True), Unknown)
    old = answer(200, {"message": "no credits", "statusCode": 403}, **{"x-inference-id": "j-1"})
    assert isinstance(AIMLAPI.read_submit(old, first=True), Unknown)


def test_a_poll_bears_numbers_that_are_none():
    """A charge that is NaN is not told; the clip is collected all the same."""
    body = b'{"id": "g", "status": "completed", "video": {"url": "%s"}, "meta": {"usage": {"credits_used": NaN}}}'
    assert AIMLAPI.read_poll(answer(200, body % CLIP.encode())) == Succeeded(url=CLIP)
    wrapped = {"data": {"id": "g", "status": "completed", "video": {"url": CLIP}}, "success": True}
    assert AIMLAPI.read_poll(answer(200, wrapped)) == Succeeded(url=CLIP)
