"""Problems as workflow commands: escaping, places, and the limit of ten of a kind."""

from pathlib import PureWindowsPath

import pytest

from kbatch.errors import Hit, Mark, Problem, Severity
from kbatch.report.machine import github_annotations


def problem(code: str = "wrong-type", message: str = "wrong", **more: object) -> Problem:
    """Return a problem at a place, with what matters to a test."""
    mark = Mark(file="a.yaml", line=7, column=5, width=6, source="    secnds: 6")
    return Problem(**{"code": code, "message": message, "mark": mark, **more})  # type: ignore[arg-type]


def decoded(text: str) -> str:
    """Undo the escapes as the runner does."""
    for code, char in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, char)
    return text


def test_a_problem_is_one_command_at_its_place() -> None:
    """File, line, first column and the column after the last are named, then the code, then message, jobs and hint."""
    (line,) = github_annotations.lines([problem(hint="look", jobs=Hit(hit=2, of=3, first="a[b=c]"))])
    assert line == (
        "::error file=a.yaml,line=7,col=5,endColumn=11,title=wrong-type::"
        "wrong%0Ain 2 of 3 jobs, first a[b=c]%0Ahint: look"
    )


def test_a_problem_without_a_place_has_no_file() -> None:
    """Nothing is said of a line where none is known."""
    (line,) = github_annotations.lines([problem(mark=None, severity=Severity.WARNING)])
    assert line == "::warning title=wrong-type::wrong"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("100 %", id="percent"),
        pytest.param("%0A and %25", id="what-looks-escaped"),
        pytest.param("one\r\ntwo\nthree\rfour", id="line-ends"),
        pytest.param("a\n::error file=x::forged", id="a-command-of-its-own"),
        pytest.param("a:b,c=d::e", id="separators"),
    ],
)
def test_texts_are_escaped(text: str) -> None:
    """Whatever a message or file name holds, it stays one command on one line and is read back as it was."""
    (line,) = github_annotations.lines([problem(message=text, mark=Mark(file=text, line=1, column=1))])
    assert "\n" not in line
    assert "\r" not in line
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert decoded(message) == text
    assert decoded(properties.split(",")[0].removeprefix("file=")) == text
    assert [part.partition("=")[0] for part in properties.split(",")] == ["file", "line", "col", "endColumn", "title"]


def test_terminal_escapes_do_not_pass() -> None:
    """A log is shown in terminals too: control characters are replaced."""
    (line,) = github_annotations.lines([problem(message="\x1b[31mred")])
    assert "\x1b" not in line


def test_ten_of_a_kind_are_shown_and_the_rest_counted() -> None:
    """More than GitHub shows of a step is counted in one notice, errors and warnings each with a limit of its own."""
    errors = [problem(message=f"e{index}") for index in range(12)]
    warnings = [problem(message=f"w{index}", severity=Severity.WARNING) for index in range(11)]
    lines = list(github_annotations.lines([*warnings, *errors]))
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 10 + ["::warning"] * 10 + ["::notice"]
    assert lines[0].endswith("::e0")
    assert "2 more errors and 1 more warning" in lines[-1]


def test_exactly_ten_need_no_notice() -> None:
    """The limit itself is not over the limit."""
    assert len(list(github_annotations.lines([problem()] * 10))) == 10


def test_windows_paths_are_named_with_slashes() -> None:
    """GitHub knows only `/`, so a path is written with it on every system."""
    name = str(PureWindowsPath("campaigns/a.yaml").as_posix())
    (line,) = github_annotations.lines([problem(mark=Mark(file=name, line=1, column=1))])
    assert "file=campaigns/a.yaml," in line
