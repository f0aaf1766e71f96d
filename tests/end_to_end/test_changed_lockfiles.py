"""A lockfile that changes while a run goes on, as by a `git pull`: what it brings is kept, and not bought again."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

TWO = "defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: one, prompt: a}\n  - {id: two, prompt: b}\n"
OTHER = f"""
{AIMLAPI_PRICE}
defaults: {{model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: one, prompt: a}}
  - {{id: two, prompt: b}}
"""


def colleagues(rig: Rig, body: str) -> bytes:
    """Return the lockfile of a colleague who bought `two` in another clone; this clone has none of it."""
    rig.write(body, provider="aimlapi" if body is OTHER else "apiframe")
    assert rig.run("--only", "two").code == 0
    theirs = (rig.folder / "campaign.lock.json").read_bytes()
    (rig.folder / "campaign.lock.json").unlink()
    for folder in ("renders", ".kbatch"):
        shutil.rmtree(rig.folder / folder)
    return theirs


def at_submit(rig: Rig, act: Callable[[], object]) -> None:
    """Do something to the folder while the provider is asked for a purchase."""
    app = rig.stage.app
    assert app is not None

    async def between(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST" and "generat" in scope["path"]:
            act()
        await app(scope, receive, send)

    rig.stage.app = between


@pytest.mark.parametrize("body", [TWO, OTHER], ids=["apiframe", "aimlapi"])
def test_what_a_pull_brings_in_the_middle_of_a_run_stays(either: Rig, body: str) -> None:
    """The colleague's receipt and its entry stand beside this run's, and the next run has nothing to buy."""
    theirs = colleagues(either, body)
    path = either.folder / "campaign.lock.json"
    at_submit(either, lambda: path.write_bytes(theirs))
    assert either.run("--only", "one").code == 0
    assert set(either.lockfile()["jobs"]) == {"one", "two"}
    assert either.kbatch("run", "--locked").code == 0
    assert either.states() == {"one": "done", "two": "done"}
    assert len(either.charges("aimlapi" if body is OTHER else "apiframe")) == 2


def _conflict(path: Path, theirs: bytes) -> None:
    path.write_bytes(b"<<<<<<< ours\n" + theirs + b"=======\n{}\n>>>>>>> theirs\n")


def _simulated(path: Path, theirs: bytes) -> None:
    path.write_bytes(theirs.replace(b'"loopback"', b'"simulator"'))


@pytest.mark.parametrize("change", [_conflict, _simulated], ids=["conflict", "simulated"])
def test_what_cannot_be_joined_is_left_as_it_is(rig: Rig, change: Callable[[Path, bytes], None]) -> None:
    """Nothing is written over it, exit 1; when it is mended the run's own purchase comes from the journal."""
    theirs = colleagues(rig, TWO)
    path = rig.folder / "campaign.lock.json"
    at_submit(rig, lambda: change(path, theirs))
    said = rig.run("--only", "one")
    assert said.code == 1
    assert "the lockfile cannot be written" in said.err
    there = path.read_bytes()
    change(path, theirs)
    assert path.read_bytes() == there
    path.write_bytes(theirs)
    assert rig.kbatch("run", "--locked").code == 0
    assert rig.states() == {"one": "done", "two": "done"}
    assert len(rig.charges()) == 2
