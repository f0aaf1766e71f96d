"""Which HTTP library sends: the faster one that is installed, or the one that is wished for."""

import pytest

from kbatch.errors import Invalid
from kbatch.providers.http.client import Client, Engine
from kbatch.runner.open_sessions import engine_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("word", "engine"),
    [("", None), (" ", None), ("httpx", Engine.HTTPX), (" aiohttp ", Engine.AIOHTTP)],
    ids=["unset", "blank", "httpx", "aiohttp"],
)
def test_a_wish_is_read(word, engine):
    """`KBATCH_HTTP` names one of the two, or nothing."""
    assert engine_of({"KBATCH_HTTP": word}) is engine


def test_no_wish_is_none():
    """Without the variable the best one is taken."""
    assert engine_of({}) is None


def test_an_unknown_library_is_refused():
    """It is said, not guessed."""
    with pytest.raises(Invalid) as refused:
        engine_of({"KBATCH_HTTP": "curl"})
    (problem,) = refused.value.problems
    assert (problem.code, problem.hint) == ("http-engine", "there are `httpx` and `aiohttp`")


def test_a_library_that_is_not_installed_is_refused(monkeypatch):
    """With what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Engine.best() is Engine.HTTPX
    with pytest.raises(Invalid) as refused:
        engine_of({"KBATCH_HTTP": "aiohttp"})
    assert "kbatch-render[fast]" in refused.value.problems[0].hint


async def test_each_engine_serves_what_it_can(anyio_backend_name, monkeypatch):
    """Aiohttp sends on asyncio; trio, proxies and an app in this process are httpx's."""

    async def app(scope, receive, send):
        raise AssertionError

    def wire(url, app=None):
        return type(Client(url, ("X", "a-key"), app=app, engine=Engine.AIOHTTP)._wire(url)).__name__

    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    on_asyncio = "AiohttpTransport" if anyio_backend_name == "asyncio" else "HttpxTransport"
    assert wire("https://direct.example") == on_asyncio
    assert wire("http://127.0.0.1:1") == on_asyncio
    assert wire("https://api.example") == "HttpxTransport"
    assert wire("https://direct.example", app) == "HttpxTransport"


@pytest.mark.parametrize(
    ("word", "code", "says"),
    [
        pytest.param("httpx", 0, "httpx sends; the extra `fast`", id="the-slower-one"),
        pytest.param("aiohttp", 0, "aiohttp sends\n", id="the-faster-one"),
        pytest.param("curl", 1, "KBATCH_HTTP is `curl`", id="one-that-is-not-there"),
    ],
)
def test_doctor_tells_which_one_sends(word, code, says, monkeypatch, capsys):
    """With what would be faster, and exit 1 for a wish that cannot be met."""
    from kbatch.cli import main

    for name in ("APIFRAME_API_KEY", "AIMLAPI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KBATCH_HTTP", word)
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == code
    assert says in capsys.readouterr().out


def test_a_wish_that_cannot_be_met_ends_a_run(tmp_path, monkeypatch, capsys):
    """Exit 2 before anything is sent, with the two there are."""
    from kbatch.cli import main

    manifest = tmp_path / "campaign.yaml"
    shot = "{id: one, model: kling-2.6, prompt: a, params: {generate_audio: false}}"
    manifest.write_text(f"kbatch: 1\nname: one\nprovider: apiframe\nshots: [{shot}]\n", encoding="utf-8")
    monkeypatch.setenv("KBATCH_HTTP", "curl")
    monkeypatch.setenv("APIFRAME_API_KEY", "some key of no use")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(manifest), "--yes", "--max-credits", "apiframe=1000"])
    assert ended.value.code == 2
    assert "there are `httpx` and `aiohttp`" in capsys.readouterr().err
