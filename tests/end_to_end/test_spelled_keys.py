"""A provider that repeats the key in another spelling does not get it into anything that is written or said."""

from typing import Any

import pytest

from tests.campaign_rig import Rig

BODY = """
defaults: {model: kling-2.5-turbo-pro}
shots: [{id: one, prompt: refused}, {id: two, prompt: lost}]
"""
SPELLED = {
    "escaped-letters": ("afk_never/seen-4711", lambda key: key.replace("n", r"\u006e").replace("/", r"\/")),
    "terminal-escapes-within": ("afk_never/seen-4711", r"\u001b[31m".join),
    "under-16": ("s3cret-key", lambda key: key),
    "short": ("s3cr3t", lambda key: key),
    "short-and-escaped": ("s3cr3t", lambda key: rf"{key[:2]}\u0063{key[3:]}"),
}


@pytest.mark.parametrize(("key", "spell"), SPELLED.values(), ids=SPELLED)
def test_no_key_in_what_stays(rig: Rig, monkeypatch: pytest.MonkeyPatch, key: str, spell: Any) -> None:
    """Lockfile, history, events, JUnit, reports and stderr have the provider's words, and three stars for the key."""
    monkeypatch.setenv("APIFRAME_API_KEY", key)
    rig.write(BODY)
    app = rig.stage.app
    assert app is not None

    async def spoiled(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "POST":
            return await app(scope, receive, send)
        body = (await receive())["body"]
        words = f'{{"error": "no luck with {spell(key)}"}}'.encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 400 if b"refused" in body else 500, "headers": headers})
        await send({"type": "http.response.body", "body": words})

    rig.stage.app = spoiled
    said = [
        rig.run("--events", str(rig.folder / "events.ndjson"), "--junit", str(rig.folder / "run.xml")),
        rig.kbatch("status"),
        rig.kbatch("report", "--html", str(rig.folder / "report.html"), "--csv", "-"),
    ]
    text = "".join(one.out + one.err for one in said)
    assert (text.count("no luck with"), "***" in text) >= (4, True), text
    written = {path: path.read_bytes() for path in rig.folder.rglob("*") if path.is_file()}
    assert {"campaign.lock.json", "events.ndjson", "run.xml", "report.html"} <= {path.name for path in written}
    assert key not in text
    assert not [path.name for path, data in written.items() if key.encode() in data]
