"""`run --webhook-url`: signed deliveries over a real socket make a run notice at once, and nothing else."""

import json
import socket
from typing import Any

import pytest

from kbatch.runner import open_sessions
from tests.campaign_rig import Rig, doubles, history

BODY = """
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: false}}
run: {concurrency: 8}
shots: [{id: job, prompt: "job {{ n }}", matrix: {n: [1, 2, 3, 4, 5, 6]}}]
"""


def flags() -> list[str]:
    """Return the flags with a port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return ["--webhook-url", f"http://127.0.0.1:{port}/hooks", "--webhook-port", str(port)]


def sent(rig: Rig) -> list[dict[str, Any]]:
    """Return the bodies that this folder's runs have sent."""
    return [json.loads(event.data.body) for event in history(rig.folder) if event.kind == "intended"]


def test_a_webhook_makes_its_job_be_polled_at_once(both: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the waits of a real run, which are a minute, the run ends when the renders do; the polls decide."""
    monkeypatch.setattr(open_sessions, "poll_scale", lambda _text, *, loopback: 1.0)
    both.open(latency_s=0.2)
    both.write(BODY)
    said = both.run(*flags())
    assert said.code == 0, said.err
    assert set(both.states().values()) == {"done"}
    assert both.bill()["requests"]["poll"] <= 6 * 2 + 1


@pytest.mark.parametrize(
    "fault",
    ["never", "late", "twice", "replayed", "disorder", "unsigned", "missigned", "forged"],
)
def test_wrong_webhooks_change_nothing(fault: str, either: Rig) -> None:
    """Each job is bought once, its own clip delivered; polling goes on as without webhooks."""
    either.open({"fault": f"webhook-{fault}", "times": 99}, latency_s=0.1, slow_s=0.1)
    either.write(BODY)
    said = either.run(*flags())
    assert said.code == 0, said.err
    assert set(either.states().values()) == {"done"}
    assert (len(either.charges()), doubles(either.charges())) == (6, 0)
    assert "forged" not in json.dumps(either.lockfile())


def test_webhooks_are_no_part_of_what_is_bought(rig: Rig) -> None:
    """The fields are in the body that was sent; without them the same job is bought already, and no file names them."""
    rig.write(BODY)
    given = flags()
    said = rig.run(*given, "--events", str(rig.folder / "events.ndjson"))
    assert said.code == 0, said.err
    bodies = sent(rig)
    assert len(bodies) == 6
    paths = {body["webhookUrl"].rpartition("/")[2] for body in bodies}
    assert {tuple(body["webhookEvents"]) for body in bodies} == {("completed", "failed")}
    assert len(paths) == 1
    texts = [said.out, said.err, json.dumps(rig.lockfile()), (rig.folder / "events.ndjson").read_text(encoding="utf-8")]
    assert not any(path in text or "webhookUrl" in text for path in paths for text in texts)
    assert rig.run("--locked").code == 0
    assert len(rig.charges()) == 6


@pytest.mark.parametrize("later", [True, False], ids=["another-address", "no-webhooks"])
def test_a_lost_answer_is_sent_again_with_the_recorded_webhook(later: bool, rig: Rig) -> None:
    """A later run sends the bytes of the first: others would be answered with 409, and no list helps."""
    rig.open({"fault": "lost-answer", "at": "submit"})
    app = rig.stage.app
    assert app is not None

    async def without_lists(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/v2/jobs":
            await scope["extensions"]["kbatch.sever"]()
        else:
            await app(scope, receive, send)

    rig.stage.app = without_lists
    rig.write(BODY.replace("[1, 2, 3, 4, 5, 6]", "[1]"))
    assert rig.run(*flags()).code == 4
    rig.faults()
    said = rig.run(*(flags() if later else ()))
    assert said.code == 0, said.err
    assert [line["refunded"] for line in rig.charges()] == [0]
    assert len({body["webhookUrl"] for body in sent(rig)}) == 1


def test_a_lost_send_with_a_webhook_is_found_in_the_list(rig: Rig) -> None:
    """A job's input has no webhook; what was bought is compared without it."""
    rig.open({"fault": "lost-answer", "at": "submit"})
    rig.write(BODY.replace("[1, 2, 3, 4, 5, 6]", "[1]"))
    said = rig.run(*flags())
    assert said.code == 0, said.err
    assert len(rig.charges()) == 1


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        pytest.param(["--webhook-url", "https://hooks.example.com"], 2, "need each other", id="no-port"),
        pytest.param(["--webhook-port", "8099"], 2, "need each other", id="no-url"),
        pytest.param(["--webhook-url", "http://hooks.example.com", "--webhook-port", "8099"], 2, "https", id="http"),
        pytest.param(
            ["--webhook-url", "https://a:secret@b.example", "--webhook-port", "8099"], 2, "user", id="password"
        ),
    ],
)
def test_wrong_flags_are_refused(given: list[str], code: int, words: str, rig: Rig) -> None:
    """Before anything is sent, and without repeating a password."""
    rig.write(BODY)
    said = rig.run(*given)
    assert said.code == code
    assert words in said.err
    assert "secret" not in said.err
    assert rig.bill()["requests"]["submit"] == 0


def test_a_port_in_use_is_refused_before_anything_is_sent(rig: Rig) -> None:
    """Exit 3, with what helps."""
    rig.write(BODY)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = rig.run("--webhook-url", "https://hooks.example.com", "--webhook-port", port)
    assert said.code == 3
    assert "--webhook-port" in said.err
    assert rig.bill()["requests"]["submit"] == 0
    assert not rig.has_lockfile()
