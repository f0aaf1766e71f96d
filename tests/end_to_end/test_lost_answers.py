"""Answers that are lost, wrong or unreadable: what may have been paid is never paid again.

Apiframe is asked again with the same key, so each job is charged once and delivered. AI/ML has no key: there the job
stays unknown, is held against the ceiling and never sent again until someone says what became of it.
"""

import json
from functools import partial
from urllib.request import Request, urlopen

import pytest

from kbatch.run.context import Options
from tests.rehearsal import AIMLAPI, AIMLAPI_PRICE, Rig, doubles

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
    either.open({"fault": fault, "at": "submit", "times": 1})
    either.write(OTHER, provider="aimlapi")
    said = either.run()
    assert said.code == 4, said.err
    assert sorted(either.states().values()) == ["done", "unknown"]
    assert either.bill()["requests"]["submit"] == 2
    again = either.run()
    assert again.code == 4
    assert again.json["counts"]["unknown"] == 1
    assert either.bill()["requests"]["submit"] == 2
    assert len(either.charges()) == (2 if fault in AFTER_ACCEPTANCE else 1)


def test_unknown_credits_are_held_against_the_ceiling(rig: Rig) -> None:
    """What an unknown send may have cost counts: a third job that would pass the ceiling with it is refused."""
    rig.open({"fault": "lost-answer", "match": "a", "times": 1})
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
    rig.open({"fault": "lost-answer", "match": "a", "times": 1})
    rig.write(OTHER + f"budget: {{max_credits: {3 * PRICE}}}\n", provider="aimlapi")
    assert rig.run().code == 4
    rig.write(
        OTHER.replace("prompt: a", "prompt: c") + f"budget: {{max_credits: {3 * PRICE - 1}}}\n", provider="aimlapi"
    )
    assert rig.run().code == 3
    rig.write(OTHER.replace("prompt: a", "prompt: c") + f"budget: {{max_credits: {3 * PRICE}}}\n", provider="aimlapi")
    assert rig.run().code == 4
    assert rig.states() == {"one": "done", "two": "done"}


@pytest.mark.parametrize("word", ["one", "by digest"])
def test_reconcile_settles_a_send_that_no_job_refers_to(rig: Rig, word: str) -> None:
    """After the prompt was changed its unknown send still has the job's address, and the beginning of its digest."""
    rig.open({"fault": "lost-answer", "match": "a", "times": 1})
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
    hasty = partial(Options, submit_timeout_s=0.2)
    either.monkeypatch.setattr("kbatch.cli.run.RunOptions", hasty)
    either.open({"fault": "hang-answer", "match": "a", "times": 1}, hang_s=60.0)
    either.write(APIFRAME)
    assert either.run().code == 0
    assert len(either.charges()) == 2
    either.fresh("other", {"fault": "hang-answer", "match": "a", "times": 1}, hang_s=60.0)
    either.write(OTHER, provider="aimlapi")
    assert either.run().code == 4
    assert either.bill()["requests"]["submit"] == 2


def test_reconcile_adopts_the_job_that_a_person_names(both: Rig) -> None:
    """`--adopt` asks for the job, refuses one that is not there or has an owner, then collects it without a charge."""
    both.open({"fault": "lost-answer", "match": "a", "times": 1})
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
    asked = Request(f"{rig.stage.url}/v2/videos/generate", data=body, headers={"X-API-Key": "mine"})
    with urlopen(asked) as answer:
        job_id = json.load(answer)["jobId"]
    said = rig.kbatch("reconcile", "--adopt", f"one={job_id}")
    assert said.code == 3
    assert "is of kling-2.1" in said.err
    assert rig.states()["one"] == "unknown"
    assert rig.kbatch("reconcile").code == 0
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
    rig.open({"fault": "lost-answer", "match": "a", "times": 1})
    rig.write(OTHER, provider="aimlapi")
    rig.run()
    before = rig.bill()["requests"]
    said = rig.kbatch("status", "--format", "json")
    assert said.json["held"] == {"aimlapi": PRICE}
    assert [row["state"] for row in said.json["jobs"]] == ["unknown", "done"]
    assert "dashboard" in said.json["jobs"][0]["words"]
    assert rig.bill()["requests"] == before
