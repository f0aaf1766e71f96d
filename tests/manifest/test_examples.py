"""The examples: each bad manifest has exactly the problems that its file lists, each good one exactly its jobs.

A case is two files, `NAME.yaml` and `NAME.txt`; `pytest --update-golden` writes the second, to be read before it is
kept. A first line `# arguments: …` gives the words after `kbatch check NAME.yaml`.
"""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from kbatch.cli.commands.check import command
from kbatch.pipeline.load import LoadOptions, load
from kbatch.planner import cost_warnings
from kbatch.planner.jobs import Job
from kbatch.providers.registry import full_catalog
from kbatch.report.machine import rules

EXAMPLES = Path(__file__).parents[1] / "examples"
BAD, GOOD = (sorted((EXAMPLES / kind).glob("*.yaml")) for kind in ("bad", "good"))
_ARGUMENTS = "# arguments: "

NEEDS_MORE = {
    *("file-too-large", "name-encoding", "no-frames", "picture-scans", "picture-too-large"),
    "too-many-values",
}
"""Codes whose example would be too large to keep, or needs another machine; other tests bring them about."""


def arguments_of(manifest: Path) -> list[str]:
    """Return the words that an example asks for in its first line."""
    first = manifest.read_bytes().partition(b"\n")[0].decode("utf-8", "replace")
    return first.removeprefix(_ARGUMENTS).split() if first.startswith(_ARGUMENTS) else []


def listed(job: Job) -> str:
    """Return a job as a line: address, model, variant, credits."""
    credits = "unknown" if job.quote.credits is None else str(job.quote.credits)
    return f"{job.address} {job.model} {job.quote.variant} {credits}\n"


def compare(manifest: Path, text: str, config: pytest.Config) -> None:
    """Hold a text against the file beside an example, or write that file."""
    golden = manifest.with_suffix(".txt")
    if config.getoption("--update-golden"):
        golden.write_text(text, encoding="utf-8", newline="\n")
    assert golden.is_file(), f"{golden} is missing: `pytest --update-golden` writes it, then read it"
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("manifest", BAD, ids=lambda path: path.stem)
def test_a_bad_manifest_has_the_listed_problems(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    """What `kbatch check` prints for a bad example is to the letter what was accepted; errors exit with 2."""
    monkeypatch.chdir(manifest.parent)
    ended = CliRunner().invoke(command, [manifest.name, *arguments_of(manifest)], standalone_mode=False)
    assert ended.exception is None
    assert ended.return_value == (2 if ": error[" in ended.stdout else 0)
    assert ended.stdout
    compare(manifest, ended.stdout, pytestconfig)


@pytest.mark.parametrize("manifest", GOOD, ids=lambda path: path.stem)
def test_a_good_manifest_makes_its_jobs(manifest: Path, pytestconfig: pytest.Config) -> None:
    """A good example has no problem and no warning, and its jobs have the addresses and prices that its file lists."""
    words = arguments_of(manifest)
    options = LoadOptions(profile=words[words.index("--profile") + 1] if "--profile" in words else None)
    loaded = load(manifest, options)
    assert loaded.warnings == ()
    compare(manifest, "".join(map(listed, loaded.jobs)), pytestconfig)


def test_there_are_as_many_examples_as_promised() -> None:
    """At least 40 good and 80 bad manifests are kept."""
    assert len(GOOD) >= 40
    assert len(BAD) >= 80


def test_every_code_has_an_example() -> None:
    """Each code that a manifest can bring about is shown by a bad example, and each code shown is explained."""
    shown = set(
        re.findall(r"(?:error|warning)\[([a-z0-9-]+)\]", "".join(path.read_text("utf-8") for path in _goldens()))
    )
    explained = set(rules.meanings(full_catalog().cards))
    lint = set(cost_warnings.MEANINGS)
    assert shown <= explained
    assert explained - shown - lint == NEEDS_MORE


def _goldens() -> list[Path]:
    return [path.with_suffix(".txt") for path in BAD]


def test_every_expected_text_belongs_to_an_example() -> None:
    """No expected text is left over from an example that was removed."""
    for kind, manifests in (("bad", BAD), ("good", GOOD)):
        assert {path.stem for path in (EXAMPLES / kind).glob("*.txt")} == {path.stem for path in manifests}
