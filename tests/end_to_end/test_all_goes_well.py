"""Runs in which nothing goes wrong: what is bought is what was planned, delivered once, and never bought again."""

import json

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

TWO = """
defaults: {model: kling-2.5-turbo-pro, params: {duration: 5}}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour}
"""
EVERY_MODEL = f"""
{AIMLAPI_PRICE}
shots:
  - {{id: old, model: kling-2.1, prompt: p, params: {{mode: standard, duration: 10}}}}
  - {{id: turbo, model: kling-2.5-turbo-pro, prompt: p, params: {{duration: 10}}}}
  - {{id: six, model: kling-2.6, prompt: p, params: {{duration: 5, generate_audio: true}}}}
  - {{id: three, model: kling-3.0, prompt: p, params: {{duration: 7, mode: pro, generate_audio: true}}}}
  - {{id: other, provider: aimlapi, model: {AIMLAPI}, prompt: p, params: {{image_url: stills/a.png}}}}
"""
EVERY_PRICE = {"old": 5, "turbo": 7, "six": 25, "three": 49, "other": 5 * 262_500}
NOTHING = {"done": 0, "failed": 0, "blocked": 0, "unknown": 0, "owed": 0, "delivered_wrong": 0, "reused": 0}


def test_every_job_is_charged_once_and_delivered(both: Rig) -> None:
    """Two jobs become two charges at the quoted price, two clips, two receipts; a second run buys nothing."""
    both.write(TWO)
    said = both.run()
    assert said.code == 0, said.err
    assert said.json["counts"] == {**NOTHING, "done": 2}
    assert said.json["credits"] == {"apiframe": {"planned": 8, "reported": 8, "refunded": 0, "unexplained": 0}}
    assert [line["credits"] for line in both.charges()] == [4, 4]
    assert both.states() == {"one": "done", "two": "done"}
    assert sorted(both.clips()) == ["renders/one.mp4", "renders/two.mp4"]
    assert both.clips()["renders/one.mp4"] == both.receipt("one")["output"]["sha256"]
    assert both.leftovers() == []
    again = both.run()
    assert again.code == 0
    assert again.json["counts"] == {**NOTHING, "reused": 2}
    assert both.bill()["requests"]["submit"] == 2


def test_every_model_of_both_providers(both: Rig) -> None:
    """All five models are bought at their quotes, with audio where it was bought; the pictures reach both providers."""
    both.picture("stills/a.png")
    both.write(EVERY_MODEL)
    said = both.run()
    assert said.code == 0, said.err
    assert said.json["counts"]["done"] == 5
    assert {name: both.receipt(name)["credits"]["reported"] for name in EVERY_PRICE} == EVERY_PRICE
    assert sum(line["credits"] for line in both.charges()) == sum(EVERY_PRICE.values())
    assert said.json["credits"]["aimlapi"]["unexplained"] == 0
    media = {name: both.receipt(name)["output"]["media"] for name in EVERY_PRICE}
    assert {name: found["duration"] for name, found in media.items()} == {
        "old": 10, "turbo": 10, "six": 5, "three": 7, "other": 5,
    }  # fmt: skip
    assert {name for name, found in media.items() if found["audio"]} == {"six", "three"}


def test_local_pictures_reach_both_providers(rig: Rig) -> None:
    """Apiframe is sent the URL of one upload for two jobs, AI/ML a data URI; a receipt names the picture's digest."""
    rig.picture("stills/a.png")
    rig.write(
        f"{AIMLAPI_PRICE}\nshots:\n"
        "  - {id: one, model: kling-2.1, prompt: p, params: {start_image: stills/a.png}}\n"
        "  - {id: two, model: kling-2.1, prompt: q, params: {start_image: stills/a.png}}\n"
        f"  - {{id: other, provider: aimlapi, model: {AIMLAPI}, prompt: p, params: {{image_url: stills/a.png}}}}\n"
    )
    assert rig.run().code == 0
    assert rig.bill()["requests"]["upload"] == 1
    jobs = list(rig.world.jobs.values())
    links = {job.input["klingParams"]["start_image"] for job in jobs if job.provider == "apiframe"}
    assert len(links) == 1
    assert links.pop().startswith(f"{rig.stage.url}/uploads/")
    (pictured,) = [job.clip.start for job in jobs if job.provider == "aimlapi"]
    assert pictured is not None
    assert pictured.data == (rig.folder / "stills/a.png").read_bytes()
    digests = {
        rig.receipt(name)["inputs"][key]["sha256"] for name, key in (("one", "start_image"), ("other", "image_url"))
    }
    assert len(digests) == 1
    assert rig.stage.url not in json.dumps(rig.lockfile())


def test_a_chained_shot_begins_with_the_frame_that_was_bought(rig: Rig) -> None:
    """The downstream is bought after its upstream's clip is here, with its last frame; the receipt says which."""
    rig.open(clips=True)
    rig.write(
        "defaults: {model: kling-2.5-turbo-pro, params: {duration: 5}}\nshots:\n"
        "  - id: second\n    prompt: on it goes\n    params: {start_image: \"{{ last_frame('first') }}\"}\n"
        "  - {id: first, prompt: it begins}\n"
    )
    said = rig.run()
    assert said.code == 0, said.err
    assert [job.prompt for job in rig.world.jobs.values()] == ["it begins", "on it goes"]
    used = rig.receipt("second")["inputs"]["start_image"]
    assert used["job_id"] == rig.receipt("first")["job_id"]
    assert used["frame"] == "last"
    assert rig.run().json["counts"] == {**NOTHING, "reused": 2}


def test_one_request_under_two_addresses_is_bought_once(both: Rig) -> None:
    """Identical jobs share a charge and have a clip each; takes of one request are charged each."""
    both.write(
        "defaults: {model: kling-2.5-turbo-pro}\nshots:\n"
        "  - {id: one, prompt: same}\n  - {id: two, prompt: same}\n  - {id: more, prompt: same, takes: 2}\n"
    )
    said = both.run()
    assert said.code == 0, said.err
    assert [line["credits"] for line in both.charges()] == [4, 4]
    clips = both.clips()
    assert len(clips) == 4
    assert clips["renders/one.mp4"] == clips["renders/two.mp4"] == clips["renders/more.mp4"]


def test_the_first_n_are_a_canary(rig: Rig) -> None:
    """`--first 1` buys one job; `--only` buys what it names; the rest follows when it is asked for."""
    rig.write(
        'defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: a, prompt: "{{ n }}", matrix: {n: [x, y, z]}}\n'
    )
    assert rig.run("--first", "1").json["counts"]["done"] == 1
    assert len(rig.charges()) == 1
    assert rig.run("--only", "a[n=z]").json["counts"]["done"] == 1
    assert len(rig.charges()) == 2
    assert rig.run().json["counts"] == {**NOTHING, "done": 1, "reused": 2}
    assert len(rig.charges()) == 3


def test_no_file_and_no_output_holds_a_key(rig: Rig) -> None:
    """Keys stand in no file, no output and no request to the host of clips; a refused key is not repeated either."""
    secrets = [rig.monkeypatch.setenv(name, value) or value for name, value in (
        ("APIFRAME_API_KEY", "afk_a-secret-of-some-length"), ("AIMLAPI_API_KEY", "another-secret-of-length")
    )]  # fmt: skip
    rig.picture("stills/a.png")
    rig.write(EVERY_MODEL)
    said = [rig.run("--events", str(rig.folder / "events.jsonl")), rig.kbatch("status"), rig.kbatch("plan")]
    rig.open("401")
    rig.monkeypatch.setenv("APIFRAME_API_KEY", "bad-secret-of-some-length")
    said += [rig.run("--only", "old", "--replace", "old"), rig.kbatch("pull")]
    written = b"".join(path.read_bytes() for path in rig.folder.rglob("*") if path.is_file())
    printed = "".join(one.out + one.err for one in said)
    for secret in (*secrets, "bad-secret-of-some-length"):
        assert secret not in printed
        assert secret.encode() not in written
    assert rig.bill()["warnings"] == []
