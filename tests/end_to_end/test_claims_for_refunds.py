"""What is owed back is gathered without a key, and stays claimed until the provider's own answers show the refund."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kbatch.cli.main import main
from kbatch.receipts.lockfile.lockfile import parse
from kbatch.simulator.bill import refund
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, KEYS, Rig

BODY = """
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: true}}
shots:
  - {id: hero, prompt: a ridge}
"""
PICTURE = """
defaults: {model: kling-2.1, params: {mode: pro, start_image: still.png}}
shots:
  - {id: hero, prompt: a ridge}
"""
LEDGER = f"""
{AIMLAPI_PRICE}
defaults: {{model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png?token=never-shown"}}}}
shots:
  - {{id: one, prompt: a}}
"""
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "claim.schema.json").read_text(encoding="utf-8"))


def evidence(rig: Rig) -> Any:
    """Return the evidence that was written, held against its schema and the digests of its files."""
    folder = rig.folder / "campaign.claims"
    document = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(document)
    for claim in document["claims"]:
        for file in claim["files"]:
            data = (folder / file["path"]).read_bytes()
            assert data.startswith(b"\x89PNG")
            assert (sha256(data).hexdigest(), len(data)) == (file["sha256"], file["bytes"])
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert not any(key.encode() in text or key[:12].encode() in text for key in KEYS.values())
            assert b"never-shown" not in text
    return document


def pay_back(rig: Rig) -> int:
    """Let the provider refund its only job, and return what the bill says of it."""
    [job] = rig.world.jobs.values()
    rig.world.jobs[job.id] = replace(job, credits=0)
    refund(rig.world.bill, job.id)
    return int(rig.charges()[0]["refunded"])


def charged(rig: Rig) -> Any:
    """Return what the status says of the money."""
    status = rig.kbatch("status", "--format", "json").json
    return status["charged"], status["claimed_back"]


@pytest.mark.parametrize(
    ("fault", "reason", "owed", "words"),
    [
        pytest.param("charge-double", "above-quote", 25, "charged 50, quoted 25", id="twice-the-price"),
        pytest.param("short-clip", "delivered-wrong", 25, "5 s were bought", id="short"),
        pytest.param("silent-clip", "delivered-wrong", 25, "audio was bought", id="silent"),
    ],
)
def test_a_charge_is_claimed_until_the_provider_pays_it_back(
    either: Rig, fault: str, reason: str, owed: int, words: str
) -> None:
    """The claim holds ids, request and answers; a pull after the refund on the bill settles it and the sums follow."""
    either.open(fault)
    either.write(BODY)
    assert either.run().code == 1
    said = either.kbatch("claim")
    assert said.code == 0, said.err
    [one] = evidence(either)["claims"]
    [line] = either.charges()
    assert (one["job_id"], one["idempotency_key"]) == (line["job_id"], line["idempotency_key"])
    assert (one["refund_claim"]["reason"], one["refund_claim"]["credits"]) == (reason, owed)
    assert words in one["grounds"][0]["words"]
    assert {record["kind"] for record in one["records"]} >= {"intended", "accepted", "reported", "rendered"}
    assert one["request"]["prompt"] == "a ridge"
    before = line["credits"]
    assert charged(either) == ({"apiframe": before}, {"apiframe": owed})
    assert either.kbatch("pull").code in (0, 1)
    assert charged(either) == ({"apiframe": before}, {"apiframe": owed}), "nothing came back yet"
    back = pay_back(either)
    either.kbatch("pull")
    assert charged(either) == ({"apiframe": before - back}, {})
    assert either.receipt("hero")["refund_claim"]["settlement"]["by"] == "provider"
    assert len(either.charges()) == 1, "a claim buys nothing"


def test_frames_are_of_the_clip_that_was_delivered(rig: Rig) -> None:
    """First and last frame of the clip on this disk; a file that was changed by hand gives none."""
    rig.open("charge-double", clips=True)
    rig.picture("still.png")
    rig.write(PICTURE)
    assert rig.run().code == 1
    assert rig.kbatch("claim").code == 0
    [one] = evidence(rig)["claims"]
    assert [Path(file["path"]).name for file in one["files"]] == ["first-frame.png", "last-frame.png"]
    assert "base64" not in json.dumps(one)
    [clip] = (rig.folder / "renders").rglob("*.mp4")
    clip.write_bytes(clip.read_bytes() + b"x")
    assert rig.kbatch("claim").code == 0
    [one] = evidence(rig)["claims"]
    assert (one["files"], one["clip"]["found"]) == ([], "the file at its path has another SHA-256 than was delivered")


def test_a_refund_in_the_ledger_settles_a_claim(both: Rig) -> None:
    """AI/ML names no refund in a job's answer: its ledger has it, by the job's own id."""
    both.open("short-clip")
    both.write(LEDGER, provider="aimlapi")
    assert both.run().code == 1
    assert both.kbatch("claim").code == 0
    [one] = evidence(both)["claims"]
    assert one["inference_id"] == one["job_id"]
    assert one["client_request_id"]
    assert both.kbatch("pull").code in (0, 1)
    assert charged(both)[1] == {"aimlapi": 1_312_500}, "a ledger without a refund settles nothing"
    [job] = both.world.jobs.values()
    both.world.jobs[job.id] = replace(job, job_faults=job.job_faults | {"entry-refunded"})
    both.kbatch("pull")
    assert charged(both) == ({"aimlapi": 0}, {})


def test_a_person_settles_a_claim_in_part_and_corrects_it(rig: Rig) -> None:
    """What came back is said with where that is written; more than was charged is refused, a later word wins."""
    rig.open("charge-double")
    rig.write(BODY)
    rig.run()
    assert rig.kbatch("claim").code == 0
    assert rig.kbatch("claim", "--settle", "hero=20").code == 2, "without a reference"
    assert rig.kbatch("claim", "--settle", "hero=51", "--reference", "t 1").code == 2
    assert rig.kbatch("claim", "--settle", "hero=20", "--reference", "t 1").code == 0
    assert charged(rig) == ({"apiframe": 30}, {})
    assert rig.kbatch("claim", "--settle", "hero=25", "--reference", "t 2").code == 0
    assert charged(rig) == ({"apiframe": 25}, {})
    assert rig.kbatch("claim", "hero").code == 3, "a settled claim is not opened again"
    report = rig.kbatch("report", "--csv", "-")
    assert ",25," in report.out


def test_a_colleagues_merge_keeps_the_settlement(rig: Rig) -> None:
    """The lockfile of before the settlement, merged on another machine, does not open the claim again."""
    rig.open("charge-double")
    rig.write(BODY)
    rig.run()
    rig.kbatch("claim")
    path, other = rig.folder / "campaign.lock.json", rig.folder / "other.lock.json"
    other.write_bytes(path.read_bytes())
    rig.kbatch("claim", "--settle", "hero=25", "--reference", "t 2")
    merged = rig.folder / "merged.lock.json"
    for order in ((path, other), (other, path)):
        with pytest.raises(SystemExit):
            main(["lock", "merge", *map(str, order), "--out", str(merged)])
        [receipt] = parse(merged.read_bytes(), "x").renders.values()
        assert receipt.refund_claim is not None
        assert receipt.refund_claim.settlement is not None


@pytest.mark.parametrize(
    ("args", "code"),
    [
        pytest.param(("nobody",), 2, id="no-such-job"),
        pytest.param(("hero",), 3, id="nothing-owed"),
        pytest.param((), 3, id="nothing-at-all"),
        pytest.param(("--settle", "hero=1", "--reference", "x"), 2, id="no-claim"),
        pytest.param(("--settle", "hero=-1", "--reference", "x"), 2, id="negative"),
        pytest.param(("--list", "hero"), 2, id="list-of-one"),
    ],
)
def test_nothing_is_claimed_that_is_not_owed(rig: Rig, args: tuple[str, ...], code: int) -> None:
    """A delivered clip at its quote gives no claim, and nothing is written."""
    rig.write(BODY)
    assert rig.run().code == 0
    before = rig.lockfile()
    assert rig.kbatch("claim", *args).code == code
    assert rig.lockfile() == before
    assert not (rig.folder / "campaign.claims").exists()


def test_a_folder_with_other_files_is_left_alone(rig: Rig) -> None:
    """Neither a stranger's folder nor the clips' own is written to, and then no claim is opened either."""
    rig.open("charge-double")
    rig.write(BODY)
    rig.run()
    (rig.folder / "notes").mkdir()
    (rig.folder / "notes" / "mine.txt").write_text("mine")
    for folder in ("notes", "renders", ".kbatch/x"):
        assert rig.kbatch("claim", "--out", str(rig.folder / folder)).code == 3, folder
    assert "refund_claim" not in rig.receipt("hero")
