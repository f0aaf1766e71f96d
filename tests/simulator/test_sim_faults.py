"""Every fault of the catalogue does what its line says, at every place and for every provider it exists for."""

import json
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from simulator_calls import (
    AIMLAPI_KEY,
    APIFRAME_KEY,
    KLING,
    START,
    aimlapi_submit,
    apiframe_poll,
    apiframe_submit,
    bill_of,
    call,
    clip_url,
    document,
    download,
    job_id,
    new,
    poll,
    submit,
    upload,
)
from test_sim_webhooks import WEBHOOK_FAULTS

from kbatch.simulator.clips.downloads import deliver
from kbatch.simulator.clips.orders import frame_size
from kbatch.simulator.clips.tiny import make_tiny
from kbatch.simulator.exchange import Connection, Reply, SimulatedRequest
from kbatch.simulator.faults.faultkinds import KINDS, FaultMoment
from kbatch.simulator.faults.selection import CATALOGUE, FaultRule, rule
from kbatch.simulator.state import World

PROVIDERS = ("apiframe", "aimlapi")


def providers_of(name: str) -> tuple[str, ...]:
    """Return the providers that a fault exists for; only Apiframe takes uploads."""
    if name.startswith("upload"):
        return ("apiframe",)
    wanted = KINDS[name].provider
    return PROVIDERS if wanted is None else (wanted,)


PAGES: dict[str, dict[str, str]] = {
    "apiframe": {"list": "/v2/jobs", "models": "/v2/models", "account": "/v2/me"},
    "aimlapi": {
        "models": "/v1/models",
        "account": "/v2/billing",
        "log": "/v2/logs",
        "ledger": "/v2/billing/transactions",
    },
}
"""Pages beside submit and poll that a fault can stand in for, by its place."""


def hit(name: str, target: str) -> tuple[str, ...]:
    """Return the providers whose request of this kind a fault can stand in for."""
    if target in ("submit", "poll"):
        return providers_of(name)
    return tuple(provider for provider in PROVIDERS if target in PAGES[provider]) or ("apiframe",)


def ready(name: str, **settings: object) -> tuple[World, str, str]:
    """Return a world with one fault, no latency, and an accepted job: provider and id."""
    provider = providers_of(name)[0]
    world = new(rule(name, **settings))
    return world, provider, job_id(submit(world, provider))


def delivered(world: World, url: str, **headers: str) -> Reply:
    """Return what the door would send for a clip: the bytes made, and bent."""
    reply = download(world, url, headers)
    if reply.clip is None:
        return reply
    return deliver(reply, make_tiny(reply.clip), SimulatedRequest(method="GET", path=url, headers=headers))


# what stands in for a request: nothing is accepted


def check_status(name: str, status: int, *, json_body: bool) -> None:
    """At each place of the fault the status comes, with a body of the right kind, and nothing is charged."""
    for target in KINDS[name].targets:
        for provider in hit(name, target):
            reply, world = struck(name, target, provider)
            assert reply.status == status, (target, provider)
            kind = reply.headers["content-type"].partition(";")[0]
            expected = "application/json" if json_body and target != "download" else ("text/html", "text/plain")
            assert kind in expected, (target, provider)
            if kind == "application/json":
                found = document(reply)
                assert ("error" in found) if provider == "apiframe" else ("message" in found)
            if target == "submit":
                assert bill_of(world)["charges"] == []


def struck(name: str, target: str, provider: str) -> tuple[Reply, World]:
    """Return what a request at this place gets from a world with this fault."""
    world = new(rule(name, at=target))
    match target:
        case "submit":
            return submit(world, provider), world
        case "upload":
            return upload(world), world
        case _ if target in PAGES[provider]:
            keys = {**APIFRAME_KEY, **AIMLAPI_KEY}
            return call(world, "GET", PAGES[provider][target], headers=keys), world
    job = job_id(submit(world, provider))
    reply = poll(world, provider, job)
    return (reply if target == "poll" else delivered(world, clip_url(reply))), world


def status_check(name: str, status: int, *, json_body: bool = True) -> Callable[[], None]:
    """Return a check of a plain status."""
    return lambda: check_status(name, status, json_body=json_body)


def check_retry_after() -> None:
    """Apiframe's 429 says how many seconds to wait, AI/ML's does not."""
    check_status("429", 429, json_body=True)
    assert apiframe_submit(new("429", retry_after_s=7)).headers["retry-after"] == "7"
    assert "retry-after" not in aimlapi_submit(new("429")).headers


def check_retry_after_date() -> None:
    """The wait is an HTTP date by the provider's clock."""
    check_status("429-date", 429, json_body=True)
    reply = apiframe_submit(new("429-date", retry_after_s=7))
    later = parsedate_to_datetime(reply.headers["retry-after"]) - parsedate_to_datetime(reply.headers["date"])
    assert later.total_seconds() == 7


def check_no_credits() -> None:
    """402 with what is required and available; AI/ML's 403 with their spelling."""
    reply = apiframe_submit(new("no-credits"))
    assert reply.status == 402
    assert document(reply).keys() == {"error", "creditsRequired", "creditsAvailable"}
    reply = aimlapi_submit(new("no-credits"))
    assert (reply.status, document(reply)["error"]["data"]["kind"]) == (403, "err_insufficent_credits")


def check_forbidden() -> None:
    """A plain 403, which says nothing of credits."""
    check_status("403", 403, json_body=True)
    assert b"insufficent" not in aimlapi_submit(new("403")).body


def check_payment_required() -> None:
    """402 with Apiframe's body; AI/ML says the same as 403."""
    assert apiframe_submit(new("402")).status == 402
    assert aimlapi_submit(new("402")).status == 403


def refusal_check(name: str, details: dict[str, list[str]] | None) -> Callable[[], None]:
    """Return a check of how a disputed parameter is named; a body without one is accepted."""

    def check() -> None:
        world = new(name)
        reply = apiframe_submit(world, model="kling-2.1", klingParams={"cfg_scale": 0.5})
        found = document(reply)
        assert (reply.status, found.get("details")) == (400, details)
        assert details or "'cfg_scale'" in found["error"]
        assert apiframe_submit(world, model="kling-2.1", klingParams={"mode": "pro"}).status == 202
        assert apiframe_submit(new(), model="kling-2.1", klingParams={"cfg_scale": 0.5}).status == 202

    return check


def beats(number: int) -> str:
    """Return a timeline of so many seconds, one a beat."""
    return json.dumps([{"prompt": "x", "duration": 1}] * number)


@pytest.mark.parametrize(
    ("model", "params", "named"),
    [
        ("kling-2.1", {"aspect_ratio": "16:9", "cfg_scale": 1}, {"aspect_ratio", "cfg_scale"}),
        ("kling-2.5-turbo-pro", {"aspect_ratio": "1:1", "cfg_scale": 1}, {"cfg_scale"}),
        ("kling-2.6", {"aspect_ratio": "4:3"}, {"aspect_ratio"}),
        (
            "kling-3.0",
            {"duration": 7, "multi_prompt": json.dumps([{"prompt": "x", "duration": 1}] * 7)},
            {"multi_prompt"},
        ),
        ("kling-3.0", {"duration": 6, "multi_prompt": json.dumps([{"prompt": "x", "duration": 1}] * 6)}, set()),
    ],
)
def test_what_is_disputed(model: str, params: dict[str, Any], named: set[str]) -> None:
    """Just what the vendor's other document lacks is refused, all of it at once, and nothing is charged."""
    world = new("refuse-disputed")
    reply = apiframe_submit(world, model=model, klingParams=params)
    assert set(document(reply).get("details", {})) == {f"klingParams.{name}" for name in named}
    assert bool(bill_of(world)["charges"]) is not bool(named)


def check_moderation() -> None:
    """400 at submission in words that name moderation; nothing is charged."""
    for provider in PROVIDERS:
        world = new("moderation")
        reply = submit(world, provider)
        assert (reply.status, b"moderation" in reply.body) == (400, True)
        assert bill_of(world)["charges"] == []


def check_non_json(name: str) -> Callable[[], None]:
    """A status of success with a page."""

    def check() -> None:
        for target in KINDS[name].targets:
            reply, _ = struck(name, target, hit(name, target)[0])
            assert reply.status in (200, 201, 202)
            assert reply.body.startswith(b"<!DOCTYPE html>")
        if name == "non-json":
            world = new(name)
            assert submit(world, "aimlapi").status == 200
            assert bill_of(world)["charges"] == []

    return check


def check_redirect() -> None:
    """307 to the same path on another host; a key that follows is noted."""
    world = new("redirect")
    reply = apiframe_submit(world)
    assert (reply.status, reply.headers["location"]) == (307, "http://localhost/__elsewhere/v2/videos/generate")
    assert bill_of(world)["charges"] == []
    assert call(world, "POST", "/__elsewhere/v2/videos/generate", headers={"x-api-key": "k"}).status == 400
    assert bill_of(world)["warnings"] == [{"keys_leaked": 1, "header": "x-api-key"}]


def connection_check(name: str, connection: Connection) -> Callable[[], None]:
    """Return a check that no byte of an answer leaves and nothing is accepted."""

    def check() -> None:
        for target in KINDS[name].targets:
            reply, world = struck(name, target, hit(name, target)[0])
            assert (reply.connection, reply.sent, reply.body) == (connection, None, b"")
            if target == "submit":
                assert bill_of(world)["charges"] == []

    return check


# accepted and charged, but not said


def lost_check(name: str, status: int, connection: Connection = Connection.KEEP) -> Callable[[], None]:
    """Return a check that the job exists and is charged although the answer does not say so."""

    def check() -> None:
        for provider in PROVIDERS:
            world = new(rule(name, times=1))
            reply = submit(world, provider)
            assert (reply.status, reply.connection, reply.charged) == (status, connection, True)
            [charge] = bill_of(world)["charges"]
            assert charge["credits"] > 0
            assert document(poll(world, provider, charge["job_id"]))["status"] in ("COMPLETED", "completed")
        world = new(rule(name, times=1))
        apiframe_submit(world, key="k")
        assert job_id(apiframe_submit(world, key="k")) == bill_of(world)["charges"][0]["job_id"]
        assert len(bill_of(world)["charges"]) == 1

    return check


def check_garbled() -> None:
    """Half of the acceptance; AI/ML's header still names the job."""
    for provider, status in (("apiframe", 202), ("aimlapi", 200)):
        world = new("garbled-after-accept")
        reply = submit(world, provider)
        [charge] = bill_of(world)["charges"]
        assert reply.status == status
        with pytest.raises(json.JSONDecodeError):
            document(reply)
        assert reply.headers.get("x-inference-id") == (charge["job_id"] if provider == "aimlapi" else None)


def check_non_json_after() -> None:
    """A page with a status of success, and the job is there."""
    for provider, status in (("apiframe", 202), ("aimlapi", 200)):
        world = new("non-json-after-accept")
        reply = submit(world, provider)
        assert (reply.status, reply.body[:5]) == (status, b"<!DOC")
        assert len(bill_of(world)["charges"]) == 1


def check_refused_is_not_hit() -> None:
    """A submit that is refused anyway does not use up a fault that needs an acceptance."""
    world = new(rule("lost-answer", times=1))
    assert apiframe_submit(world, model="nothing").status == 400
    assert apiframe_submit(world).connection is Connection.CUT


def check_slow() -> None:
    """The true answer, later."""
    world = new("slow", slow_s=3)
    reply = apiframe_submit(world)
    assert (reply.status, reply.wait_s) == (202, 3)


# what becomes of a job


def check_charge_double() -> None:
    """Twice the price on the bill, and both APIs say so."""
    world, _, job = ready("charge-double")
    assert document(apiframe_poll(world, job))["creditCost"] == 30
    assert bill_of(world)["totals"]["apiframe"]["charged"] == 30
    assert document(aimlapi_submit(new("charge-double")))["meta"]["usage"]["credits_used"] == 2_625_000


def end_check(name: str, status: str, word: str) -> Callable[[], None]:
    """Return a check that the job ends without a clip, with a text, and is refunded."""

    def check() -> None:
        world, provider, job = ready(name)
        found = document(poll(world, provider, job))
        assert (found["status"], found["result"], found["creditCost"], found["progress"]) == (status, None, 0, None)
        assert word in found["error"].lower()
        totals = bill_of(world)["totals"]["apiframe"]
        assert totals["refunded"] == totals["charged"] == 15

    return check


def check_hang() -> None:
    """Still running after a week, and still charged."""
    for provider in PROVIDERS:
        world = new("hang", latency_s=60)
        job = job_id(submit(world, provider))
        late = START + 7 * 86_400
        assert document(poll(world, provider, job, now=late))["status"] in ("PROCESSING", "generating")
        assert bill_of(world, now=late)["totals"][provider]["refunded"] == 0


def check_short_clip() -> None:
    """1.5 seconds are missing."""
    world, provider, job = ready("short-clip")
    clip = download(world, clip_url(poll(world, provider, job))).clip
    assert clip is not None
    assert clip.seconds == 3.5


def check_silent_clip() -> None:
    """No audio although it was bought."""
    world = new("silent-clip")
    job = job_id(apiframe_submit(world, klingParams={"generate_audio": True}))
    clip = download(world, clip_url(apiframe_poll(world, job))).clip
    assert clip is not None
    assert (clip.audio, clip.variant) == (False, "5s-audio")


def check_wrong_size() -> None:
    """Another aspect ratio than asked for, whatever was asked for."""
    for asked in ("16:9", "4:3"):
        world = new("wrong-size")
        job = job_id(apiframe_submit(world, klingParams={"aspect_ratio": asked}))
        clip = download(world, clip_url(apiframe_poll(world, job))).clip
        assert clip is not None
        assert clip.ratio is not None
        wide, high = map(int, asked.split(":"))
        assert frame_size(clip.ratio) != frame_size((wide, high))


def check_expired_url() -> None:
    """The first URL is 404 for good; polling before that repeats it, polling after that gives one that works."""
    world, provider, job = ready("expired-url")
    first = clip_url(poll(world, provider, job))
    assert clip_url(poll(world, provider, job)) == first
    assert download(world, first).status == 404
    second = clip_url(poll(world, provider, job))
    assert second != first
    assert (download(world, second).status, download(world, first).status) == (200, 404)


def shape_check(name: str, provider: str, target: str, kind: type[Any]) -> Callable[[], None]:
    """Return a check of another documented shape of a result, whose URL works."""

    def check() -> None:
        world = new(name)
        reply = poll(world, provider, job_id(submit(world, provider)))
        found: Any = document(reply)[target]
        assert isinstance(found, kind)
        assert not (kind is dict and "videoUrl" in found)
        assert download(world, clip_url(reply)).status == 200

    return check


def check_unknown_status() -> None:
    """A status that no document names, without a result."""
    for provider in PROVIDERS:
        world = new("poll-unknown-status")
        found = document(poll(world, provider, job_id(submit(world, provider))))
        assert found["status"] == "HIBERNATING"
        assert found.get("result", found.get("video")) is None


def check_poll_404() -> None:
    """The documented 404 of each provider for a job that exists; the next poll finds it."""
    for provider, text in (("apiframe", "Job not found"), ("aimlapi", "Inference not found")):
        world = new(rule("poll-404", times=1))
        job = job_id(submit(world, provider))
        reply = poll(world, provider, job)
        assert (reply.status, text in reply.body.decode()) == (404, True)
        assert poll(world, provider, job).status == 200


# downloads


def clip_of(name: str, **headers: str) -> tuple[Reply, bytes]:
    """Return what comes for a clip under this fault, and the bytes that would have come."""
    world, provider, job = ready(name)
    url = clip_url(poll(world, provider, job))
    clip = next(iter(world.jobs.values())).clip
    return delivered(world, url, **headers), make_tiny(clip)


def check_cut_download() -> None:
    """Half of the announced bytes, then a cut; of a resumed part half of that part."""
    reply, whole = clip_of("cut-download")
    assert (reply.connection, reply.body, reply.sent) == (Connection.CUT, whole, len(whole) // 2)
    reply, whole = clip_of("cut-download", range="bytes=100-")
    assert (reply.status, reply.sent) == (206, (len(whole) - 100) // 2)


def check_truncated() -> None:
    """The beginning of the file, shorter than the whole, with nothing that says so."""
    reply, whole = clip_of("truncated")
    assert reply.status == 200
    assert len(reply.body) < len(whole)
    assert whole.startswith(reply.body)
    assert "content-range" not in reply.headers


def check_empty() -> None:
    """200 without a byte."""
    reply, _ = clip_of("empty")
    assert (reply.status, reply.body) == (200, b"")


def check_html() -> None:
    """200 with a page."""
    reply, _ = clip_of("html")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")


def check_no_range() -> None:
    """A range is ignored, and none is offered."""
    reply, whole = clip_of("no-range", range="bytes=100-")
    assert (reply.status, reply.body) == (200, whole)
    assert "accept-ranges" not in reply.headers


def check_download_redirect() -> None:
    """302 to a URL on the same host that works."""
    world, provider, job = ready("download-redirect")
    reply = download(world, clip_url(poll(world, provider, job)))
    assert reply.status == 302
    assert download(world, reply.headers["location"].removeprefix("http://127.0.0.1")).status == 200


def check_redirect_private() -> None:
    """302 to a private network."""
    reply, _ = clip_of("redirect-private")
    assert (reply.status, reply.headers["location"]) == (302, "http://10.0.0.1/clip.mp4")


def check_slow_download() -> None:
    """The true bytes, spread over time."""
    reply, whole = clip_of("slow-download")
    assert (reply.status, reply.body, reply.drip_s) == (200, whole, 2.0)


def check_expires_soon() -> None:
    """The answer says half a minute, and then the picture is gone."""
    world = new("upload-expires-soon")
    found = document(upload(world))
    assert found["expiresAt"] == "2026-05-28T20:27:10.000Z"
    path = found["url"].removeprefix("http://127.0.0.1")
    assert [download(world, path, now=START + at).status for at in (29, 30)] == [200, 404]


# the list of models


def prices_of(*faults: str) -> Any:
    """Return what the list of models says of the price of AI/ML's model, by its name or an alias."""
    [model] = document(call(new(*faults), "GET", "/v1/models", query={"id": KLING, "include": "pricing"}))["data"]
    assert KLING in (model["id"], *model["aliases"])
    return model["pricing"]


def check_models_gone() -> None:
    """The list is whole, and empty."""
    assert document(call(new("models-gone"), "GET", "/v1/models")) == {"object": "list", "data": []}


def check_models_renamed() -> None:
    """The id is another one."""
    [model] = document(call(new("models-renamed"), "GET", "/v1/models", query={"id": KLING}))["data"]
    assert (model["id"], model["aliases"]) == (f"klingai/{KLING}", [KLING])


def price_check(name: str, factor: float) -> Callable[[], None]:
    """Return a check that every price is changed by a factor, under another ETag."""

    def check() -> None:
        true, bent = (prices_of(*faults)["variants"] for faults in ((), (name,)))
        assert [one["price"] for one in bent] == [one["price"] * factor for one in true]
        asked = {"include": "pricing"}
        tags = [call(new(*one), "GET", "/v1/models", query=asked).headers["etag"] for one in ((), (name,))]
        assert tags[0] != tags[1]

    return check


def check_malformed() -> None:
    """200 and JSON, with every field as a text."""
    for target, field in (("list", "jobs"), ("models", "models"), ("account", "team")):
        reply, _ = struck("malformed", target, "apiframe")
        assert (reply.status, type(document(reply)[field])) == (200, str)


def priced(*faults: FaultRule | str, model: str = "kling-3.0") -> dict[str, Any] | None:
    """Return what the price list says of a model, None where it is not in it."""
    listed = document(call(new(*faults), "GET", "/v2/models"))["models"]
    return next((dict(entry) for entry in listed if entry["id"] == model), None)


def entry_check(name: str, wanted: tuple[Any, Any, Any] | None) -> Callable[[], None]:
    """Return a check of lowest and highest price and mode of the model that a fault matches; no other model changes."""

    def check() -> None:
        entry = priced(rule(name, match="^kling-3.0$"))
        assert (entry and tuple(entry.get(field) for field in ("costMin", "costMax", "pricingMode"))) == wanted
        other = priced(rule(name, match="^kling-3.0$"), model="kling-2.1")
        assert other is not None
        assert (other["costMin"], other["costMax"]) == (3, 10)

    return check


def check_models_variable() -> None:
    """No price can be read ahead of a request."""
    assert prices_of("models-variable") == {"kind": "variable"}


def check_models_per_second() -> None:
    """The same price, written for a second."""
    assert prices_of("models-per-second")["units"] == [
        {"name": "video", "measure": "second", "price": 0.13125, "per": 1}
    ]


def check_models_malformed() -> None:
    """What is documented as a list of variants is an object."""
    assert isinstance(prices_of("models-malformed")["variants"], dict)


# the list of jobs, and the account


def list_check(name: str, items: int, *, result: bool = True) -> Callable[[], None]:
    """Return a check of how often a job stands in the list, once, and whether its result stands there."""

    def check() -> None:
        world, _, job = ready(name, times=1)
        lists = [document(call(world, "GET", "/v2/jobs", headers=APIFRAME_KEY))["jobs"] for _ in range(2)]
        assert [item["id"] for item in lists[0]] == [job] * items
        assert all(("result" in item) is result for item in lists[0])
        assert [item["id"] for item in lists[1] if item["result"]] == [job]

    return check


def account_check(name: str, field: str) -> Callable[[], None]:
    """Return a check that a part of the account is null."""
    return lambda: _null(document(call(new(name), "GET", "/v2/me", headers=APIFRAME_KEY))[field])


def _null(value: object) -> None:
    assert value is None


# what AI/ML answers and records

DAY = 86_400.0


def spoken(name: str) -> tuple[Reply, Reply]:
    """Return the answers to a submit and to a poll at the end."""
    world = new(name)
    first = aimlapi_submit(world)
    return first, poll(world, "aimlapi", job_id(first))


def check_video_url() -> None:
    """The URL stands beside the empty `video`, and works."""
    _, reply = spoken("video-url")
    assert document(reply)["video"] is None
    assert document(reply)["video_url"].startswith("http://127.0.0.1/clips/")


def check_older_words() -> None:
    """The two words of April's pages."""
    world = new("older-words", latency_s=100)
    job = job_id(aimlapi_submit(world))
    seen = [document(poll(world, "aimlapi", job, now=START + after))["status"] for after in (0, 50, 100)]
    assert seen == ["waiting", "active", "completed"]


def check_no_usage() -> None:
    """Neither body nor header names a cost, at the end either."""
    for reply in spoken("no-usage"):
        assert "meta" not in document(reply)
        assert "x-aimlapi-credits-used" not in reply.headers
        assert "x-inference-id" in reply.headers


def recorded(page: str, *faults: str, after: float = 0.0) -> tuple[list[dict[str, Any]], str]:
    """Return the rows of a page after one job has ended, and the job's id."""
    world = new(*faults)
    job = job_id(aimlapi_submit(world, now=START))
    query = {"period": "7d"} if page == "log" else {}
    reply = call(world, "GET", PAGES["aimlapi"][page], headers=AIMLAPI_KEY, query=query, now=START + after)
    rows: list[dict[str, Any]] = document(reply)["data"]
    return rows, job


def row_check(page: str, name: str, differing: set[str]) -> Callable[[], None]:
    """Return a check that the one row of a page differs from the true one in these fields only."""

    def check() -> None:
        [true], _ = recorded(page)
        [bent], _ = recorded(page, name)
        assert {field for field in true if bent[field] != true[field]} == differing

    return check


def late_check(page: str, name: str, *, hours: float | None) -> Callable[[], None]:
    """Return a check that the row comes an hour later, or never."""

    def check() -> None:
        assert recorded(page, name, after=3599)[0] == []
        assert len(recorded(page, name, after=3600)[0]) == (hours is not None)
        assert len(recorded(page, name, after=6 * DAY)[0]) == (hours is not None)

    return check


def check_row_twice() -> None:
    """Two inferences under one name."""
    rows, _ = recorded("log", "row-twice")
    assert len({row["inference_id"] for row in rows}) == 2
    assert len({row["client_request_id"] for row in rows}) == 1


def check_row_of_every_key() -> None:
    """Another key is shown it."""
    for faults, shown in ((), 0), (("row-of-every-key",), 1):
        world = new(*faults)
        aimlapi_submit(world)
        other = {"authorization": "Bearer other"}
        reply = call(world, "GET", "/v2/logs", headers=other, query={"period": "1h"})
        assert len(document(reply)["data"]) == shown


def entries_check(name: str, kinds: list[str]) -> Callable[[], None]:
    """Return a check of the kinds of entries about one job."""

    def check() -> None:
        rows, job = recorded("ledger", name)
        assert [row["reference_id"] for row in rows] == [job] * len(kinds)
        assert sorted(row["type"] for row in rows) == kinds

    return check


def check_only_usd() -> None:
    """No credits beside the dollars."""
    [row], _ = recorded("ledger", "entry-only-usd")
    assert row["amount"] == {"usd": 0.65625}


def page_check(page: str, name: str) -> Callable[[], None]:
    """Return a check that a page has another form than the documented one."""

    def check() -> None:
        true, bent = (recorded(page, *faults)[0] for faults in ((), (name,)))
        assert type(bent) is not type(true)

    return check


def check_log_without_ids() -> None:
    """A row that leads nowhere."""
    [row], _ = recorded("log", "log-without-ids")
    assert row["inference_id"] is None


def check_log_endless() -> None:
    """Another page is announced, however far one is."""
    query = {"period": "1h", "offset": "5000"}
    reply = call(new("log-endless"), "GET", "/v2/logs", headers=AIMLAPI_KEY, query=query)
    assert document(reply)["data"] == []
    assert document(reply)["pagination"]["has_more"] is True


CHECKS: dict[str, Callable[[], None]] = {
    **{name: status_check(name, int(name)) for name in ("400", "401", "404", "409", "500", "503")},
    **{name: status_check(name, int(name), json_body=False) for name in ("502", "504", "524")},
    "402": check_payment_required,
    "403": check_forbidden,
    "429": check_retry_after,
    "429-date": check_retry_after_date,
    "503-non-json": status_check("503-non-json", 503, json_body=False),
    "no-credits": check_no_credits,
    "moderation": check_moderation,
    "refuse-disputed": refusal_check("refuse-disputed", {"klingParams.cfg_scale": ["Unrecognized key(s) in object"]}),
    "refuse-disputed-parent": refusal_check(
        "refuse-disputed-parent", {"klingParams": ["Unrecognized key(s) in object: 'cfg_scale'"]}
    ),
    "refuse-disputed-text": refusal_check("refuse-disputed-text", None),
    "non-json": check_non_json("non-json"),
    "redirect": check_redirect,
    "cut": connection_check("cut", Connection.CUT),
    "timeout": connection_check("timeout", Connection.HANG),
    "lost-answer": lost_check("lost-answer", 0, Connection.CUT),
    "hang-answer": lost_check("hang-answer", 0, Connection.HANG),
    "non-json-after-accept": check_non_json_after,
    **{f"{code}-after-accept": lost_check(f"{code}-after-accept", code) for code in (500, 502, 503, 504, 524)},
    "garbled-after-accept": check_garbled,
    "slow": check_slow,
    "charge-double": check_charge_double,
    "fail": end_check("fail", "FAILED", "failed"),
    "fail-moderation": end_check("fail-moderation", "FAILED", "moderation"),
    "cancelled": end_check("cancelled", "CANCELLED", "cancelled"),
    "hang": check_hang,
    "short-clip": check_short_clip,
    "silent-clip": check_silent_clip,
    "wrong-size": check_wrong_size,
    "expired-url": check_expired_url,
    "result-string": shape_check("result-string", "apiframe", "result", str),
    "result-list": shape_check("result-list", "apiframe", "result", dict),
    "result-video-url": shape_check("result-video-url", "apiframe", "result", dict),
    "video-list": shape_check("video-list", "aimlapi", "video", list),
    "poll-404": check_poll_404,
    "poll-429": status_check("poll-429", 429),
    "poll-500": status_check("poll-500", 500),
    "poll-503": status_check("poll-503", 503),
    "poll-524": status_check("poll-524", 524, json_body=False),
    "poll-non-json": check_non_json("poll-non-json"),
    "poll-cut": connection_check("poll-cut", Connection.CUT),
    "poll-unknown-status": check_unknown_status,
    "cut-download": check_cut_download,
    "truncated": check_truncated,
    "empty": check_empty,
    "html": check_html,
    "no-range": check_no_range,
    "download-redirect": check_download_redirect,
    "slow-download": check_slow_download,
    "download-404": status_check("download-404", 404),
    "download-500": status_check("download-500", 500),
    "redirect-private": check_redirect_private,
    "upload-413": status_check("upload-413", 413),
    "upload-429": status_check("upload-429", 429),
    "upload-500": status_check("upload-500", 500),
    "upload-502": status_check("upload-502", 502),
    "upload-expires-soon": check_expires_soon,
    "video-url": check_video_url,
    "older-words": check_older_words,
    "no-usage": check_no_usage,
    "row-never": late_check("log", "row-never", hours=None),
    "row-late": late_check("log", "row-late", hours=1),
    "row-twice": check_row_twice,
    "row-other-model": row_check("log", "row-other-model", {"model"}),
    "row-other-job": row_check("log", "row-other-job", {"inference_id"}),
    "row-early": row_check("log", "row-early", {"created"}),
    "row-of-every-key": check_row_of_every_key,
    "entry-never": late_check("ledger", "entry-never", hours=None),
    "entry-late": late_check("ledger", "entry-late", hours=1),
    "entry-dearer": row_check("ledger", "entry-dearer", {"amount"}),
    "entry-twice": entries_check("entry-twice", ["MODEL_USAGE", "MODEL_USAGE"]),
    "entry-refunded": entries_check("entry-refunded", ["MODEL_USAGE", "REFUND"]),
    "entry-other-job": row_check("ledger", "entry-other-job", {"reference_id"}),
    "entry-only-usd": check_only_usd,
    "log-malformed": page_check("log", "log-malformed"),
    "log-without-ids": check_log_without_ids,
    "log-endless": check_log_endless,
    "ledger-malformed": page_check("ledger", "ledger-malformed"),
    "models-gone": check_models_gone,
    "models-renamed": check_models_renamed,
    "models-dearer": price_check("models-dearer", 2),
    "models-cheaper": price_check("models-cheaper", 0.5),
    "models-variable": check_models_variable,
    "models-per-second": check_models_per_second,
    "models-malformed": check_models_malformed,
    "malformed": check_malformed,
    "price-gone": entry_check("price-gone", None),
    "price-raised": entry_check("price-raised", (106, 211, "per-second")),
    "price-lowered": entry_check("price-lowered", (7, 8, "per-second")),
    "price-of-a-second": entry_check("price-of-a-second", (3, 7, "per-second")),
    "price-mode": entry_check("price-mode", (9, 105, "per-output")),
    "price-missing": entry_check("price-missing", (None, None, None)),
    "price-malformed": entry_check("price-malformed", ("9 credits", None, ["per-second"])),
    "list-lacks": list_check("list-lacks", 0),
    "list-twice": list_check("list-twice", 2),
    "list-no-result": list_check("list-no-result", 1, result=False),
    "no-team": account_check("no-team", "team"),
    "no-key": account_check("no-key", "apiKey"),
}


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name not in WEBHOOK_FAULTS])
def test_every_fault_does_what_it_says(name: str) -> None:
    """A fault without a check here fails."""
    CHECKS[name]()


def test_no_check_is_left_of_a_fault_that_is_gone() -> None:
    """Checks, here and in those of the webhooks, and catalogue have the same names."""
    assert CHECKS.keys() | WEBHOOK_FAULTS.keys() == CATALOGUE.keys()


@pytest.mark.parametrize("target", ["submit", "poll", "download"])
def test_a_fate_may_be_written_at_any_place_of_its_job(target: str) -> None:
    """`at` of a fate says nothing more: it is drawn once, at acceptance."""
    world = new(rule("fail", at=target, times=1))
    first, second = (job_id(apiframe_submit(world)) for _ in range(2))
    assert [document(apiframe_poll(world, job))["status"] for job in (first, second)] == ["FAILED", "COMPLETED"]


def test_a_refused_submit_uses_up_no_fate_and_no_lost_answer() -> None:
    """What needs an acceptance waits for one."""
    check_refused_is_not_hit()
    world = new(rule("fail", times=1))
    apiframe_submit(world, model="nothing")
    assert document(apiframe_poll(world, job_id(apiframe_submit(world))))["status"] == "FAILED"


def test_a_replay_draws_no_second_fate() -> None:
    """A job that was to complete does not fail because it was asked for twice."""
    world = new(rule("fail", match="cat"), rule("charge-double", times=1))
    for _ in range(3):
        apiframe_submit(world, key="k")
    assert [charge["credits"] for charge in bill_of(world)["charges"]] == [30]


def test_a_prompt_is_matched_at_poll_and_download_too() -> None:
    """Only the job whose prompt fits is hit; an upload is matched by its file's name."""
    world = new(rule("poll-500", match="dog"), rule("download-404", match="cat"), rule("upload-500", match="big"))
    dog, cat = (job_id(apiframe_submit(world, prompt=f"a {animal}")) for animal in ("dog", "cat"))
    assert apiframe_poll(world, dog).status == 500
    reply = apiframe_poll(world, cat)
    assert reply.status == 200
    assert download(world, clip_url(reply)).status == 404
    assert [upload(world, filename=name).status for name in ("big.png", "small.png")] == [500, 201]


def test_a_key_is_asked_for_before_any_fault() -> None:
    """Without a key there is 401, and the fault is still to come."""
    world = new(rule("500", times=1))
    assert call(world, "POST", "/v2/videos/generate").status == 401
    assert apiframe_submit(world).status == 500


def test_the_catalogue_knows_the_moments_of_its_faults() -> None:
    """Faults that stand in for a request are never those that follow an acceptance."""
    after = {name for name, kind in KINDS.items() if kind.moment is FaultMoment.AFTER and "submit" in kind.targets}
    assert after == {name for name in KINDS if name.endswith("-after-accept")} | {"lost-answer", "hang-answer"}


def test_a_sequence_of_faults_repeats_with_its_seed() -> None:
    """The whole conversation of a run with chance in it is the same for the same seed and times."""

    def run(seed: int) -> list[tuple[int, bytes]]:
        faults = (rule("500", probability=0.4), rule("fail", probability=0.4), rule("lost-answer", probability=0.3))
        world = new(*faults, seed=seed)
        replies = [apiframe_submit(world, prompt=f"shot {number % 7}") for number in range(40)]
        return [(reply.status, reply.body) for reply in replies] + [(0, json.dumps(bill_of(world)).encode())]

    assert run(5) == run(5)
    assert run(5) != run(6)
