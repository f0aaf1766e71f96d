"""`extra:` in params: sent as written, part of the purchase, said everywhere, and never without consent of its own."""

import json

import pytest

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

SHOT = """shots:
  - id: hero
    model: kling-2.6
    prompt: a ridge
    params: {duration: 5, generate_audio: false, extra: %s}
"""
EXTRA = "{watermark: false, style: {grain: [1, 2.5, null]}}"
SENT = {"watermark": False, "style": {"grain": [1, 2.5, None]}}


def test_it_is_sent_as_written_with_the_flag_only(either: Rig) -> None:
    """Without `--allow-extra` nothing is sent and exit is 3; with it the body holds exactly what was written."""
    rig = either
    rig.open(lenient=True)
    rig.write(SHOT % EXTRA)
    said = rig.run()
    assert (said.code, "extra-parameter" in said.err, rig.charges()) == (3, True, [])
    assert rig.run("--allow-extra").code == 0
    (job,) = rig.world.jobs.values()
    assert job.input["klingParams"] == {"duration": 5, "generate_audio": False, **SENT}
    assert rig.receipt("hero")["request"]["klingParams"]["style"] == SENT["style"]
    assert rig.run("--locked").code == 0


def test_it_stands_at_the_top_of_a_body_that_has_no_key(rig: Rig) -> None:
    """Where a card's parameters stand at the top, so does what is undocumented."""
    rig.open(lenient=True)
    params = f"{{image_url: 'https://a.example/b.png', extra: {EXTRA}}}"
    shots = f"{AIMLAPI_PRICE}\nshots: [{{id: a, model: {AIMLAPI}, params: {params}}}]\n"
    rig.write(shots, provider="aimlapi")
    assert rig.run("--allow-extra").code == 0
    (job,) = rig.world.jobs.values()
    assert {name: job.input[name] for name in SENT} == SENT


def test_plan_check_and_explain_say_it(rig: Rig) -> None:
    """A warning at its place, a line in the plan, a field in its JSON, an origin in the explanation."""
    rig.write(SHOT % EXTRA)
    assert "warning[extra-parameter]" in rig.kbatch("check").out
    assert "which no document has, in 1 job, first `hero`" in " ".join(rig.kbatch("plan").out.split())
    assert "which no document has" in rig.kbatch("plan", "--format", "markdown").out
    assert rig.kbatch("plan", "--format", "json").json["jobs"][0]["extra"] == SENT
    assert "extra, sent as written" in " ".join(rig.kbatch("explain", "hero").out.split())


def test_an_approval_of_exactly_this_plan_covers_it(rig: Rig) -> None:
    """Digest and saved plan hold it: another value is another plan."""
    rig.open(lenient=True)
    rig.write(SHOT % EXTRA)
    plan = str(rig.folder / "plan.json")
    assert rig.kbatch("plan", "--out", plan).code == 0
    assert "extra, sent as written" in rig.kbatch("plan", manifest="plan.json").out
    digest = json.loads((rig.folder / "plan.json").read_text())["digest"]
    rig.write(SHOT % "{watermark: true}")
    assert rig.kbatch("run", "--approve", digest).code == 3
    assert rig.kbatch("run", "--yes", manifest="plan.json").code == 3
    rig.write(SHOT % EXTRA)
    assert rig.kbatch("run", "--yes", manifest="plan.json").code == 0
    assert len(rig.charges()) == 1


def test_a_changed_value_in_a_saved_plan_breaks_its_seal(rig: Rig) -> None:
    """What a reviewer reads of it cannot be changed unseen."""
    rig.write(SHOT % EXTRA)
    path = rig.folder / "plan.json"
    rig.kbatch("plan", "--out", str(path))
    document = json.loads(path.read_text())
    document["jobs"][0]["extra"]["watermark"] = True
    path.write_text(json.dumps(document))
    assert rig.kbatch("run", "--yes", manifest="plan.json").code == 2


def test_another_value_is_another_purchase(rig: Rig) -> None:
    """It is part of the fingerprint; a manifest without it keeps the fingerprint that it had."""
    prints = set()
    for text in (SHOT % EXTRA, SHOT % "{watermark: true}", SHOT.replace(", extra: %s", "")):
        rig.write(text)
        prints.add(rig.kbatch("plan", "--format", "json").json["jobs"][0]["fingerprint"])
    assert len(prints) == 3


def test_a_rehearsal_lets_it_pass(rig: Rig) -> None:
    """The simulator charges nothing, so `run --simulate` needs no flag."""
    rig.write(SHOT % EXTRA)
    assert rig.run("--simulate").code == 0


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("{duration: 10}", "extra-taken"),
        ("{Duration: 10}", "extra-taken"),
        ("{generateAudio: true}", "extra-taken"),
        ("{prompt: other}", "extra-taken"),
        ("{model: kling-3.0}", "extra-taken"),
        ("{webhookUrl: 'https://evil.example'}", "extra-taken"),
        ("{webhook_events: [failed]}", "extra-taken"),
        ("{klingParams: {mode: pro}}", "extra-taken"),
        ("{extra: {a: 1}}", "extra-taken"),
        ("{'a b': 1}", "wrong-format"),
        ("{'../x': 1}", "wrong-format"),
        ("{}", "wrong-type"),
        ("[a]", "wrong-type"),
        ("text", "wrong-type"),
        ("{a: \"{{ last_frame('other') }}\"}", "wrong-type"),
        ("{a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}", "too-long"),
        ("{a: %s}" % ("x" * 17_000), "too-long"),
    ],
)
def test_what_it_cannot_say_is_refused_with_its_place(rig: Rig, extra: str, code: str) -> None:
    """No documented parameter by any spelling, no model, prompt or webhook, no bound broken, nothing beyond JSON."""
    other = "  - {id: other, model: kling-2.6, prompt: a sea, params: {generate_audio: false}}\n"
    rig.write(SHOT.replace("%s", extra) + other)
    said = rig.kbatch("check", "--format", "json")
    found = [one for one in said.json["problems"] if one["code"] == code]
    assert (said.code, len(found)) == (2, 1), said.out
    assert found[0]["line"] == 9
