"""Answers that are another's, a repeat or damaged: each is held against what was sent, or it stays unknown or owed."""

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

COLORS = ("red", "green", "blue", "gold", "teal", "plum")
TWO = "defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: one, prompt: a}\n  - {id: two, prompt: b}\n"
OTHER = f"""
{AIMLAPI_PRICE}
defaults: {{model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: one, prompt: a}}
  - {{id: two, prompt: b}}
"""
Bend = Callable[[str, str, bytes], bytes | None]


def between(rig: Rig, bend: Bend) -> Any:
    """Put someone between kbatch and the provider who may change the body of each answer, by method and path; or cut.

    Return the app that was on stage before.
    """
    app = rig.stage.app
    assert app is not None

    async def changed(scope, receive, send):
        whole: list[bytes] = []
        head: dict[str, Any] = {}

        async def kept(message):
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                whole.append(message.get("body", b""))

        await app(scope, receive, kept)
        query = scope["query_string"].decode()
        body = bend(scope["method"], scope["path"] + (f"?{query}" if query else ""), b"".join(whole))
        if body is None:
            await scope["extensions"]["kbatch.sever"]()
            return
        headers = [(name, value) for name, value in head["headers"] if name != b"content-length"]
        await send({**head, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    rig.stage.app = changed
    return app


def six(rig: Rig, **settings: Any) -> None:
    """Leave six sends with one prompt and six pictures unknown, all of them accepted: no answer and no list came."""
    rig.monkeypatch.setenv("APIFRAME_API_KEY", "red/ann/laptop-of-ann")
    rig.open({"fault": "lost-answer", "at": "submit"}, **settings)
    shots = []
    for color in COLORS:
        rig.picture(f"{color}.png", color)
        shots.append(f"  - {{id: {color}, params: {{start_image: {color}.png}}}}\n")
    rig.write("defaults: {model: kling-2.5-turbo-pro, prompt: it turns}\nshots:\n" + "".join(shots))
    app = rig.stage.app
    assert app is not None

    async def mute(scope, receive, send):
        if scope["path"] == "/v2/jobs" or (scope["path"] == "/v2/me" and rig.world.jobs):
            await scope["extensions"]["kbatch.sever"]()
        else:
            await app(scope, receive, send)

    rig.stage.app = mute
    assert rig.run().code == 4
    rig.stage.app = app
    rig.faults()
    assert set(rig.states().values()) == {"unknown"}
    assert len(rig.charges()) == len(COLORS)
    # The list has them in another order than that of their sends: only what was sent tells which is which.
    jobs = sorted(rig.world.jobs.values(), key=lambda job: job.created_at)
    moments = [job.created_at for job in jobs]
    for job, moment in zip(jobs, reversed(moments), strict=True):
        object.__setattr__(job, "created_at", moment)


def picture_of_job(rig: Rig, address: str) -> str:
    """Return the digest of the picture that a job's clip begins with."""
    job = rig.world.jobs[rig.receipt(address)["job_id"]]
    assert job.clip.start is not None
    return sha256(job.clip.start.data).hexdigest()


def own_picture(rig: Rig, address: str) -> str:
    """Return the digest of the picture that was asked for."""
    return sha256((rig.folder / f"{address}.png").read_bytes()).hexdigest()


def test_one_prompt_and_six_pictures_find_each_its_own_job(rig: Rig) -> None:
    """`reconcile` without consent only looks: by the exact body each job is found, its picture's address included."""
    six(rig)
    said = rig.kbatch("reconcile")
    assert said.code == 0, said.err
    assert rig.bill()["requests"]["submit"] == len(COLORS)
    for color in COLORS:
        assert picture_of_job(rig, color) == own_picture(rig, color)
    assert len({rig.receipt(color)["job_id"] for color in COLORS}) == len(COLORS)


def test_one_of_six_is_not_given_another_ones_job(rig: Rig) -> None:
    """Asked for alone, with another key of the user so that nothing is sent again, it gets its own job."""
    six(rig)
    rig.monkeypatch.setenv("APIFRAME_API_KEY", "red/ann/key-in-the-ci")
    said = rig.run("--only", "red")
    assert said.code in (0, 4), said.err
    assert picture_of_job(rig, "red") == own_picture(rig, "red")
    assert len(rig.charges()) == rig.bill()["requests"]["submit"] == len(COLORS)


def test_without_the_exact_body_nothing_is_claimed(rig: Rig) -> None:
    """A clone has no bodies: which of six jobs belongs to which picture is not known there, so all stay unknown."""
    six(rig)
    shutil.rmtree(rig.folder / ".kbatch")
    said = rig.kbatch("reconcile")
    assert said.code == 4
    assert "what exactly was sent is not known here" in said.err
    assert set(rig.states().values()) == {"unknown"}
    assert len(rig.charges()) == len(COLORS)


@pytest.mark.parametrize("missing", ["start_image", "prompt", "input"])
def test_an_input_that_is_not_shown_whole_claims_nothing(rig: Rig, missing: str) -> None:
    """Where the provider shows less than what was sent it cannot be compared, and the sends stay unknown."""
    six(rig)

    def less(method: str, path: str, body: bytes) -> bytes:
        if not path.startswith("/v2/jobs/"):
            return body
        told = json.loads(body)
        told.get("input", {}).pop(missing, None)
        told.get("input", {}).get("klingParams", {}).pop(missing, None)
        told.pop(missing, None)
        return json.dumps(told).encode()

    between(rig, less)
    assert rig.kbatch("reconcile").code == 4
    assert set(rig.states().values()) == {"unknown"}


@pytest.mark.parametrize(("body", "provider"), [(TWO, "apiframe"), (OTHER, "aimlapi")], ids=["apiframe", "aimlapi"])
def test_polls_that_are_swapped_deliver_nothing(either: Rig, body: str, provider: str) -> None:
    """Each answer is about the other job: neither clip is taken, both stay owed, and `pull` brings each its own."""
    either.write(body, provider=provider)
    answers: dict[str, bytes] = {}
    swapping = True

    def swapped(method: str, path: str, body: bytes) -> bytes:
        known = list(either.world.jobs)
        asked = next((one for one in known if one in path or one.replace(":", "%3A").replace("/", "%2F") in path), None)
        if method != "GET" or asked is None or not swapping:
            return body
        answers[asked] = body
        other = next((answers[one] for one in known if one != asked and one in answers), None)
        return other or b"{}"

    between(either, swapped)
    said = either.run()
    assert said.code == 1, said.err
    assert "the answer is about job" in " ".join(said.err.split())
    assert set(either.states().values()) == {"submitted"}
    assert either.clips() == {}
    swapping = False
    assert either.kbatch("pull").code == 0
    jobs = {job.prompt: job.id for job in either.world.jobs.values()}
    assert {name: either.receipt(name)["job_id"] for name in ("one", "two")} == {"one": jobs["a"], "two": jobs["b"]}
    assert len(either.charges()) == 2


@pytest.mark.parametrize("what", ["model", "prompt", "duration"])
def test_an_answer_about_another_model_or_input_is_not_taken(rig: Rig, what: str) -> None:
    """The id is right and the job is another: its clip is not delivered, and the message says what differs."""
    rig.write(TWO)

    def other(method: str, path: str, body: bytes) -> bytes:
        if not path.startswith("/v2/jobs/"):
            return body
        told = json.loads(body)
        if what == "model":
            told["model"] = "kling-2.1"
        elif what == "prompt":
            told["input"]["prompt"] = "somebody else's"
        else:
            told["input"]["klingParams"]["duration"] = 10
        return json.dumps(told).encode()

    between(rig, other)
    said = rig.run()
    assert said.code == 1
    words = {"model": "is of kling-2.1", "prompt": "another `prompt`", "duration": "another `duration`"}
    assert words[what] in " ".join(said.err.split())
    assert rig.clips() == {}


@pytest.mark.parametrize("change", ["trimmed", "number-as-text", "null", "more", "picture-elsewhere"])
def test_an_input_may_be_shown_in_other_words(rig: Rig, change: str) -> None:
    """What says nothing against it is the job's own answer: a paid clip is not owed for a provider's habits."""
    rig.picture("a.png")
    rig.write(TWO.replace("prompt: a}", "prompt: ' a ', params: {start_image: a.png}}"))

    def shown(method: str, path: str, body: bytes) -> bytes:
        if not path.startswith("/v2/jobs/"):
            return body
        told = json.loads(body)
        asked = told["input"]
        if change == "trimmed":
            asked["prompt"] = asked["prompt"].strip()
        elif change == "number-as-text":
            asked["klingParams"]["duration"] = str(asked["klingParams"]["duration"])
        elif change == "null":
            asked["klingParams"]["duration"] = None
        elif change == "more":
            asked["resolution"] = "1080p"
        else:
            asked["klingParams"]["start_image"] = "https://cdn.example/a.png"
        return json.dumps(told).encode()

    between(rig, shown)
    said = rig.run()
    assert said.code == 0, said.err
    assert len(rig.clips()) == 2


@pytest.mark.parametrize(("body", "provider"), [(TWO, "apiframe"), (OTHER, "aimlapi")], ids=["apiframe", "aimlapi"])
def test_one_job_is_one_purchase(rig: Rig, body: str, provider: str) -> None:
    """Two submits are answered with one id: the second is unknown at first and says so, and no clip is shared.

    Apiframe's list and AI/ML's log then show the job that the second one is.
    """
    rig.write(body, provider=provider)
    first: list[bytes] = []

    def repeated(method: str, path: str, body: bytes) -> bytes:
        if method == "POST":
            first.append(body)
            return first[0]
        return body

    app = between(rig, repeated)
    said = rig.run()
    assert "it is not taken for" in said.err
    assert said.code == 0, said.err
    assert len({rig.receipt(name)["job_id"] for name in ("one", "two")}) == 2
    assert len(rig.clips()) == len(set(rig.clips().values()))
    rig.stage.app = app
    assert len(rig.charges()) == 2


@pytest.mark.parametrize("how", ["swapped", "anothers"])
def test_a_lockfile_that_names_another_job_delivers_no_film_of_it(rig: Rig, how: str) -> None:
    """Job ids that a merge or a stranger has put there: `pull` in a clone says so, exit 1, and fetches nothing."""
    rig.write(TWO)
    assert rig.run().code == 0
    path = rig.folder / "campaign.lock.json"
    document = json.loads(path.read_text())
    one, two = (document["renders"][document["jobs"][name]["fingerprint"]] for name in ("one", "two"))
    if how == "swapped":
        one["job_id"], two["job_id"] = two["job_id"], one["job_id"]
    else:
        rig.write("shots:\n  - {id: film, model: kling-2.6, prompt: somebody's}\n", name="film.yaml")
        assert rig.run().code == 0
        film = next(job.id for job in rig.world.jobs.values() if job.model == "kling-2.6")
        one["job_id"] = two["job_id"] = film
    clone = rig.root / "clone"
    clone.mkdir()
    shutil.copy(rig.folder / "campaign.yaml", clone)
    (clone / "campaign.lock.json").write_text(json.dumps(document, indent=2, sort_keys=True))
    rig.folder, rig.name = clone, "campaign.yaml"
    said = rig.kbatch("pull")
    assert said.code in (1, 2), said.err
    assert rig.clips() == {}
    if how == "swapped":
        assert said.code == 1
        assert "another `prompt`" in " ".join(said.err.split())


def test_other_bytes_than_the_recorded_ones_are_a_difference(both: Rig) -> None:
    """A clone gets another clip under the same id: kept aside under its own digest, exit 1, the receipt unchanged."""
    both.write("shots:\n  - {id: one, model: kling-2.6, prompt: a lighthouse}\n")
    assert both.run().code == 0
    recorded = both.receipt("one")["output"]
    clone = both.root / "clone"
    clone.mkdir()
    for name in ("campaign.yaml", "campaign.lock.json"):
        shutil.copy(both.folder / name, clone)
    both.folder = clone
    (job,) = both.world.jobs.values()
    whole = both.root / "renders/one.mp4"

    def bent(method: str, path: str, body: bytes) -> bytes:
        return body + b"\0\0\0\x0cfree\1\2\3\4" if path.startswith("/clips/") else body

    app = between(both, bent)
    for _ in range(2):
        said = both.kbatch("pull")
        assert said.code == 1
        assert "the provider serves another clip" in " ".join(said.err.split())
        assert both.receipt("one")["output"] == recorded
        (kept,) = both.clips()
        assert kept == f"renders/.kept/{both.clips()[kept]}.mp4"
        assert both.clips()[kept] != recorded["sha256"]
    both.stage.app = app
    assert both.kbatch("pull").code == 0
    assert both.clips()["renders/one.mp4"] == recorded["sha256"] == sha256(whole.read_bytes()).hexdigest()
    assert job.id == both.receipt("one")["job_id"]
    assert len(both.charges()) == 1


ODD = [
    pytest.param(lambda body: body.replace(b"}}}", b',"x":NaN}}}') or body, id="NaN"),
    pytest.param(lambda body: body.replace(b"}}}", b',"x":1e400}}}') or body, id="1e400"),
    pytest.param(lambda body: body + b"\0", id="stray-byte"),
    pytest.param(lambda body: body + b" // edge-7", id="comment"),
    pytest.param(lambda body: b"\xef\xbb\xbf" + body, id="byte-order-mark"),
    pytest.param(lambda body: b'{"success":true,"data":' + body + b"}", id="envelope"),
    pytest.param(lambda body: body.replace(b'{"id":"', b'{"id":"\\n', 1), id="line-end-before-the-id"),
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("body", "provider"), [(TWO, "apiframe"), (OTHER, "aimlapi")], ids=["apiframe", "aimlapi"])
def test_odd_answers_lose_no_id_and_no_clip(
    either: Rig, body: str, provider: str, odd: Callable[[bytes], bytes]
) -> None:
    """Every JSON answer about a job is odd in one way, submits and polls: all is bought once and delivered."""
    either.write(body, provider=provider)
    plain = ("/clips", "/v2/me", "/v2/bill")
    between(either, lambda method, path, answer: answer if path.startswith(plain) else odd(answer))
    said = either.run()
    assert said.code == 0, said.err
    assert either.states() == {"one": "done", "two": "done"}
    assert (len(either.charges()), either.bill()["requests"]["submit"]) == (2, 2)
