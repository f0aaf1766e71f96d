"""Whatever a lockfile holds is looked at before the first submit; no fault before its record hides a job's id."""

import json
import shutil
from hashlib import sha256
from typing import Any

import pytest

from kbatch.providers.registry import full_catalog
from kbatch.receipts.events import Fact
from kbatch.receipts.journal.journal import Journal
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.audit import audit
from tests.campaign_rig import Rig

BODY = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: old, prompt: old}
  - {id: new, prompt: new}
"""
DEEP: Any = json.loads("[" * 400 + "]" * 400)
UNUSABLE: dict[str, tuple[tuple[str, ...], Any]] = {
    "end-of-time": (("finished_at",), "9999-12-31T23:59:59.997Z"),
    "beyond-a-year": (("submitted_at",), "9000-01-01T00:00:00Z"),
    "before-computers": (("submitted_at",), "0001-01-01T00:00:00Z"),
    "no-such-day": (("submitted_at",), "2026-02-30T00:00:00Z"),
    "no-leap-year": (("finished_at",), "2025-02-29T00:00:00Z"),
    "no-such-hour": (("finished_at",), "2026-01-01T24:00:00Z"),
    "leap-second": (("finished_at",), "2026-06-30T23:59:60Z"),
    "placed-at-the-end-of-time": (("output", "placed_at"), "9999-12-31T23:59:59.999Z"),
    "nul-in-a-path": (("output", "path"), "renders/\0.mp4"),
    "half-a-pair-in-a-path": (("output", "path"), "renders/\ud83d.mp4"),
    "half-a-pair-in-an-id": (("job_id",), "\udc80"),
    "half-a-pair-in-a-prompt": (("request", "prompt"), "\ud83d"),
    "half-a-pair-in-a-model": (("model",), "\ud83d"),
    "half-a-pair-in-an-origin": (("origin",), "https://\ud83d"),
    "half-a-pair-in-an-account": (("account",), "\ud83d"),
    "nul-in-an-id": (("job_id",), "\0"),
    "more-credits-than-63-bits": (("credits", "reported"), 2**63),
    "more-bytes-than-63-bits": (("output", "bytes"), 10**400),
}
STRANGE: dict[str, tuple[tuple[str, ...], Any]] = {
    "half-a-pair-in-a-message": (("error",), {"at": "render", "reason": "\ud83d", "message": "\ud83d \0"}),
    "deep": (("inputs",), {"start_image": {"deep": DEEP}}),
    "most-credits": (("credits", "reported"), 2**63 - 1),
    "longest": (("output", "media", "duration"), 1.7e308),
    "most-pixels": (("output", "media", "width"), 2**63 - 1),
    "fastest": (("output", "media", "fps"), 1.7e308),
    "last-day": (("finished_at",), "8999-12-31T23:59:59.999999999Z"),
    "first-day": (("submitted_at",), "1970-01-01T00:00:00Z"),
    "an-id-that-climbs": (("job_id",), "../../me"),
    "a-name-too-long": (("output", "path"), "renders/" + "x" * 5000 + ".mp4"),
}
READING = [
    *(["plan", "--format", form] for form in ("text", "html", "markdown", "json")),
    *(["report", flag, "-"] for flag in ("--html", "--junit", "--markdown", "--csv")),
    *(["status"], ["status", "--format", "json"], ["verify"], ["explain", "old"], ["report", "--format", "json"]),
]


def _spoil(rig: Rig, place: tuple[str, ...], value: Any) -> None:
    """Buy, then change what the lockfile says of the clip, as a stranger's commit would."""
    rig.write(BODY)
    assert rig.run("--only", "old").code == 0
    lockfile = rig.lockfile()
    holder = next(iter(lockfile["renders"].values()))
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value
    (rig.folder / "campaign.lock.json").write_text(json.dumps(lockfile), encoding="utf-8")


@pytest.mark.parametrize(("place", "value"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(rig: Rig, place: tuple[str, ...], value: Any) -> None:
    """`lock check`, `plan` and `run` all refuse with exit 2 and the line; nothing more is bought."""
    _spoil(rig, place, value)
    for command in ("plan", "run", "status"):
        said = rig.kbatch(command, *(("--yes",) if command == "run" else ()))
        assert (said.code, "campaign.lock.json:1:" in said.err) == (2, True), said.err
    assert audit((rig.folder / "campaign.lock.json").read_bytes(), "a", full_catalog()).problems
    assert len(rig.charges()) == 1


@pytest.mark.parametrize(("place", "value"), STRANGE.values(), ids=STRANGE)
def test_what_is_strange_breaks_nothing(rig: Rig, place: tuple[str, ...], value: Any) -> None:
    """Every command reads it and ends as it should; a run buys what is new and keeps what it had."""
    _spoil(rig, place, value)
    for words in READING:
        said = rig.kbatch(*words)
        assert said.code in (0, 1), (words, said.err[-2000:])
    assert rig.kbatch("run", "--yes", "--only", "new").code in (0, 1, 2, 3)
    assert len(rig.charges()) <= 2


@pytest.mark.parametrize("kind", [OverflowError, OSError])
def test_an_id_that_cannot_be_recorded_is_printed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """Whatever goes wrong between the acceptance and its record, a line says the job's id, for `reconcile --adopt`."""
    rig.write(BODY)
    record = Journal.record

    async def failing(journal: Journal, *facts: Fact) -> Any:
        if any(fact.kind is Kind.ACCEPTED for fact in facts):
            raise kind(28, "No space left on device")
        return await record(journal, *facts)

    monkeypatch.setattr(Journal, "record", failing)
    said = rig.run("--only", "old")
    assert f"accepted as job {rig.charges()[0]['job_id']}" in said.err


def _bought(rig: Rig) -> tuple[dict[str, Any], Any, Any]:
    """Buy both, forget all but the lockfile as a fresh clone does, and return it with both receipts."""
    rig.write(BODY)
    assert rig.run().code == 0
    document = rig.lockfile()
    for folder in ("renders", ".kbatch"):
        shutil.rmtree(rig.folder / folder)
    old, new = (document["renders"][document["jobs"][name]["fingerprint"]] for name in ("old", "new"))
    return document, old, new


def _commit(rig: Rig, document: dict[str, Any]) -> None:
    (rig.folder / "campaign.lock.json").write_text(json.dumps(document, indent=2, sort_keys=True), encoding="utf-8")


@pytest.mark.parametrize("place", ["campaign.yaml", ".git/HEAD", "src/app.py", ".github/film.mp4"])
@pytest.mark.parametrize("words", [("run", "--locked"), ("pull",)], ids=["locked", "pull"])
def test_a_file_that_is_no_clip_is_moved_nowhere(rig: Rig, words: tuple[str, ...], place: str) -> None:
    """A receipt that calls a file of the tree its clip, its digest right: nothing moves, the lockfile is refused."""
    document, old, _ = _bought(rig)
    at = rig.folder / place
    at.parent.mkdir(exist_ok=True)
    if not at.exists():
        at.write_text("ref: refs/heads/main\n")
    data = at.read_bytes()
    old["output"] |= {"path": place, "sha256": sha256(data).hexdigest(), "bytes": len(data)}
    _commit(rig, document)
    said = rig.kbatch(*words)
    assert said.code == 2, said.err
    assert "no clip lies there" in " ".join(said.err.split())
    assert at.read_bytes() == data


@pytest.mark.parametrize("words", [("plan",), ("run", "--locked"), ("pull",), ("verify",)], ids=lambda words: words[0])
@pytest.mark.parametrize("how", ["whole", "request", "empty"])
def test_another_film_under_a_jobs_fingerprint(rig: Rig, words: tuple[str, ...], how: str) -> None:
    """A receipt that is another film's, request and digest included, delivers nothing and passes for nothing."""
    document, old, new = _bought(rig)
    changes = {"whole": new, "request": {"request": new["request"]}, "empty": {"request": {}}}[how]
    document["renders"] = {document["jobs"]["old"]["fingerprint"]: {**old, "job_id": new["job_id"], **changes}}
    document["jobs"].pop("new")
    _commit(rig, document)
    said = rig.kbatch(*words)
    assert said.code == 2, said.out
    assert "`old` is on record with another request" in " ".join(said.err.split())
    assert rig.clips() == {}
