"""Every code that a check can say is explained."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from kbatch.planner import cost_warnings
from kbatch.providers.registry import full_catalog
from kbatch.report.machine.rules import meanings

PACKAGE = Path(__file__).parents[2] / "kbatch"
CHECKED = (
    "manifest/**/*.py", "models/*.py", "planner/cost_warnings.py", "planner/jobs.py", "pipeline/load.py",
    "storage/reading.py", "storage/manifest_tree.py", "storage/lock.py",
)  # fmt: skip
SAYING = {"say", "_say", "complain", "Fault", "Problem", "Complaint", "_complaint", "Unreadable"}
CODE = re.compile(r"[a-z]+(-[a-z]+)*\Z")
OF_THE_DISK = {"locked", "no-locks", "other-lockfile"}
"""Refusals to run, which no check can meet."""


def said_in(path: Path) -> Iterator[str]:
    """Yield the codes that a module writes out where it makes a problem."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in SAYING:
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            for argument in (*node.args[:2], *named):
                if isinstance(argument, ast.Constant) and CODE.match(str(argument.value)):
                    yield str(argument.value)


def test_every_code_of_a_check_is_explained() -> None:
    """A code that is written somewhere in the checking stages has a meaning, which SARIF shows as help."""
    files = [file for part in CHECKED for file in PACKAGE.glob(part)]
    said = {code for file in files for code in said_in(file)} - OF_THE_DISK
    assert {"unused-axis", "yaml-syntax", "picture-damaged", "file-not-found"} <= said
    fields = {"when", "output", "prompt", "model", "provider"}
    assert said - fields - set(meanings(full_catalog().cards)) == set()


def test_lint_and_cards_explain_their_codes() -> None:
    """Warnings about money and the rules of model cards are among the meanings, as whole sentences."""
    explained = meanings(full_catalog().cards)
    assert set(cost_warnings.MEANINGS) <= set(explained)
    assert "end-image-needs-pro" in explained
    assert all(words[0].isupper() or words[0] == "`" for words in explained.values())
    assert all(words.endswith(".") for words in explained.values())
