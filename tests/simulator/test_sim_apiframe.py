"""Apiframe's endpoints: what they answer, and each documented refusal with its body."""

import json
import re
from typing import Any

import pytest
from simulator_calls import (
    APIFRAME_KEY,
    PNG,
    START,
    apiframe_poll,
    apiframe_submit,
    bill_of,
    call,
    clip_url,
    document,
    download,
    image,
    job_id,
    multipart,
    new,
    upload,
)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
KEYED = [
    ("POST", "/v2/videos/generate"),
    ("GET", "/v2/jobs/6edf1324-3a3d-41b4-95ad-b4c6fff47cc8"),
    ("GET", "/v2/jobs"),
    ("GET", "/v2/me"),
    ("POST", "/v2/uploads"),
]


def test_a_submit_is_accepted_with_a_uuid() -> None:
    """202, a UUID, QUEUED; and two submits of one body are two jobs."""
    world = new()
    first, second = apiframe_submit(world), apiframe_submit(world)
    assert first.status == 202
    assert set(document(first)) == {"jobId", "status"}
    assert document(first)["status"] == "QUEUED"
    assert UUID.fullmatch(job_id(first))
    assert job_id(first) != job_id(second)


@pytest.mark.parametrize(("method", "path"), KEYED)
@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, "API key is required"),
        ({"x-api-key": " "}, "API key is required"),
        ({"authorization": "Bearer afk_x"}, "API key is required"),
        ({"x-api-key": "invalid"}, "Invalid API key"),
        ({"x-api-key": "bad-key"}, "Invalid API key"),
    ],
)
def test_a_key_is_required(method: str, path: str, headers: dict[str, str], text: str) -> None:
    """Without a key, or with one that is rehearsed as unknown, every endpoint but the models answers 401."""
    reply = call(new(), method, path, headers=headers)
    assert (reply.status, document(reply)) == (401, {"error": text})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", None),
        (b"\xff", None),
        (b'{"prompt": NaN}', None),
        (b"[" * 100_000, None),
        ([], ""),
        ({}, "prompt"),
        ({"prompt": "x"}, "model"),
        ({"prompt": "", "model": "kling-2.1"}, "prompt"),
        ({"prompt": "x" * 4001, "model": "kling-2.1"}, "prompt"),
        ({"prompt": 5, "model": "kling-2.1"}, "prompt"),
        ({"prompt": "x", "model": "kling-9"}, "model"),
        ({"prompt": "x", "model": ["kling-2.1"]}, "model"),
        ({"prompt": "x", "model": "kling-2.1", "klingParams": []}, "klingParams"),
        ({"prompt": "x", "model": "kling-2.1", "seed": 1}, "seed"),
        ({"prompt": "x", "model": "kling-2.1", "webhookUrl": "nowhere"}, "webhookUrl"),
        ({"prompt": "x", "model": "kling-2.1", "webhookEvents": ["started"]}, "webhookEvents.0"),
        ({"prompt": "x", "model": "kling-2.1", "webhookEvents": []}, "webhookEvents"),
    ],
)
def test_an_invalid_submit_is_told_where(body: Any, path: str | None) -> None:
    """400 with `details` by path, or without them where the body is no JSON; nothing is charged."""
    world = new()
    reply = call(world, "POST", "/v2/videos/generate", headers=APIFRAME_KEY, body=body)
    found = document(reply)
    assert reply.status == 400
    assert isinstance(found["error"], str)
    assert path is None or path in found["details"]
    assert bill_of(world)["charges"] == []


def test_the_longest_prompt_and_half_a_surrogate_pair_are_accepted() -> None:
    """4,000 characters are allowed; an unpaired surrogate goes in and comes out again."""
    world = new()
    assert apiframe_submit(world, prompt="ж" * 4000).status == 202
    reply = apiframe_submit(world, prompt="\ud800 dog")
    assert document(apiframe_poll(world, job_id(reply)))["input"]["prompt"] == "\ud800 dog"


def test_a_job_runs_its_course() -> None:
    """QUEUED, PROCESSING with rising progress, COMPLETED with a URL; the full price from the start."""
    world = new(latency_s=100)
    job = job_id(apiframe_submit(world))
    seen = [document(apiframe_poll(world, job, now=START + after)) for after in (0, 9, 10, 55, 99.9, 100)]
    assert [found["status"] for found in seen] == ["QUEUED"] * 2 + ["PROCESSING"] * 3 + ["COMPLETED"]
    assert [found["progress"] for found in seen] == [0, 0, 1, 50, 99, 100]
    assert [found["creditCost"] for found in seen] == [15] * 6
    assert all(found["result"] is None and found["completedAt"] is None for found in seen[:-1])
    last = seen[-1]
    assert last["result"].keys() == {"videoUrl"}
    assert last["createdAt"] == "2026-05-28T20:26:40.000Z"
    assert last["completedAt"] == "2026-05-28T20:28:20.000Z"
    assert last["input"] == {
        "prompt": "a dog on a beach",
        "model": "kling-2.6",
        "klingParams": {"generate_audio": False},
    }
    assert (last["error"], last["expired"], last["model"]) == (None, False, "kling-2.6")


def test_a_malformed_id_is_400_and_an_unknown_one_404() -> None:
    """The two are told apart as documented."""
    world = new()
    assert apiframe_poll(world, "42").status == 400
    reply = apiframe_poll(world, "6edf1324-3a3d-41b4-95ad-b4c6fff47cc8")
    assert (reply.status, document(reply)) == (404, {"error": "Job not found"})


def test_a_key_of_a_purchase_buys_once() -> None:
    """The same key and body give the original job at its present status, without a charge, even without credits."""
    world = new(latency_s=100, credits={"apiframe": 15})
    first = apiframe_submit(world, key="k1")
    again = apiframe_submit(world, key="k1", now=START + 50)
    assert (again.status, job_id(again), document(again)["status"]) == (202, job_id(first), "PROCESSING")
    assert document(apiframe_submit(world, key="k1", now=START + 100))["status"] == "COMPLETED"
    [charge] = bill_of(world)["charges"]
    assert (charge["credits"], charge["idempotency_key"]) == (15, "k1")


def test_a_key_with_another_body_is_409() -> None:
    """A replay that asks for something else is refused; spaces and the order of keys are nothing else."""
    world = new()
    body = {"prompt": "x", "model": "kling-2.1", "klingParams": {"duration": 5, "mode": "pro"}}
    headers = {**APIFRAME_KEY, "idempotency-key": "k1"}
    assert call(world, "POST", "/v2/videos/generate", headers=headers, body=body).status == 202
    turned = json.dumps(dict(reversed(body.items())), indent=1).encode()
    assert call(world, "POST", "/v2/videos/generate", headers=headers, body=turned).status == 202
    reply = call(world, "POST", "/v2/videos/generate", headers=headers, body={**body, "prompt": "y"})
    assert reply.status == 409
    assert document(reply).keys() == {"error"}
    assert len(bill_of(world)["charges"]) == 1


def test_a_key_is_forgotten_after_a_day() -> None:
    """One second before 24 hours it is a replay, at 24 hours another purchase."""
    world = new()
    apiframe_submit(world, key="k1")
    apiframe_submit(world, key="k1", now=START + 86_399)
    assert len(bill_of(world)["charges"]) == 1
    apiframe_submit(world, key="k1", now=START + 86_400)
    assert len(bill_of(world)["charges"]) == 2


@pytest.mark.parametrize(
    ("key", "status"), [("k" * 255, 202), ("two words", 202), ("clé – 2", 202), ("k" * 256, 400), (" " * 300, 202)]
)
def test_a_key_is_any_text_of_a_length(key: str, status: int) -> None:
    """At most 255 characters of any kind; white space around them is none of it, as in every header."""
    assert apiframe_submit(new(), key=key).status == status


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_none(key: str) -> None:
    """A header without a value makes nothing one purchase."""
    world = new()
    assert {apiframe_submit(world, key=key).status for _ in range(2)} == {202}
    assert [charge["idempotency_key"] for charge in bill_of(world)["charges"]] == [None, None]


def test_a_refused_submit_does_not_use_up_its_key() -> None:
    """After 400 and 402 the key still buys."""
    world = new(credits={"apiframe": 15})
    assert apiframe_submit(world, key="k", model="nothing").status == 400
    assert apiframe_submit(world, key="k", klingParams={}).status == 402
    assert apiframe_submit(world, key="k").status == 202


def test_credits_that_do_not_suffice_are_402() -> None:
    """The body says what is required and what is there; the balance is as it was."""
    world = new(credits={"apiframe": 20})
    apiframe_submit(world)
    reply = apiframe_submit(world)
    assert reply.status == 402
    assert document(reply) == {"error": "Insufficient credits", "creditsRequired": 15, "creditsAvailable": 5}


def test_the_account_shows_the_balance_and_nothing_of_the_key() -> None:
    """`team.credits` falls at submission; the key is not in the answer."""
    world = new(credits={"apiframe": 100}, concurrency=3)
    apiframe_submit(world)
    reply = call(world, "GET", "/v2/me", headers=APIFRAME_KEY)
    team = document(reply)["team"]
    assert (team["credits"], team["maxConcurrentJobs"]) == (85, 3)
    assert b"afk_test" not in reply.body


def models(**query: str) -> Any:
    """Return the answer of the price list."""
    return call(new(), "GET", "/v2/models", query=query)


def test_the_models_need_no_key() -> None:
    """The models with label, modality, lowest and highest price, in the words of the vendor's schema."""
    found = {entry["id"]: entry for entry in document(models())["models"]}
    prices = {name: (entry["costMin"], entry["costMax"], entry["pricingMode"]) for name, entry in found.items()}
    assert prices["kling-2.1"] == (3, 10, "flat")
    assert prices["kling-2.5-turbo-pro"] == (4, 7, "flat")
    assert prices["kling-2.6"] == (15, 40, "flat")
    assert prices["kling-3.0"] == (9, 105, "per-second")
    assert found["kling-2.5-turbo-pro"]["label"] == "Kling 2.5 Turbo Pro"
    assert {entry["modality"] for entry in found.values()} == {"video"}


def test_the_models_are_filtered_by_modality() -> None:
    """All are video; the vendor's other modalities are known words without models, anything else is 400."""
    assert document(models(modality="video")) == document(models())
    assert [document(models(modality=other))["models"] for other in ("image", "music")] == [[], []]
    assert document(models(modality="text"))["details"].keys() == {"modality"}


def listing(world: Any, query: dict[str, str], *, now: float = START) -> Any:
    """Return a page of the job list."""
    return document(call(world, "GET", "/v2/jobs", headers=APIFRAME_KEY, query=query, now=now))


def test_the_list_is_newest_first_in_pages() -> None:
    """Pages follow each other by cursor without gap or repetition, without input, newest first, then by id."""
    world = new()
    moments = [START + at for at in (0, 1, 1, 1, 2, 3, 4)]
    made = [(now, job_id(apiframe_submit(world, prompt=f"at {now}", now=now))) for now in moments]
    ids = [job for _, job in sorted(made)]
    seen, cursor = [], None
    for size in (3, 3, 1):
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = listing(world, query)
        assert len(page["jobs"]) == size
        assert all("input" not in job for job in page["jobs"])
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["nextCursor"]
        assert page["hasMore"] is (cursor is not None)
    assert cursor is None
    assert seen == ids[::-1]


def test_a_job_that_comes_between_two_pages_is_on_neither() -> None:
    """The second page goes on below the first one's last."""
    world = new()
    first, second = (job_id(apiframe_submit(world, now=START + at)) for at in (0, 1))
    page = listing(world, {"limit": "1"})
    apiframe_submit(world, now=START + 2)
    rest = listing(world, {"limit": "1", "cursor": page["nextCursor"]})
    assert ([job["id"] for job in page["jobs"]], [job["id"] for job in rest["jobs"]]) == ([second], [first])
    assert (rest["hasMore"], rest["nextCursor"]) == (False, None)


def test_the_list_is_searched_by_id_and_names_its_models() -> None:
    """`search` finds one job in any case of letters, or none; `include_models` names what the caller's jobs used."""
    world = new()
    job = job_id(apiframe_submit(world))
    apiframe_submit(world, model="kling-2.1", klingParams={})
    assert [item["id"] for item in listing(world, {"search": job.upper()})["jobs"]] == [job]
    assert listing(world, {"search": "6edf1324-3a3d-41b4-95ad-b4c6fff47cc8"})["jobs"] == []
    page = listing(world, {"include_models": "true", "limit": "1", "status": "FAILED"})
    assert (page["jobs"], page["models"]) == ([], ["kling-2.1", "kling-2.6"])
    assert "models" not in listing(world, {"include_models": "false"})


def test_the_list_can_be_filtered() -> None:
    """By status as it is now, and by model."""
    world = new("fail", latency_s=10)
    apiframe_submit(world)
    assert [job["status"] for job in listing(world, {})["jobs"]] == ["QUEUED"]
    assert listing(world, {"status": "FAILED"})["jobs"] == []
    assert [job["creditCost"] for job in listing(world, {"status": "FAILED"}, now=START + 10)["jobs"]] == [0]
    assert listing(world, {"model": "kling-2.1"})["jobs"] == []
    assert len(listing(world, {"model": "kling-2.6"})["jobs"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"status": "DONE"},
        {"cursor": "?"},
        {"cursor": "MTIz"},
        {"scope": "all"},
        {"search": "42"},
        {"include_models": "1"},
    ],
)
def test_a_list_query_is_checked(query: dict[str, str]) -> None:
    """A limit outside 1 to 100, an unknown status and a cursor that is none are 400, each at its name."""
    assert listing(new(), query)["details"].keys() == query.keys()


# uploads


@pytest.mark.parametrize(
    ("data", "media_type", "kind"),
    [
        (PNG, "image/png", "image"),
        (image(kind="JPEG"), "image/jpeg", "image"),
        (image(kind="WEBP"), "image/webp", "image"),
        (image(kind="GIF"), "image/gif", "image"),
        (b"\0\0\0\x18ftypisom" + bytes(16), "video/mp4", "video"),
        (b"\0\0\0\x18ftypqt  " + bytes(16), "video/quicktime", "video"),
        (b"\x1a\x45\xdf\xa3" + bytes(16), "video/webm", "video"),
        (b"ID3\x04" + bytes(16), "audio/mpeg", "audio"),
        (b"\xff\xfb\x90\x64" + bytes(16), "audio/mpeg", "audio"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(16), "audio/wav", "audio"),
        (b"OggS" + bytes(16), "audio/ogg", "audio"),
        (b"\0\0\0\x18ftypM4A " + bytes(16), "audio/mp4", "audio"),
    ],
    ids=["png", "jpeg", "webp", "gif", "mp4", "mov", "webm", "mp3", "mp3-bare", "wav", "ogg", "m4a"],
)
def test_an_upload_becomes_a_url(data: bytes, media_type: str, kind: str) -> None:
    """201 with a URL that serves the same bytes for an hour; the type is told by the bytes, not by the name."""
    world = new()
    reply = upload(world, data, filename="thing.xyz")
    found = document(reply)
    assert reply.status == 201
    assert UUID.fullmatch(found["id"])
    assert (found["kind"], found["contentType"], found["byteSize"]) == (kind, media_type, len(data))
    assert found["expiresAt"] == "2026-05-28T21:26:40.000Z"
    path = found["url"].removeprefix("http://127.0.0.1")
    served = download(world, path, now=START + 3599)
    assert (served.status, served.body, served.headers["content-type"]) == (200, data, media_type)
    assert download(world, path, now=START + 3600).status == 404
    assert download(world, path + "x").status == 404


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({**APIFRAME_KEY, "content-type": "application/json"}, b"{}", 400),
        ({**APIFRAME_KEY}, b"", 400),
        ({**APIFRAME_KEY, "content-type": "multipart/form-data; boundary=edge"}, b"nothing", 400),
        ({**APIFRAME_KEY, "content-type": "multipart/form-data; boundary=edge"}, b"--edge\r\nx\r\n--edge--", 400),
        (*multipart(PNG, boundary="e" * 71), 400),
        (*multipart(PNG, boundary='"ed{ge"'), 400),
        (*multipart(PNG, closed=False), 400),
        (*multipart(PNG, name="picture"), 400),
        (*multipart(b"plain text"), 400),
        (*multipart(b"<svg/>"), 400),
        (*multipart(b""), 400),
        (*multipart(PNG + bytes(25 * 1024 * 1024)), 400),
        (*multipart(b"ID3" + bytes(25 * 1024 * 1024)), 400),
    ],
    ids=[
        "json",
        "no-type",
        "no-edge",
        "no-head",
        "71-characters",
        "brace",
        "not-closed",
        "other-field",
        "text",
        "svg",
        "empty",
        "too-large",
        "too-loud",
    ],
)
def test_what_is_no_picture_is_refused(headers: dict[str, str], body: bytes, status: int) -> None:
    """Only a multipart field `file` with a known kind of file of at most 25 MB is taken."""
    reply = call(new(), "POST", "/v2/uploads", headers=headers, body=body)
    assert reply.status == status
    assert isinstance(document(reply)["error"], str)


def test_a_video_may_be_twice_as_large() -> None:
    """50 MB for video."""
    video = b"\0\0\0\x18ftypisom" + bytes(30 * 1024 * 1024)
    assert upload(new(), video).status == 201


def test_binary_content_survives_the_form() -> None:
    """Line ends and dashes inside a file are content."""
    data = PNG + b"\r\n\r\n--edg\r\n\n\r--"
    assert document(upload(new(), data))["byteSize"] == len(data)


def test_a_job_with_an_expired_picture_fails_and_is_refunded() -> None:
    """An upload that is gone at submission cannot be fetched: FAILED, nothing stays charged."""
    world = new()
    url = document(upload(world))["url"]
    job = job_id(apiframe_submit(world, klingParams={"start_image": url}, now=START + 3600))
    found = document(apiframe_poll(world, job, now=START + 3600))
    assert (found["status"], found["creditCost"], found["result"]) == ("FAILED", 0, None)
    assert url in found["error"]
    [charge] = bill_of(world)["charges"]
    assert charge["refunded"] == charge["credits"] == 25


# limits and the rest


def test_more_jobs_than_allowed_at_once_are_429() -> None:
    """With a limit of two the third waits until one has ended; AI/ML is counted apart."""
    world = new(concurrency=2, latency_s=10)
    assert [apiframe_submit(world).status for _ in range(3)] == [202, 202, 429]
    assert apiframe_submit(world, now=START + 10).status == 202


def test_too_many_requests_a_minute_are_429() -> None:
    """The answer says after how many seconds the next one is let in, and that is true."""
    world = new(rate_per_minute=2)
    assert [call(world, "GET", "/v2/me", headers=APIFRAME_KEY, now=START + at).status for at in (0, 10)] == [200, 200]
    reply = call(world, "GET", "/v2/me", headers=APIFRAME_KEY, now=START + 20.5)
    assert (reply.status, reply.headers["retry-after"]) == (429, "40")
    assert call(world, "GET", "/v2/me", headers=APIFRAME_KEY, now=START + 60).status == 200


def test_a_clip_is_kept_for_a_while() -> None:
    """After the retention the job says `expired` and the URL is 404."""
    world = new(retention_s=3600)
    job = job_id(apiframe_submit(world))
    url = clip_url(apiframe_poll(world, job))
    assert download(world, url, now=START + 3599).status == 200
    late = apiframe_poll(world, job, now=START + 3600)
    assert (document(late)["status"], document(late)["expired"]) == ("COMPLETED", True)
    assert download(world, url, now=START + 3600).status == 404
    assert download(world, clip_url(late), now=START + 3600).status == 404


def test_every_answer_has_the_providers_date() -> None:
    """The `Date` header is the world's clock, on every kind of answer."""
    world = new()
    replies = [
        apiframe_submit(world),
        apiframe_poll(world, "42"),
        call(world, "GET", "/nowhere"),
        download(world, "/clips/x.mp4"),
    ]
    assert [reply.status for reply in replies] == [202, 400, 404, 404]
    assert {reply.headers["date"] for reply in replies} == {"Thu, 28 May 2026 20:26:40 GMT"}


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/job", "/v2/jobs/\n", "/v1/videos/generate", "/clips", "/../etc"])
def test_any_other_path_is_an_error_in_json(path: str) -> None:
    """Also one with a line end in it, which is no job's id."""
    reply = call(new(), "GET", path, headers=APIFRAME_KEY)
    assert (reply.status, set(document(reply))) == (400 if path == "/v2/jobs/\n" else 404, {"error"})


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/videos/generate"), ("DELETE", "/v2/jobs"), ("POST", "/__bill")]
)
def test_another_method_is_405_with_what_is_allowed(method: str, path: str) -> None:
    """The answer names the allowed method."""
    reply = call(new(), method, path, headers=APIFRAME_KEY)
    assert reply.status == 405
    assert reply.headers["allow"] in ("POST", "GET")


def test_the_same_seed_and_moments_give_the_same_world() -> None:
    """Ids and clip names repeat with seed, requests and time; another seed or moment gives others."""

    def run(seed: int, now: float) -> tuple[str, str]:
        world = new(seed=seed)
        job = job_id(apiframe_submit(world, now=now))
        return job, clip_url(apiframe_poll(world, job, now=now))

    assert run(1, START) == run(1, START)
    assert len({run(1, START), run(2, START), run(1, START + 1)}) == 3
