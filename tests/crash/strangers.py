"""Strangers and liars: state that was forged, links that lead away, answers that were swapped, plans presented again.

What may come from a stranger's pull request, from a colleague's mistake or from a provider that errs is given to
kbatch, with kills in between. Each command that has no consent must charge nothing, nothing outside the folder may
change, and what was paid must be here, owed or held, as in all other families.
"""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kbatch.simulator.clips.tiny import make_tiny
from tests.campaign_rig import KEYS, Rig
from tests.crash.scenario import Scenario, begin
from tests.crash.tally import Tally
from tests.crash_points import At, When
from tests.git_repository import Repository

_ONE = """
shots:
  - {id: one, model: kling-2.5-turbo-pro, prompt: a lighthouse}
"""
_TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour, params: {start_image: a.png}}
"""
_ALIKE = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: red, prompt: a door, params: {start_image: red.png}}
  - {id: blue, prompt: a door, params: {start_image: blue.png}}
  - {id: green, prompt: a door, params: {start_image: green.png}}
"""
_WITHOUT_CONSENT = (
    ("run",), ("run", "--locked"), ("run", "--locked", "--yes"), ("pull",), ("reconcile",), ("plan",), ("status",),
    ("verify",),
)  # fmt: skip
_PLACES = (
    "campaign.lock.json", ".kbatch", ".kbatch/history", ".kbatch/campaign.journal.jsonl", ".kbatch/campaign.lock",
    ".kbatch/history/campaign.covered.json", "renders", "renders/one.mp4", "renders/.kept",
)  # fmt: skip


def strangers(rig: Rig) -> Tally:
    """Meet every stranger and every liar."""
    return sum((meet(rig) for meet in MEETINGS.values()), Tally())


# state that was not made here


def forged_intention(rig: Rig) -> Tally:
    """A committed journal tells of a send with a dearer body, which is never made."""
    scenario = begin(rig, "forged", _ONE, {"apiframe": 200})
    donor = _killed_state(scenario, _ONE.replace("kling-2.5-turbo-pro", "kling-3.0").replace("a lighthouse", "a bribe"))
    mine = _fingerprint(scenario)
    _plant(scenario, donor, lambda line: line.replace(str(json.loads(line)["fingerprint"]), mine))
    _without_consent(scenario)
    scenario.finish(code=4)
    scenario.expect("a bribe" not in _prompts(rig), "the stranger's film was bought")
    return scenario.tally()


def carried_away(rig: Rig, line: int) -> Tally:
    """Killed at a line of the journal, and its folder given to another user: without consent that user buys nothing."""
    scenario = begin(rig, f"carried-{line}", _TWO, {"apiframe": 8})
    scenario.expect(scenario.die(At.LINE, When.AFTER, line), "was not killed")
    with scenario.rig.monkeypatch.context() as patch:
        patch.setenv("KBATCH_STATE_KEY", "b" * 64)
        _without_consent(scenario)
        scenario.run()
    scenario.run()
    scenario.unknown()
    return scenario.tally()


def first_send_that_never_left(rig: Rig) -> Tally:
    """Killed after the intention, before the first byte: the send is a purchase, so it waits for consent."""
    scenario = begin(rig, "unsent", _ONE, {"apiframe": 4})
    scenario.expect(scenario.die(At.LINE, When.AFTER, 2), "was not killed")
    _without_consent(scenario)
    scenario.expect(not rig.charges(), "it was bought without consent")
    scenario.finish()
    return scenario.tally()


def forged_index(rig: Rig) -> Tally:
    """A lockfile with credits below nothing, and an index that vouches for it: refused, and no ceiling is lifted."""
    scenario = begin(rig, "index", _TWO, {"apiframe": 8})
    scenario.finish("--only", "one")
    path = rig.folder / "campaign.lock.json"
    lockfile = path.read_bytes()
    path.write_bytes(lockfile.replace(b'"reported": 4', b'"reported": -1000000'))
    (index,) = (rig.folder / ".kbatch" / "history").glob("*.covered.json")
    index.write_text(json.dumps({**json.loads(index.read_bytes()), "lockfile": sha256(path.read_bytes()).hexdigest()}))
    scenario.expect(scenario.run().code == 2, "the forged lockfile was believed")
    path.write_bytes(lockfile)
    scenario.finish()
    return scenario.tally()


# links


def link_away(rig: Rig, place: str, *, simulated: bool) -> Tally:
    """A committed link stands where kbatch writes, and leads out of the folder: nothing outside changes."""
    scenario = begin(rig, f"link-{place.replace('/', '-')}-{simulated}", _ONE, {"apiframe": 4})
    if simulated:
        place = place.replace("campaign.", "campaign.sim.").replace("renders", "renders-sim")
    outside = rig.root / f"outside-of-{scenario.name}"
    outside.mkdir()
    (outside / "precious").write_text("precious\n")
    link = rig.folder / place
    link.parent.mkdir(parents=True, exist_ok=True)
    is_folder = "." not in Path(place).name.lstrip(".")
    link.symlink_to(os.path.relpath(outside if is_folder else outside / "precious", link.parent))
    Repository(rig.folder).git("add", "--all", "--force")
    before = _contents(outside)
    scenario.run("--simulate") if simulated else scenario.run()
    scenario.outside += _contents(outside) != before
    scenario.expect(link.is_symlink(), f"the link at {place} was replaced")
    scenario.expect(not rig.charges(), "something was bought")
    link.unlink()
    return scenario.tally()


# answers


def swapped_polls(rig: Rig) -> Tally:
    """Two jobs' polls get each other's answers for a while: none is believed, and each gets its own clip."""
    scenario = begin(rig, "swapped", _TWO, {"apiframe": 8})
    app, swapped = _app(rig), count()

    async def swapping(scope: Scope, receive: Receive, send: Send) -> None:
        path, ids = scope["path"], [line["job_id"] for line in rig.charges()]
        asked = path.removeprefix("/v2/jobs/")
        if len(ids) == 2 and asked in ids and next(swapped) < 10:
            path = f"/v2/jobs/{ids[1 - ids.index(asked)]}"
        await app({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    rig.stage.app = swapping
    scenario.run()
    rig.stage.app = app
    scenario.finish()
    _each_its_own(scenario)
    return scenario.tally()


def swapped_list(rig: Rig) -> Tally:
    """Three sends with one prompt and three pictures lose their answers: each finds its own job, or stays unknown."""
    lost = {"fault": "lost-answer", "at": "submit"}
    scenario = begin(rig, "alike", _ALIKE, {"apiframe": 12}, faults=[lost], bought={"a door": 3}, upload_lives_s=200.0)
    for color in ("red", "blue", "green"):
        rig.picture(f"{color}.png", color)
    scenario.run()
    rig.faults()
    scenario.run("--only", "red")
    scenario.run()
    scenario.unknown()
    _each_its_own(scenario)
    return scenario.tally()


def repeated_id(rig: Rig) -> Tally:
    """A provider answers two submits with one job id: one purchase has it, the other keeps looking for its own."""
    scenario = begin(rig, "repeated", _TWO, {"apiframe": 8})
    app = _app(rig)
    first: list[bytes] = []

    async def repeating(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST" or "upload" in scope["path"]:
            await app(scope, receive, send)
            return
        head, body = await _whole(app, scope, receive)
        first.append(body)
        await _answer(send, head, first[0])

    rig.stage.app = repeating
    scenario.run("-j", "1")
    rig.stage.app = app
    scenario.run()
    scenario.unknown()
    _each_its_own(scenario)
    return scenario.tally()


def other_bytes(rig: Rig) -> Tally:
    """A fresh clone is served other bytes than the receipt has: they are kept aside, and the receipt stays true."""
    scenario = begin(rig, "bytes", _ONE, {"apiframe": 4})
    scenario.finish()
    digest = rig.receipt("one")["output"]["sha256"]
    shutil.rmtree(rig.folder / "renders")
    shutil.rmtree(rig.folder / ".kbatch")
    app = _app(rig)

    async def altered(scope: Scope, receive: Receive, send: Send) -> None:
        if "/clips/" not in scope["path"] and not scope["path"].endswith(".mp4"):
            await app(scope, receive, send)
            return
        head, body = await _whole(app, scope, receive)
        await _answer(send, head, body.replace(b"mdat", b"mdat", 1)[:-1] + bytes([body[-1] ^ 1]))

    rig.stage.app = altered
    scenario.runs += 1
    scenario.expect(rig.kbatch("pull").code == 1, "other bytes are no difference")
    scenario.expect(rig.receipt("one")["output"]["sha256"] == digest, "the receipt was rewritten")
    rig.stage.app = app
    scenario.runs += 1
    scenario.expect(rig.kbatch("pull").code == 0, "the right bytes were not taken")
    return scenario.tally()


# plans, clones and colleagues


def plan_presented_again(rig: Rig) -> Tally:
    """A saved plan that replaces a clip is presented in clone after clone, and killed in the first: one more charge."""
    scenario = begin(rig, "again", _ONE, {"apiframe": 40}, bought={"a lighthouse": 2})
    scenario.finish()
    scenario.expect(rig.kbatch("plan", "--replace", "*", "--out", str(rig.folder / "plan.json")).code == 0, "no plan")
    scenario.runs += 1
    rig.kbatch("run", "--yes", manifest="plan.json")
    charges = len(rig.charges())
    folders = [rig.folder]
    for number in range(3):
        clone = rig.root / f"clone-{number}"
        shutil.copytree(folders[0], clone, ignore=shutil.ignore_patterns(".kbatch", "renders"))
        rig.folder = clone
        folders.append(clone)
        scenario.runs += 1
        rig.kbatch("run", "--yes", manifest="plan.json")
        rig.kbatch("pull")
    scenario.expect(len(rig.charges()) == charges == 2, f"{len(rig.charges())} charges, not 2")
    return scenario.tally(folders[0])


def plan_killed_and_presented(rig: Rig) -> Tally:
    """Killed anywhere, a saved plan goes on in a clone that has its lockfile or not: each purchase is made once."""
    total = Tally()
    for line in (4, 6, 9):
        scenario = begin(rig, f"killed-plan-{line}", _TWO, {"apiframe": 8})
        scenario.expect(rig.kbatch("plan", "--out", str(rig.folder / "plan.json")).code == 0, "no plan")
        manifest, rig.name = rig.name, "plan.json"
        scenario.die(At.LINE, When.AFTER, line)
        rig.name = manifest
        clone = rig.root / f"clone-of-{line}"
        shutil.copytree(rig.folder, clone, ignore=shutil.ignore_patterns(".kbatch", "renders"))
        here, rig.folder = rig.folder, clone
        scenario.runs += 1
        rig.kbatch("run", "--yes", manifest="plan.json")
        rig.folder = here
        scenario.finish()
        total += scenario.tally(here, clone)
    return total


def colleague(rig: Rig) -> Tally:
    """A colleague's key gets 404 for a living job: it gives nothing up, buys nothing, and the buyer goes on."""
    scenario = begin(rig, "colleague", _ONE, {"apiframe": 40})
    rig.monkeypatch.setenv("APIFRAME_API_KEY", "team/ann/laptop")
    scenario.expect(scenario.die(At.LINE, When.AFTER, 3), "was not killed")
    rig.monkeypatch.setenv("APIFRAME_API_KEY", "team/bob/desk")
    _without_consent(scenario)
    scenario.runs += 1
    rig.kbatch("reconcile", "--lost", "one")
    scenario.run()
    rig.monkeypatch.setenv("APIFRAME_API_KEY", "team/ann/laptop")
    scenario.finish()
    rig.monkeypatch.setenv("APIFRAME_API_KEY", KEYS["APIFRAME_API_KEY"])
    scenario.expect(len(rig.charges()) == 1, f"{len(rig.charges())} charges, not 1")
    return scenario.tally()


MEETINGS: dict[str, Callable[[Rig], Tally]] = {
    "forged-intention": forged_intention,
    **{f"carried-away-{line}": partial(carried_away, line=line) for line in (2, 3, 4, 5, 7, 9, 12)},
    "never-left": first_send_that_never_left,
    "forged-index": forged_index,
    **{
        f"link-{place}-{'simulated' if simulated else 'real'}": partial(link_away, place=place, simulated=simulated)
        for place in _PLACES
        for simulated in (False, True)
    },
    "swapped-polls": swapped_polls,
    "swapped-list": swapped_list,
    "repeated-id": repeated_id,
    "other-bytes": other_bytes,
    "plan-presented-again": plan_presented_again,
    "plan-killed-and-presented": plan_killed_and_presented,
    "colleague": colleague,
}


def _without_consent(scenario: Scenario) -> None:
    """Give every command that has no consent its chance to spend."""
    for words in _WITHOUT_CONSENT:
        before = len(scenario.rig.charges())
        scenario.runs += 1
        scenario.rig.kbatch(*words)
        scenario.unasked += len(scenario.rig.charges()) - before


def _killed_state(scenario: Scenario, body: str) -> list[str]:
    """Return the journal of another campaign whose only send was never sent, as a stranger would make one."""
    rig, folder, world = scenario.rig, scenario.rig.folder, scenario.rig.world
    donor = folder / "donor"
    donor.mkdir()
    rig.folder = donor
    rig.write("budget: {max_credits: {apiframe: 1000}}\n" + body)
    scenario.expect(scenario.die(At.LINE, When.AFTER, 2), "the donor was not killed")
    lines = (donor / ".kbatch" / "campaign.journal.jsonl").read_text(encoding="utf-8").splitlines()
    shutil.rmtree(donor)
    rig.folder = folder
    scenario.expect(not world.bill.charges, "the donor has bought")
    return lines


def _plant(scenario: Scenario, lines: list[str], change: Callable[[str], str]) -> None:
    """Commit a journal whose intention is about this campaign's job."""
    folder = scenario.rig.folder / ".kbatch"
    folder.mkdir(exist_ok=True)
    changed = [change(line) if json.loads(line)["fingerprint"] else line for line in lines]
    (folder / "campaign.journal.jsonl").write_text("\n".join(changed) + "\n", encoding="utf-8")
    Repository(scenario.rig.folder).git("add", "--all", "--force")


def _fingerprint(scenario: Scenario) -> str:
    """Return the fingerprint of the campaign's only job."""
    return str(scenario.rig.kbatch("plan", "--format", "json").json["jobs"][0]["fingerprint"])


def _prompts(rig: Rig) -> set[str]:
    return {rig.world.jobs[line["job_id"]].prompt for line in rig.charges()}


def _each_its_own(scenario: Scenario) -> None:
    """Expect that the clip of every job that is done was made from the very request of its receipt."""
    rig = scenario.rig
    seen: list[str] = []
    for address, state in rig.states().items():
        receipt = rig.receipt(address)
        if state != "done":
            continue
        seen.append(receipt["job_id"])
        job = rig.world.jobs[receipt["job_id"]]
        made = sha256(make_tiny(job.clip)).hexdigest()
        scenario.expect(made == receipt["output"]["sha256"], f"the clip of {address} is another job's")
        scenario.expect(job.prompt == receipt["request"]["prompt"], f"{address} is job {job.id}, of another prompt")
        picture = rig.folder / f"{address}.png"
        if picture.exists():
            digest = sha256(picture.read_bytes()).hexdigest()
            wanted = [name for name, one in rig.world.uploads.items() if sha256(one.data).hexdigest() == digest]
            shown = json.dumps(job.input, default=dict)
            scenario.expect(any(name in shown for name in wanted), f"{address} has another picture's film")
    scenario.expect(len(seen) == len(set(seen)), "two receipts share a job")


def _contents(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def _app(rig: Rig) -> ASGIApp:
    assert rig.stage.app is not None
    return rig.stage.app


async def _whole(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Return the head and the body of an answer."""
    parts: list[Message] = []

    async def take(message: Message) -> None:
        parts.append(message)

    await app(scope, receive, take)
    body = b"".join(part.get("body", b"") for part in parts if part["type"] == "http.response.body")
    return parts[0], body


async def _answer(send: Send, head: Message, body: bytes) -> None:
    headers = [pair for pair in head["headers"] if pair[0].lower() != b"content-length"]
    await send({**head, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
