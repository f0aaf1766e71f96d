"""Problems as SARIF 2.1.0, held against the standard's own schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kbatch.errors import Hit, Mark, Problem, Severity
from kbatch.providers.registry import full_catalog
from kbatch.report.machine import rules, sarif

SCHEMA = json.loads((Path(__file__).parent / "sarif/sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
ELSEWHERE = Path("/elsewhere/a b.yaml").absolute()
VALIDATOR = jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def problem(code: str = "wrong-type", message: str = "wrong", *, line: int = 7, **more: object) -> Problem:
    """Return a problem at a place, with what matters to a test."""
    mark = Mark(file="campaigns/a.yaml", line=line, column=5, width=6, source="    secnds: 6")
    return Problem(**{"code": code, "message": message, "mark": mark, **more})  # type: ignore[arg-type]


def log_of(*problems: Problem) -> dict[str, Any]:
    """Return the log of these problems once the schema has nothing against it."""
    log = sarif.as_json(problems, rules.meanings(full_catalog().cards), "1.2.3")
    assert [error.message for error in VALIDATOR.iter_errors(log)] == []
    return log


def results(*problems: Problem) -> list[dict[str, Any]]:
    """Return the results of a valid log."""
    found: list[dict[str, Any]] = log_of(*problems)["runs"][0]["results"]
    return found


def test_the_schema_can_refuse() -> None:
    """A log with a level that SARIF does not have is refused, so that passing says something."""
    log = log_of(problem())
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not VALIDATOR.is_valid(log)


def test_no_problems_are_a_valid_log_too() -> None:
    """A clean check is a run without results, which closes earlier alerts."""
    log = log_of()
    assert log["version"] == "2.1.0"
    assert log["runs"][0]["results"] == []


def test_a_result_has_rule_level_message_and_region() -> None:
    """A problem becomes a result that refers to its rule and underlines what the caret would."""
    log = log_of(
        problem(hint="did you mean `seconds`?", jobs=Hit(hit=2, of=3, first="a[b=c]")),
        problem("dear-default", severity=Severity.WARNING),
    )
    first, second = log["runs"][0]["results"]
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in (first, second)] == ["wrong-type", "dear-default"]
    assert (first["level"], second["level"]) == ("error", "warning")
    assert first["message"]["text"] == "wrong (in 2 of 3 jobs, first a[b=c]). Hint: did you mean `seconds`?"
    assert first["properties"]["jobs"] == {"hit": 2, "of": 3, "first": "a[b=c]"}
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "campaigns/a.yaml", "uriBaseId": "%SRCROOT%", "index": 0}
    region = {"startLine": 7, "startColumn": 5, "endColumn": 11, "snippet": {"text": "    secnds: 6"}}
    assert place["region"] == region


def test_columns_count_characters() -> None:
    """Marks count code points, and the run says so: UTF-16 units are SARIF's default."""
    assert log_of()["runs"][0]["columnKind"] == "unicodeCodePoints"


def test_rules_explain_themselves() -> None:
    """Each code that occurs is one rule with help that is more than its name."""
    driver = log_of(problem(), problem("unused-axis"), problem())["runs"][0]["tool"]["driver"]
    assert driver["version"] == "1.2.3"
    assert [rule["id"] for rule in driver["rules"]] == ["unused-axis", "wrong-type"]
    assert all(len(rule["help"]["text"].split()) > 5 for rule in driver["rules"])


def test_braces_are_no_placeholders() -> None:
    """SARIF reads `{0}` in a message as an argument, so braces are doubled."""
    (result,) = results(problem(message="write {{ slug }} or {0}"))
    assert result["message"]["text"] == "write {{{{ slug }}}} or {{0}}"


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        pytest.param("a b/ä%.yaml", "a%20b/%C3%A4%25.yaml", id="relative-and-quoted"),
        pytest.param(str(ELSEWHERE), ELSEWHERE.as_uri(), id="absolute"),
    ],
)
def test_files_are_uris(file: str, uri: str) -> None:
    """A relative name starts from the source root, an absolute one is a file: URI without a base."""
    (result,) = results(problem(mark=Mark(file=file, line=1, column=1)))
    location = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == uri
    assert ("uriBaseId" in location) == (not uri.startswith("file:"))


def test_a_moved_problem_keeps_its_fingerprint() -> None:
    """Lines that are added above do not make a problem a new one; another message or a second occurrence does."""
    first, moved, other, again = results(
        problem(), problem(line=99), problem(message="something else"), problem(line=12)
    )

    def digest(result: dict[str, Any]) -> str:
        return str(result["partialFingerprints"]["kbatchProblem/v1"])

    assert digest(results(problem(line=99))[0]) == digest(first)
    assert digest(first).partition(":")[0] == digest(moved).partition(":")[0]
    assert len({digest(first), digest(moved), digest(other), digest(again)}) == 4


def test_a_problem_without_a_place_is_a_result_without_locations() -> None:
    """What has no place is said all the same."""
    (result,) = results(problem(mark=None))
    assert "locations" not in result
