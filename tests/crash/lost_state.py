"""State that is lost, old or shared, keys that are forgotten: each job is charged once all the same."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from kbatch.receipts.event_data import Accepted
from tests.campaign_rig import KEYS, Rig, environment, history, journal
from tests.crash.scenario import Scenario, begin
from tests.crash.tally import Tally
from tests.crash_points import At, When

_TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour, params: {start_image: a.png}}
"""
_WITHOUT_PICTURES = _TWO.replace(", params: {start_image: a.png}", "")
_TAKES = _TWO.replace("{id: two,", "{id: two, takes: 3,")
_ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """A provider's clock that can be put forward."""

    ahead_s = 0.0

    def __call__(self) -> float:
        """Return the seconds since the epoch."""
        return time.time() + self.ahead_s


def two(rig: Rig, name: str, **settings: Any) -> Scenario:
    """Begin a scenario of two jobs."""
    return begin(rig, name, _TWO, {"apiframe": 8}, **settings)


def lost_folder(rig: Rig, line: int) -> Tally:
    """Killed, and `.kbatch/` gone with nothing in a lockfile: the key is the same again, so the jobs are too."""
    scenario = two(rig, f"folder-{line}")
    scenario.expect(scenario.die(At.LINE, When.AFTER, line), "was not killed")
    shutil.rmtree(rig.folder / ".kbatch")
    scenario.finish()
    return _both_bought(scenario)


def two_checkouts(rig: Rig) -> Tally:
    """Two clones that run the same manifest at the same time get the same jobs, and each its clips."""
    scenario = two(rig, "checkouts", latency_s=0.02)
    clones = [rig.folder / name for name in ("left", "right")]
    for clone in clones:
        clone.mkdir()
        shutil.copy(rig.folder / "a.png", clone)
        shutil.copy(rig.folder / rig.name, clone)
    command = [sys.executable, "-m", "kbatch", "run", "--yes", "--trust-prices"]
    running = [
        subprocess.Popen(
            [*command, str(clone / rig.name)], env=environment(rig.stage), cwd=_ROOT, stderr=subprocess.PIPE
        )
        for clone in clones
    ]
    for process in running:
        _, said = process.communicate(timeout=60)
        scenario.runs += 1
        scenario.expect(process.returncode == 0, f"exit {process.returncode}: {said.decode()}")
    for clone in clones:
        rig.folder = clone
        scenario.expect(
            not scenario.unknown() and len(rig.clips()) == 2, f"{clone.name}: {rig.states()}, {rig.clips()}"
        )
    return _both_bought(scenario, *clones)


def old_journal(rig: Rig, line: int) -> Tally:
    """A journal of an earlier moment, restored over a finished state, takes nothing back and buys nothing."""
    scenario = two(rig, f"journal-{line}")
    scenario.finish()
    (kept,) = (rig.folder / ".kbatch" / "history").glob("*.jsonl")
    old = kept.read_bytes().splitlines(keepends=True)[:line]
    (rig.folder / ".kbatch" / "campaign.journal.jsonl").write_bytes(b"".join(old))
    scenario.expect(scenario.finish().json["counts"]["reused"] == 2, "something was not reused")
    return _both_bought(scenario)


def git_reset(rig: Rig) -> Tally:
    """A lockfile of before a purchase gets it back from the history, and says so."""
    scenario = two(rig, "reset")
    scenario.finish("--only", "one")
    old = (rig.folder / "campaign.lock.json").read_bytes()
    scenario.finish()
    (rig.folder / "campaign.lock.json").write_bytes(old)
    scenario.expect("lacked 1 paid render" in scenario.finish().err, "nothing is said of it")
    return _both_bought(scenario)


def deleted_lockfile(rig: Rig) -> Tally:
    """Killed before there was a lockfile, or without the one that was there: the journal and its history are enough."""
    scenario = two(rig, "deleted")
    scenario.expect(scenario.die(At.LINE, When.AFTER, 12), "was not killed")
    scenario.expect(not (rig.folder / "campaign.lock.json").exists(), "there is a lockfile already")
    scenario.finish()
    (rig.folder / "campaign.lock.json").unlink()
    scenario.expect(scenario.finish().json["counts"]["reused"] == 2, "something was not reused")
    return _both_bought(scenario)


def ended_upload(rig: Rig, fault: str, code: int) -> Tally:
    """A send whose picture is gone is not repeated, which could buy a broken job; the list tells what was accepted."""
    hit = {"fault": fault, "at": "submit", "match": "harbour", "times": 1}
    scenario = two(rig, f"upload-{fault}", faults=[hit], upload_lives_s=200.0)
    scenario.finish(code=code)
    scenario.finish(code=code)
    scenario.expect(rig.bill()["requests"]["submit"] == 2, "it was sent again")
    return scenario.tally()


def old_key(rig: Rig, hours: int, code: int) -> Tally:
    """By the provider's clock, not by this machine's: beyond the window, or before it, only the job list is asked.

    Without pictures: an upload that has ended forbids a resend, too.
    """
    clock = Clock()
    scenario = begin(rig, f"key-{hours}", _WITHOUT_PICTURES, {"apiframe": 16}, clock=clock, retention_s=1e9)
    scenario.expect(scenario.die(At.ANSWER, When.AFTER, 2), "was not killed")
    clock.ahead_s = hours * 3600.0
    scenario.finish(code=code)
    scenario.expect(_found_by(rig) == ["list", "submit"], f"found by {_found_by(rig)}")
    return _both_bought(scenario)


def young_key(rig: Rig) -> Tally:
    """Nineteen hours later the same key still brings the same job."""
    clock = Clock()
    scenario = begin(rig, "key", _WITHOUT_PICTURES, {"apiframe": 16}, clock=clock)
    scenario.expect(scenario.die(At.ANSWER, When.AFTER, 1), "was not killed")
    clock.ahead_s = 19 * 3600.0
    scenario.finish()
    scenario.expect("resend" in _found_by(rig), f"found by {_found_by(rig)}")
    return _both_bought(scenario)


def other_account(rig: Rig) -> Tally:
    """A key belongs to an account: under another one the same request would be a second purchase."""
    scenario = two(rig, "account", faults=[{"fault": "cut", "at": "submit", "match": "harbour"}])
    scenario.finish(code=4)
    rig.faults()
    submits = rig.bill()["requests"]["submit"]
    rig.monkeypatch.setenv("APIFRAME_API_KEY", "another-team/ann/laptop")
    scenario.expect("another account" in scenario.finish(code=4).err, "nothing is said of it")
    scenario.expect(rig.bill()["requests"]["submit"] == submits, "it was sent again")
    rig.monkeypatch.setenv("APIFRAME_API_KEY", KEYS["APIFRAME_API_KEY"])
    scenario.finish()
    return _both_bought(scenario)


def look_alikes(rig: Rig) -> Tally:
    """Three takes of one request, all unknown: each finds a job of its own in the list, and none is lost."""
    lost = {"fault": "lost-answer", "at": "submit"}
    settings: dict[str, Any] = {"faults": [lost], "bought": {"a harbour": 3}, "upload_lives_s": 200.0}
    scenario = begin(rig, "alike", _TAKES, {"apiframe": 12}, **settings)
    app = rig.stage.app
    assert app is not None

    async def without_list(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": "/nowhere"} if scope["path"] == "/v2/jobs" else scope, receive, send)

    rig.stage.app = without_list
    scenario.finish("--only", "two", code=4)
    scenario.expect(len(scenario.unknown()) == 3, f"{rig.states()}")
    rig.stage.app = app
    scenario.finish("--only", "two")
    scenario.expect(not scenario.unknown(), f"{rig.states()}")
    scenario.expect(len({rig.receipt(name)["job_id"] for name in rig.states()}) == 3, "two takes share a job")
    return scenario.tally()


LOSSES: dict[str, Callable[[Rig], Tally]] = {
    **{f"lost-folder-{line}": partial(lost_folder, line=line) for line in (3, 5, 7, 9, 12)},
    "two-checkouts": two_checkouts,
    **{f"old-journal-{line}": partial(old_journal, line=line) for line in (2, 4, 6, 10)},
    "git-reset": git_reset,
    "deleted-lockfile": deleted_lockfile,
    "upload-ended-not-accepted": partial(ended_upload, fault="cut", code=4),
    "upload-ended-accepted": partial(ended_upload, fault="lost-answer", code=0),
    "key-of-minus-2-hours": partial(old_key, hours=-2, code=1),
    "key-of-19-hours": young_key,
    "key-of-21-hours": partial(old_key, hours=21, code=0),
    "key-of-25-hours": partial(old_key, hours=25, code=0),
    "other-account": other_account,
    "look-alikes": look_alikes,
}


def lost_state(rig: Rig) -> Tally:
    """Lose, restore and share state in every way."""
    return sum((lose(rig) for lose in LOSSES.values()), Tally())


def _found_by(rig: Rig) -> list[str]:
    events = (*history(rig.folder), *journal(rig.folder))
    return sorted(event.data.by for event in events if isinstance(event.data, Accepted))


def _both_bought(scenario: Scenario, *folders: Path) -> Tally:
    tally = scenario.tally(*folders)
    scenario.expect(tally.charges == 2, f"{tally.charges} charges, not 2")
    return scenario.tally(*folders)
