"""Chains over HTTP: the exact frame, recorded before it is used, priced before it exists; rebought only on purpose."""

import base64
import io
import shutil
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from PIL import Image

from kbatch.media.frames import extract_frame
from kbatch.receipts.event_data import Uploaded
from kbatch.receipts.events import Event
from kbatch.runner import open_sessions
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig, doubles, history, journal
from tests.crash_points import At, When, die

FAST = "defaults: {model: kling-3.0, params: {duration: 3, aspect_ratio: 16:9, mode: standard, generate_audio: false}}"
PRICE = 9
CHAIN = f"""{FAST}
shots:
  - {{id: first, prompt: one}}
  - {{id: second, prompt: two, params: {{start_image: "{{{{ last_frame('first') }}}}"}}}}
"""
THREE = CHAIN + """  - {id: third, prompt: three, params: {start_image: "{{ last_frame('second') }}"}}\n"""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kbatch's own waits be shorter still than a rehearsal's: a chain waits for each of its links."""
    monkeypatch.setattr(open_sessions, "poll_scale", lambda _text, *, loopback: 0.0001 if loopback else 1.0)


@pytest.fixture
def chain(rig: Rig) -> Rig:
    """Return a rig whose clips are real."""
    rig.open(clips=True, latency_s=0.0)
    return rig


def start_of(rig: Rig, job_id: str) -> bytes:
    """Return the start picture that the provider had for a job."""
    start = rig.world.jobs[job_id].clip.start
    assert start is not None
    return start.data


def frame_of(rig: Rig, address: str, which: str = "last") -> bytes:
    """Return a frame of a job's clip as it lies on the disk."""
    return extract_frame((rig.folder / f"renders/{address}.mp4").read_bytes(), which)


def uploads(rig: Rig) -> int:
    """Return how many uploads the provider had."""
    return int(rig.bill()["requests"]["upload"])


@pytest.mark.parametrize("which", ["last", "first"])
def test_the_very_frame_is_sent_and_recorded_before_it_is_used(chain: Rig, which: str) -> None:
    """What the provider got is the clip's frame to the byte; its digest and owner are on disk before the purchase."""
    chain.write(CHAIN.replace("last_frame", f"{which}_frame"))
    assert chain.run().code == 0
    first, second = chain.receipt("first"), chain.receipt("second")
    sent = start_of(chain, second["job_id"])
    assert sent == frame_of(chain, "first", which)
    fingerprint = chain.lockfile()["jobs"]["first"]["fingerprint"]
    used = {"sha256": sha256(sent).hexdigest(), "fingerprint": fingerprint, "job_id": first["job_id"], "frame": which}
    assert second["inputs"] == {"start_image": used}
    with Image.open(io.BytesIO(sent)) as picture:
        assert (picture.format, picture.mode, picture.info["srgb"]) == ("PNG", "RGB", 0)
    events = [event for event in history(chain.folder) if _about(event, chain, "second") or event.kind == "uploaded"]
    assert [event.kind.value for event in events[:3]] == ["uploaded", "intended", "accepted"]
    assert events[0].data.digest == events[1].data.inputs["start_image"]["sha256"] == used["sha256"]


def _about(event: Event, rig: Rig, address: str) -> bool:
    return event.fingerprint == rig.lockfile()["jobs"][address]["fingerprint"]


def test_a_chain_is_priced_before_its_frames_exist_and_worked_in_its_own_order(chain: Rig) -> None:
    """Written in the wrong order and planned whole; each link waits for the one before it."""
    shots = THREE.splitlines()
    chain.write("\n".join([*shots[:2], *reversed(shots[2:])]) + "\n")
    plan = chain.kbatch("plan", "--format", "json").json
    assert plan["totals"]["apiframe"]["expected"] == 3 * PRICE
    assert chain.run().code == 0
    assert [chain.world.jobs[line["job_id"]].prompt for line in chain.charges()] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param({"fault": "fail", "match": "one"}, 1, id="failed"),
        pytest.param({"fault": "moderation", "match": "one"}, 1, id="refused"),
        pytest.param({"fault": "short-clip", "match": "one"}, 1, id="delivered-wrong"),
    ],
)
def test_what_needs_a_frame_that_never_came_is_blocked_and_costs_nothing(
    chain: Rig, fault: dict[str, Any], code: int
) -> None:
    """The whole rest of the chain, with the reason; the provider never hears of it."""
    chain.faults(fault)
    chain.write(THREE)
    said = chain.run()
    assert said.code == code
    assert said.json["counts"]["blocked"] == 2
    assert "blocked: second: needs a frame of `first`" in said.err
    assert {line["job_id"] for line in chain.charges()} <= {chain.receipt("first")["job_id"]}
    assert set(chain.lockfile()["jobs"]) == {"first"}


def test_a_replaced_upstream_leaves_the_downstream_stale_and_kept(chain: Rig) -> None:
    """It is said before and after, nothing more is bought, and the clip stays where it is."""
    chain.write(THREE)
    assert chain.run().code == 0
    kept = chain.clips()["renders/second.mp4"]
    plan = chain.kbatch("plan", "--replace", "first", "--format", "json").json
    assert [(job["action"], job["credits"]) for job in plan["jobs"]] == [("render", PRICE), ("reuse", 0), ("reuse", 0)]
    assert "stale after this run" in plan["jobs"][1]["reason"]
    assert chain.run("--replace", "first").code == 0
    plan = chain.kbatch("plan", "--format", "json").json
    assert "stale" in plan["jobs"][1]["reason"]
    assert plan["counts"]["reuse"] == 3
    assert chain.clips()["renders/second.mp4"] == kept
    assert len(chain.charges()) == 4


def test_cascade_shows_and_rebuys_what_hangs_on_the_replaced_job(chain: Rig) -> None:
    """All that follows it, stale links included, from the new frames; what stands beside the chain is left alone."""
    chain.write(THREE + "  - {id: beside, prompt: four}\n")
    assert chain.run().code == 0
    assert chain.run("--replace", "first").code == 0
    plan = chain.kbatch("plan", "--replace", "first", "--cascade", "--format", "json").json
    assert [job["action"] for job in plan["jobs"]] == ["render", "render", "render", "reuse"]
    assert plan["totals"]["apiframe"]["expected"] == 3 * PRICE
    assert "--cascade" in plan["jobs"][2]["reason"]
    before = {name: chain.receipt(name)["job_id"] for name in ("first", "second", "third", "beside")}
    assert chain.run("--replace", "first", "--cascade").code == 0
    after = {name: chain.receipt(name)["job_id"] for name in before}
    assert {name for name in before if before[name] == after[name]} == {"beside"}
    assert chain.receipt("second")["inputs"]["start_image"]["job_id"] == after["first"]
    assert start_of(chain, after["third"]) == frame_of(chain, "second")
    assert "stale" not in chain.kbatch("plan").out
    assert len(chain.charges()) == 8


def test_cascade_needs_something_to_replace(chain: Rig) -> None:
    """Alone it means nothing, and a saved plan says itself what it replaces."""
    chain.write(CHAIN)
    assert chain.kbatch("plan", "--cascade").code == 2
    assert chain.run("--cascade").code == 2


def test_a_saved_plan_keeps_its_cascade(chain: Rig) -> None:
    """What was agreed to is what is bought: both links, once."""
    chain.write(CHAIN)
    assert chain.run().code == 0
    saved = chain.folder / "plan.json"
    assert chain.kbatch("plan", "--replace", "first", "--cascade", "--out", str(saved)).code == 0
    assert chain.kbatch("run", "--yes", manifest="plan.json").code == 0
    assert len(chain.charges()) == 4
    assert chain.receipt("second")["inputs"]["start_image"]["job_id"] == chain.receipt("first")["job_id"]
    assert chain.kbatch("run", "--yes", manifest="plan.json").code == 3


def moments(rig: Rig, *wanted: str) -> Iterator[tuple[str, int]]:
    """Yield kind and number of the journal lines of the last run that are of these kinds, `KIND ADDRESS`."""
    events = history(rig.folder)
    names = {job["fingerprint"]: name for name, job in rig.lockfile()["jobs"].items()}
    last = [event for event in events if event.run == events[-1].run]
    for number, event in enumerate(last, start=1):
        said = f"{event.kind.value} {names.get(event.fingerprint or '', '')}".strip()
        if said in wanted:
            yield said, number


def test_a_cascade_that_was_killed_is_finished_by_the_same_command(rig: Rig) -> None:
    """After the upstream was accepted, its frame uploaded, the downstream accepted: four charges in all, each time."""
    rig.open(clips=True, latency_s=0.0)
    rig.write(CHAIN)
    assert rig.run().code == 0
    assert rig.run("--replace", "first", "--cascade").code == 0
    points = list(moments(rig, "accepted first", "uploaded", "accepted second"))
    assert [said for said, _ in points] == ["accepted first", "uploaded", "accepted second"]
    for said, number in points:
        rig.fresh(said.replace(" ", "-"), clips=True, latency_s=0.0)
        rig.write(CHAIN)
        assert rig.run().code == 0
        assert die(rig, At.LINE, When.AFTER, number, "--replace", "first", "--cascade"), said
        assert rig.run("--replace", "first", "--cascade").code == 0, said
        assert len(rig.charges()) == 4, said
        assert doubles(rig.charges()) == 0, said
        assert rig.receipt("second")["inputs"]["start_image"]["job_id"] == rig.receipt("first")["job_id"], said
        assert start_of(rig, rig.receipt("second")["job_id"]) == frame_of(rig, "first"), said


@pytest.mark.parametrize(("lives_s", "sent"), [(3600.0, 1), (60.0, 2)], ids=["still-there", "about-to-end"])
def test_a_resumed_chain_extracts_its_frame_again_and_buys_nothing(rig: Rig, lives_s: float, sent: int) -> None:
    """Killed after the upload: the same frame is found, its URL used while it lives, and each job charged once."""
    rig.open(clips=True, latency_s=0.0, upload_lives_s=lives_s)
    rig.write(CHAIN)
    assert rig.run().code == 0
    ((_, number),) = moments(rig, "uploaded")
    rig.fresh("again", clips=True, latency_s=0.0, upload_lives_s=lives_s)
    rig.write(CHAIN)
    assert die(rig, At.LINE, When.AFTER, number)
    assert [event.kind.value for event in journal(rig.folder)][-1] == "uploaded"
    assert uploads(rig) == 1
    assert rig.run().code == 0
    assert uploads(rig) == sent
    assert len(rig.charges()) == 2
    assert start_of(rig, rig.receipt("second")["job_id"]) == frame_of(rig, "first")


def test_a_fresh_clone_fetches_the_clip_whose_frame_it_needs(chain: Rig) -> None:
    """The lockfile is there, the clips are not: the upstream is fetched, never bought again."""
    chain.write(CHAIN)
    assert chain.run().code == 0
    shutil.rmtree(chain.folder / "renders")
    shutil.rmtree(chain.folder / ".kbatch")
    chain.write(CHAIN.replace("prompt: two", "prompt: another"))
    assert chain.run().code == 0
    assert len(chain.charges()) == 3
    assert start_of(chain, chain.receipt("second")["job_id"]) == frame_of(chain, "first")


def test_a_clip_that_was_changed_by_hand_gives_no_frame(chain: Rig) -> None:
    """A frame of something that was not bought is never sent: the clip is fetched again, or the job is blocked."""
    chain.write(CHAIN)
    assert chain.run("--only", "first").code == 0
    clip = chain.folder / "renders" / "first.mp4"
    clip.write_bytes(clip.read_bytes()[:-1] + b"\0")
    chain.faults("poll-404")
    said = chain.run()
    assert said.code == 1
    assert "differs from its receipt" in said.err
    assert len(chain.charges()) == 1
    chain.faults()
    assert chain.run().code == 0
    assert start_of(chain, chain.receipt("second")["job_id"]) == frame_of(chain, "first")


def test_a_chain_goes_across_providers_and_back(both: Rig) -> None:
    """AI/ML gets the frame as Base64 and Apiframe as an upload; both are the exact frame, each paid on its own."""
    both.open(clips=True)
    both.write(f"""{AIMLAPI_PRICE}
{FAST}
shots:
  - {{id: first, prompt: one}}
  - id: second
    provider: aimlapi
    model: {AIMLAPI}
    prompt: two
    params: {{image_url: "{{{{ last_frame('first') }}}}", duration: 5}}
  - {{id: third, prompt: three, params: {{start_image: "{{{{ last_frame('second') }}}}"}}}}
""")
    assert both.run().code == 0
    assert start_of(both, both.receipt("second")["job_id"]) == frame_of(both, "first")
    assert start_of(both, both.receipt("third")["job_id"]) == frame_of(both, "second")
    assert uploads(both) == 1
    assert [line["provider"] for line in both.charges()] == ["apiframe", "aimlapi", "apiframe"]
    assert "base64" not in (both.folder / "campaign.lock.json").read_text()
    assert "base64" not in "".join(path.read_text() for path in (both.folder / ".kbatch" / "history").glob("*.jsonl"))


# uploads


MANY = """
run: {{concurrency: 20}}
shots:
  - id: shot
    model: "{{{{ model }}}}"
    prompt: "n {{{{ n }}}}"
    params: {{start_image: {picture}, duration: 5}}
    matrix:
      model: [kling-2.1, kling-2.5-turbo-pro, kling-2.6, kling-3.0]
      n: [n1, n2, n3, n4, n5]
"""


@pytest.mark.parametrize(
    "picture", ["a.png", "\"{{ 'a.png' if n < 'n3' else 'b.png' }}\""], ids=["one-file", "two-files-of-the-same-bytes"]
)
def test_a_picture_that_twenty_jobs_use_is_uploaded_once(both: Rig, picture: str) -> None:
    """Also when jobs of four models ask for it at the same moment and its upload takes its time."""
    both.open({"fault": "slow", "at": "upload"}, slow_s=0.3)
    both.picture("a.png")
    both.picture("b.png")
    both.write(MANY.format(picture=picture))
    assert both.run().code == 0
    assert uploads(both) == 1
    assert len(both.charges()) == 20
    assert len({start_of(both, line["job_id"]) for line in both.charges()}) == 1
    digests = [event.data.digest for event in history(both.folder) if isinstance(event.data, Uploaded)]
    assert digests == [sha256((both.folder / "a.png").read_bytes()).hexdigest()]


def test_a_picture_written_into_the_manifest_is_uploaded_too(rig: Rig) -> None:
    """Apiframe takes URLs only, so a data: URI becomes an upload there, and stays one for AI/ML."""
    rig.picture("a.png")
    data = (rig.folder / "a.png").read_bytes()
    uri = "data:image/png;base64," + base64.b64encode(data).decode()
    rig.write(f"""{AIMLAPI_PRICE}
shots:
  - {{id: one, model: kling-2.5-turbo-pro, prompt: one, params: {{start_image: "{uri}"}}}}
  - {{id: two, provider: aimlapi, model: {AIMLAPI}, prompt: two, params: {{image_url: "{uri}"}}}}
""")
    assert rig.run().code == 0
    assert uploads(rig) == 1
    assert [start_of(rig, rig.receipt(name)["job_id"]) for name in ("one", "two")] == [data, data]
    assert rig.receipt("one")["inputs"]["start_image"] == {"sha256": sha256(data).hexdigest()}
