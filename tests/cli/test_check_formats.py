"""`kbatch check` in its four formats: what it prints is compared with golden files that a person has read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

SARIF = Path(__file__).parents[1] / "report/sarif/sarif-schema-2.1.0.json"
Run = Callable[..., Any]
Golden = Callable[[str, Any], None]
FILES = ("campaign.yaml", "misspelled.yaml", "missing.yaml", "torn.yaml", "quiet.yaml")


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_several_manifests_in_every_format(campaign: Path, run: Run, golden: Golden, form: str) -> None:
    """Warnings, errors, a file that is not there, one that is no YAML and a good one: each is reported for itself."""
    ended = run("check", *FILES, "--format", form)
    assert ended.code == 2
    golden(f"check-{form}", ended)


@pytest.mark.parametrize(("file", "code"), [("quiet.yaml", 0), ("campaign.yaml", 0), ("torn.yaml", 2)])
def test_the_exit_code_is_that_of_errors(campaign: Path, run: Run, file: str, code: int) -> None:
    """Warnings alone are 0, in every format; an error is 2."""
    assert {run("check", file, "--format", form).code for form in ("text", "json", "github", "sarif")} == {code}


def test_one_unreadable_file_hides_no_other(campaign: Path, run: Run) -> None:
    """What is said of a manifest is the same whether it is checked alone or among broken ones."""
    (campaign / "folder.yaml").mkdir()
    (campaign / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    together = json.loads(run("check", *FILES, "folder.yaml", "binary.yaml", "--format", "json").out)["problems"]
    apart = []
    for file in (*FILES, "folder.yaml", "binary.yaml"):
        apart += json.loads(run("check", file, "--format", "json").out)["problems"]
    assert together == apart
    assert {problem["code"] for problem in together} >= {"yaml-syntax", "file-not-found", "file-unreadable", "encoding"}


def test_sarif_of_the_command_is_valid(campaign: Path, run: Run) -> None:
    """The whole output is held against the standard's schema, and every result has a place, as code scanning wants."""
    log = json.loads(run("check", *FILES, "--format", "sarif").out)
    schema = json.loads(SARIF.read_text(encoding="utf-8"))
    assert [error.message for error in jsonschema.Draft4Validator(schema).iter_errors(log)] == []
    assert all(result["locations"] for result in log["runs"][0]["results"])


@pytest.mark.parametrize("form", ["github", "sarif"])
def test_files_are_named_from_the_workspace(
    campaign: Path, run: Run, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """In a workflow that steps into a folder, files are named from the repository's root, where GitHub looks."""
    monkeypatch.setenv("GITHUB_WORKSPACE", str(campaign.parent))
    out = run("check", "torn.yaml", str(campaign / "misspelled.yaml"), "--format", form).out
    for name in ("torn", "misspelled"):
        assert f"file=campaign/{name}.yaml" in out if form == "github" else f'"uri": "campaign/{name}.yaml"' in out


def test_a_profile_is_checked(campaign: Path, run: Run, golden: Golden) -> None:
    """With a profile, its jobs are checked, and an unknown name is reported with the known ones."""
    assert run("check", "campaign.yaml", "--profile", "draft").code == 0
    golden("check-unknown-profile", run("check", "campaign.yaml", "--profile", "darft"))
