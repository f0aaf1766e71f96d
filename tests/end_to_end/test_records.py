"""`-v` and `KBATCH_LOG`: what happens, for someone who hunts a fault, without keys, queries and bodies."""

import logging
import re
import subprocess
import sys

import anyio
import click
import pytest

from kbatch.cli import main
from kbatch.cli.main import COMMANDS, commands
from kbatch.cli.ui import logs
from kbatch.errors import Invalid
from kbatch.providers.http.client import Client, TransportError
from kbatch.providers.http.urls import path_without_query, without_query
from tests.campaign_rig import KEYS, Rig

RECORD = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO ) (kbatch[\w.]*): (.*)$", re.MULTILINE)
SIGNED = "https://user:hunter2@clips.example/v1/a.mp4?X-Signature=signed-by-them&expires=1#part"
ONE = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a lighthouse nobody knows}\n"


def records(text: str) -> list[tuple[str, str, str]]:
    """Return level, logger and message of each record that was shown."""
    return [(level.strip(), name, message) for level, name, message in RECORD.findall(text)]


def said_by(found: list[tuple[str, str, str]], room: str) -> str:
    """Return what the loggers of a room said."""
    return "\n".join(message for _, name, message in found if name.startswith(f"kbatch.{room}"))


def test_a_run_says_its_calls_retries_and_files(rig: Rig) -> None:
    """Method, path, status and duration of each call; why and when something is asked again; what was written."""
    rig.open({"fault": "503", "at": "submit", "times": 1}, {"fault": "cut-download", "times": 1})
    rig.write(ONE)
    said = rig.kbatch("run", "--yes", "-v")
    assert said.code == 0, said.err
    found = records(said.err)
    calls = said_by(found, "providers")
    assert re.search(r"POST http://127\.0\.0\.1:\d+/v2/videos/generate → 503, \d+ bytes, after 0\.\d{3} s", calls)
    assert re.search(r"POST \S+/v2/videos/generate → 202, \d+ bytes, after", calls)
    assert re.search(r"GET \S+/v2/jobs/\S+ → 200", calls)
    assert re.search(r"GET \S+/clips/\S+\.mp4 → 200, its body follows", calls)
    runner = said_by(found, "runner")
    assert re.search(r"not accepted \(unavailable\), try 1 of 6: sent again in \d+\.\d s", runner)
    assert re.search(r"one\.mp4\.\S+ is asked again in \d+\.\d s, try 1", runner)
    written = said_by(found, "storage")
    assert f"wrote {rig.folder / 'campaign.lock.json'}" in written
    assert "one.mp4" in written
    assert f"loaded {rig.folder / 'campaign.yaml'}: 1 jobs" in said_by(found, "pipeline")
    assert found[-1][2].startswith("exit 0 after ")
    assert {level for level, _, _ in found} == {"INFO"}


def test_records_hold_no_key_no_query_and_no_body(rig: Rig) -> None:
    """Of a whole debug log no line repeats a key, a URL's query or what was sent."""
    rig.picture("still.png")
    aimlapi = f"""
prices: {{aimlapi/kling-video/v2.1/pro/image-to-video: {{credits_per_second: 262500}}}}
shots:
  - {{id: own, model: kling-2.1, prompt: a lighthouse nobody knows, params: {{start_image: still.png}}}}
  - id: theirs
    provider: aimlapi
    model: kling-video/v2.1/pro/image-to-video
    prompt: a lighthouse nobody knows
    params: {{image_url: "{SIGNED.replace("user:hunter2@", "").partition("#")[0]}"}}
"""
    rig.write(aimlapi)
    said = rig.kbatch("run", "--yes", "-vv")
    assert said.code == 0, said.err
    found = records(said.err)
    assert {level for level, _, _ in found} == {"DEBUG", "INFO"}
    text = "\n".join(message for _, _, message in found)
    assert "/v2/generate/video/kling/generation?… → 200" in text
    for secret in (*KEYS.values(), "generation_id=", "signed-by-them", "lighthouse nobody", "kbatch-"):
        assert secret not in text.replace("kbatch-render", ""), secret


def test_nothing_is_said_unless_it_is_asked_for(rig: Rig) -> None:
    """Without `-v` and `KBATCH_LOG` no record is shown, no handler stands, and nothing of it is loaded."""
    rig.write(ONE)
    before = list(logging.getLogger("kbatch").handlers)
    assert records(rig.kbatch("run", "--yes", "-v").err)
    assert records(rig.kbatch("run", "--yes").err) == []
    assert logging.getLogger("kbatch").handlers == before
    assert logging.getLogger("kbatch").level == logging.NOTSET
    code = (
        "import sys; from kbatch.cli import main\n"
        "try: main(['models'])\nfinally: print('kbatch.cli.ui.logs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("wish", "rooms"),
    [
        ("info", {"cli", "pipeline", "storage", "providers", "runner"}),
        ("kbatch.providers=debug", {"providers"}),
        ("kbatch.storage=info, kbatch.pipeline=debug", {"storage", "pipeline"}),
        ("error", set()),
    ],
)
def test_a_level_is_of_all_or_of_a_part(rig: Rig, wish: str, rooms: set[str]) -> None:
    """`KBATCH_LOG` names a level for everything, or loggers with a level each; the result on stdout stays as it is."""
    rig.write(ONE)
    rig.faults({"fault": "503", "at": "submit", "times": 1})
    rig.monkeypatch.setenv("KBATCH_LOG", wish)
    said = rig.run()
    assert said.json["exit_code"] == 0
    assert {name.split(".")[1] for _, name, _ in records(said.err)} == rooms


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("loud", "`loud`, which is no level"),
        ("kbatch.provider=debug", "`kbatch.provider`, and no logger"),
        ("httpx=debug", "`httpx`, and no logger"),
        ("kbatch.providers=", "``, which is no level"),
        ("=debug", "``, and no logger"),
        ("kbatch..=info", "no logger has that name"),
    ],
)
def test_a_wrong_wish_is_refused(rig: Rig, wish: str, words: str) -> None:
    """A level or logger that there is not is exit 2: silence would be taken for "nothing happened"."""
    rig.write(ONE)
    rig.monkeypatch.setenv("KBATCH_LOG", wish)
    said = rig.kbatch("status")
    assert said.code == 2
    assert "error[log-level]" in said.err
    assert words in said.err
    assert logging.getLogger("kbatch").level == logging.NOTSET


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_takes_it(name: str) -> None:
    """`-v` stands in the help of each command, and of the commands below it."""
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    below = command.commands.values() if isinstance(command, click.Group) else ()
    for one in (command, *below):
        assert ["-v", "--verbose"] in [option.opts for option in one.params]
        assert "KBATCH_LOG" in one.get_help(click.Context(one))


def test_it_may_stand_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`kbatch -v models` is `kbatch models -v`."""
    for words in (["-v", "models"], ["models", "--verbose"], ["lock", "-vv", "check", "none.lock.json"]):
        with pytest.raises(SystemExit):
            main(words)
        assert records(capsys.readouterr().err), words


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (SIGNED, "https://clips.example/v1/a.mp4?…"),
        ("https://a.example:8443/x", "https://a.example:8443/x"),
        ("https://a.example/exp=9~hmac=0f/clip.mp4", "https://a.example/…/clip.mp4"),
        ("https://a.example/" + "f" * 65 + "/clip.mp4", "https://a.example/…/clip.mp4"),
        ("https://a.example/clip;jsessionid=1", "https://a.example/…"),
        ("no url", "a URL that cannot be read"),
    ],
)
def test_a_url_is_shown_without_what_signs_it(url: str, shown: str) -> None:
    """User, query, fragment and segments that may be signatures are left out."""
    assert without_query(url) == shown
    assert path_without_query("/v2/jobs?cursor=a") == "/v2/jobs?…"


def test_a_clips_call_that_fails_is_said_without_its_signature(caplog: pytest.LogCaptureFixture) -> None:
    """Other handlers see no signature either: it is left out where the record is made, not where it is shown."""
    url = "http://127.0.0.1:9/clip.mp4?X-Signature=signed-by-them"

    async def ask() -> None:
        async with Client("http://127.0.0.1:9", ("X-API-Key", KEYS["APIFRAME_API_KEY"])) as client:
            with pytest.raises(TransportError):
                async with client.stream(url, headers={}):
                    pass

    with caplog.at_level("DEBUG", "kbatch"):
        anyio.run(ask)
    assert "GET http://127.0.0.1:9/clip.mp4?… → no answer (not sent)" in caplog.text
    assert "signed-by-them" not in caplog.text


def test_what_a_record_should_not_hold_is_struck_out_at_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key of the environment, a user and a query go, line breaks too, whatever made the record."""
    monkeypatch.setenv("APIFRAME_API_KEY_SECOND", "afk_of-another-account")
    logs.begin("info")
    logging.getLogger("kbatch.anything").info("afk_of-another-account %s\n::error::x", SIGNED)
    logs.end(0)
    said = capsys.readouterr().err
    assert "*** https://***@clips.example/v1/a.mp4?…" in said
    assert len(said.splitlines()) == 3
    assert "::error" not in said


def test_a_level_says_what_it_is() -> None:
    """The value of an unknown word is an error of the user's, with its variable."""
    with pytest.raises(Invalid) as refused:
        list(logs.read_levels("infos", "KBATCH_LOG"))
    assert refused.value.problems[0].hint == "did you mean `info`?"
