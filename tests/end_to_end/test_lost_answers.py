"""Answers that are lost, wrong or unreadable: what may have been paid is never paid again.

Apiframe is asked again with the same key, so each job is charged once and delivered. AI/ML has no key: there the job
stays unknown, is held against the ceiling and never sent again until someone says what became of it.
"""

import json
from functools import partial
from typing import Any
from urllib.request import Request, urlopen

import pytest

from kbatch.runner.context import RunOptions
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, KEYS, Rig, doubles

AFTER_ACCEPTANCE = (
    "lost-answer", "hang-answer", "non-json-after-accept", "500-after-accept", "502-after-accept", "503-after-accept",
    "504-after-accept", "524-after-accept",
)  # fmt: skip
BEFORE_ACCEPTANCE = ("cut", "timeout", "non-json", "redirect", "500", "502", "504", "524", "503-non-json", "409")
APIFRAME = "defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: one, prompt: a}\n  - {id: two, prompt: b}\n"
OTHER = f"""
{AIMLAPI_PRICE}
defaults: {{model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: one, prompt: a}}
  - {{id: two, prompt: b}}
"""
PRICE = 5 * 262_500


@pytest.mark.parametrize("fault", [*AFTER_ACCEPTANCE, *BEFORE_ACCEPTANCE])
def test_apiframe_is_asked_again_with_the_same_key(either: Rig, fault: str) -> None:
    """Whatever becomes of the first answer, the key brings the one purchase to light: charged once, delivered."""
    either.open({"fault": fault, "at": "submit", "times": 1})
    either.write(APIFRAME)
    said = either.run()
    assert said.code == 0, said.err
    assert [line["credits"] for line in either.charges()] == [4, 4]
    assert either.states() == {"one": "done", "two": "done"}
    assert doubles(either.charges()) == 0
    assert either.bill()["requests"]["submit"] == 3


@pytest.mark.parametrize("fault", [*AFTER_ACCEPTANCE, *BEFORE_ACCEPTANCE])
def test_aimlapi_is_never_sent_again(either: Rig, fault: str) -> None:
    """One send without a readable answer is unknown: exit 4, no second send, now or in the next run."""
    either.open({"fault": fault, "at": "submit", "times": 1}, "row-never")
    either.write(OTHER, provider="aimlapi")
    said = either.run()
    assert said.code == 4, said.err
    assert sorted(either.states().values()) == ["done", "unknown"]
    assert "look for it in the usage on its dashboard" in said.err
    assert either.bill()["requests"]["submit"] == 2
    again = either.run()
    assert again.code == 4
    assert again.json["counts"]["unknown"] == 1
    assert either.bill()["requests"]["submit"] == 2
    assert len(either.charges()) == (2 if fault in AFTER_ACCEPTANCE else 1)


def test_unknown_credits_are_held_against_the_ceiling(rig: Rig) -> None:
    """What an unknown send may have cost counts: a third job that would pass the ceiling with it is refused."""
    rig.open({"fault": "lost-answer", "match": "a", "times": 1}, "row-never")
    rig.write(OTHER + f"budget: {{max_credits: {3 * PRICE}}}\n", provider="aimlapi")
    assert rig.run().code == 4
    rig.write(
        OTHER.replace("prompt: b", "prompt: c") + f"budget: {{max_credits: {3 * PRICE - 1}}}\n", provider="aimlapi"
    )
    assert rig.run().code == 3
    assert rig.run("--only", "two", "--max-credits", str(PRICE)).code == 3
    rig.write(OTHER.replace("prompt: b", "prompt: c") + f"budget: {{max_credits: {3 * PRICE}}}\n", provider="aimlapi")
    assert rig.run("--max-credits", str(PRICE)).code == 3
    assert rig.run("--max-credits", str(2 * PRICE)).code == 4
    assert len(rig.charges()) == 3


def test_an_unknown_send_is_held_after_its_prompt_was_changed(rig: Rig) -> None:
    """A job that nobody refers to any more may have been paid all the same: the budget counts it, and exit 4 stays."""
    rig.open({"fault": "lost-answer", "match": "a", "times": 1}, "row-never")
    rig.write(OTHER + f"budget: {{max_credits: {3 * PRICE}}}\n", provider="aimlapi")
    assert rig.run().code == 4
    rig.write(
        OTHER.replace("prompt: a", "prompt: c") + f"budget: {{max_credits: {3 * PRICE - 1}}}\n", provider="aimlapi"
    )
    assert rig.run().code == 3
    rig.write(OTHER.replace("prompt: a", "prompt: c") + f"budget: {{max_credits: {3 * PRICE}}}\n", provider="aimlapi")
    assert rig.run().code == 4
    assert rig.states() == {"one": "done", "two": "done"}


@pytest.mark.parametrize(("fault", "code"), [("cut", 4), ("lost-answer", 0)], ids=["not-bought", "bought"])
def test_a_send_that_nobody_wants_any_more_is_only_looked_for(rig: Rig, fault: str, code: int) -> None:
    """To send it again would buy a clip of an earlier prompt: the job list is asked, and what is there collected."""
    rig.open({"fault": fault, "at": "submit", "match": "a"})
    rig.write(APIFRAME)
    app = rig.stage.app

    async def without_lists(scope, receive, send):
        if scope["method"] == "GET" and scope["path"] == "/v2/jobs":
            await scope["extensions"]["kbatch.sever"]()
        else:
            await app(scope, receive, send)

    rig.stage.app = without_lists
    assert rig.run().code == 4
    rig.stage.app = app
    rig.faults()
    before = rig.bill()["requests"]["submit"]
    rig.write(APIFRAME.replace("prompt: a", "prompt: c"))
    assert rig.run().code == code
    assert rig.bill()["requests"]["submit"] == before + 1
    assert sorted(job.prompt for job in rig.world.jobs.values()) == [*([] if code else ["a"]), "b", "c"]
    assert len(rig.clips()) == (2 if code else 3)


@pytest.mark.parametrize("word", ["one", "by digest"])
def test_reconcile_settles_a_send_that_no_job_refers_to(rig: Rig, word: str) -> None:
    """After the prompt was changed its unknown send still has the job's address, and the beginning of its digest."""
    rig.open({"fault": "lost-answer", "match": "a", "times": 1}, "row-never")
    rig.write(OTHER, provider="aimlapi")
    assert rig.run().code == 4
    lost = next(job.id for job in rig.world.jobs.values() if job.prompt == "a")
    address = word if word == "one" else rig.lockfile()["jobs"]["one"]["fingerprint"][:12]
    rig.write(OTHER.replace("prompt: a", "prompt: c"), provider="aimlapi")
    assert rig.run().code == 4
    said = rig.kbatch("reconcile", "--adopt", f"{address}={lost}")
    assert said.code == 0, said.err
    assert len(rig.clips()) == 3
    assert rig.run().code == 0
    assert len(rig.charges()) == 3


def test_no_answer_in_time_is_unknown(either: Rig) -> None:
    """An answer that does not come within the time for it is one that nobody has seen: Apiframe tells by the key."""
    hasty = partial(RunOptions, submit_timeout_s=0.2)
    either.monkeypatch.setattr("kbatch.cli.run_plan.RunOptions", hasty)
    either.open({"fault": "hang-answer", "match": "a", "times": 1}, hang_s=60.0)
    either.write(APIFRAME)
    assert either.run().code == 0
    assert len(either.charges()) == 2
    either.fresh("other", {"fault": "hang-answer", "match": "a", "times": 1}, "row-never", hang_s=60.0)
    either.write(OTHER, provider="aimlapi")
    assert either.run().code == 4
    assert either.bill()["requests"]["submit"] == 2


def test_without_the_provider_s_clock_nothing_is_sent_again(rig: Rig) -> None:
    """How long ago a send was, only the provider can say: while it does not, the job list is asked instead."""
    rig.open({"fault": "lost-answer", "match": "a", "times": 1})
    rig.write(APIFRAME)
    app, asked = rig.stage.app, []

    async def silent(scope, receive, send):
        asked.append(scope["path"])
        if scope["path"] == "/v2/me" and len(asked) > 1:
            await scope["extensions"]["kbatch.sever"]()
        else:
            await app(scope, receive, send)

    rig.stage.app = silent
    said = rig.run()
    assert said.code == 0, said.err
    assert asked.count("/v2/me") > 1
    assert rig.bill()["requests"]["submit"] == 2
    assert len(rig.charges()) == 2


def _buy_by_hand(rig: Rig, body: dict[str, Any]) -> str:
    """Buy something without kbatch, and return the job's id."""
    data = json.dumps(body).encode()
    key = {"X-API-Key": KEYS["APIFRAME_API_KEY"]}
    with urlopen(Request(f"{rig.stage.url}/v2/videos/generate", data=data, headers=key)) as answer:
        return str(json.load(answer)["jobId"])


@pytest.mark.parametrize(
    ("change", "earlier_s"),
    [
        pytest.param({"prompt": "another one"}, 0, id="other-prompt"),
        pytest.param({"klingParams": {"duration": 10}}, 0, id="other-parameters"),
        pytest.param({"model": "kling-2.1"}, 0, id="other-model"),
        pytest.param({}, 3600, id="bought-before-this-was-sent"),
    ],
)
def test_a_job_of_somebody_else_is_not_claimed(rig: Rig, change: dict[str, Any], earlier_s: int) -> None:
    """In the job list only what was asked for, since it was asked for, can be ours; the rest leaves it unknown."""
    rig.open({"fault": "cut", "at": "submit", "match": "a"})
    rig.write("shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a}\n")
    assert rig.run().code == 4
    rig.faults()
    request = rig.receipt("one")["request"]
    theirs = rig.world.jobs[_buy_by_hand(rig, {**request, **change})]
    object.__setattr__(theirs, "created_at", theirs.created_at - earlier_s)
    app = rig.stage.app

    async def without_a_clock(scope, receive, send):
        if scope["path"] == "/v2/me":
            await scope["extensions"]["kbatch.sever"]()
        else:
            await app(scope, receive, send)

    rig.stage.app = without_a_clock
    assert rig.kbatch("reconcile").code == 4
    assert rig.states() == {"one": "unknown"}
    ours = _buy_by_hand(rig, request)
    assert rig.kbatch("reconcile").code == 0
    assert rig.receipt("one")["job_id"] == ours


def test_reconcile_adopts_the_job_that_a_person_names(both: Rig) -> None:
    """`--adopt` asks for the job, refuses one that is not there or has an owner, then collects it without a charge."""
    both.open({"fault": "lost-answer", "match": "a", "times": 1}, "row-never")
    both.write(OTHER, provider="aimlapi")
    assert both.run().code == 4
    lost = next(job.id for job in both.world.jobs.values() if job.prompt == "a")
    owned = both.receipt("two")["job_id"]
    assert both.kbatch("reconcile", "--adopt", "one=no-such-job").code == 3
    refused = both.kbatch("reconcile", "--adopt", f"one={owned}")
    assert refused.code == 3
    assert "belongs to `two`" in refused.err
    said = both.kbatch("reconcile", "--adopt", f"one={lost}")
    assert said.code == 0, said.err
    assert both.states() == {"one": "done", "two": "done"}
    assert both.receipt("one")["credits"]["reported"] == PRICE
    assert both.run().code == 0
    assert both.bill()["requests"]["submit"] == 2


def test_reconcile_refuses_a_job_of_another_model(rig: Rig) -> None:
    """A job of another model is not adopted, and the send stays unknown."""
    rig.open({"fault": "cut", "at": "submit", "match": "a"})
    rig.write(APIFRAME)
    assert rig.run().code == 4
    rig.faults()
    body = b'{"model": "kling-2.1", "prompt": "by hand", "klingParams": {"duration": 5}}'
    asked = Request(f"{rig.stage.url}/v2/videos/generate", data=body, headers={"X-API-Key": KEYS["APIFRAME_API_KEY"]})
    with urlopen(asked) as answer:
        job_id = json.load(answer)["jobId"]
    said = rig.kbatch("reconcile", "--adopt", f"one={job_id}")
    assert said.code == 3
    assert "is of kling-2.1" in said.err
    assert rig.states()["one"] == "unknown"
    assert rig.kbatch("reconcile").code == 4, "nobody agreed to send it again"
    assert rig.kbatch("reconcile", "--yes").code == 0
    assert rig.states()["one"] == "done"
    assert [line["credits"] for line in rig.charges() if line["idempotency_key"]] == [4, 4]


def test_reconcile_takes_a_persons_word_for_a_refusal(both: Rig) -> None:
    """`--refused` releases the credits, needs no key, and the next run buys the job under the same attempt."""
    both.open({"fault": "cut", "at": "submit", "match": "a", "times": 1})
    both.write(OTHER, provider="aimlapi")
    assert both.run().code == 4
    both.monkeypatch.delenv("AIMLAPI_API_KEY")
    assert both.kbatch("reconcile", "--refused", "one").code == 0
    assert both.states()["one"] == "failed"
    both.monkeypatch.setenv("AIMLAPI_API_KEY", "a-key-of-some-length")
    assert both.run().code == 0
    assert both.receipt("one")["attempt"] == 1
    assert len(both.charges()) == 2


def test_status_tells_what_is_unknown_without_a_network(rig: Rig) -> None:
    """`status` names the unknown send, what it holds, and where to look; it asks nobody."""
    rig.open({"fault": "lost-answer", "match": "a", "times": 1}, "row-never")
    rig.write(OTHER, provider="aimlapi")
    rig.run()
    before = rig.bill()["requests"]
    said = rig.kbatch("status", "--format", "json")
    assert said.json["held"] == {"aimlapi": PRICE}
    assert [row["state"] for row in said.json["jobs"]] == ["unknown", "done"]
    assert "dashboard" in said.json["jobs"][0]["words"]
    assert "--adopt ADDRESS=JOB_ID" in said.json["jobs"][0]["words"]
    assert rig.bill()["requests"] == before
