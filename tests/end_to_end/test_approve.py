"""`kbatch approve`: a record of who agreed to which saved plan, beside its lockfile."""

import json
from typing import Any

import pytest

from kbatch.pipeline.approvals.record import PURPOSE
from kbatch.planner.approval.plan_digest import seal_of
from kbatch.receipts.approvals.approvals_file import parse
from kbatch.receipts.journal.seals import Seals
from kbatch.storage.state_key import make_key
from tests.campaign_rig import AIMLAPI, Rig, Said

TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: one}
  - {id: two, prompt: two}
"""
UNPRICED = f"shots:\n  - {{id: one, provider: aimlapi, model: {AIMLAPI}, prompt: a, params: {{image_url: https://a.test/a.png}}}}\n"


def approve(rig: Rig, *flags: str) -> Said:
    """Save the plan and approve it."""
    assert rig.kbatch("plan", "--out", str(rig.folder / "plan.json")).code == 0
    return rig.kbatch("approve", *flags, manifest="plan.json")


def records(rig: Rig) -> list[Any]:
    """Return the records beside the manifest."""
    path = rig.folder / "campaign.approvals.json"
    return list(parse(path.read_bytes(), path.name).values()) if path.exists() else []


def test_an_approval_says_who_what_and_until_when(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is on stdout; the record proves what it covers, and bears this user's seal."""
    monkeypatch.setenv("GITHUB_ACTOR", "ann")
    rig.write(TWO)
    said = approve(rig, "--max-credits", "20", "--expires", "3d", "--note", "as agreed")
    assert said.code == 0, said.err
    digest = json.loads((rig.folder / "plan.json").read_text(encoding="utf-8"))["digest"]
    assert said.out.strip() == digest
    (record,) = records(rig)
    assert (record.digest, record.by.name, record.note) == (digest, "ann", "as agreed")
    assert record.maximum == {"apiframe": 8}
    assert record.plan.author.name == "ann"
    assert {address: job.credits for address, job in record.plan.jobs.items()} == {"one": 4, "two": 4}
    assert record.expires_at > record.at
    assert Seals(key=make_key().secret, stem="campaign").verifies(PURPOSE, record.statement, record.seal)
    assert not rig.charges()


def test_a_second_approval_stands_beside_the_first(rig: Rig) -> None:
    """Nothing that was recorded is replaced."""
    rig.write(TWO)
    assert approve(rig, "--note", "first").code == 0
    assert approve(rig, "--note", "second", "--format", "json").json["jobs"] == 2
    assert {record.note for record in records(rig)} == {"first", "second"}


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        pytest.param(("--max-credits", "7"), 3, "over-ceiling", id="plan-above-its-maximum"),
        pytest.param(("--max-credits", "aimlapi"), 2, "bad-ceiling", id="no-number"),
        pytest.param(("--expires", "never"), 2, "is not a time", id="never"),
        pytest.param(("--expires", "0h"), 2, "is not a time", id="at-once"),
        pytest.param(("--expires", "9999d"), 2, "is not a time", id="past-the-calendar"),
    ],
)
def test_what_cannot_be_approved_is_refused(rig: Rig, flags: tuple[str, ...], code: int, said: str) -> None:
    """Nothing is recorded."""
    rig.write(TWO)
    ended = approve(rig, *flags)
    assert (ended.code, records(rig)) == (code, [])
    assert said in ended.err


def test_an_unknown_price_needs_a_maximum(rig: Rig) -> None:
    """An approval without a bound would let a run spend anything."""
    rig.write(UNPRICED)
    assert "no-ceiling" in approve(rig).err
    assert approve(rig, "--max-credits", "aimlapi=500").code == 0
    assert records(rig)[0].maximum == {"aimlapi": 500}


def test_a_plan_that_buys_nothing_is_not_approved(rig: Rig) -> None:
    """There is nothing to agree to."""
    rig.write(TWO)
    assert rig.run().code == 0
    ended = approve(rig)
    assert ended.code == 3
    assert "nothing-to-approve" in ended.err


def test_an_old_plan_is_refused_with_its_age(rig: Rig) -> None:
    """The time of making is part of the file's seal; a plan from the future shows that a clock is wrong."""
    rig.write(TWO)
    assert approve(rig, "--max-age", "1h").code == 0
    resave(rig, "2026-01-01T00:00:00Z")
    old = rig.kbatch("approve", "--max-age", "24h", manifest="plan.json")
    assert old.code == 3
    assert "plan-too-old" in old.err
    resave(rig, "8000-01-01T00:00:00Z")
    ahead = rig.kbatch("approve", "--max-age", "24h", manifest="plan.json")
    assert ahead.code == 3
    assert "clock-differs" in ahead.err


def resave(rig: Rig, made_at: str) -> None:
    """Write the plan as if it had been saved at another time, sealed as a stranger could seal it."""
    path = rig.folder / "plan.json"
    document = {**json.loads(path.read_text(encoding="utf-8")), "made_at": made_at}
    path.write_text(json.dumps({**document, "seal": seal_of(document)}), encoding="utf-8")


def test_a_file_that_cannot_be_read_is_not_overwritten(rig: Rig) -> None:
    """Its approvals would be lost."""
    rig.write(TWO)
    path = rig.folder / "campaign.approvals.json"
    path.write_text("{}", encoding="utf-8")
    ended = approve(rig)
    assert ended.code == 2
    assert "campaign.approvals.json:1" in ended.err
    assert path.read_text(encoding="utf-8") == "{}"


def test_a_plan_is_compared_with_what_was_approved_last(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bought, changed and added jobs since the approval, with its maximum and note, in every form."""
    monkeypatch.setenv("GITHUB_ACTOR", "ann")
    rig.write(TWO)
    assert rig.kbatch("plan", "--compare-to", "approved").code == 2
    assert approve(rig, "--note", "as agreed").code == 0
    assert rig.kbatch("run", "--yes", "--only", "one", "--max-credits", "4").code == 0
    rig.write(TWO.replace("prompt: two", "prompt: another") + "  - {id: three, prompt: three}\n")
    compared = rig.kbatch("plan", "--compare-to", "approved", "--format", "json").json["comparison"]
    assert {job["address"]: job["change"] for job in compared["jobs"]} == {
        "one": "bought",
        "two": "changed",
        "three": "added",
    }
    assert compared["totals"]["apiframe"] == {"unit": "credits", "before": 8, "after": 8, "difference": 0}
    assert "by ann at" in compared["notes"][0]
    for form in ("text", "markdown", "html"):
        said = rig.kbatch("plan", "--compare-to", "approved", "--format", form)
        assert said.code == 0
        assert "up to 8 of apiframe" in " ".join(said.out.split())
        assert "it says: as agreed" in said.out
    rig.write(TWO + "  - {id: old, prompt: one}\n")
    assert "three" not in rig.kbatch("plan", "--compare-to", "approved").out


@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        pytest.param({"lockfile": "../elsewhere/campaign.lock.json"}, 3, "other-folder", id="lockfile-elsewhere"),
        pytest.param({"source": "../nowhere.yaml"}, 2, "there is no manifest", id="manifest-not-here"),
    ],
)
def test_a_strangers_plan_chooses_no_folder(rig: Rig, where: dict[str, str], code: int, said: str) -> None:
    """Its digest and seal are right: what it says of its place leads no record out of the manifest's folder."""
    rig.fresh("inside")
    rig.write(TWO)
    if "lockfile" in where:
        place = rig.root / "elsewhere" / "campaign.lock.json"
        saving = ("--lockfile", str(place), "--out", str(rig.folder / "plan.json"))
        assert rig.kbatch("plan", *saving).code == 0
    else:
        assert rig.kbatch("plan", "--out", str(rig.folder / "plan.json")).code == 0
        path = rig.folder / "plan.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        document["bound"]["source"] = where["source"]
        path.write_text(json.dumps({**document, "seal": seal_of(document)}), encoding="utf-8")
    ended = rig.kbatch("approve", manifest="plan.json")
    assert ended.code == code
    assert said in ended.err
    assert not (rig.root / "elsewhere").exists()
    assert not list(rig.root.rglob("*.approvals.json"))


def test_a_run_refuses_an_old_plan(rig: Rig) -> None:
    """`run PLAN --max-age`: nothing is sent; a manifest has no age, and the flag is refused for it."""
    rig.write(TWO)
    assert rig.kbatch("plan", "--out", str(rig.folder / "plan.json")).code == 0
    resave(rig, "2026-01-01T00:00:00Z")
    old = rig.kbatch("run", "--yes", "--max-age", "24h", manifest="plan.json")
    assert (old.code, rig.charges()) == (3, [])
    assert "plan-too-old" in old.err
    assert rig.kbatch("run", "--yes", "--max-age", "24h").code == 2
    assert rig.kbatch("run", "--yes", "--max-age", "3650d", manifest="plan.json").code == 0
