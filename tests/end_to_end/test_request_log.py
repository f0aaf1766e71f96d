"""A lost AI/ML answer settles itself through the vendor's request log, and no other row ever settles it."""

import json
import shutil
import time

import pytest

from kbatch.receipts.event_data import Accepted
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig, history

LOST = (
    "lost-answer", "hang-answer", "non-json-after-accept", "500-after-accept", "502-after-accept", "503-after-accept",
    "504-after-accept", "524-after-accept",
)  # fmt: skip
BODY = f"""
{AIMLAPI_PRICE}
defaults: {{model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: one, prompt: a}}
  - {{id: two, prompt: b}}
"""
LOSE_ONE = {"fault": "lost-answer", "match": "a", "times": 1}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the log three times in a run, so that what is never logged does not take its time."""
    monkeypatch.setattr("kbatch.runner.submit.resolve_from_log._WAITS_S", (30.0, 60.0))


def submits(rig: Rig) -> int:
    """Return how many paying requests came."""
    return int(rig.bill()["requests"]["submit"])


def unknown(rig: Rig, *faults: object) -> None:
    """Leave `one` unknown, though it was accepted, after a run with these faults beside."""
    rig.open(LOSE_ONE, *faults)  # type: ignore[arg-type]
    rig.write(BODY, provider="aimlapi")
    said = rig.run()
    assert (said.code, rig.states()) == (4, {"one": "unknown", "two": "done"}), said.err
    assert submits(rig) == 2


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_settles_itself_in_its_run(either: Rig, fault: str) -> None:
    """The row adopts the job: polled, delivered, its charge on record; sent once, charged once."""
    either.open({"fault": fault, "match": "a", "times": 1})
    either.write(BODY, provider="aimlapi")
    said = either.run()
    assert said.code == 0, said.err
    assert either.states() == {"one": "done", "two": "done"}
    receipt = either.receipt("one")
    assert receipt["credits"] == {"planned": 1_312_500, "reported": 1_312_500}
    assert receipt["account"]["key"].startswith("sha256:")
    [charge] = [line for line in either.charges() if line["job_id"] == receipt["job_id"]]
    assert either.world.jobs[charge["job_id"]].trace == receipt["client_request_id"]
    assert [event.data.by for event in history(either.folder) if isinstance(event.data, Accepted)].count("log") == 1
    assert (submits(either), len(either.charges()), len(either.clips())) == (2, 2, 2)


@pytest.mark.parametrize(
    "fault",
    [
        "row-never", "row-twice", "row-other-model", "row-other-job", "row-early",
        "log-malformed", "log-without-ids", "log-endless",
        {"fault": "500", "at": "log"}, {"fault": "cut", "at": "log"}, {"fault": "non-json", "at": "log"},
        {"fault": "401", "at": "log"},
    ],
    ids=str,
)  # fmt: skip
def test_no_other_row_or_page_adopts(rig: Rig, fault: object) -> None:
    """Unknown it stays, at once and later, held and never sent again; what the log says is told."""
    unknown(rig, fault)
    for command in ("pull", "reconcile"):
        said = rig.kbatch(command)
        assert said.code in (4, 5), said.err
        assert rig.receipt("one")["state"] == "unknown"
    assert rig.run().code in (3, 4, 5)
    assert (submits(rig), rig.receipt("one")["job_id"]) == (2, None)


@pytest.mark.parametrize("command", ["run", "pull", "reconcile"])
def test_a_row_that_comes_late_settles_it_later(rig: Rig, command: str) -> None:
    """Each of the three asks again, in a clone too that has nothing but the lockfile."""
    later = [0.0]
    rig.open(LOSE_ONE, "row-late", clock=lambda: time.time() + later[0])
    rig.write(BODY, provider="aimlapi")
    assert rig.run().code == 4
    shutil.rmtree(rig.folder / ".kbatch")
    later[0] = 3700.0
    said = rig.run() if command == "run" else rig.kbatch(command)
    assert said.code == 0, said.err
    assert rig.states() == {"one": "done", "two": "done"}
    assert (submits(rig), len(rig.charges()), len(rig.clips())) == (2, 2, 2)


def test_a_page_that_can_be_read_again_settles_it(both: Rig) -> None:
    """An outage of the log is none of the send: the next pull finds the row."""
    unknown(both, "log-malformed")
    both.faults()
    said = both.kbatch("pull")
    assert said.code == 0, said.err
    assert both.states() == {"one": "done", "two": "done"}


def test_only_the_key_that_sent_it_may_ask(rig: Rig) -> None:
    """Another key is not believed, even where the log shows it every row: it may have bought the same itself."""
    unknown(rig, "row-of-every-key", {"fault": "log-malformed", "at": "log"})
    rig.faults()
    asked = rig.bill()["requests"]["log"]
    rig.monkeypatch.setenv("AIMLAPI_API_KEY", "the-key-of-a-colleague")
    for command in ("pull", "reconcile"):
        said = rig.kbatch(command)
        assert said.code == 4, said.err
        assert "only that key's log can show it" in " ".join(said.err.split())
    assert rig.bill()["requests"]["log"] == asked


def test_a_request_that_the_log_calls_failed_cost_nothing(both: Rig) -> None:
    """It is failed with 0 on record, and the next run buys it under another name."""
    both.open(LOSE_ONE, {"fault": "fail", "match": "a", "times": 1})
    both.write(BODY, provider="aimlapi")
    said = both.run()
    assert said.code == 1, said.err
    receipt = both.receipt("one")
    assert (receipt["state"], receipt["credits"]["reported"]) == ("failed", 0)
    assert both.run().code == 0
    assert both.receipt("one")["client_request_id"] != receipt["client_request_id"]
    assert both.bill()["totals"]["aimlapi"] == {"charged": 3 * 1_312_500, "refunded": 1_312_500}


def test_its_name_is_shown_everywhere(rig: Rig) -> None:
    """Lockfile, status, plan and reconcile name the request, and status says until when the log is asked."""
    unknown(rig, "row-never")
    name = rig.receipt("one")["client_request_id"]
    assert name.startswith("kbatch-")
    [row] = [job for job in rig.kbatch("status", "--format", "json").json["jobs"] if job["address"] == "one"]
    assert (row["client_request_id"], len(row["asked_until"])) == (name, len("2027-03-02"))
    text = " ".join(rig.kbatch("status").out.split())
    assert name in text
    assert f"its log is asked until {row['asked_until']}" in text
    [entry] = [job for job in rig.kbatch("plan", "--format", "json").json["jobs"] if job["address"] == "one"]
    assert name in entry["reason"]
    said = rig.kbatch("reconcile", "--format", "json")
    assert said.code == 4
    text = " ".join(said.err.split())
    assert name in text
    assert f"asked for until {row['asked_until']}" in text
    sent = {"provider": "aimlapi", "submitted_at": rig.receipt("one")["submitted_at"]}
    wanted = [{"address": "one", **sent, "client_request_id": name, "asked_until": row["asked_until"]}]
    assert said.json["unknown"] == rig.kbatch("pull", "--format", "json").json["unknown"] == wanted
    assert rig.run("--only", "two").json["unknown"] == []
    rig.write(BODY.replace("{id: one, prompt: a}", "{id: one, prompt: another}"), provider="aimlapi")
    assert rig.kbatch("reconcile", "--format", "json").json["unknown"] == wanted


def test_a_receipt_of_an_earlier_version_waits_for_a_person(rig: Rig) -> None:
    """It names neither the request nor the key that sent it, and neither is guessed."""
    unknown(rig, {"fault": "log-malformed", "at": "log"})
    rig.faults()
    path = rig.folder / "campaign.lock.json"
    lockfile = json.loads(path.read_text())
    for receipt in lockfile["renders"].values():
        receipt.pop("client_request_id")
        receipt.pop("account")
    path.write_text(json.dumps(lockfile))
    shutil.rmtree(rig.folder / ".kbatch")
    said = rig.kbatch("pull")
    assert said.code == 4, said.err
    assert rig.receipt("one")["state"] == "unknown"
    [job] = [one for one in rig.world.jobs.values() if one.prompt == "a"]
    assert rig.kbatch("reconcile", "--adopt", f"one={job.id}").code == 0
