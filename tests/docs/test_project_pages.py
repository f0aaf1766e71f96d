"""The pages of `.github/` tell the truth: rooms, commands, flags and paths that they name exist, as do those cited."""

import re
from pathlib import Path

import click
import pytest

from kbatch.cli.main import COMMANDS, commands
from tests.test_layers import ORDER

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / ".github").glob("*.md"))}
OF_THIS_MACHINE = re.compile(r"(?<![\w.])/(?:work|home|tmp|root)/|\bissue \d|\bhelpers?\b", re.IGNORECASE)


def test_the_pages_that_a_stranger_looks_for_are_here() -> None:
    """How to take part, how to report a fault, what changed, the contract and what is known of the APIs."""
    assert set(PAGES) == {"CHANGELOG.md", "CONTRIBUTING.md", "DESIGN.md", "PROVIDERS.md", "SECURITY.md"}


@pytest.mark.parametrize("name", list(PAGES))
def test_links_lead_somewhere_and_nothing_is_of_one_machine(name: str) -> None:
    """Every relative link is a file of the repository; no page names a path of a machine or an issue by number."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", PAGES[name]):
        assert (ROOT / ".github" / target).exists(), target
    assert OF_THIS_MACHINE.findall(PAGES[name]) == []


def test_the_rooms_are_those_that_are_here() -> None:
    """CONTRIBUTING lists every folder, in the order in which imports may point; DESIGN draws them all."""
    rooms = re.findall(r"^\| `(\w+)/` \|", PAGES["CONTRIBUTING.md"], re.MULTILINE)
    folders = {path.parent.name for path in (ROOT / "kbatch").glob("*/__init__.py")}
    assert rooms == [stage for stage in ORDER if stage in folders]
    drawn = PAGES["DESIGN.md"].partition("## 8.")[2].partition("## 9.")[0]
    assert set(re.findall(r"^  (\w+)/ ", drawn, re.MULTILINE)) == folders


def test_paths_in_contributing_exist() -> None:
    """Each file that a newcomer is sent to is there; those with a placeholder are named as such."""
    text = PAGES["CONTRIBUTING.md"]
    named = re.findall(r"`((?:kbatch|tests|schemas|providers|simulator|receipts|runner|cli|\.ci)/[\w/.*-]*)`", text)
    assert len(named) > 12
    for path in named:
        assert "*" in path or (ROOT / path).exists() or (ROOT / "kbatch" / path).exists(), path


def test_commands_and_flags_of_the_contract_exist() -> None:
    """DESIGN's table names every command and no other; each flag that it promises is one of some command."""
    text = PAGES["DESIGN.md"].partition("## 9.")[0]
    table = text.partition("## 6.")[2]
    rows = re.findall(r"^\| (\*\*`kbatch .*)$", table, re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`kbatch ([\w-]+)", row.split(" | ")[0])}
    assert named == set(COMMANDS)
    known = {"--help", "--version"}
    for name in COMMANDS:
        command = commands.get_command(click.Context(commands), name)
        assert command is not None
        below = command.commands.values() if isinstance(command, click.Group) else ()
        known |= {option for one in (command, *below) for parameter in one.params for option in parameter.opts}
    flags = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text))
    assert flags
    assert flags - known == set()


def test_variables_of_the_contract_are_read() -> None:
    """Each `KBATCH_…` variable that DESIGN names stands in the code."""
    named = set(re.findall(r"KBATCH_[A-Z_]+", PAGES["DESIGN.md"].partition("## 9.")[0]))
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "kbatch").rglob("*.py"))
    assert named
    assert {name for name in named if name not in code} == set()


def test_what_the_code_cites_is_in_the_repository() -> None:
    """A module or a test that cites the contract or the APIs' page names the file, and a section that it has."""
    texts = [
        *(ROOT / "kbatch").rglob("*.py"),
        *(path for path in (ROOT / "tests").rglob("*.py") if path.parent.name != "docs"),
    ]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        for section, page in re.findall(
            r"(?:§(\d+) of )?(?<!\w)((?:\.github/)?(?:DESIGN|PROVIDERS|providers)\.md|DESIGN\b)", text
        ):
            assert page in (".github/DESIGN.md", ".github/PROVIDERS.md"), f"{path}: {page}"
            assert not section or f"\n## {section}. " in PAGES[page.removeprefix(".github/")], f"{path}: §{section}"
