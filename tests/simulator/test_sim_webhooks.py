"""The simulator's webhooks: what is told when, how it is signed, what may go wrong, and what is really sent."""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_document import DOCUMENT
from simulator_calls import APIFRAME_KEY, START, apiframe_poll, apiframe_submit, document, job_id, new

from kbatch.simulator.listen import serving
from kbatch.simulator.server import SimulatorSettings, build_app
from kbatch.simulator.state import SignatureKey, World
from kbatch.simulator.webhooks import Delivery, is_loopback, record, take_due

POST = DOCUMENT["webhooks"]["jobEvent"]["post"]
HEADERS = POST["parameters"]
BODY_SCHEMA = jsonschema.Draft202012Validator(POST["requestBody"]["content"]["application/json"]["schema"])
HOOK = "http://127.0.0.1:9/hook"
KEY = APIFRAME_KEY["x-api-key"]


def sent(world: World, until: float = START + 1000) -> list[tuple[float, dict[str, Any]]]:
    """Return what a world sends with its moments: header event, signature as verified, and body."""
    found = []
    while world.outbox.due and world.outbox.due[0][0] <= until:
        at = world.outbox.due[0][0]
        found += [(round(at - START, 3), told(delivery)) for delivery in take_due(world.outbox, at)]
    return found


def told(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery's body, and under `signed` with what key it is; both as the OpenAPI document has them."""
    content = json.loads(delivery.body)
    assert list(BODY_SCHEMA.iter_errors(content)) == []
    for header in HEADERS:
        if header["name"].lower() in delivery.headers or header["required"]:
            jsonschema.validate(delivery.headers[header["name"].lower()], header["schema"])
    assert delivery.headers["x-webhook-event"] == content["event"]
    return {**content, "signed": signed_with(delivery.headers.get("x-webhook-signature"), delivery.body)}


def signed_with(signature: str | None, body: bytes) -> str | None:
    """Return which form of the caller's key a signature is made with, `another` for none of them."""
    if signature is None:
        return None
    digest = hashlib.sha256(KEY.encode())
    for name, secret in (("raw", digest.digest()), ("hex", digest.hexdigest().encode())):
        if signature == "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest():
            return name
    return "another"


def test_a_job_tells_its_progress_and_its_end() -> None:
    """Twice progress, then completed, with the documented fields as a poll at that moment has them."""
    world = new(latency_s=100)
    job = job_id(apiframe_submit(world, webhookUrl=HOOK))
    (first, begun), (second, halfway), (last, done) = sent(world)
    assert (first, second, last) == (20, 60, 100)
    assert [one["event"] for one in (begun, halfway, done)] == ["progress", "progress", "completed"]
    assert [(one["status"], one["progress"]) for one in (begun, halfway)] == [("PROCESSING", 11), ("PROCESSING", 55)]
    polled = document(apiframe_poll(world, job, now=START + 100))
    fields = ("status", "progress", "result", "model", "creditCost", "completedAt")
    assert done == {"event": "completed", "jobId": job, **{name: polled[name] for name in fields}, "signed": "raw"}


@pytest.mark.parametrize(("fault", "status"), [("fail", "FAILED"), ("cancelled", "CANCELLED")])
def test_a_job_without_a_clip_tells_its_error(fault: str, status: str) -> None:
    """The event is `failed`, with the error, without a result or credits."""
    world = new(fault)
    apiframe_submit(world, webhookUrl=HOOK)
    [(_, end)] = sent(world)
    assert (end["event"], end["status"], end["result"], end["creditCost"]) == ("failed", status, None, 0)
    assert end["error"]


def test_only_the_events_asked_for_are_told() -> None:
    """`webhookEvents` chooses; a body without a URL tells nothing."""
    world = new(latency_s=100)
    apiframe_submit(world, webhookUrl=HOOK, webhookEvents=["completed", "completed", "failed"])
    apiframe_submit(world, webhookEvents=["completed"])
    assert [end["event"] for _, end in sent(world)] == ["completed"]


def test_a_replayed_submit_plans_nothing_more() -> None:
    """One purchase has one course of webhooks."""
    world = new()
    for _ in range(2):
        apiframe_submit(world, key="k", webhookUrl=HOOK)
    assert len(sent(world)) == 1


@pytest.mark.parametrize("form", list(SignatureKey))
def test_the_signature_has_the_form_of_the_terms(form: SignatureKey) -> None:
    """The SHA-256 of the API key signs as bytes or as hex text."""
    world = new(webhook_key=form)
    apiframe_submit(world, webhookUrl=HOOK)
    assert [end["signed"] for _, end in sent(world)] == [form.value]


def test_the_status_of_webhooks_is_that_of_the_last() -> None:
    """null without a URL; pending, then delivered or failed when the last event was sent."""
    world = new()
    plain, good, bad = (
        job_id(apiframe_submit(world, **more)) for more in ({}, {"webhookUrl": HOOK}, {"webhookUrl": HOOK})
    )

    def statuses() -> list[str | None]:
        return [document(apiframe_poll(world, job))["webhookStatus"] for job in (plain, good, bad)]

    assert statuses() == [None, "pending", "pending"]
    for delivery in take_due(world.outbox, START):
        record(world.outbox, delivery, arrived=delivery.job_id == good)
    assert statuses() == [None, "delivered", "failed"]


def course(name: str, **terms: Any) -> list[tuple[float, str, Any]]:
    """Return moment, event and signing key of what a job of ten seconds sends under a fault."""
    world = new(name, latency_s=10, slow_s=3, **terms)
    apiframe_submit(world, webhookUrl=HOOK, webhookEvents=["completed", "failed"])
    return [(at, end["event"], end["signed"]) for at, end in sent(world)]


WEBHOOK_FAULTS = {
    "webhook-never": [],
    "webhook-late": [(13.0, "completed", "raw")],
    "webhook-twice": [(10.0, "completed", "raw")] * 2,
    "webhook-replayed": [(10.0, "completed", "raw"), (13.0, "completed", "raw")],
    "webhook-disorder": [(10.0, "completed", "raw"), (10.05, "progress", "raw")],
    "webhook-unsigned": [(10.0, "completed", None)],
    "webhook-missigned": [(10.0, "completed", "another")],
    "webhook-forged": [(0.0, "completed", "another"), (10.0, "completed", "raw")],
}


@pytest.mark.parametrize("name", WEBHOOK_FAULTS)
def test_what_may_go_wrong_with_webhooks(name: str) -> None:
    """Each fault sends what its line says, and nothing else."""
    assert course(name) == WEBHOOK_FAULTS[name]


def test_a_forged_webhook_names_a_clip_of_its_own() -> None:
    """It says completed while the job runs."""
    world = new("webhook-forged", latency_s=10)
    apiframe_submit(world, webhookUrl=HOOK)
    _, lie = sent(world)[0]
    assert (lie["status"], lie["result"]) == ("COMPLETED", {"videoUrl": "https://forged.invalid/clip.mp4"})


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8080/hook", True),
        ("http://127.8.8.8/", True),
        ("http://[::1]:80/", True),
        ("https://localhost/hook", True),
        ("http://10.0.0.1/", False),
        ("http://127.0.0.1.example/", False),
        ("http://127.0.0.1@example.com/", False),
        ("http://0.0.0.0/", False),
        ("https://hooks.example/", False),
    ],
)
def test_only_this_machine_is_called(url: str, here: bool) -> None:
    """Whatever a manifest names, a rehearsal calls nobody else."""
    assert is_loopback(url) is here


class Receiver(ThreadingHTTPServer):
    """Keeps the posts that come in, and answers with a status."""

    def __init__(self, status: int = 200) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.arrived = threading.Condition()

        class Take(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                body = handler.rfile.read(int(handler.headers["content-length"]))
                with self.arrived:
                    self.posts.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}, body))
                    self.arrived.notify_all()
                handler.send_response(status)
                if status == 302:
                    handler.send_header("location", "/elsewhere")
                handler.end_headers()

            def log_message(handler, *_: Any) -> None:  # noqa: N805
                pass

        super().__init__(("127.0.0.1", 0), Take)

    @property
    def url(self) -> str:
        """Where to send to."""
        return f"http://127.0.0.1:{self.server_address[1]}/hook?from=sim"

    def wait_for(self, number: int) -> list[tuple[str, dict[str, str], bytes]]:
        """Return the posts when there are that many."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.posts) >= number, timeout=10)
            return list(self.posts)


@contextmanager
def receiving(status: int = 200) -> Iterator[Receiver]:
    """Keep a receiver for the time of the block."""
    with Receiver(status) as receiver:
        threading.Thread(target=receiver.serve_forever, args=(0.01,), daemon=True).start()
        yield receiver
        receiver.shutdown()


BODY = {"prompt": "a dog", "model": "kling-2.6", "webhookEvents": ["completed"]}


def buy(client: httpx.Client, url: str) -> str:
    """Return the job of a submit with a webhook."""
    answer = client.post("/v2/videos/generate", headers=APIFRAME_KEY, json={**BODY, "webhookUrl": url})
    return str(answer.raise_for_status().json()["jobId"])


def until(read: Callable[[], str], wanted: str) -> None:
    """Wait until something reads as wanted."""
    pause = threading.Event()
    for _ in range(500):
        if read() == wanted:
            return
        pause.wait(0.01)
    raise AssertionError(read())


@pytest.mark.parametrize(("status", "kept"), [(200, "delivered"), (500, "failed"), (302, "failed")])
def test_a_webhook_is_really_sent(status: int, kept: str) -> None:
    """The server posts it to the receiver as planned, follows no redirect, and keeps what was answered."""
    app = build_app(SimulatorSettings(clips=False))
    with (
        receiving(status) as receiver,
        serving(SimulatorSettings(), app=app) as base,
        httpx.Client(base_url=base) as to,
    ):
        job = buy(to, receiver.url)
        [(path, headers, body)] = receiver.wait_for(1)
        assert (path, headers["x-webhook-event"], headers["content-type"]) == (
            "/hook?from=sim", "completed", "application/json",
        )  # fmt: skip
        assert signed_with(headers["x-webhook-signature"], body) == "raw"
        assert json.loads(body)["result"]["videoUrl"].startswith(base)
        until(lambda: str(to.get(f"/v2/jobs/{job}", headers=APIFRAME_KEY).json()["webhookStatus"]), kept)
        assert len(receiver.posts) == 1


@pytest.mark.anyio
async def test_a_simulator_in_process_sends_too(anyio_backend: str) -> None:
    """Without a socket of its own, under either event loop."""
    app = build_app(SimulatorSettings(clips=False))
    with receiving() as receiver:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
            body = {**BODY, "webhookUrl": receiver.url}
            (await client.post("/v2/videos/generate", headers=APIFRAME_KEY, json=body)).raise_for_status()
        [(_, _, body)] = receiver.wait_for(1)
        assert json.loads(body)["event"] == "completed"


def test_another_host_is_never_called() -> None:
    """The delivery to it has failed, and nothing was sent."""
    app = build_app(SimulatorSettings(clips=False))
    with serving(SimulatorSettings(), app=app) as base, httpx.Client(base_url=base) as to:
        job = buy(to, "http://hooks.invalid/")
        until(lambda: str(to.get(f"/v2/jobs/{job}", headers=APIFRAME_KEY).json()["webhookStatus"]), "failed")
