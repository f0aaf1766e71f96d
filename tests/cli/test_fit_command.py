"""`kbatch fit` and what a refusal for a ceiling offers: golden output, the contract's JSON, written profiles that plan
to the promised figure."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Golden, Run

MANIFEST = """\
kbatch: 1
name: coast
provider: apiframe
# who may spend: see the wiki
defaults: {model: kling-3.0, params: {duration: 10}}
shots:
  - id: hero
    prompt: "{{ city }} from above"   # the long one
    matrix: {city: [Lisbon, Oslo, Rome]}
    takes: 2
  - id: card
    model: kling-2.6
    prompt: a card on sand
"""


@pytest.fixture
def coast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a manifest of 460 credits in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "coast.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("fit-text", ("--max-credits", "250"), id="text"),
        pytest.param("fit-markdown", ("--max-credits", "250", "--format", "markdown"), id="markdown"),
        pytest.param("fit-json", ("--max-credits", "apiframe=250", "--format", "json"), id="json"),
        pytest.param("fit-diff", ("--max-credits", "250", "--diff"), id="diff"),
        pytest.param("fit-nothing", ("--max-credits", "5"), id="nothing-fits"),
        pytest.param("fit-already", ("--max-credits", "500"), id="fits-already"),
    ],
)
def test_output(coast: Path, run: Run, golden: Golden, name: str, words: tuple[str, ...]) -> None:
    """The answer in each format is as it was accepted, and the manifest stays as it was."""
    golden(name, run("fit", "coast.yaml", *words))
    assert coast.read_text(encoding="utf-8") == MANIFEST


@pytest.mark.parametrize("limit", [450, 300, 250, 120, 60])
def test_a_written_profile_plans_to_the_promised_figure(coast: Path, run: Run, limit: int) -> None:
    """The profile is added with all comments kept, and its plan costs what `fit` said, below the limit."""
    said = json.loads(run("fit", "coast.yaml", "--max-credits", str(limit), "--format", "json").out)
    ended = run("fit", "coast.yaml", "--max-credits", str(limit), "--write-profile", "small")
    assert ended.code == 0
    assert "# who may spend" in coast.read_text(encoding="utf-8")
    planned = json.loads(run("plan", "coast.yaml", "--profile", "small", "--format", "json").out)
    assert planned["totals"]["apiframe"]["expected"] == said["expected_after"] <= limit
    assert sum(one["saves"] for one in said["chosen"]) == said["expected"] - said["expected_after"]


@pytest.mark.parametrize(
    "profiles",
    [
        pytest.param("profiles:\n  # cheap\n  draft:\n    override: {takes: 1}\n", id="block"),
        pytest.param("profiles: {draft: {override: {takes: 1}}}\n", id="flow"),
        pytest.param("profiles: {}\n", id="empty"),
    ],
)
def test_the_patch_applies_to_every_layout(coast: Path, run: Run, profiles: str) -> None:
    """`--diff` is a patch that git applies, whichever way the manifest writes its profiles."""
    coast.write_text(MANIFEST.replace("shots:\n", f"{profiles}shots:\n"), encoding="utf-8")
    ended = run("fit", "coast.yaml", "--max-credits", "100", "--diff")
    applied = subprocess.run(["git", "apply", "-"], input=ended.out, text=True, cwd=coast.parent, check=False)
    assert applied.returncode == 0
    planned = json.loads(run("plan", "coast.yaml", "--profile", "fit", "--format", "json").out)
    assert planned["totals"]["apiframe"]["expected"] <= 100


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(MANIFEST.replace("\n", "\r\n"), id="crlf"),
        pytest.param(f"\ufeff{MANIFEST}", id="byte-order-mark"),
        pytest.param(MANIFEST.rstrip("\n"), id="no-last-line-feed"),
        pytest.param(f"{MANIFEST}...\n", id="end-marker"),
        pytest.param(f"---\n{MANIFEST}", id="start-marker"),
        pytest.param(
            '{"kbatch": 1, "name": "c", "provider": "apiframe", '
            '"shots": [{"id": "a", "model": "kling-3.0", "prompt": "x", "takes": 5}]}',
            id="all-flow",
        ),
    ],
)
def test_a_profile_is_written_into_every_text(coast: Path, run: Run, text: str) -> None:
    """Line ends, marks of a document and one flow mapping: the written profile plans below the limit."""
    coast.write_bytes(text.encode())
    assert run("fit", "coast.yaml", "--max-credits", "140", "--write-profile", "small").code == 0
    written = coast.read_bytes()
    assert written.count(b"\r\n") in (0, written.count(b"\n"))
    planned = json.loads(run("plan", "coast.yaml", "--profile", "small", "--format", "json").out)
    assert 0 < planned["totals"]["apiframe"]["expected"] <= 140


def test_edits_lie_over_the_chosen_profile(coast: Path, run: Run) -> None:
    """Under `--profile` the written profile has that one's fields too, or it would plan to something else."""
    profile = "profiles: {draft: {override: {params: {duration: 7}}, shots: {hero: {without: {city: [rome]}}}}}\n"
    coast.write_text(MANIFEST.replace("kling-2.6", "kling-3.0").replace("shots:\n", f"{profile}shots:\n"), "utf-8")
    said = json.loads(run("fit", "coast.yaml", "--profile", "draft", "--max-credits", "90", "--format", "json").out)
    run("fit", "coast.yaml", "--profile", "draft", "--max-credits", "90", "--write-profile", "less")
    planned = json.loads(run("plan", "coast.yaml", "--profile", "less", "--format", "json").out)
    assert planned["totals"]["apiframe"]["expected"] == said["expected_after"]
    assert not any("rome" in job["address"] for job in planned["jobs"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("--max-credits", "many"), "is not a ceiling", id="no-number"),
        pytest.param(("--max-credits", "5", "--write-profile", "../x"), "cannot name a profile", id="profile-as-path"),
        pytest.param(("--max-credits", "aimlapi=5"), "which no selected job uses", id="provider-not-used"),
        pytest.param(("--max-credits", "5", "--diff", "--format", "json"), "--diff prints a patch", id="two-forms"),
    ],
)
def test_mistakes_are_said(coast: Path, run: Run, words: tuple[str, ...], said: str) -> None:
    """A mistake of the command line is exit 2 with its reason."""
    ended = run("fit", "coast.yaml", *words)
    assert ended.code == 2
    assert said in ended.err


@pytest.mark.parametrize("flag", [("--diff",), ("--write-profile", "small")], ids=["diff", "written"])
def test_no_edit_is_said(coast: Path, run: Run, flag: tuple[str, ...]) -> None:
    """Where the campaign fits as it is, an empty patch is explained and no profile is written."""
    ended = run("fit", "coast.yaml", "--max-credits", "500", *flag)
    assert ended.code == 0
    assert "no edit is needed" in ended.err
    assert coast.read_text(encoding="utf-8") == MANIFEST


def test_a_taken_name_is_refused(coast: Path, run: Run) -> None:
    """A profile that is there is never overwritten."""
    run("fit", "coast.yaml", "--max-credits", "250", "--write-profile", "small")
    ended = run("fit", "coast.yaml", "--max-credits", "100", "--write-profile", "small")
    assert ended.code == 2
    assert "profile-taken" in ended.err


def test_an_unknown_price_fits_nothing(coast: Path, run: Run) -> None:
    """Where a price is unknown no sum is given: exit 3."""
    text = MANIFEST.replace("model: kling-2.6", "provider: aimlapi\n    model: kling-video/v2.1/pro/image-to-video")
    text = text.replace("prompt: a card on sand", "params: {image_url: 'https://example.com/a.png', duration: 5}")
    coast.write_text(text, encoding="utf-8")
    ended = run("fit", "coast.yaml", "--max-credits", "aimlapi=5")
    assert ended.code == 3
    assert "no known price" in ended.err


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_refusal_for_a_ceiling_offers_what_would_fit(coast: Path, run: Run, command: str) -> None:
    """Exit 3 comes with the best three sets of edits and the command that finds all of them."""
    flags = ("--simulate", "--yes") if command == "run" else ()
    ended = run(command, "coast.yaml", "--max-credits", "250", *flags)
    assert ended.code == 3
    assert ended.err.count("would fit: apiframe:") == 3
    assert "kbatch fit coast.yaml --max-credits apiframe=250" in ended.err


def test_a_ceiling_of_single_jobs_offers_nothing(coast: Path, run: Run) -> None:
    """A job above `max_credits_per_job` is no matter of the sum."""
    coast.write_text(MANIFEST + "budget: {max_credits_per_job: 50}\n", encoding="utf-8")
    ended = run("plan", "coast.yaml")
    assert ended.code == 3
    assert "would fit" not in ended.err


@pytest.mark.parametrize("words", [("--replace", "card"), ("--first", "1")], ids=["replace", "first"])
def test_purchases_that_no_edit_changes_are_refused_without_an_offer(
    coast: Path, run: Run, words: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purchase that is made again, or the first one alone: exit 3 with the figures, and no bug."""
    monkeypatch.setenv("KBATCH_POLL_SCALE", "0.001")
    assert run("run", "coast.yaml", "--simulate", "--yes", "--only", "card").code == 0
    ended = run("plan", "coast.yaml", "--simulate", "--max-credits", "1", *words)
    assert ended.code == 3
    assert "over-ceiling" in ended.err
    assert "fit" not in ended.err


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_review_offers_what_would_fit(coast: Path, run: Run, form: str) -> None:
    """The comment and the page of a refused plan say what would fit beside why it is refused."""
    ended = run("plan", "coast.yaml", "--max-credits", "250", "--format", form)
    assert ended.code == 3
    assert ended.out.count("would fit: apiframe") == 3
