"""Whatever a lockfile holds is looked at before the first submit; no fault before its record hides a job's id."""

import json
from typing import Any

import pytest

from kbatch.loading import load_catalog
from kbatch.receipts.audit import audit
from kbatch.receipts.events import Fact
from kbatch.receipts.journal import Journal
from kbatch.receipts.lifecycle import Kind
from tests.rehearsal import Rig

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
    "deep": (("request", "deep"), DEEP),
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
    assert audit((rig.folder / "campaign.lock.json").read_bytes(), "a", load_catalog()).problems
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
