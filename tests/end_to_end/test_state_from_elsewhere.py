"""State that was not made here: a committed journal, upload or index buys nothing, and a send again is a purchase.

The bill of the world is the judge. A forged line is as a stranger would commit it: recent, well-formed, with the key
that the purchase would have, and without this user's seal.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from msgspec import UNSET, convert
from msgspec.structs import replace

from kbatch.cli import main
from kbatch.cli.ui import console
from kbatch.receipts.event_data import Began, Intended, Uploaded
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.receipts.journal.history import index_path
from kbatch.receipts.journal.journal import journal_path
from kbatch.receipts.lifecycle import Kind
from kbatch.runner.submit.submit import idempotency_key
from tests.campaign_rig import Rig, Said, journal
from tests.crash_points import At, When, die
from tests.git_repository import Repository

ONE = "defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: one, prompt: a lighthouse}\n"
PICTURED = ONE.replace("prompt: a lighthouse}", "prompt: a lighthouse, params: {start_image: a.png}}")
THEIRS = {"prompt": "another film", "model": "kling-3.0", "klingParams": {"duration": 15, "mode": "pro"}}


def submits(rig: Rig) -> int:
    """Return how many paying requests the world has seen."""
    return int(rig.bill()["requests"]["submit"])


def now(*, ago: timedelta = timedelta(minutes=1)) -> str:
    """Return a moment a little while ago, as events have it."""
    return f"{datetime.now(UTC) - ago:%Y-%m-%dT%H:%M:%S.000Z}"


def forge(rig: Rig, *facts: Fact, at: str | None = None) -> None:
    """Write a journal as somebody without this user's key can write it."""
    path = journal_path(rig.folder / "campaign.lock.json")
    path.parent.mkdir(exist_ok=True)
    lines = [
        stamp(fact, at=at or now(), run="theirs", sequence=number).to_line() for number, fact in enumerate(facts, 1)
    ]
    path.write_bytes(b"".join(lines))


def intended(rig: Rig, **changes: Any) -> Fact:
    """Return the intention to buy the job's request, with another body."""
    job = rig.kbatch("plan", "--format", "json").json["jobs"][0]
    data = {
        "address": "one",
        "provider": "apiframe",
        "model": job["model"],
        "variant": job["variant"],
        "origin": "loopback",
        "key": idempotency_key(job["fingerprint"], 1),
        "credits": 0,
        "request": THEIRS,
        "inputs": {},
        "body": json.dumps(THEIRS),
        "provider_time": now()[:19] + "Z",
        **changes,
    }
    return Fact(fingerprint=job["fingerprint"], attempt=1, data=convert(data, Intended))


COMMANDS = {
    "run": ("run",),
    "run-locked": ("run", "--locked"),
    "run-yes": ("run", "--yes"),
    "pull": ("pull",),
    "reconcile": ("reconcile",),
    "reconcile-yes": ("reconcile", "--yes"),
    "status": ("status",),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_committed_intention_buys_nothing(rig: Rig, words: tuple[str, ...]) -> None:
    """A journal that came with the checkout is read, looked for at the provider, and never sent, whoever agrees."""
    rig.write(ONE)
    forge(rig, intended(rig))
    said = rig.kbatch(*words)
    assert said.code in (0, 4), said.err
    assert submits(rig) == 0
    assert rig.charges() == []


def test_a_forged_body_under_the_right_request_buys_nothing(rig: Rig) -> None:
    """What makes the record trusted is who wrote it, not how true it looks: the job's own request buys nothing too."""
    rig.write(ONE)
    body = rig.kbatch("explain", "one", "--format", "json").json["request"]
    forge(rig, intended(rig, request=body, body=json.dumps(body), credits=4))
    assert rig.run().code == 4
    assert "not sent again: its record here was not made by this user" in " ".join(rig.kbatch("plan").out.split())
    assert submits(rig) == 0


@pytest.mark.parametrize("what", ["request", "body"])
def test_a_forged_record_finds_nobody_else_s_film(rig: Rig, what: str) -> None:
    """A colleague's job is in the account's list: a record of its request does not make it this job's clip."""
    rig.write(ONE)
    request = rig.kbatch("explain", "one", "--format", "json").json["request"]
    theirs = {**request, "prompt": "another film"}
    data = json.dumps(theirs).encode()
    with urlopen(Request(f"{rig.stage.url}/v2/videos/generate", data=data, headers={"X-API-Key": "mine"})):
        pass
    recorded = theirs if what == "request" else request
    forge(rig, intended(rig, request=recorded, body=json.dumps(theirs)))
    for words in (("reconcile",), ("run", "--yes"), ("pull",)):
        rig.kbatch(*words)
    assert rig.states() == {"one": "unknown"}
    assert rig.clips() == {}


def unknown(rig: Rig) -> None:
    """Leave a send whose answer never came: the provider was cut off, and has bought nothing."""
    rig.open({"fault": "cut", "at": "submit"})
    assert rig.run().code == 4
    rig.faults()


def begun(rig: Rig) -> None:
    """Leave an intention that was never sent: killed between its record and the request."""
    rig.open()
    lines = 2 if "a.png" not in (rig.folder / rig.name).read_text() else 3
    assert die(rig, At.LINE, When.AFTER, lines)
    assert [event.kind for event in journal(rig.folder)][-1] is Kind.INTENDED
    assert submits(rig) == 0


LEFT = {"unknown": unknown, "intended": begun}
CONSENT = {
    "run": (("run",), 3, 0),
    "run-locked": (("run", "--locked", "--yes"), 3, 0),
    "run-yes": (("run", "--yes"), 0, 1),
    "run-approve": (("run", "--approve", "DIGEST"), 0, 1),
    "run-approve-other": (("run", "--approve", "sha256:0000"), 3, 0),
    "run-yes-under-ceiling": (("run", "--yes", "--max-credits", "3"), 3, 0),
    "pull": (("pull",), 0, 0),
    "reconcile": (("reconcile",), 4, 0),
    "reconcile-yes": (("reconcile", "--yes"), 0, 1),
    "reconcile-approve": (("reconcile", "--approve", "DIGEST"), 0, 1),
    "reconcile-approve-other": (("reconcile", "--approve", "sha256:0000"), 3, 0),
    "reconcile-yes-under-ceiling": (("reconcile", "--yes", "--max-credits", "3"), 3, 0),
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
@pytest.mark.parametrize(("words", "code", "bought"), CONSENT.values(), ids=CONSENT)
def test_a_send_again_takes_consent(
    rig: Rig, left: Callable[[Rig], None], words: tuple[str, ...], code: int, bought: int
) -> None:
    """What was sent, or was about to be, is sent again only where someone agrees, and then once, as it was."""
    rig.write(ONE)
    left(rig)
    before = submits(rig)
    digest = rig.kbatch("plan", "--format", "json").json["digest"]
    said = rig.kbatch(*(digest if word == "DIGEST" else word for word in words))
    assert said.code == code, said.err
    assert (submits(rig) - before, len(rig.charges())) == (bought, bought)
    assert [job.prompt for job in rig.world.jobs.values()] == ["a lighthouse"] * bought


@pytest.mark.parametrize("command", ["run", "reconcile"])
@pytest.mark.parametrize("answer", [True, False], ids=["agreed", "declined"])
def test_on_a_terminal_it_is_asked(rig: Rig, command: str, answer: bool) -> None:
    """The question names the credits; No sends nothing, and `reconcile` has looked all the same."""
    rig.write(ONE)
    unknown(rig)
    before, asked = submits(rig), []
    rig.monkeypatch.setattr(console, "is_terminal", lambda: True)
    rig.monkeypatch.setattr(console, "ask", lambda question: asked.append(question) or answer)
    said = rig.kbatch(command)
    assert asked == ["Spend up to 4 credits of apiframe on 1 job that is sent again?"]
    assert said.code == (0 if answer else 3 if command == "run" else 4), said.err
    assert submits(rig) - before == answer


def test_reconcile_needs_a_ceiling_without_a_terminal(rig: Rig) -> None:
    """`--yes` alone bounds nothing: as in `run` there must be a budget or `--max-credits`, and nothing is sent."""
    rig.write(ONE)
    unknown(rig)
    path = rig.folder / rig.name
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("budget")) + "\n")
    before = submits(rig)
    assert rig.kbatch("reconcile", "--yes").code == 3
    assert submits(rig) == before
    assert rig.kbatch("reconcile", "--yes", "--max-credits", "4").code == 0
    assert len(rig.charges()) == 1


def test_reconcile_says_what_a_send_again_would_cost(rig: Rig) -> None:
    """Without consent it looks, stays at 4, and names the credits and the digest that agrees to them."""
    rig.write(ONE)
    unknown(rig)
    said = rig.kbatch("reconcile")
    assert "it may cost 4 credits (`--yes`, or `--approve sha256:" in said.err
    digest = re.findall(r"--approve (sha256:[0-9a-f]{64})", said.err)[-1]
    assert rig.kbatch("reconcile", "--approve", digest).code == 0
    assert len(rig.charges()) == 1


def test_every_form_of_the_plan_shows_a_send_again(rig: Rig) -> None:
    """Text, JSON, Markdown and HTML name it with its credits, the maximum holds them, and `--check` finds work."""
    rig.write(ONE)
    unknown(rig)
    text = " ".join(rig.kbatch("plan").out.split())
    assert "with consent it is sent again under its key, for up to 4 credits" in text
    document = rig.kbatch("plan", "--format", "json").json
    assert [job["resend"] for job in document["jobs"]] == [4]
    assert document["totals"]["apiframe"]["maximum"] == 4
    for form in ("markdown", "html"):
        assert "Sends 1 unknown job again, for up to 4 credits of apiframe" in rig.kbatch("plan", "--format", form).out
    assert rig.kbatch("plan", "--check").code == 1


def test_a_canary_counts_a_send_again(rig: Rig) -> None:
    """`--first 0` buys nothing, a send again neither; `--first 1` is that send alone."""
    rig.write(ONE + "  - {id: two, prompt: a harbour}\n")
    rig.open({"fault": "cut", "at": "submit", "match": "lighthouse"})
    assert rig.run("--only", "one").code == 4
    rig.faults()
    before = submits(rig)
    assert rig.run("--first", "0").code == 4
    assert submits(rig) == before
    assert rig.run("--first", "1").code == 0
    assert [job.prompt for job in rig.world.jobs.values()] == ["a lighthouse"]


def test_a_picture_that_a_stranger_uploaded_is_not_used(rig: Rig) -> None:
    """An upload that the checkout brought is none: the picture is uploaded anew, and that one is rendered from."""
    rig.picture("a.png")
    rig.write(PICTURED)
    picture = sha256((rig.folder / "a.png").read_bytes()).hexdigest()
    theirs = "https://cdn.example.com/theirs.png"
    ends = now(ago=timedelta(hours=-20))[:19] + "Z"
    forge(rig, Fact(data=Uploaded(provider="apiframe", digest=picture, url=theirs, expires_at=ends)))
    assert rig.run().code == 0
    sent = [body for method, path, _, body in rig.stage.seen if method == "POST" and "upload" not in path]
    assert not any(theirs.encode() in body for body in sent)
    assert rig.bill()["requests"]["upload"] == 1


def test_a_replacement_that_a_stranger_began_is_not_finished(rig: Rig) -> None:
    """`--replace` buys what it says: a committed beginning does not make an old purchase pass for the new one."""
    rig.write(ONE)
    assert rig.run().code == 0
    fingerprint = rig.lockfile()["jobs"]["one"]["fingerprint"]
    began = Began(manifest="campaign.yaml", plan=None, maximum={}, replacing=[fingerprint])
    forge(rig, Fact(data=began), at="2026-01-01T00:00:00.000Z")
    assert rig.kbatch("plan", "--replace", "one", "--format", "json").json["counts"]["render"] == 1


def test_a_committed_index_spares_no_validation(rig: Rig) -> None:
    """A lockfile with a charge below zero, and an index that vouches for its bytes: refused with file and line."""
    rig.write(ONE + "  - {id: two, prompt: a harbour}\n")
    assert rig.run("--only", "one").code == 0
    path = rig.folder / "campaign.lock.json"
    text = path.read_text().replace('"reported": 4', '"reported": -1000000')
    path.write_text(text)
    index = {"lockfile": sha256(text.encode()).hexdigest(), "renders": 1, "history": []}
    index_path(path).write_text(json.dumps({**index, "used_plans": []}))
    before = submits(rig)
    for words in (("run", "--yes"), ("plan",), ("status",), ("pull",), ("reconcile",)):
        said = rig.kbatch(*words)
        assert said.code == 2, (words, said.err)
        assert "campaign.lock.json:" in said.err
    assert submits(rig) == before


def elsewhere(rig: Rig, *, key: str | None = None) -> Path:
    """Copy all of a folder to another machine: another user's key, unless one is given."""
    folder = rig.root / "elsewhere"
    shutil.copytree(rig.folder, folder)
    rig.folder = folder
    rig.monkeypatch.setenv("XDG_STATE_HOME", str(rig.root / "another-home"))
    if key:
        rig.monkeypatch.setenv("KBATCH_STATE_KEY", key)
    return folder


def _tracked(rig: Rig) -> None:
    repository = Repository(rig.folder)
    repository.git("add", "--force", ".kbatch")
    repository.git("commit", "--quiet", "--message", "state")


def _tracked_in_other_case(rig: Rig) -> None:
    repository = Repository(rig.folder)
    blob = repository.git("hash-object", "-w", ".kbatch/campaign.journal.jsonl").stdout.strip()
    repository.git("update-index", "--add", "--cacheinfo", f"100644,{blob},.KBATCH/Campaign.journal.jsonl")


def _another_user(rig: Rig) -> None:
    elsewhere(rig)


def _another_key(rig: Rig) -> None:
    elsewhere(rig, key="ab" * 32)


def _renamed(rig: Rig) -> None:
    for path in rig.folder.glob("campaign.*"):
        path.rename(path.with_name(path.name.replace("campaign", "other")))
    folder = rig.folder / ".kbatch"
    (folder / "campaign.journal.jsonl").rename(folder / "other.journal.jsonl")
    shutil.rmtree(folder / "history", ignore_errors=True)
    path = folder / "other.journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"manifest":"campaign.yaml"', b'"manifest":"other.yaml"'))
    rig.name = "other.yaml"


def _changed(rig: Rig) -> None:
    path = rig.folder / ".kbatch" / "campaign.journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"address":"one"', b'"address":"two"'))


def _without_key(rig: Rig) -> None:
    (Path(os.environ["XDG_STATE_HOME"]) / "kbatch" / "state.key").unlink()


def _readable_key(rig: Rig) -> None:
    (Path(os.environ["XDG_STATE_HOME"]) / "kbatch" / "state.key").chmod(0o644)


STRANGE = {
    "git-tracks-it": _tracked,
    "git-tracks-it-in-another-case": _tracked_in_other_case,
    "another-user": _another_user,
    "another-key": _another_key,
    "another-campaign": _renamed,
    "one-byte-changed": _changed,
    "the-key-is-gone": _without_key,
    "others-can-read-the-key": _readable_key,
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE)
def test_what_is_not_known_to_be_own_is_only_looked_for(
    rig: Rig, left: Callable[[Rig], None], change: Callable[[Rig], None], tmp_path: Path
) -> None:
    """The journal of this very purchase, but not provably this user's own: asked for, never sent, even with consent."""
    rig.monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    rig.fresh("campaign")
    rig.write(ONE)
    left(rig)
    change(rig)
    before = submits(rig)
    for words in (("run", "--yes"), ("reconcile", "--yes")):
        said = rig.kbatch(*words)
        assert said.code == 4, said.err
        assert "not sent again: its record here was not made by this user" in said.err
    assert submits(rig) == before


def test_what_was_bought_is_found_without_the_key(rig: Rig, tmp_path: Path) -> None:
    """Trust is for spending only: another user's journal still leads to the job that was paid, and to its clip."""
    rig.fresh("campaign", {"fault": "lost-answer", "at": "submit"})
    rig.write(ONE)
    assert die(rig, At.ANSWER, When.AFTER, 1)
    elsewhere(rig)
    rig.faults()
    said = rig.kbatch("reconcile")
    assert said.code == 0, said.err
    assert (submits(rig), len(rig.clips())) == (1, 1)


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_a_folder_that_ci_carries_over_goes_on_with_its_key(rig: Rig, left: Callable[[Rig], None]) -> None:
    """With one `KBATCH_STATE_KEY` on all runners what one left unknown the next settles, with consent, once."""
    rig.monkeypatch.setenv("KBATCH_STATE_KEY", "0123456789abcdef" * 4)
    rig.fresh("campaign")
    rig.picture("a.png")
    rig.write(PICTURED)
    left(rig)
    elsewhere(rig)
    assert rig.kbatch("run").code == 3
    assert rig.run().code == 0
    assert len(rig.charges()) == 1


@pytest.mark.parametrize("key", ["short", "ab" * 31, "zz" * 32, "ab " * 32], ids=["word", "31-bytes", "no-hex", "gaps"])
def test_a_key_that_is_none_is_refused(rig: Rig, key: str) -> None:
    """Exit 2 before anything is sent, with the form that a key has and not with what was given."""
    rig.monkeypatch.setenv("KBATCH_STATE_KEY", key)
    rig.write(ONE)
    said = rig.run()
    assert said.code == 2
    assert "at least 64 hexadecimal digits" in said.err
    assert "openssl rand -hex 32" in said.err
    assert f"`{key}`" not in said.err
    assert submits(rig) == 0


@pytest.mark.skipif(os.name == "nt", reason="a file in the way of a folder")
def test_a_home_that_cannot_be_written_is_said(rig: Rig, tmp_path: Path) -> None:
    """The run goes on, says that later ones cannot trust it, and they do not."""
    (tmp_path / "file").write_text("in the way")
    rig.monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    rig.fresh("campaign", {"fault": "cut", "at": "submit"})
    rig.write(ONE)
    said = rig.run()
    assert said.code == 4, said.err
    assert "the key of this user's state cannot be kept" in said.err
    rig.faults()
    before = submits(rig)
    assert rig.run().code == 4
    assert submits(rig) == before


def test_sealed_lines_are_read_as_before(rig: Rig) -> None:
    """Each line of a journal bears a seal, the events file none, and an old journal without any is folded as ever."""
    rig.write(ONE)
    rig.open({"fault": "lost-answer", "at": "submit"})
    events = rig.folder / "events.jsonl"
    assert die(rig, At.LINE, When.AFTER, 4, "--events", str(events))
    sealed = journal(rig.folder)
    assert all(event.seal for event in sealed)
    assert not any(Event.from_line(line).seal for line in events.read_bytes().splitlines())
    path = rig.folder / ".kbatch" / "campaign.journal.jsonl"
    path.write_bytes(b"".join(replace(event, seal=UNSET).to_line() for event in sealed))
    rig.faults()
    assert rig.run().code == 0
    assert len(rig.charges()) == 1


READERS = {
    "run": ("run", "--yes"),
    "plan": ("plan",),
    "plan-check": ("plan", "--check"),
    "status": ("status",),
    "report": ("report", "--csv", "-"),
    "verify": ("verify",),
    "pull": ("pull",),
    "reconcile": ("reconcile",),
    "explain": ("explain",),
    "accept": ("accept",),
    "preview": ("preview",),
}


@pytest.mark.parametrize("words", READERS.values(), ids=READERS)
@pytest.mark.parametrize("simulated", [True, False], ids=["rehearsed", "bought"])
def test_what_was_simulated_never_passes_for_bought(rig: Rig, words: tuple[str, ...], simulated: bool) -> None:
    """A rehearsal of `x.yaml` and the manifest `x.sim.yaml` meet in one lockfile: each refuses the other's receipts."""
    rig.write(ONE, name="x.yaml")
    rig.write(ONE, name="x.sim.yaml")
    first, second = ("x.yaml", "x.sim.yaml") if simulated else ("x.sim.yaml", "x.yaml")
    assert rig.kbatch("run", "--yes", *(["--simulate"] if simulated else []), manifest=first).code == 0
    kept = (rig.folder / "x.sim.lock.json").read_bytes()
    before = submits(rig)
    command, *flags = words
    more = ["one"] if command in ("explain", "accept") else []
    said: Said = rig.kbatch(command, *more, *flags, *([] if simulated else ["--simulate"]), manifest=second)
    assert said.code == 3, said.err
    assert "mixed-origins" in said.err
    assert submits(rig) == before
    assert (rig.folder / "x.sim.lock.json").read_bytes() == kept


def test_simulated_lockfiles_are_not_merged_with_real_ones(rig: Rig) -> None:
    """`lock merge` refuses to join the two kinds, and `lock check` finds a file in which they stand together."""
    rig.write(ONE)
    assert rig.run().code == 0
    assert rig.kbatch("run", "--yes", "--simulate").code == 0
    real, simulated = (rig.folder / f"campaign.{end}" for end in ("lock.json", "sim.lock.json"))
    out = rig.folder / "merged.lock.json"
    said = _lock(rig, "merge", str(real), str(simulated), "--out", str(out))
    assert said.code == 3
    assert not out.exists()
    both = json.loads(real.read_text())
    (receipt,) = json.loads(simulated.read_text())["renders"].values()
    both["renders"]["f" * 64] = receipt
    real.write_text(json.dumps(both, indent=2, sort_keys=True) + "\n")
    said = _lock(rig, "check", str(real))
    assert "mixed-origins" in said.out + said.err


def _lock(rig: Rig, *words: str) -> Said:
    command, *rest = words
    rig.capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["lock", command, *rest])
    printed = rig.capsys.readouterr()
    return Said(int(end.value.code or 0), printed.out, printed.err)
