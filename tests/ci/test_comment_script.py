"""`comment.py`: one comment, its own, kept up to date; never another's; said where it may not write."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from forge_server import Forge, forge
from workflow_job import ACTION

MARKER = "<!-- kbatch:plan spring.yaml -->"
BOT = "github-actions[bot]"
Write = Callable[..., tuple[int, str]]


def script() -> ModuleType:
    """Return the script as a module."""
    found = importlib.util.spec_from_file_location("kbatch_comment_script", ACTION / "comment.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look for their module
    found.loader.exec_module(module)
    return module


@pytest.fixture
def github() -> Iterator[Forge]:
    """Return a server that keeps comments."""
    with forge() as running:
        yield running


@pytest.fixture
def write(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes a page as the workflow does: exit code, and what was said."""
    main = script().main

    def run(server: Forge, text: str, *flags: str, token: str = "ghs_secret", gitlab: bool = False) -> tuple[int, str]:
        page = tmp_path / "plan.md"
        page.write_text(text, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["comment.py", str(page), "7", "--pause", "0", *flags])
        environment = {"GITHUB_API_URL": server.url, "GITHUB_REPOSITORY": "a/b", "GH_TOKEN": token}
        if gitlab:
            environment = {"CI_API_V4_URL": f"{server.url}/v4", "CI_PROJECT_ID": "3", "GITLAB_TOKEN": token}
        code = main(environment)
        said = capsys.readouterr()
        assert token not in said.out + said.err or not token
        return code, said.out + said.err

    return run


def page(words: str) -> str:
    """Return a page with its marker."""
    return f"{MARKER}\n\n{words}\n"


@pytest.mark.parametrize("gitlab", [False, True], ids=["github", "gitlab"])
def test_the_one_comment_is_kept_up_to_date(github: Forge, write: Write, gitlab: bool) -> None:
    """The first plan is a new comment, each later one changes it."""
    for words in ("first", "second", "third"):
        assert write(github, page(words), gitlab=gitlab)[0] == 0
    assert github.bodies() == [page("third")]


@pytest.mark.parametrize(
    ("login", "body"),
    [
        pytest.param("a-person", page("old"), id="a-person-with-the-marker"),
        pytest.param("other[bot]", page("old"), id="another-bot-with-the-marker"),
        pytest.param(BOT, "coverage: 90 %\n", id="another-workflow-of-the-same-bot"),
        pytest.param(BOT, f"quoted: {MARKER}\n", id="a-marker-not-at-the-beginning"),
        pytest.param(BOT, "<!-- kbatch:plan autumn.yaml -->\nold", id="another-manifest"),
        pytest.param(BOT, "<!-- kbatch:plan spring.yaml draft -->\nold", id="another-profile"),
    ],
)
def test_no_other_comment_is_touched(github: Forge, write: Write, login: str, body: str) -> None:
    """Ours is found by marker and author, both."""
    github.add(body, login)
    for words in ("first", "second"):
        assert write(github, page(words))[0] == 0
    assert github.bodies() == [body, page("second")]


def test_a_comment_on_a_later_page_is_found(github: Forge, write: Write) -> None:
    """A busy pull request has hundreds of comments."""
    for _ in range(230):
        github.add("words", "a-person")
    github.add(page("old").replace("\n", "\r\n"), BOT)
    assert write(github, page("new"))[0] == 0
    assert github.bodies()[230:] == [page("new")]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_may_not_write_is_no_failure(github: Forge, write: Write, status: int) -> None:
    """As in a pull request from a fork: it is said where the plan is."""
    github.fails["POST"] = [status]
    code, said = write(github, page("new"))
    assert (code, github.bodies()) == (0, [])
    assert "::notice" in said
    assert "this job's page" in said


def test_without_a_token_nothing_is_asked(github: Forge, write: Write) -> None:
    """No token, no call."""
    assert write(github, page("new"), token="")[0] == 0
    assert github.seen == []


def test_a_comment_that_was_deleted_meanwhile_is_written_anew(github: Forge, write: Write) -> None:
    """Between the search and the change somebody deleted it."""
    github.add(page("old"), BOT)
    github.fails["PATCH"] = [404]
    assert write(github, page("new"))[0] == 0
    assert github.bodies()[-1] == page("new")


def test_a_lost_answer_makes_no_second_comment(github: Forge, write: Write) -> None:
    """The server wrote it and failed to say so: the next try finds it."""
    github.loses_answers = 1
    assert write(github, page("new"))[0] == 0
    assert github.bodies() == [page("new")]


def test_a_server_that_keeps_failing_is_a_failure(github: Forge, write: Write) -> None:
    """An old plan that stays in the comment must not pass for the new one."""
    github.fails["GET"] = [500] * 10
    code, said = write(github, page("new"))
    assert code == 1
    assert "::error title=kbatch comment::" in said


def test_the_token_follows_no_redirect(github: Forge, write: Write) -> None:
    """A redirect is a failure, and nothing of it reaches the other host."""
    with forge() as other:
        github.fails = {"GET": [302] * 10, "to": [f"{other.url}/repos/a/b"]}  # type: ignore[list-item]
        assert write(github, page("new"))[0] == 1
        assert other.seen == []


def test_a_page_without_a_marker_is_refused(github: Forge, write: Write) -> None:
    """It could never be found again."""
    assert write(github, "words\n")[0] == 1
    assert github.seen == []
