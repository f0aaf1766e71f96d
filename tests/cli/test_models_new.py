"""`kbatch models new`: one card from questions on a terminal, from flags elsewhere; what is wrong writes nothing."""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
NAMED = ("--provider", "apiframe", "--model", "acme-1", "--source-title", "Acme 1", "--read", "2026-11-30")
LENGTH = ("--param", "duration:integer:5=5,10")
PLAIN = (*NAMED, "--body", "acmeParams", *LENGTH)
BY_LENGTH = ("--priced-by", "duration", "--price", "5s=12", "--price", "10s=unknown")
CARD = Path("models/apiframe/acme-1.json")
MANIFEST = """\
kbatch: 1
name: own
provider: apiframe
shots:
  - {id: a, model: acme-1, prompt: a ridge, params: {duration: 5}}
  - {id: b, model: acme-1, prompt: a ridge, params: {duration: 10}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made() -> Any:
    """Return the card that was written."""
    return json.loads(CARD.read_bytes())


def test_flags_write_a_card_that_a_plan_uses(run: Run, here: Path) -> None:
    """The card checks, prices the job whose price is known, and leaves the other one unknown."""
    said = run("models", "new", *PLAIN, *BY_LENGTH)
    assert (said.code, said.out) == (0, f"{CARD}\n")
    assert "kbatch plan MANIFEST --models models" in said.err
    assert "--allow-unpriced N" in said.err
    (here / "m.yaml").write_text(MANIFEST, encoding="utf-8")
    assert run("check", "m.yaml").code == 2
    plan = json.loads(run("plan", "m.yaml", "--models", "models", "--format", "json").out)
    assert [(job["variant"], job["credits"]) for job in plan["jobs"]] == [("5s", 12), ("10s", None)]
    assert made()["body"] == {"parameters": "acmeParams"}
    assert made()["source"] == {"title": "Acme 1", "publisher": "Apiframe", "read": "2026-11-30"}


def test_a_card_that_is_there_is_left_alone(run: Run) -> None:
    """Neither the same words nor others write over it."""
    assert run("models", "new", *PLAIN, *BY_LENGTH).code == 0
    before = CARD.read_bytes()
    said = run("models", "new", *PLAIN, "--price", "99")
    assert (said.code, "already-there" in said.err) == (2, True)
    assert CARD.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param((), "--provider, --model, --source-title must be given", id="nothing"),
        pytest.param(NAMED, "--param, --body must be given", id="names-only"),
        pytest.param(PLAIN, "--price (`--price unknown` where no page has it) must be given", id="no-price"),
        pytest.param(
            (*NAMED, "--body", "-", "--param", "seed:integer", "--price", "5"),
            "--delivers duration=NAME (or its seconds) must be given",
            id="no-length",
        ),
        pytest.param(("--provider", "acme", *NAMED[2:]), "there is no provider `acme`", id="provider"),
        pytest.param((*PLAIN, "--price", "2.5"), "no whole number of units above 0", id="half-a-credit"),
        pytest.param((*PLAIN, "--price", "0"), "no whole number of units above 0", id="nothing-costs"),
        pytest.param((*PLAIN, "--price", "5", "--price", "6"), "gives `flat` twice", id="price-twice"),
        pytest.param((*PLAIN, *BY_LENGTH[:4]), "the variant `10s` has no price", id="row-missing"),
        pytest.param((*PLAIN, *BY_LENGTH, "--price", "20s=9"), "`20s` cannot be asked for", id="row-too-many"),
        pytest.param((*PLAIN, "--priced-by", "mode", "--price", "5"), "--priced-by mode: no --param", id="priced-by"),
        pytest.param((*PLAIN, "--required", "mode", "--price", "5"), "--required mode: no --param", id="required"),
        pytest.param((*PLAIN, "--delivers", "sound=x", "--price", "5"), "PART is one of", id="part"),
        pytest.param((*PLAIN, "--delivers", "audio=x", "--price", "5"), "none of its parameters", id="delivers"),
        pytest.param((*PLAIN, "--param", "mode:word", "--price", "5"), "`word` is no type", id="type"),
        pytest.param((*PLAIN, "--param", "model:text", "--price", "5"), "'model'", id="taken-name"),
        pytest.param((*PLAIN, "--per", "output", "--price", "5"), "'outputs' is a required property", id="outputs"),
        pytest.param((*PLAIN, "--usd", "--price", "0.28"), "'per_usd' is a required property", id="dollars-of-what"),
        pytest.param((*PLAIN, "--endpoint", "v2", "--price", "5"), "has no endpoint `v2`", id="endpoint"),
        pytest.param((*PLAIN, "--render-time", "9..3", "--price", "5"), "write MIN..MAX", id="render-time"),
        pytest.param((*PLAIN, "--read", "today", "--price", "5"), "Invalid isoformat", id="day"),
        pytest.param((*PLAIN, "--model", "a/../b", "--price", "5"), "may be empty, `.` or `..`", id="path"),
        pytest.param((*PLAIN, "--model", "Acme 1", "--price", "5"), "does not match", id="name"),
    ],
)
def test_what_is_missing_or_wrong_writes_nothing(run: Run, here: Path, words: tuple[str, ...], why: str) -> None:
    """Without a terminal nothing is asked: exit 2, the flag or the place in the card, and no file."""
    said = run("models", "new", *words)
    assert said.code == 2
    assert why in " ".join(said.err.split())
    assert list(here.iterdir()) == []


def test_prices_in_dollars_become_whole_units(run: Run) -> None:
    """AI/ML's cards say how many credits a dollar is; the amount stands as it was written."""
    words = ("--provider", "aimlapi", "--model", "acme/1", *NAMED[4:], "--param", "image_url:picture", *LENGTH)
    more = (
        "--endpoint",
        "v2",
        "--required",
        "image_url",
        "--prompt-optional",
        "--per",
        "second",
        "--usd",
        "--price",
        "0.28",
    )
    assert run("models", "new", *words, *more).code == 0
    written = json.loads(Path("models/aimlapi/acme/1.json").read_bytes())
    assert written["pricing"]["table"] == {"flat": "0.28 USD"}
    assert written["endpoint"]["name"] == "v2"
    assert (written["required"], written["body"]) == (["image_url"], {"parameters": None})
    assert "560,000 credits/s (0.28 USD)" in run("models", "acme/1", "--models", "models").out


def test_an_unknown_price_is_no_table(run: Run) -> None:
    """`--price unknown` says that no page has it: the card has no table, and the note says what to do."""
    assert run("models", "new", *PLAIN, "--price", "unknown").code == 0
    assert made()["pricing"]["table"] is None
    assert "`prices`" in made()["pricing"]["note"]


def test_the_saved_page_is_known_by_its_hash(run: Run, here: Path) -> None:
    """What the card was read from can be told from another reading."""
    page = here / "page.html"
    page.write_text("5s 12", encoding="utf-8")
    assert run("models", "new", *PLAIN, "--source-file", str(page), *BY_LENGTH).code == 0
    assert made()["source"]["sha256"] == hashlib.sha256(b"5s 12").hexdigest()


def test_what_no_page_has_is_warned_of(run: Run, here: Path) -> None:
    """`--unconfirmed` goes into the card, and `check` says it of the model's jobs."""
    assert run("models", "new", *PLAIN, *BY_LENGTH, "--unconfirmed", "the key `acmeParams`").code == 0
    (here / "m.yaml").write_text(MANIFEST, encoding="utf-8")
    said = run("check", "m.yaml", "--models", "models").out
    assert "warning[unconfirmed-card]: not confirmed by the vendor for `acme-1`: the key `acmeParams`" in said


def test_a_card_in_place_of_a_packaged_one_says_so(run: Run) -> None:
    """The name of a packaged model may be used, and what that means is said at once."""
    said = run("models", "new", *PLAIN, "--model", "kling-2.6", *BY_LENGTH)
    assert said.code == 0
    assert "in the place of the packaged card of `apiframe/kling-2.6`" in said.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("kling-3.0", "--format", "json"), id="flag-behind"),
        pytest.param(("--format", "json", "kling-3.0"), id="flag-before"),
        pytest.param(("--format", "json", "apiframe/kling-3.0"), id="with-provider"),
    ],
)
def test_a_model_is_still_shown_by_its_name(run: Run, words: tuple[str, ...]) -> None:
    """`new` is the only word that is no model's name."""
    assert [card["model"] for card in json.loads(run("models", *words).out)] == ["kling-3.0"]
    assert "unexpected extra argument (b)" in run("models", "kling-3.0", "b").err


def test_new_has_a_help_of_its_own(run: Run) -> None:
    """By `--help` and by name, and `kbatch models --help` names it."""
    assert run("help", "models", "new") == run("models", "new", "--help")
    assert "kbatch models new --provider" in run("models", "new", "--help").out
    assert "\n  new  " in run("models", "--help").out


ANSWERS = [
    *("nobody", "apiframe", "acme-1", "", "Acme 1", "acmeParams"),
    *("duration:integer:5=5,10", "what", "generate_audio:boolean:true", "start_image:picture", ""),
    *("start_image", "", "", "", "duration, generate_audio", "12", "0", "unknown", "20", "33"),
]
"""One wrong answer of each kind is among them, and is asked again."""


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is made with openpty")
def test_questions_on_a_terminal_make_the_card_that_their_flags_make(here: Path) -> None:
    """Each question is asked until it is answered; the command line that is said then writes the same bytes."""
    code, said = _on_a_terminal(here, "\n".join(ANSWERS) + "\n")
    assert code == 0, said
    assert "`nobody` is none of: aimlapi, apiframe" in said
    assert "this cannot be left out" in said
    assert made()["pricing"]["table"] == {"5s": 12, "5s-audio": None, "10s": 20, "10s-audio": 33}
    assert made()["required"] == ["prompt", "start_image"]
    (line,) = [line for line in said.splitlines() if line.startswith("kbatch models new")]
    words = shlex.split(line.replace("--out models", "--out again"))
    subprocess.run([sys.executable, "-m", *words], cwd=here, env=_environment(), stdin=subprocess.DEVNULL, check=True)
    assert Path("again/apiframe/acme-1.json").read_bytes() == CARD.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is made with openpty")
@pytest.mark.parametrize("number", [0, 3, 9, 18])
def test_an_end_in_the_middle_writes_nothing(here: Path, number: int) -> None:
    """Ctrl-D at any question is an interruption."""
    code, said = _on_a_terminal(here, "".join(f"{word}\n" for word in ANSWERS[:number]) + "\x04")
    assert code == 130, said
    assert list(here.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is made with openpty")
def test_nothing_is_asked_where_flags_say_all(here: Path) -> None:
    """With every needed flag a terminal changes nothing."""
    code, said = _on_a_terminal(here, "", *PLAIN, *BY_LENGTH)
    assert (code, CARD.exists(), "?" in said) == (0, True, False), said


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def _on_a_terminal(folder: Path, typed: str, *words: str) -> tuple[int, str]:
    """Run `kbatch models new` on a terminal of its own where this is typed; return its code and all that it showed."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "kbatch", "models", "new", *words]
    with subprocess.Popen(command, cwd=folder, env=_environment(), stdin=theirs, stdout=theirs, stderr=theirs) as asked:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        while piece := _read(ours):
            shown += piece
        os.close(ours)
    return asked.returncode, shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""
