"""Apiframe's answers, each documented shape in a row."""

import json

import pytest

from kbatch.errors import Bug
from kbatch.providers.apiframe import APIFRAME
from kbatch.providers.base import (
    Accepted,
    Answer,
    Balance,
    Failed,
    File,
    JobPage,
    Listed,
    NoAnswer,
    NotAccepted,
    NotNow,
    Reason,
    Running,
    Succeeded,
    Unknown,
    Uploaded,
)
from kbatch.receipts.account import Account

JOB = "2b0c7f0e-8d7a-4b43-9a3e-0f6f7d1c2a11"
CLIP = "https://cdn.example.net/v/clip.mp4?sig=1"


def answer(status, told, **headers):
    """Return an answer with a JSON body, or with the very bytes."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Answer(status=status, headers=headers, body=body)


@pytest.mark.parametrize(
    ("told", "credits"),
    [
        pytest.param({"jobId": JOB, "status": "QUEUED"}, None, id="documented"),
        pytest.param({"id": JOB}, None, id="id-instead-of-jobId"),
        pytest.param({"jobId": JOB, "creditCost": 35.0}, 35, id="cost-as-a-whole-float"),
        pytest.param({"jobId": JOB, "creditCost": 3.5}, None, id="cost-that-is-no-integer"),
        pytest.param({"jobId": JOB, "error": "odd"}, None, id="an-error-beside-the-id"),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202, 299])
@pytest.mark.parametrize("first", [True, False], ids=["first", "resend"])
def test_a_2xx_with_a_job_id_is_accepted_whatever_else(told, credits, status, first):
    """Any 2xx that names a job is the purchase, on a first send and on a resend."""
    assert APIFRAME.read_submit(answer(status, told), first=first) == Accepted(job_id=JOB, credits=credits)


REFUSED = [
    pytest.param(400, {"error": "Invalid request"}, Reason.INVALID, "HTTP 400: Invalid request", id="400"),
    pytest.param(
        400,
        {"error": "Invalid request", "details": {"klingParams.duration": ["must be 5 or 10"], "prompt": ["too long"]}},
        Reason.INVALID,
        "HTTP 400: Invalid request; klingParams.duration: must be 5 or 10; prompt: too long",
        id="400-with-details",
    ),
    pytest.param(
        400,
        {"error": "Invalid request", "details": {"prompt": ["sensitive words list must be short"]}},
        Reason.INVALID,
        "HTTP 400: Invalid request; prompt: sensitive words list must be short",
        id="400-about-a-parameter-whatever-its-words",
    ),
    pytest.param(
        400,
        {"error": "Prompt flagged by moderation"},
        Reason.MODERATION,
        "HTTP 400: Prompt flagged by moderation",
        id="400-moderation",
    ),
    pytest.param(
        400,
        {"error": "This violates our content policy"},
        Reason.MODERATION,
        "HTTP 400: This violates our content policy",
        id="400-content-policy",
    ),
    pytest.param(400, b"<html>", Reason.INVALID, "HTTP 400: the body is no JSON object", id="400-html"),
    pytest.param(401, {"error": "Invalid API key"}, Reason.KEY, "HTTP 401: Invalid API key", id="401"),
    pytest.param(
        402,
        {"error": "Insufficient credits", "creditsRequired": 35, "creditsAvailable": 3},
        Reason.CREDITS,
        "HTTP 402: Insufficient credits",
        id="402",
    ),
    pytest.param(403, {"error": "Key inactive"}, Reason.FORBIDDEN, "HTTP 403: Key inactive", id="403"),
    pytest.param(404, {"error": "Not found"}, Reason.NOT_FOUND, "HTTP 404: Not found", id="404"),
    pytest.param(429, {"error": "Too many requests"}, Reason.RATE, "HTTP 429: Too many requests", id="429"),
    pytest.param(503, {"error": "Try later"}, Reason.UNAVAILABLE, "HTTP 503: Try later", id="503-documented"),
]


@pytest.mark.parametrize(("status", "told", "reason", "message"), REFUSED)
def test_a_first_send_is_refused_by_the_documented_answers(status, told, reason, message):
    """Each answer of the error table says of a first send that nothing was bought, and why."""
    outcome = APIFRAME.read_submit(answer(status, told, **{"retry-after": "7"}), first=True)
    assert isinstance(outcome, NotAccepted)
    assert (outcome.reason, outcome.message, outcome.retry_after_s) == (reason, message, 7.0)


@pytest.mark.parametrize(("status", "told", "reason", "message"), REFUSED)
def test_no_answer_to_a_resend_is_a_refusal(status, told, reason, message):
    """The same answers to a resend leave it unknown: the first send may have bought."""
    outcome = APIFRAME.read_submit(answer(status, told, **{"retry-after": "7"}), first=False)
    assert outcome == Unknown(message=message, retry_after_s=7.0)


@pytest.mark.parametrize(
    ("reply", "exists"),
    [
        pytest.param(answer(202, {"status": "QUEUED"}), False, id="202-without-an-id"),
        pytest.param(answer(202, {"jobId": ""}), False, id="202-with-an-empty-id"),
        pytest.param(answer(202, {"jobId": "\u001b[31m"}), False, id="202-with-an-id-of-escapes"),
        pytest.param(answer(200, b"ok"), False, id="200-not-json"),
        pytest.param(answer(200, b""), False, id="200-empty"),
        pytest.param(answer(302, b""), False, id="302"),
        pytest.param(answer(408, {"error": "slow"}), False, id="408"),
        pytest.param(answer(409, {"error": "key used with another body"}), True, id="409"),
        pytest.param(answer(500, {"error": "oops"}), False, id="500"),
        pytest.param(answer(502, b"<html>bad gateway</html>"), False, id="502-html"),
        pytest.param(answer(503, b"<html>unavailable</html>"), False, id="503-undocumented-body"),
        pytest.param(answer(503, {"message": "x"}), False, id="503-without-error"),
        pytest.param(answer(504, b""), False, id="504"),
        pytest.param(NoAnswer(message="timed out", maybe_sent=True), False, id="timeout-after-sending"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "resend"])
def test_everything_else_is_unknown(reply, exists, first):
    """What is neither an acceptance nor a documented refusal is unknown; 409 says that the purchase exists."""
    outcome = APIFRAME.read_submit(reply, first=first)
    assert isinstance(outcome, Unknown)
    assert outcome.exists is exists
    assert outcome.message


def test_only_a_first_send_that_never_left_is_not_accepted():
    """Without a connection a first send bought nothing; a resend stays unknown."""
    reply = NoAnswer(message="connection refused", maybe_sent=False)
    refused = NotAccepted(reason=Reason.NO_CONNECTION, message="connection refused")
    assert APIFRAME.read_submit(reply, first=True) == refused
    assert APIFRAME.read_submit(reply, first=False) == Unknown(message="connection refused")


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"videoUrl": CLIP}, id="object"),
        pytest.param({"video_url": CLIP}, id="other-spelling"),
        pytest.param(CLIP, id="bare-url"),
        pytest.param({"videos": [CLIP, "https://cdn.example.net/2"]}, id="videos-of-urls"),
        pytest.param({"videos": [{"url": CLIP}]}, id="videos-of-objects"),
        pytest.param([{"videoUrl": CLIP}], id="list"),
    ],
)
def test_a_finished_job_names_its_clip_in_each_shape(result):
    """All documented shapes of `result` give the URL."""
    told = {"id": JOB, "status": "COMPLETED", "result": result, "creditCost": 35, "expired": False}
    assert APIFRAME.read_poll(answer(200, told)) == Succeeded(url=CLIP, credits=35)


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        pytest.param({"status": "QUEUED", "creditCost": 35, "progress": None}, Running(credits=35), id="queued"),
        pytest.param(
            {"status": "PROCESSING", "progress": 40, "creditCost": 35},
            Running(progress=40, credits=35),
            id="processing",
        ),
        pytest.param({"status": "PROCESSING", "progress": 140}, Running(), id="absurd-progress"),
        pytest.param({"status": "REPAINTING"}, Running(), id="unknown-status"),
        pytest.param(
            {"status": "COMPLETED", "result": CLIP, "expired": True}, Succeeded(url=CLIP, expired=True), id="expired"
        ),
        pytest.param(
            {"status": "COMPLETED", "result": None, "expired": True}, Succeeded(url="", expired=True), id="expired-gone"
        ),
        pytest.param(
            {"status": "COMPLETED", "result": None},
            NotNow(message="HTTP 200: completed, but no clip is named"),
            id="completed-without-a-clip",
        ),
        pytest.param(
            {"status": "FAILED", "error": "Upstream failed", "creditCost": 0, "result": None},
            Failed(message="Upstream failed", credits=0),
            id="failed",
        ),
        pytest.param(
            {"status": "FAILED", "error": None, "creditCost": None},
            Failed(message="the job is failed"),
            id="failed-mute",
        ),
        pytest.param({"status": "CANCELLED", "error": "by you"}, Failed(message="by you"), id="cancelled"),
    ],
)
def test_a_poll_reads_each_state(told, outcome):
    """Every documented state, and what is not documented is still running."""
    assert APIFRAME.read_poll(answer(200, {"id": JOB, **told})) == outcome


@pytest.mark.parametrize(
    ("reply", "stop", "wait"),
    [
        pytest.param(answer(404, {"error": "Job not found"}), None, None, id="404-may-pass"),
        pytest.param(answer(400, {"error": "malformed id"}), None, None, id="400"),
        pytest.param(answer(401, {"error": "Invalid API key"}), Reason.KEY, None, id="401-stops"),
        pytest.param(answer(403, {"error": "inactive"}), Reason.FORBIDDEN, None, id="403-stops"),
        pytest.param(answer(402, {"error": "credits"}), None, None, id="402-does-not-stop-collecting"),
        pytest.param(answer(429, {"error": "slow"}, **{"retry-after": "3"}), None, 3.0, id="429"),
        pytest.param(answer(503, b"<html>"), None, None, id="503-html"),
        pytest.param(answer(200, b"not json"), None, None, id="200-not-json"),
        pytest.param(answer(200, {"id": JOB}), None, None, id="200-without-status"),
        pytest.param(NoAnswer(message="cut", maybe_sent=True), None, None, id="cut"),
    ],
)
def test_a_poll_that_tells_nothing_is_asked_again(reply, stop, wait):
    """Transient trouble is no failure of the job; only a refused key ends the asking."""
    outcome = APIFRAME.read_poll(reply)
    assert isinstance(outcome, NotNow)
    assert (outcome.stop, outcome.retry_after_s) == (stop, wait)


def test_the_requests_are_as_documented():
    """Method, path, headers and bytes of each call."""
    submit = APIFRAME.submit(b'{"prompt":"a"}', idempotency_key="k1")
    assert (submit.method, submit.path, submit.content) == ("POST", "/v2/videos/generate", b'{"prompt":"a"}')
    assert submit.headers["Idempotency-Key"] == "k1"
    assert submit.headers["Content-Type"] == "application/json"
    assert APIFRAME.poll("a/b:c?#é").path == "/v2/jobs/a%2Fb%3Ac%3F%23%C3%A9"
    assert APIFRAME.balance().path == "/v2/me"
    assert APIFRAME.jobs(None).path == "/v2/jobs?limit=100"
    assert APIFRAME.jobs("c&d").path == "/v2/jobs?limit=100&cursor=c%26d"
    assert APIFRAME.authorization(" afk_1\n") == ("X-API-Key", "afk_1")


@pytest.mark.parametrize("key", ["", "k" * 256, "line\nbreak", "é"])
def test_an_unusable_idempotency_key_is_a_bug(key):
    """A submit without a key that protects it is never built."""
    with pytest.raises(Bug):
        APIFRAME.submit(b"{}", idempotency_key=key)


def test_an_upload_is_a_file_under_a_portable_name():
    """The picture goes untouched, in the field `file`; how it travels is the transport's."""
    request = APIFRAME.upload('ta"ble é.png', "image/png", b"\x89PNG")
    assert request.file == File(field="file", name="ta-ble-.png", media_type="image/png", data=b"\x89PNG")
    assert (request.method, request.path, request.content) == ("POST", "/v2/uploads", None)


def test_an_upload_answers_with_its_url():
    """201 gives URL and end; anything else bought nothing and says why."""
    told = {"id": "u", "url": "https://up.example/x.png", "kind": "image", "expiresAt": "2026-01-01T00:00:00Z"}
    uploaded = Uploaded(url="https://up.example/x.png", expires_at="2026-01-01T00:00:00Z")
    assert APIFRAME.read_upload(answer(201, told)) == uploaded
    reasons = {
        413: Reason.UNAVAILABLE, 401: Reason.KEY, 429: Reason.RATE, 503: Reason.UNAVAILABLE, 201: Reason.UNAVAILABLE
    }  # fmt: skip
    for status, reason in reasons.items():
        assert APIFRAME.read_upload(answer(status, {"error": "x"})).reason is reason
    lost = APIFRAME.read_upload(NoAnswer(message="cut", maybe_sent=True))
    assert lost.reason is Reason.NO_CONNECTION


@pytest.mark.parametrize(
    ("team", "balance"),
    [
        pytest.param({"credits": 120}, Balance(credits=120), id="integer"),
        pytest.param({"credits": 120.9}, Balance(credits=120), id="rounded-down"),
        pytest.param({"credits": -0.5}, Balance(credits=-1), id="negative-rounded-down"),
        pytest.param(
            {"credits": 1, "id": "t1", "maxConcurrentJobs": 10, "name": "x"},
            Balance(credits=1, account=Account(team="t1", user=None, key=None), max_concurrent=10),
            id="account-and-limit",
        ),
    ],
)
def test_the_balance_is_the_teams(team, balance):
    """`team.credits` is the balance, rounded down."""
    assert APIFRAME.read_balance(answer(200, {"user": {"email": "a@b"}, "team": team, "apiKey": {}})) == balance


@pytest.mark.parametrize(
    ("told", "account"),
    [
        pytest.param(
            {"user": {"id": "u-1", "email": "a@b"}, "apiKey": {"prefix": "afk_01234567"}},
            Account(team="t-1", user="u-1", key="afk_01234567"),
            id="all",
        ),
        pytest.param({"user": {"id": "u-1"}, "apiKey": None}, Account(team="t-1", user="u-1", key=None), id="no-key"),
        pytest.param(
            {"apiKey": {"prefix": "a b"}}, Account(team="t-1", user=None, key=None), id="prefix-that-is-no-key"
        ),
        pytest.param(
            {"apiKey": {"prefix": "afk_0123456789abcdef"}},
            Account(team="t-1", user=None, key="afk_01234567"),
            id="long-prefix",
        ),
        pytest.param(
            {"user": {"id": "\x1b[1m"}, "apiKey": {"prefix": 7}}, Account(team="t-1", user=None, key=None), id="escapes"
        ),
    ],
)
def test_whose_key_it_is(told, account):
    """By ids and by how the key begins; no mail address, and never enough of a key to be used."""
    body = {"team": {"id": "t-1", "credits": 1}, **told}
    assert APIFRAME.read_balance(answer(200, body)) == Balance(credits=1, account=account)


@pytest.mark.parametrize("credits", [None, True, "12", [], 1e300])
def test_an_unreadable_balance_is_never_a_number(credits):
    """What is no number is not taken for 0 or anything else."""
    outcome = APIFRAME.read_balance(answer(200, {"team": {"credits": credits}}))
    assert isinstance(outcome, NotAccepted)
    assert outcome.reason is Reason.UNAVAILABLE


def test_a_page_of_jobs_is_read_and_ends():
    """Jobs come with cursor until `hasMore` is false; an entry without an id is left out."""
    jobs = [{"id": JOB, "model": "kling-3.0", "status": "COMPLETED", "createdAt": "2026-01-01T00:00:00Z"}, {}, 3]
    listed = Listed(job_id=JOB, model="kling-3.0", status="COMPLETED", created_at="2026-01-01T00:00:00Z")
    more = APIFRAME.read_jobs(answer(200, {"jobs": jobs, "nextCursor": "c", "hasMore": True}))
    assert more == JobPage(jobs=(listed,), cursor="c")
    assert APIFRAME.read_jobs(answer(200, {"jobs": jobs, "nextCursor": "c", "hasMore": False})).cursor is None
    assert APIFRAME.read_jobs(answer(200, {"jobs": [], "nextCursor": None})).cursor is None
    assert isinstance(APIFRAME.read_jobs(answer(200, {"jobs": None})), NotNow)


def test_a_job_is_read_with_its_input():
    """Adoption compares model and input, with numbers as they were sent."""
    asked = {"prompt": "a", "klingParams": {"cfg_scale": 0.1}}
    told = {"id": JOB, "model": "kling-2.1", "status": "PROCESSING", "input": asked, "creditCost": 5}
    listed = Listed(job_id=JOB, model="kling-2.1", status="PROCESSING", input=asked, credits=5)
    assert APIFRAME.read_job(answer(200, told)) == listed
    assert isinstance(APIFRAME.read_job(answer(404, {"error": "Job not found"})), NotNow)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"jobId": "j-1", "meta": {"usage": {"usd_spent": NaN}}}', id="NaN"),
        pytest.param(b'{"jobId": "j-1", "meta": {"usage": {"usd_spent": 1e400}}}', id="1e400"),
        pytest.param(b'{"jobId": "j-1"}\x00', id="stray-byte"),
        pytest.param(b'{"jobId": "j-1"} // edge-7', id="comment"),
        pytest.param(b'\xef\xbb\xbf{"jobId": "j-1"}', id="byte-order-mark"),
        pytest.param(b'{"data": {"jobId": "j-1"}, "success": true}', id="envelope"),
        pytest.param(b'{"jobId": " j-1\\n"}', id="line-end-around-the-id"),
        pytest.param(b'{"jobId": "j-1\n"}', id="raw-line-end"),
        pytest.param(b'{"jobId": "j-1", "status": "que', id="breaks-off"),
        pytest.param(b'{"jobId": "j-1", "jobId": "j-1"}', id="the-same-twice"),
        pytest.param(b'[{"jobId": "j-1"}]', id="list"),
    ],
)
def test_an_id_that_can_be_found_is_taken(body):
    """What was paid is never lost to a field that nobody needs, or to bytes around the answer."""
    for status in (200, 201, 202):
        assert APIFRAME.read_submit(answer(status, body), first=True) == Accepted(job_id="j-1")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"jobId": "j-1", "jobId": "j-2"}', id="twice"),
        pytest.param(b'{"jobId": "j-1"}{"jobId": "j-2"}', id="two-answers"),
        pytest.param(b'{"jobId": "j-1", "data": {"jobId": "j-2"}}', id="envelope-and-inside"),
        pytest.param(b'[{"jobId": "j-1"}, {"jobId": "j-2"}]', id="list"),
    ],
)
def test_two_ids_are_none_and_both_are_told(body):
    """Which of them is the purchase nobody can say: it stays unknown, and its message names them."""
    outcome = APIFRAME.read_submit(answer(200, body), first=True)
    assert isinstance(outcome, Unknown)
    assert "j-1, j-2" in outcome.message


def test_what_an_acceptance_without_an_id_says_is_kept():
    """The text may be all that leads to the job: it stands in the message, bounded and without a key."""
    outcome = APIFRAME.read_submit(answer(200, b"<p>created job 4711</p> afk_secret" + b"x" * 10_000), first=True)
    assert isinstance(outcome, Unknown)
    assert "created job 4711" in outcome.message
    assert "afk_secret" not in outcome.message
    assert len(outcome.message) <= 500
