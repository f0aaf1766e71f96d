"""`plan.py`: a page for the reviewers whatever comes of the plan, and the exit code of `kbatch plan`."""

import subprocess
import sys
from pathlib import Path

import pytest
from workflow_job import ACTION, bare_environment, clone

from tests.git_repository import Repository

HEAD = "kbatch: 1\nname: spring\nprovider: apiframe\ndefaults: {model: kling-2.5-turbo-pro}\n"
GOOD = HEAD + "shots:\n  - {id: one, prompt: a lighthouse}\n"


def priced(folder: Path, base: str | None, branch: str, *more: str) -> tuple[int, str, str]:
    """Return exit code, page and log of a pull request whose branch has this manifest, in a shallow clone, no key."""
    author = Repository(folder / "author")
    author.write("README", "words\n")
    if base is not None:
        author.write("spring.yaml", base)
    author.commit()
    author.git("checkout", "-q", "-b", "topic")
    author.write("spring.yaml", branch)
    author.git("add", "--all")
    author.git("commit", "-q", "--allow-empty", "-m", "work")
    here = clone(author.folder, folder / "runner", bare_environment(folder), commit="topic")
    words = [str(ACTION / "plan.py"), "spring.yaml", "--page", str(folder / "out" / "plan.md"), "--base", "main", *more]
    done = subprocess.run(
        [sys.executable, *words], cwd=here, env=bare_environment(folder), capture_output=True, text=True, check=False
    )
    return done.returncode, (folder / "out" / "plan.md").read_text(encoding="utf-8"), done.stdout + done.stderr


def test_a_shallow_clone_is_compared_with_the_base(tmp_path: Path) -> None:
    """The base is fetched, and the page says what the branch changes."""
    code, page, _ = priced(tmp_path, GOOD, GOOD.replace("lighthouse", "harbour"), "--args=--only 'one'")
    assert code == 0
    assert page.startswith("<!-- kbatch:plan spring.yaml -->\n")
    assert "origin/main" in page
    assert "--only one" in page


def test_a_new_campaign_is_compared_with_nothing(tmp_path: Path) -> None:
    """The base has no such manifest: everything is added, and that is no failure."""
    code, page, said = priced(tmp_path, None, GOOD)
    assert (code, "Buys 1 clip for 4 credits" in page) == (0, True), said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param("shots:\n  - {id: one, promt: a}\n", "spring.yaml:6:", id="unknown-field"),
        pytest.param("shots:\n  - {id: one, prompt: a\n", "yaml-syntax", id="no-yaml"),
        pytest.param("shots:\n  - {id: one, prompt: a, m: '```\n~~~\n````'}\n", "````text", id="a-fence-of-its-own"),
        pytest.param("shots:\n  - {id: one, prompt: a, m: '<!-- kbatch:plan other -->'}\n", "unknown", id="a-marker"),
    ],
)
def test_what_is_wrong_replaces_the_plan(tmp_path: Path, more: str, words: str) -> None:
    """The page has the same marker, the reasons in one block that no text of theirs ends, and nothing to agree to."""
    code, page, _ = priced(tmp_path, GOOD, HEAD + more)
    assert code == 2
    assert page.startswith("<!-- kbatch:plan spring.yaml -->\n")
    assert words in page
    assert "nothing to agree to" in page
    assert "--approve" not in page
    fence = page.partition("text\n")[0].rsplit("\n", 1)[-1]
    assert page.count(f"\n{fence}\n") == 1
    assert page.endswith(f"\n{fence}\n")


def test_a_profile_has_a_page_of_its_own(tmp_path: Path) -> None:
    """Its marker names it, when there is a plan and when there is none."""
    profiles = "profiles: {draft: {override: {takes: 2}}}\n"
    assert priced(tmp_path / "a", GOOD, GOOD + profiles, "--profile", "draft")[1].startswith(
        "<!-- kbatch:plan spring.yaml draft -->\n"
    )
    code, page, _ = priced(tmp_path / "b", GOOD, GOOD, "--profile", "draft")
    assert (code, page.startswith("<!-- kbatch:plan spring.yaml draft -->\n")) == (2, True)
