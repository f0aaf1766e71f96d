"""AI/ML API's two endpoints: a card chooses where its model is bought, and a job stays where it was begun.

The simulator knows a job on the endpoint that took it only, so that a delivered clip proves where it was polled.
"""

import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from starlette.types import Receive, Scope, Send

from kbatch.providers.apiframe import APIFRAME, Apiframe
from kbatch.providers.base import Request
from kbatch.receipts.event_data import Accepted
from kbatch.simulator.providers.own_offers import offers_of_cards
from tests.campaign_rig import AIMLAPI, Rig, card_data, history
from tests.campaign_rig import AIMLAPI_V3 as V3

PATHS = {"legacy": "/v2/generate/video/kling/generation", "v2": "/v2/video/generations"}
BODY = f"""
prices: {{aimlapi/{AIMLAPI}: {{credits_per_second: 262500}}, aimlapi/{V3}: {{credits_per_second: 262500}}}}
defaults: {{params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: older, model: {AIMLAPI}, prompt: a lighthouse}}
  - {{id: newer, model: {V3}, prompt: a harbour}}
"""
ENDPOINTS = {"older": "legacy", "newer": "v2"}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the log three times in a run, so that what is never logged does not take its time."""
    monkeypatch.setattr("kbatch.runner.submit.resolve_from_log._WAITS_S", (30.0, 60.0))


def begin(rig: Rig, *faults: Any, **settings: Any) -> None:
    """Open a world that sells both models, and write the campaign."""
    rig.open(*faults, offers=offers_of_cards([card_data(V3)]), **settings)
    rig.write(BODY, provider="aimlapi")


def calls(rig: Rig) -> list[tuple[str, str]]:
    """Return method and path of each call of a generation from now on, as they come."""
    seen: list[tuple[str, str]] = []
    app = rig.stage.app
    assert app is not None

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PATHS.values():
            seen.append((scope["method"], scope["path"]))
        await app(scope, receive, send)

    rig.stage.app = noting
    return seen


def clone(rig: Rig) -> None:
    """Go on in a clone that has manifest and lockfile, and nothing else."""
    there = rig.root / "clone"
    there.mkdir()
    for name in ("campaign.yaml", "campaign.lock.json"):
        shutil.copy(rig.folder / name, there / name)
    rig.folder = there


def delivered(rig: Rig) -> None:
    """Hold that each job was bought once, at its card's endpoint, and delivered."""
    assert rig.states() == {"older": "done", "newer": "done"}
    assert {name: rig.receipt(name)["endpoint"] for name in ENDPOINTS} == ENDPOINTS
    bought = {rig.receipt(name)["job_id"]: PATHS[endpoint] for name, endpoint in ENDPOINTS.items()}
    assert {line["job_id"]: rig.world.jobs[line["job_id"]].path for line in rig.charges()} == bought
    assert (rig.bill()["requests"]["submit"], len(rig.clips())) == (2, 2)


def test_each_model_is_bought_and_polled_where_its_card_says(both: Rig) -> None:
    """Submits and polls of the two jobs go to two paths, and the receipts say which."""
    begin(both)
    seen = calls(both)
    said = both.run()
    assert said.code == 0, said.err
    delivered(both)
    assert {path for method, path in seen if method == "GET"} == set(PATHS.values())


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_run_that_is_stopped_goes_on_in_a_clone(both: Rig) -> None:
    """SIGTERM while both render: a clone with only the lockfile polls each where it was begun; two charges in all."""
    begin(both, latency_s=60.0)
    app = both.stage.app
    assert app is not None

    async def stopping(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if scope["method"] == "GET" and len(both.world.jobs) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    both.stage.app = stopping
    assert both.run().code == 130
    both.stage.app = app
    assert both.states() == {"older": "submitted", "newer": "submitted"}
    clone(both)
    end_all(both)
    said = both.run()
    assert said.code == 0, said.err
    delivered(both)


def end_all(rig: Rig) -> None:
    """Let every job be rendered now."""
    rig.world.jobs.update({name: replace(job, ends_at=job.created_at) for name, job in rig.world.jobs.items()})


LOST = {"fault": "lost-answer", "match": "harbour", "times": 1}


def test_a_lost_answer_of_the_newer_endpoint_settles_itself(both: Rig) -> None:
    """The log's row is confirmed, polled and delivered there, within the run."""
    begin(both, LOST)
    said = both.run()
    assert said.code == 0, said.err
    delivered(both)
    assert [event.data.by for event in history(both.folder) if isinstance(event.data, Accepted)].count("log") == 1


def test_a_job_is_adopted_at_its_endpoint_in_a_clone(rig: Rig) -> None:
    """`--adopt` asks the endpoint of the receipt: the job of the other one is refused, its own is taken."""
    begin(rig, {**LOST, "match": ".", "times": 2}, "row-never")
    assert rig.run().code == 4
    jobs = {name: job.id for name, path in PATHS.items() for job in rig.world.jobs.values() if job.path == path}
    clone(rig)
    for name, job in (("older", jobs["v2"]), ("newer", jobs["legacy"])):
        said = rig.kbatch("reconcile", "--adopt", f"{name}={job}")
        assert (said.code, "Inference not found" in said.err) == (3, True), said.err
    assert rig.kbatch("reconcile", "--adopt", f"older={jobs['legacy']}").code == 4
    assert rig.kbatch("reconcile", "--adopt", f"newer={jobs['v2']}").code == 0
    assert rig.run().code == 0
    delivered(rig)


SOURCE = {"title": "a", "publisher": "b", "read": "2026-11-30"}


def own_card(rig: Rig, model: str, provider: str, **changes: Any) -> None:
    """Write a card of the user's: the packaged one, with some of its parts replaced."""
    path = rig.root / "cards" / provider / f"{model}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**json.loads(card_data(model, provider)), **changes}), encoding="utf-8")


def bought_at_legacy(rig: Rig) -> None:
    """Buy both at the legacy endpoint, by a card of the user's, and go on in a clone without that card."""
    begin(rig)
    own_card(rig, V3, "aimlapi", endpoint={"name": "legacy", "why": "a", "source": SOURCE})
    said = rig.run("--models", str(rig.root / "cards"))
    assert said.code == 0, said.err
    assert {job.path for job in rig.world.jobs.values()} == {PATHS["legacy"]}
    clone(rig)


def edit(rig: Rig, endpoint: str | None) -> None:
    """Let the lockfile's receipts name this endpoint, or none."""
    path = rig.folder / "campaign.lock.json"
    lockfile = json.loads(path.read_text(encoding="utf-8"))
    for receipt in lockfile["renders"].values():
        assert receipt.pop("endpoint") == "legacy"
        if endpoint is not None:
            receipt["endpoint"] = endpoint
    path.write_text(json.dumps(lockfile), encoding="utf-8")


@pytest.mark.parametrize("endpoint", ["legacy", None], ids=["recorded", "of-an-earlier-version"])
def test_the_receipt_decides_where_a_job_is_polled(rig: Rig, endpoint: str | None) -> None:
    """A job that was bought at the legacy endpoint is fetched there, though its card names the newer one by now."""
    bought_at_legacy(rig)
    edit(rig, endpoint)
    assert rig.kbatch("plan", "--check").code == 0
    said = rig.kbatch("pull")
    assert said.code == 0, said.err
    assert (len(rig.clips()), len(rig.charges())) == (2, 2)


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [("v2", 1), ("https://evil.example", 2), ("/v2/other", 2), ("", 2)],
    ids=["another", "url", "path", "empty"],
)
def test_a_forged_endpoint_leads_nowhere(rig: Rig, endpoint: str, code: int) -> None:
    """Another name finds no job and buys none; what is none of the names makes the lockfile unreadable."""
    bought_at_legacy(rig)
    path = rig.folder / "campaign.lock.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"legacy"', json.dumps(endpoint)), encoding="utf-8")
    said = rig.kbatch("pull")
    assert said.code == code, said.err
    assert rig.run().code == (2 if code == 2 else 0)
    assert (len(rig.clips()), rig.bill()["requests"]["submit"]) == (0, 2)
    if code == 2:
        assert "must be one of `legacy`, `v2`" in said.err


def test_a_send_again_goes_to_the_endpoint_of_its_record(both: Rig) -> None:
    """A provider that takes the same key again, with two endpoints: a lost answer is asked for where it was sent."""

    class Elsewhere:
        def __getattr__(self, name: str) -> Any:
            return getattr(APIFRAME, name)

        def submit(self, body: bytes, *, idempotency_key: str) -> Request:
            request = APIFRAME.submit(body, idempotency_key=idempotency_key)
            return structs.replace(request, path=f"/alt{request.path}")

        def poll(self, job_id: str) -> Request:
            return structs.replace(APIFRAME.poll(job_id), path=f"/alt{APIFRAME.poll(job_id).path}")

    def at_endpoint(self: Apiframe, name: str) -> Any:
        return Elsewhere() if name == "v2" else self

    both.monkeypatch.setattr(Apiframe, "endpoints", ("legacy", "v2"), raising=False)
    both.monkeypatch.setattr(Apiframe, "at_endpoint", at_endpoint, raising=False)
    both.open({"fault": "lost-answer", "times": 1})
    own_card(both, "kling-2.6", "apiframe", endpoint={"name": "v2", "why": "a", "source": SOURCE})
    seen, app = [], both.stage.app
    assert app is not None

    async def alternative(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["method"], scope["path"]))
        await app({**scope, "path": scope["path"].removeprefix("/alt")}, receive, send)

    both.stage.app = alternative
    both.write("shots:\n  - {id: one, model: kling-2.6, prompt: a ridge}\n")
    said = both.run("--models", str(both.root / "cards"))
    assert said.code == 0, said.err
    assert [path for method, path in seen if method == "POST"] == ["/alt/v2/videos/generate"] * 2
    assert {path for _, path in seen if "/v2/jobs/" in path} == {f"/alt/v2/jobs/{both.receipt('one')['job_id']}"}
    assert (len(both.charges()), len(both.clips())) == (1, 1)
