"""What is paid is fetched, verified and recorded whatever happens on the way, or stays owed until `pull` has it."""

import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest

from kbatch.runner.context import RunOptions
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

ONE = "shots:\n  - {id: one, model: kling-2.6, prompt: a lighthouse}\n"
OTHER = (
    f"{AIMLAPI_PRICE}\nshots:\n"
    f'  - {{id: one, model: {AIMLAPI}, prompt: a, params: {{image_url: "https://example.com/a.png"}}}}\n'
)
PASSING = (
    "cut-download", "truncated", "empty", "html", "no-range", "download-redirect", "slow-download", "download-404",
    "download-500", "expired-url",
)  # fmt: skip
POLLS = (
    "poll-404", "poll-429", "poll-500", "poll-503", "poll-524", "poll-non-json", "poll-cut", "poll-unknown-status",
    "result-string", "result-list", "video-list",
)  # fmt: skip


@pytest.mark.parametrize("fault", PASSING)
def test_a_download_that_goes_wrong_at_first(either: Rig, fault: str) -> None:
    """A cut, shortened, misplaced or expired clip is fetched anew until it is whole; it is paid once."""
    either.open({"fault": fault, "times": 1}, slow_s=0.05)
    either.write(ONE)
    said = either.run()
    assert said.code == 0, said.err
    (charge,) = either.charges()
    assert charge["credits"] == 25
    assert either.clips() == {"renders/one.mp4": either.receipt("one")["output"]["sha256"]}
    assert either.leftovers() == []
    assert either.bill()["warnings"] == []


@pytest.mark.parametrize("fault", ["truncated", "empty", "html", "download-404", "redirect-private"])
@pytest.mark.parametrize(("body", "provider"), [(ONE, "apiframe"), (OTHER, "aimlapi")], ids=["apiframe", "aimlapi"])
def test_a_clip_that_cannot_be_fetched_is_owed(either: Rig, fault: str, body: str, provider: str) -> None:
    """A clip that never comes whole is exit 1 and stays owed; `pull` fetches it later, and nothing is bought again."""
    either.open({"fault": fault, "at": "download"})
    either.write(body, provider=provider)
    said = either.run()
    assert said.code == 1
    assert said.json["counts"]["owed"] == 1
    assert either.states() == {"one": "rendered"}
    assert either.clips() == {}
    assert either.run().code == 1
    either.faults()
    assert either.kbatch("pull").code == 0
    assert either.states() == {"one": "done"}
    assert len(either.charges()) == 1
    assert either.bill()["requests"]["submit"] == 1


@pytest.mark.parametrize("fault", POLLS)
@pytest.mark.parametrize(("body", "provider"), [(ONE, "apiframe"), (OTHER, "aimlapi")], ids=["apiframe", "aimlapi"])
def test_a_poll_that_tells_nothing_is_asked_again(either: Rig, fault: str, body: str, provider: str) -> None:
    """Transient trouble with a poll, and every shape of a result, changes nothing of what is bought."""
    only = {"result-string": "apiframe", "result-list": "apiframe", "video-list": "aimlapi"}
    if only.get(fault, provider) != provider:
        fault = "poll-404"
    either.open({"fault": fault, "times": 1 if "429" in fault else 2})
    either.write(body, provider=provider)
    said = either.run()
    assert said.code == 0, said.err
    assert either.states() == {"one": "done"}
    assert len(either.charges()) == 1


@pytest.mark.parametrize(
    ("fault", "why"), [("short-clip", "3.5 s long, 5 s were bought"), ("silent-clip", "no audio track")]
)
def test_a_clip_that_is_not_as_bought(both: Rig, fault: str, why: str) -> None:
    """It is kept and reported with exit 1, once; later runs only remind, and only `--replace` buys it again."""
    both.open({"fault": fault, "times": 1})
    both.write(ONE)
    said = both.run()
    assert said.code == 1
    assert said.json["counts"]["delivered_wrong"] == 1
    assert why in said.err
    assert both.states() == {"one": "delivered-wrong"}
    assert list(both.clips()) == ["renders/one.mp4"]
    again = both.run()
    assert again.code == 0
    assert len(both.charges()) == 1
    assert both.run("--replace", "one").code == 0
    assert both.states() == {"one": "done"}
    assert len(both.charges()) == 2
    assert len(both.clips()) == 2


def test_a_job_that_hangs_is_owed_at_the_deadline(both: Rig) -> None:
    """The deadline means "still running": exit 1, never failed, never bought again; `pull` asks once or waits."""
    both.open("hang")
    both.monkeypatch.setattr("kbatch.cli.run_plan.RunOptions", _hasty)
    both.write(ONE)
    said = both.run()
    assert said.code == 1
    assert said.json["counts"]["owed"] == 1
    assert both.states() == {"one": "submitted"}
    assert both.kbatch("pull").code == 1
    (job,) = both.world.jobs.values()
    both.world.jobs[job.id] = _ended(job)
    assert both.kbatch("pull", "--wait").code == 0
    assert both.states() == {"one": "done"}
    assert both.bill()["requests"]["submit"] == 1


def _hasty(**options):
    return RunOptions(render_deadline_s=400.0, **options)


def _ended(job):
    return replace(job, ends_at=job.created_at)


def test_a_fresh_clone_has_receipts_and_no_clips(both: Rig) -> None:
    """Without clips and without `.kbatch/` nothing is bought and nothing fails; `pull` fetches what is wanted."""
    both.write(ONE + "  - {id: two, model: kling-2.1, prompt: b}\n")
    assert both.run().code == 0
    clips = both.clips()
    shutil.rmtree(both.folder / "renders")
    shutil.rmtree(both.folder / ".kbatch")
    said = both.run()
    assert said.code == 0
    assert said.json["counts"]["reused"] == 2
    assert both.clips() == {}
    assert both.kbatch("pull", "--only", "one").code == 0
    assert list(both.clips()) == ["renders/one.mp4"]
    assert both.kbatch("pull").code == 0
    assert both.clips() == clips
    assert both.bill()["requests"]["submit"] == 2


def test_pull_keeps_what_a_hand_has_changed(rig: Rig) -> None:
    """What a user made of a clip is not overwritten: it moves into `.kept/`, and the paid clip is there again."""
    rig.write(ONE)
    assert rig.run().code == 0
    paid = rig.clips()["renders/one.mp4"]
    clip = rig.folder / "renders/one.mp4"
    clip.write_bytes(b"cut by hand")
    assert "differs" in rig.kbatch("plan").out
    assert rig.kbatch("pull").code == 0
    assert sha256(clip.read_bytes()).hexdigest() == paid
    kept = rig.folder / "renders" / ".kept" / f"{sha256(b'cut by hand').hexdigest()}.mp4"
    assert kept.read_bytes() == b"cut by hand"


def test_a_clip_that_expired_before_it_was_fetched(both: Rig) -> None:
    """The provider keeps it no longer: it stays owed and says so, and `--replace` buys it again, once."""
    both.open({"fault": "download-404"})
    both.write(ONE)
    assert both.run().code == 1
    both.faults()
    object.__setattr__(both.world.terms, "retention_s", 0.0)
    said = both.run()
    assert said.code == 1
    assert "`--replace` buys it again" in said.err
    assert both.bill()["requests"]["submit"] == 1
    object.__setattr__(both.world.terms, "retention_s", 3600.0)
    (lost,) = both.world.jobs
    del both.world.jobs[lost]
    assert both.run("--replace", "one").code == 0
    assert both.states() == {"one": "done"}
    assert len(both.charges()) == 2
    (earlier,) = both.receipt("one")["also"]
    assert (earlier["job_id"], earlier["state"]) == (lost, "rendered")
    assert both.run().code == 0
    assert both.bill()["requests"]["submit"] == 2


def test_what_was_bought_for_an_earlier_prompt_is_collected_too(both: Rig) -> None:
    """A prompt that changes while its clip renders leaves a paid job behind: it is fetched, kept, and can come back."""
    both.open("hang")
    both.monkeypatch.setattr("kbatch.cli.run_plan.RunOptions", _hasty)
    both.write(ONE)
    assert both.run().code == 1
    (job,) = both.world.jobs.values()
    both.world.jobs[job.id] = _ended(job)
    both.faults()
    both.write(ONE.replace("lighthouse", "harbour"))
    assert both.run().code == 0
    assert len(both.charges()) == 2
    assert len(both.clips()) == 2
    (kept,) = [path for path in both.clips() if ".kept" in path]
    assert kept == f"renders/.kept/{both.clips()[kept]}.mp4"
    both.write(ONE)
    assert both.run().json["counts"]["reused"] == 1
    assert both.clips()["renders/one.mp4"] in kept
    assert both.bill()["requests"]["submit"] == 2


def test_a_job_that_the_provider_has_lost_can_be_given_up(both: Rig) -> None:
    """While the provider still has it that is refused; its charge stays counted, and the next run buys it again."""
    both.open("hang")
    both.monkeypatch.setattr("kbatch.cli.run_plan.RunOptions", _hasty)
    both.write(ONE)
    assert both.run().code == 1
    (job,) = both.world.jobs.values()
    refused = both.kbatch("reconcile", "--lost", "one")
    assert refused.code == 3
    assert f"still has job {job.id} of `one`" in refused.err
    assert both.states() == {"one": "submitted"}
    del both.world.jobs[job.id]
    both.faults("poll-503")
    unsure = both.kbatch("reconcile", "--lost", "one")
    assert unsure.code == 3
    assert "does not say that job" in unsure.err
    assert both.states() == {"one": "submitted"}
    both.faults()
    said = both.kbatch("reconcile", "--lost", "one")
    assert said.code == 0, said.err
    assert "given up: 25 credits stay charged" in said.err
    assert both.states() == {"one": "failed"}
    assert both.kbatch("status", "--format", "json").json["charged"] == {"apiframe": 25}
    assert "failed last time, 25 credits stay charged: given up" in " ".join(both.kbatch("plan").out.split())
    assert "failed, 25 credits stay charged: given up as lost" in both.kbatch("status").out
    again = both.kbatch("reconcile", "--lost", "one")
    assert again.code == 3
    assert "`one` is failed" in again.err
    assert both.run().code == 0
    assert both.states() == {"one": "done"}
    assert [line["credits"] for line in both.charges()] == [25, 25]


@pytest.mark.parametrize(
    ("path", "was", "now", "why"),
    [
        pytest.param("/v2/me", b'"id":"', b'"id":"other-', "bought with another account's key", id="another-account"),
        pytest.param("/v2/me", b"{", b"<", "does not answer with this key", id="no-such-api"),
    ],
)
def test_a_job_of_another_account_is_not_given_up(rig: Rig, path: str, was: bytes, now: bytes, why: str) -> None:
    """For a key that did not buy it a job is gone too, and so it is for an address that is no API."""
    rig.open("hang")
    rig.monkeypatch.setattr("kbatch.cli.run_plan.RunOptions", _hasty)
    rig.write(ONE)
    assert rig.run().code == 1
    rig.world.jobs.clear()
    app = rig.stage.app

    async def another(scope, receive, send):
        async def told(message):
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
                message = {**message, "headers": kept}
            await send({**message, "body": message["body"].replace(was, now)} if "body" in message else message)

        await app(scope, receive, told if scope.get("path", "").endswith(path) else send)

    rig.stage.app = another
    said = rig.kbatch("reconcile", "--lost", "one")
    assert said.code == 3, said.err
    assert why in said.err
    assert rig.states() == {"one": "submitted"}


def test_an_unknown_send_is_not_given_up(rig: Rig) -> None:
    """Nobody knows whether it was bought: that is what is said, and how to find out."""
    rig.open({"fault": "lost-answer", "times": 1}, "row-never")
    rig.write(OTHER, provider="aimlapi")
    assert rig.run().code == 4
    said = rig.kbatch("reconcile", "--lost", "one")
    assert said.code == 3
    assert "`one` is unknown" in said.err
    assert "`kbatch reconcile` settles what is unknown" in said.err


def test_a_lost_job_that_no_job_refers_to_can_be_given_up(rig: Rig) -> None:
    """It goes by its job id, by which `pull` names it; nothing is asked for again afterwards."""
    rig.open("hang")
    rig.monkeypatch.setattr("kbatch.cli.run_plan.RunOptions", _hasty)
    rig.write(ONE)
    assert rig.run().code == 1
    rig.faults()
    rig.write(ONE.replace("id: one", "id: other").replace("lighthouse", "harbour"))
    (job_id,) = rig.world.jobs
    rig.world.jobs.clear()
    said = rig.kbatch("pull")
    assert said.code == 1
    assert f"one (bought earlier as {job_id})" in said.err
    assert rig.kbatch("reconcile", "--lost", job_id).code == 0
    polls = rig.bill()["requests"]["poll"]
    assert rig.kbatch("pull").code == 0
    assert rig.bill()["requests"]["poll"] == polls


def test_only_what_was_accepted_can_be_given_up(rig: Rig) -> None:
    """A clip that is here is not lost, and neither is a job that was never bought."""
    rig.write(ONE)
    assert "`one` is not bought" in rig.kbatch("reconcile", "--lost", "one").err
    assert rig.run().code == 0
    said = rig.kbatch("reconcile", "--lost", "one")
    assert said.code == 3
    assert "`one` is done, so there is no job to give up" in said.err
    assert rig.states() == {"one": "done"}


def test_pull_collects_what_no_job_refers_to(rig: Rig) -> None:
    """`pull` needs no job to collect what is paid, and says so with exit 1 while it cannot."""
    rig.open({"fault": "download-404"})
    rig.write(ONE)
    assert rig.run().code == 1
    rig.write(ONE.replace("lighthouse", "harbour"))
    assert rig.kbatch("pull").code == 1
    rig.faults()
    assert rig.kbatch("pull").code == 0
    assert len(rig.clips()) == 1
    assert rig.kbatch("pull").code == 0
    assert rig.bill()["requests"]["submit"] == 1


def test_a_clip_of_another_shape_than_bought_is_delivered_wrong(rig: Rig) -> None:
    """16:9 was asked for and 4:3 came: kept, told, exit 1, and not bought again; `accept` ends the reminder."""
    rig.open("wrong-size")
    rig.write("shots: [{id: one, prompt: a pier, model: kling-2.6, params: {aspect_ratio: 16:9}}]\n")
    said = rig.run()
    assert (said.code, said.json["counts"]["delivered_wrong"]) == (1, 1)
    assert "16:9 was bought" in rig.receipt("one")["error"]["message"]
    assert rig.run().code == 0
    assert len(rig.charges()) == 1
    assert rig.kbatch("accept", "one").code == 0


def test_where_the_model_decides_no_shape_is_wrong(rig: Rig) -> None:
    """Without `aspect_ratio`, or with a picture that may decide it, any shape is as bought."""
    rig.open("wrong-size")
    rig.picture("a.png")
    rig.write("""
defaults: {model: kling-2.6}
shots:
  - {id: free, prompt: a pier}
  - {id: pictured, prompt: a quay, params: {aspect_ratio: 1:1, start_image: a.png}}
""")
    assert rig.run().code == 0


def cases(path: Path) -> dict[str, str]:
    """Return how each case of a JUnit file ended."""
    found = Tree.fromstring(path.read_text(encoding="utf-8")).iter("testcase")
    ends = ("failure", "error", "skipped")
    return {case.attrib["name"]: next((child.tag for child in case if child.tag in ends), "passed") for case in found}


def test_pull_reports_what_it_fetched_and_what_it_could_not(either: Rig) -> None:
    """A clip that a fresh clone fetches is green; one that its host lacks is red, and marked at its shot's line."""
    either.write("shots:\n  - {id: one, model: kling-2.6, prompt: a}\n  - {id: two, model: kling-2.6, prompt: b}\n")
    assert either.run().code == 0
    shutil.rmtree(either.folder / "renders")
    either.monkeypatch.chdir(either.folder)
    either.monkeypatch.setenv("GITHUB_ACTIONS", "true")
    either.faults({"fault": "download-404", "match": "b"})
    path = either.folder / "pull.xml"
    said = either.kbatch("pull", "--junit", str(path))
    assert said.code == 1
    assert cases(path) == {"one": "passed", "two": "error"}
    assert "::error file=campaign.yaml,line=7,col=5," in said.err
    either.faults()
    assert either.kbatch("pull", "--junit", str(path)).code == 0
    assert cases(path) == {"one": "passed", "two": "passed"}


def test_reconcile_reports_what_stays_unknown(either: Rig) -> None:
    """An unknown send is red in reconcile's report."""
    either.open({"fault": "lost-answer", "at": "submit"}, "row-never")
    either.write(OTHER, provider="aimlapi")
    assert either.run().code == 4
    path = either.folder / "reconcile.xml"
    said = either.kbatch("reconcile", "--junit", str(path))
    assert (said.code, cases(path)) == (4, {"one": "error"})


@pytest.mark.parametrize("command", ["pull", "reconcile"])
def test_a_collecting_command_that_cannot_begin_leaves_a_red_report(either: Rig, command: str) -> None:
    """A manifest that does not check is one red case; a report over the manifest is refused and harms nothing."""
    either.write("shotz: []\n")
    path = either.folder / "r.xml"
    assert either.kbatch(command, "--junit", str(path)).code == 2
    assert list(cases(path).values()) == ["error"]
    manifest = either.folder / "campaign.yaml"
    before = manifest.read_bytes()
    assert either.kbatch(command, "--junit", str(manifest)).code == 2
    assert manifest.read_bytes() == before
