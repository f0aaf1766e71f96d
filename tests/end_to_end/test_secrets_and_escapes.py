"""What must not get out, and what must not get in: keys stand in nothing that is written or sent, escapes act nowhere.

The provider is as bad as can be: it repeats the key in its errors, and its words would rewrite a terminal.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kbatch.providers.apiframe import Apiframe
from kbatch.providers.http.client import Client
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, KEYS, Rig, environment
from tests.end_to_end.test_stopping import until

BOTH = f"""
{AIMLAPI_PRICE}
defaults: {{model: kling-2.5-turbo-pro}}
shots:
  - {{id: fine, prompt: fine}}
  - {{id: lost, prompt: lost}}
  - {{id: refused, prompt: refused}}
  - {{id: failing, prompt: failing}}
  - {{id: moderated, prompt: moderated}}
  - {{id: from-picture, model: kling-2.1, prompt: picture, params: {{start_image: still.png}}}}
  - id: other
    provider: aimlapi
    model: {AIMLAPI}
    params: {{image_url: "https://example.com/a.png?signature=signed-by-them"}}
    matrix: {{n: [fine, lost, refused]}}
    prompt: "{{{{ n }}}}"
"""
NASTY = "\x1b]0;owned\x07\x1b[2Jgone\x1b[31m\x9b1m\u202eback\x00\r\n::error::forged\n\x1b]52;c;aGk=\x07 end"
ID = "id\x1b[2J"
REPORTS = ("--html", "--markdown", "--junit", "--csv")


class Bad:
    """The simulator with a voice of its own: it repeats `words` in every error, with the key behind them if it may."""

    def __init__(self, rig: Rig, words: str, *, key: bool) -> None:
        self.app, self.words, self.key = rig.stage.app, words, key
        self.sent: list[tuple[str, str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        """Note the request, then let the simulator answer, or spoil its answer."""
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = bytearray()

        async def heard() -> Any:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        answer: list[dict[str, Any]] = []

        async def kept(message: dict[str, Any]) -> None:
            answer.append(message)

        assert self.app is not None
        await self.app({**scope, "extensions": {}}, heard, kept)
        self.sent.append((scope["method"], scope["path"], headers, bytes(body)))
        for message in self._spoiled(scope, headers, bytes(body), answer):
            await send(message)

    def _spoiled(
        self, scope: Mapping[str, Any], headers: Mapping[str, str], body: bytes, answer: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        words = f"{self.words} {key if self.key else ''}"
        paying = scope["method"] == "POST" and "upload" not in scope["path"]
        if paying and b'"lost"' in body:
            return _answer(500, {"error": words, "message": words})
        if paying and b'"refused"' in body:
            return _answer(400, {"error": words, "details": {"klingParams.duration": [words]}, "message": words})
        if paying and b'"moderated"' in body:
            return _answer(400, {"error": f"content policy: {words}"})
        told = b"".join(message.get("body", b"") for message in answer)
        if scope["method"] == "GET" and b'"FAILED"' in told:
            return _answer(200, {**json.loads(told), "error": words})
        return answer


def _answer(status: int, document: Any) -> list[dict[str, Any]]:
    headers = [(b"content-type", b"application/json"), (b"date", b"Sat, 21 Nov 2026 12:00:00 GMT")]
    body = json.dumps(document).encode()
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


def _rehearse(rig: Rig, words: str, *, key: bool) -> tuple[Bad, str]:
    """Run everything that says or writes something; return the provider and all that was said."""
    rig.open({"fault": "fail", "match": "failing"})
    rig.picture("still.png")
    rig.write(BOTH)
    bad = Bad(rig, words, key=key)
    rig.stage.app = bad
    rig.monkeypatch.setenv("GITHUB_ACTIONS", "true")
    rig.monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(rig.folder / "summary.md"))
    said = [
        rig.kbatch("plan", "--out", str(rig.folder / "plan.json")),
        rig.kbatch(
            "run", "--yes", "--events", str(rig.folder / "events.ndjson"), "--junit", str(rig.folder / "run.xml")
        ),
        rig.run(),
        *(rig.kbatch(name) for name in ("plan", "status", "pull", "reconcile", "verify")),
        rig.kbatch("status", "--format", "json"),
        rig.kbatch("explain", "lost"),
        rig.kbatch("doctor"),
        *(rig.kbatch("report", flag, str(rig.folder / f"report{flag}")) for flag in REPORTS),
        *(rig.kbatch("report", flag, "-") for flag in REPORTS),
    ]
    return bad, "\n".join(text for one in said for text in (one.out, one.err))


@pytest.mark.parametrize("records", ["", "debug"])
def test_no_key_in_anything_that_is_written_said_or_sent(rig: Rig, records: str) -> None:
    """A provider that repeats the key in its errors is not repeated, in records neither; no clip's host sees one."""
    rig.monkeypatch.setenv("KBATCH_LOG", records)
    bad, said = _rehearse(rig, "no luck with", key=True)
    assert said.count("no luck with") > 5, "its words were heard"
    files = {path: path.read_bytes() for path in rig.folder.rglob("*") if path.is_file()}
    names = {path.name for path in files}
    assert {"campaign.lock.json", "plan.json", "events.ndjson", "run.xml", "summary.md", "report--html"} <= names
    assert any(path.parent.name == "history" for path in files)
    assert any(path.name.endswith(".mp4.json") for path in files)
    for key in KEYS.values():
        assert key not in said
        assert not [path.name for path, data in files.items() if key.encode() in data]
    for method, path, headers, body in bad.sent:
        with_key = [name for name, value in headers.items() if any(key in value for key in KEYS.values())]
        bearer = ("/v2/billing", "/v2/generate/video/kling/generation", "/v2/logs", "/v2/billing/transactions")
        wanted = "authorization" if path in bearer else "x-api-key"
        public = path.startswith("/clips/") or path in ("/v1/models", "/v2/models")
        assert with_key == ([] if public else [wanted]), f"{method} {path}"
        assert "cookie" not in headers
        assert not any(key.encode() in body for key in KEYS.values())
    assert rig.bill()["warnings"] == []


def test_no_signed_query_in_what_git_or_a_reader_gets(rig: Rig) -> None:
    """What a URL is signed with stays in the manifest, and in the state folder that git does not see."""
    _rehearse(rig, "no luck", key=False)
    for name in ("campaign.lock.json", "events.ndjson", "run.xml", "plan.json", *map("report{}".format, REPORTS)):
        assert "signed-by-them" not in (rig.folder / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("records", ["", "debug"])
def test_terminal_escapes_of_a_provider_do_nothing(rig: Rig, records: str) -> None:
    """No control character, direction override or forged annotation gets out of an error's words."""
    rig.monkeypatch.setenv("KBATCH_LOG", records)
    _, said = _rehearse(rig, NASTY, key=False)
    written = [path for path in rig.folder.rglob("*") if path.is_file() and path.suffix not in (".mp4", ".png")]
    texts = {"said": said, **{path.name: path.read_text(encoding="utf-8") for path in written}}
    assert said.count("gone") > 5, "its words were heard"
    for name, text in texts.items():
        found = {letter for letter in text if letter in "\x9b\u202e" or (letter < " " and letter not in "\n\t\r")}
        assert found == set(), f"{name} has {found}"
        assert not [line for line in text.splitlines() if line.startswith("::error::forged")], name


def test_a_job_id_with_escapes_is_none(rig: Rig) -> None:
    """What could not be sent back or shown is no job id: the answer is one that cannot be read."""
    rig.write("shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a}\n")
    app = rig.stage.app

    async def spoiled(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "POST":
            assert app is not None
            return await app(scope, receive, send)
        for message in _answer(202, {"jobId": ID, "status": "QUEUED"}):
            await send(message)

    rig.stage.app = spoiled
    said = rig.run()
    assert said.code == 4
    assert "\x1b" not in said.out + said.err
    assert rig.receipt("one")["job_id"] is None


def test_no_key_in_a_bug_report(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback says where and not with what: no values of variables, and a client shows no key."""
    rig.write("shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a}\n")
    clients: list[Client] = []
    enter = Client.__aenter__

    async def noted(client: Client) -> Client:
        clients.append(client)
        return await enter(client)

    def broken(_provider: Apiframe, _reply: object) -> None:
        raise RuntimeError(f"a bug beside {clients}")

    monkeypatch.setattr(Client, "__aenter__", noted)
    monkeypatch.setattr(Apiframe, "read_poll", broken)
    said = rig.run()
    assert said.code == 70
    assert "a bug beside [Client(base_url=" in said.err
    assert not any(key in said.out + said.err for key in KEYS.values())


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no process titles to read")
def test_no_key_in_the_process_title(rig: Rig) -> None:
    """Whoever lists the processes sees the command, and no key."""
    rig.open(latency_s=60.0)
    rig.write("shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a}\n")
    command = [sys.executable, "-m", "kbatch", "run", "--yes", str(rig.folder / rig.name)]
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, env=environment(rig.stage), cwd=root, **silent) as running:
        until(lambda: len(rig.world.jobs) == 1)
        title = b"".join(Path(f"/proc/{running.pid}/{name}").read_bytes() for name in ("cmdline", "comm"))
        running.kill()
    assert b"kbatch" in title
    assert not any(key.encode() in title for key in KEYS.values())
