"""One approval buys each of its purchases once, wherever it is presented: the bill over several clones decides."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

ONE = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a}\n"
TWO = """
run: {concurrency: 1}
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: one}
  - {id: two, prompt: two}
"""
OTHER = f"""
{AIMLAPI_PRICE}
run: {{concurrency: 1}}
defaults: {{provider: aimlapi, model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: one, prompt: one}}
  - {{id: two, prompt: two}}
"""


def clone(rig: Rig, name: str, *, lockfile: Path | None = None) -> None:
    """Go on in another clone: what git has, without clips and `.kbatch/`, with an older lockfile where one is given."""
    there = rig.root / name
    shutil.copytree(rig.folder, there, ignore=shutil.ignore_patterns(".kbatch", "renders", "clone*"))
    if lockfile is not None:
        shutil.copy(lockfile, there / "campaign.lock.json")
    rig.folder = there


def charges(rig: Rig) -> list[int]:
    """Return what every job on the bill was charged."""
    return [line["credits"] for line in rig.charges()]


def keeping_charges(rig: Rig, *, stops: bool = False) -> None:
    """Let the provider keep what it charged for jobs that fail, and say so; then comes SIGTERM, where it `stops`."""
    app = rig.stage.app
    assert app is not None

    async def greedy(scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[Message] = []

        async def take(message: Message) -> None:
            parts.append(message)

        await app(scope, receive, take)
        body = b"".join(part.get("body", b"") for part in parts if part["type"] == "http.response.body")
        failed = b"FAILED" in body
        if failed:
            body = json.dumps({**json.loads(body), "creditCost": 4}).encode()
        headers = [pair for pair in parts[0]["headers"] if pair[0].lower() != b"content-length"]
        await send({**parts[0], "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})
        if failed and stops:
            os.kill(os.getpid(), signal.SIGTERM)

    rig.stage.app = greedy


def planned(rig: Rig, *flags: str) -> dict[str, Any]:
    """Save a plan beside the manifest and return it."""
    assert rig.kbatch("plan", "--out", str(rig.folder / "plan.json"), *flags).code == 0
    return dict(json.loads((rig.folder / "plan.json").read_text(encoding="utf-8")))


def run_plan(rig: Rig, *flags: str) -> Any:
    """Carry the saved plan out, as far as it still covers anything."""
    return rig.kbatch("run", "--yes", *flags, manifest="plan.json")


def test_a_replacement_is_bought_once_in_however_many_clones(rig: Rig) -> None:
    """The saved plan says: buy `one` again. Clones that have its receipts buy nothing; the bill grows by one in all."""
    rig.write(ONE)
    assert rig.run().code == 0
    older = rig.folder / "campaign.lock.json"
    shutil.copy(older, rig.folder / "older.json")
    planned(rig, "--replace", "one")
    assert run_plan(rig).code == 0
    assert charges(rig) == [4, 4]
    for number in range(3):
        clone(rig, f"clone{number}")
        said = run_plan(rig)
        assert said.code == 3
        assert "plan-used" in said.err
    assert charges(rig) == [4, 4]


def test_a_replacement_without_its_claim_is_known_by_its_receipt(rig: Rig) -> None:
    """Where somebody cut the claims out of a lockfile, the receipts still say that the purchase was made."""
    rig.write(ONE)
    assert rig.run().code == 0
    planned(rig, "--replace", "one")
    assert run_plan(rig).code == 0
    clone(rig, "clone")
    path = rig.folder / "campaign.lock.json"
    lockfile = json.loads(path.read_text(encoding="utf-8"))
    del lockfile["claims"]
    path.write_text(json.dumps(lockfile), encoding="utf-8")
    said = run_plan(rig)
    assert said.code == 0, said.err
    assert charges(rig) == [4, 4]


def test_a_clone_with_the_older_lockfile_gets_the_same_job(rig: Rig) -> None:
    """It cannot know of the purchase; the key of fingerprint and attempt makes it one job at Apiframe."""
    rig.write(ONE)
    assert rig.run().code == 0
    shutil.copy(rig.folder / "campaign.lock.json", rig.root / "older")
    planned(rig, "--replace", "one")
    assert run_plan(rig).code == 0
    clone(rig, "clone", lockfile=rig.root / "older")
    assert run_plan(rig).code == 0
    assert charges(rig) == [4, 4]


@pytest.mark.parametrize(("body", "price"), [(TWO, 4), (OTHER, 1_312_500)], ids=["apiframe", "aimlapi"])
def test_an_interrupted_plan_goes_on_in_another_clone(either: Rig, body: str, price: int) -> None:
    """One job was refused and one left out; the clone that has the lockfile buys the rest, and then no more."""
    either.open({"fault": "400", "at": "submit", "match": "one", "times": 1})
    either.write(body)
    planned(either)
    assert run_plan(either, "--fail-fast").code == 1
    assert charges(either) == []
    (claim,) = either.lockfile()["claims"].values()
    assert claim["state"] == "begun"
    clone(either, "clone")
    assert run_plan(either).code == 0
    assert charges(either) == [price, price]
    (claim,) = either.lockfile()["claims"].values()
    assert (claim["state"], list(claim["spent"].values())) == ("finished", [2 * price])
    assert run_plan(either).code == 3
    clone(either, "clone-of-the-clone")
    assert run_plan(either).code == 3
    assert charges(either) == [price, price]


def test_a_digest_goes_on_with_what_is_left_of_it(both: Rig) -> None:
    """`--approve` of a manifest's plan: interrupted and presented again it buys the rest, here and in a clone, once."""
    both.open({"fault": "400", "at": "submit", "match": "one", "times": 1})
    both.write(TWO)
    digest = both.kbatch("plan", "--format", "json").json["digest"]
    assert both.kbatch("run", "--approve", digest, "--fail-fast").code == 1
    clone(both, "clone")
    assert both.kbatch("run", "--approve", digest).code == 0
    assert charges(both) == [4, 4]
    for name in ("clone", "clone2"):
        if name != "clone":
            clone(both, name)
        said = both.kbatch("run", "--approve", digest)
        assert said.code == 3
        assert "plan-used" in said.err
    assert charges(both) == [4, 4]


def test_a_digest_covers_no_other_request(rig: Rig) -> None:
    """Begun and interrupted, it buys no job whose prompt was changed meanwhile, nor one that came to it."""
    rig.open({"fault": "400", "at": "submit", "match": "one", "times": 1})
    rig.write(TWO)
    digest = rig.kbatch("plan", "--format", "json").json["digest"]
    assert rig.kbatch("run", "--approve", digest, "--fail-fast").code == 1
    rig.write(TWO.replace("prompt: two", "prompt: another"))
    said = rig.kbatch("run", "--approve", digest)
    assert said.code == 3
    assert "digest-differs" in said.err
    rig.write(TWO + "  - {id: three, prompt: three}\n")
    assert rig.kbatch("run", "--approve", digest).code == 3
    assert charges(rig) == []


def test_the_first_purchases_stay_the_first_ones(rig: Rig) -> None:
    """`--first 3 --approve` that was interrupted after one goes on with the other two, and not with the fourth."""
    rig.open({"fault": "400", "at": "submit", "match": "two", "times": 1})
    rig.write(TWO + "  - {id: three, prompt: three}\n  - {id: four, prompt: four}\n")
    flags = ("--first", "3")
    digest = rig.kbatch("plan", *flags, "--format", "json").json["digest"]
    assert rig.kbatch("run", *flags, "--approve", digest, "--fail-fast").code == 1
    assert charges(rig) == [4]
    assert rig.kbatch("run", *flags, "--approve", digest).code == 0
    assert set(rig.states()) == {"one", "two", "three"}
    assert charges(rig) == [4, 4, 4]


def test_a_claim_that_a_stranger_wrote_covers_nothing(rig: Rig) -> None:
    """A pull request brings another film and, in the lockfile, a claim of it under the approved digest: refused."""
    rig.write(TWO)
    digest = rig.kbatch("plan", "--format", "json").json["digest"]
    rig.write(TWO.replace("prompt: two", "prompt: another film"))
    other = planned(rig)
    covers = {job["fingerprint"]: {"attempt": 1, "quote": job["credits"]} for job in other["jobs"]}
    claim = {
        "fingerprints": covers,
        "maximum": {"apiframe": 100},
        "origins": {"apiframe": "loopback"},
        "terms": "sha256:0",
        "accounts": {},
        "spent": {},
        "state": "begun",
    }
    lockfile = {"lockfile_version": 1, "manifest": rig.name, "jobs": {}, "renders": {}, "claims": {digest: claim}}
    (rig.folder / "campaign.lock.json").write_text(json.dumps(lockfile), encoding="utf-8")
    said = rig.kbatch("run", "--approve", digest)
    assert said.code == 3
    assert "digest-differs" in said.err
    assert charges(rig) == []
    rig.write(TWO)
    assert rig.kbatch("run", "--approve", digest).code == 0
    assert charges(rig) == [4, 4]


def test_a_digest_that_was_begun_pays_nobody_else(rig: Rig) -> None:
    """Interrupted before anything was bought, it does not go on at another address."""
    rig.open({"fault": "400", "at": "submit", "match": "one", "times": 1})
    rig.write(TWO)
    digest = rig.kbatch("plan", "--format", "json").json["digest"]
    assert rig.kbatch("run", "--approve", digest, "--fail-fast").code == 1
    rig.monkeypatch.setenv("KBATCH_APIFRAME_URL", "https://elsewhere.example")
    said = rig.kbatch("run", "--approve", digest)
    assert said.code == 3
    assert "this run would pay https://elsewhere.example" in said.err


@pytest.mark.parametrize("how", ["plan", "digest"])
def test_a_charge_that_a_failure_kept_counts_against_the_maximum(both: Rig, how: str) -> None:
    """Two jobs for at most 8: one failed and 4 stay charged. What is left is 4: the other one, and no second try."""
    both.open({"fault": "fail", "match": "one"})
    keeping_charges(both)
    both.write(TWO)
    plan = planned(both)
    again = ("--yes",) if how == "plan" else ("--approve", plan["digest"])
    name = "plan.json" if how == "plan" else None
    assert both.kbatch("run", *again, "--fail-fast", manifest=name).code == 1
    both.faults()
    said = both.kbatch("run", *again, manifest=name)
    assert said.code == 1
    assert "which covers one purchase of it" in said.err
    assert charges(both) == [4, 4]
    assert both.states() == {"one": "failed", "two": "done"}
    assert both.kbatch("run", *again, manifest=name).code == 3
    assert charges(both) == [4, 4]


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_kept_charge_counts_after_sigterm_too(both: Rig) -> None:
    """SIGTERM right after the failure: what a clone, and then this one, go on with stays within the maximum."""
    both.open({"fault": "fail", "match": "one"})
    inner = both.stage.app
    keeping_charges(both, stops=True)
    both.write(TWO)
    planned(both)
    assert run_plan(both).code == 130
    both.stage.app = inner
    both.faults()
    (claim,) = both.lockfile()["claims"].values()
    assert claim["state"] == "begun"
    clone(both, "clone")
    run_plan(both)
    run_plan(both)
    assert sorted(line["credits"] for line in both.charges()) == [4, 4]


@pytest.mark.parametrize(("body", "price"), [(TWO, 4), (OTHER, 1_312_500)], ids=["apiframe", "aimlapi"])
def test_a_plan_belongs_to_its_lockfile(rig: Rig, body: str, price: int) -> None:
    """The printed command carries it out on the lockfile that it was made on; another one is refused."""
    rig.write(body)
    locks = str(rig.folder / "locks.lock.json")
    said = rig.kbatch("plan", "--lockfile", locks, "--out", str(rig.folder / "plan.json"))
    assert f"kbatch run {rig.folder / 'plan.json'}" in said.err
    other = run_plan(rig, "--lockfile", str(rig.folder / "other.lock.json"))
    assert other.code == 3
    assert "locks.lock.json" in other.err
    assert charges(rig) == []
    assert run_plan(rig).code == 0
    assert not rig.has_lockfile()
    assert rig.lockfile("locks.lock.json")["renders"]
    assert run_plan(rig, "--lockfile", locks).code == 3
    assert run_plan(rig).code == 3
    assert charges(rig) == [price, price]


def test_a_plan_that_calls_any_file_its_lockfile(rig: Rig) -> None:
    """A lockfile that is not named like one has to be named again, as the printed command does."""
    rig.write(ONE)
    there = str(rig.folder / "state.json")
    said = rig.kbatch("plan", "--lockfile", there, "--out", str(rig.folder / "plan.json"))
    assert f"plan.json --lockfile {there}`" in said.err
    assert run_plan(rig).code == 3
    assert not (rig.folder / "state.json").exists()
    assert run_plan(rig, "--lockfile", there).code == 0
    assert charges(rig) == [4]


def test_a_plan_belongs_to_whom_it_pays(rig: Rig) -> None:
    """Made for one address, it is refused for another one before anything is sent, with both named."""
    rig.write(TWO)
    planned(rig)
    rig.monkeypatch.setenv("KBATCH_APIFRAME_URL", "https://elsewhere.example")
    said = run_plan(rig)
    assert said.code == 3
    assert "https://elsewhere.example instead of loopback" in said.err
    assert charges(rig) == []


def test_every_clone_makes_the_same_digest(rig: Rig) -> None:
    """Whatever this disk holds: with the clips and without them, under another folder, typed in another way."""
    rig.write(TWO)
    assert rig.run("--only", "one").code == 0
    digest = planned(rig)["digest"]
    clone(rig, "clone")
    assert planned(rig)["digest"] == digest
    rig.monkeypatch.chdir(rig.folder)
    lockfile = str(rig.folder / "sub" / ".." / "campaign.lock.json")
    (rig.folder / "sub").mkdir()
    assert rig.kbatch("plan", "--lockfile", lockfile, "--format", "json").json["digest"] == digest


def test_a_plan_of_an_earlier_kbatch_is_read_and_not_run(rig: Rig) -> None:
    """It does not say on what it rests: it can be shown and compared with; to be run it is saved anew."""
    rig.write(ONE)
    plan = planned(rig)
    for name in ("seal", "made_at"):
        del plan[name]
    for name in ("lockfile", "origins", "attempts"):
        del plan["bound"][name]
    (rig.folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    shown = rig.kbatch("plan", manifest="plan.json")
    assert shown.code == 0
    assert "saved by an earlier kbatch" in shown.out
    assert rig.kbatch("plan", "--compare-to", str(rig.folder / "plan.json")).code == 0
    assert run_plan(rig).code == 3
    assert charges(rig) == []


def test_a_plan_says_the_flags_that_it_needs(rig: Rig) -> None:
    """The printed command carries the plan out: with unpriced jobs and a lowered price it has both flags."""
    rig.trusting = False
    rig.write(OTHER.replace("credits_per_second: 262500", "variants: {5s: {credits: 1312500}}") +
              "  - {id: long, prompt: c, params: {duration: 10}}\n")  # fmt: skip
    said = rig.kbatch("plan", "--out", str(rig.folder / "plan.json"))
    assert "plan.json --allow-unpriced 1`" in said.err
    assert run_plan(rig).code == 3
    said = run_plan(rig, "--allow-unpriced", "1", "--max-credits", "10000000")
    assert said.code == 0, said.err
    assert len(charges(rig)) == 3


def test_an_approval_covers_the_price_that_it_shows(rig: Rig) -> None:
    """A price that only the manifest states is part of the digest: approved, it needs no flag; a lowered one does."""
    rig.trusting = False
    rig.write(OTHER)
    digest = planned(rig)["digest"]
    assert rig.kbatch("run", "--yes", "--only", "one").code == 3
    assert rig.kbatch("run", "--approve", digest, "--only", "one").code == 3
    assert rig.kbatch("run", "--approve", digest).code == 0
    assert charges(rig) == [1_312_500, 1_312_500]
    rig.open()
    rig.fresh("lowered")
    rig.write("prices: {apiframe/kling-2.5-turbo-pro: {credits: 1}}\n" + ONE)
    said = rig.kbatch("plan", "--out", str(rig.folder / "plan.json"))
    assert "plan.json --trust-prices`" in said.err
    assert run_plan(rig).code == 3
    assert charges(rig) == []
