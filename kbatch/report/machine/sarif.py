"""Problems as SARIF 2.1.0, the format of code scanning: one run with kbatch's rules and a result for each problem.

A relative file name starts from `%SRCROOT%`, an absolute one stands for itself. A result's partial fingerprint is made
of what stays when lines move: its code, file, source line and message.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from kbatch.errors import ExitCode, Mark, Problem
from kbatch.report.data.format import harmless_lines

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"


def as_json(problems: Iterable[Problem], meanings: Mapping[str, str], version: str) -> dict[str, Any]:
    """Return a SARIF log; `meanings` is by code, and a code that it lacks becomes a rule without help of its own."""
    found = list(problems)
    rules = sorted({problem.code for problem in found})
    files = list(dict.fromkeys(problem.mark.file for problem in found if problem.mark is not None))
    fatal = any(problem.fatal for problem in found)
    run: dict[str, Any] = {
        "tool": {"driver": _driver(found, rules, meanings, version)},
        "invocations": [{"executionSuccessful": True, "exitCode": int(ExitCode.USAGE if fatal else ExitCode.OK)}],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The workspace, or where kbatch was called"}}},
        "artifacts": [{"location": _location(file)} for file in files],
        "results": _results(found, rules, files),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _driver(
    problems: Sequence[Problem], rules: Sequence[str], meanings: Mapping[str, str], version: str
) -> dict[str, Any]:
    levels = {problem.code: problem.severity.value for problem in problems}
    described = [
        {
            "id": code,
            "name": "".join(word.capitalize() for word in code.split("-")),
            "shortDescription": {"text": meanings.get(code, code).split(". ")[0].removesuffix(".") + "."},
            "help": {"text": meanings.get(code, code)},
            "defaultConfiguration": {"level": levels[code]},
        }
        for code in rules
    ]
    return {"name": "kbatch", "version": version, "rules": described}


def _results(problems: Sequence[Problem], rules: Sequence[str], files: Sequence[str]) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    results = []
    for problem in problems:
        digest = _digest(problem)
        seen[digest] += 1
        result: dict[str, Any] = {
            "ruleId": problem.code,
            "ruleIndex": rules.index(problem.code),
            "level": problem.severity.value,
            "message": {"text": _message(problem)},
            "partialFingerprints": {"kbatchProblem/v1": f"{digest}:{seen[digest]}"},
        }
        if problem.mark is not None:
            result["locations"] = [{"physicalLocation": _place(problem.mark, files)}]
        if problem.jobs is not None:
            jobs = {"hit": problem.jobs.hit, "of": problem.jobs.of, "first": problem.jobs.first}
            result["properties"] = {"jobs": jobs}
        results.append(result)
    return results


def _place(mark: Mark, files: Sequence[str]) -> dict[str, Any]:
    region: dict[str, Any] = {
        "startLine": mark.line,
        "startColumn": mark.column,
        "endColumn": mark.column + mark.width,
    }
    if mark.source:
        region["snippet"] = {"text": mark.source}
    return {"artifactLocation": {**_location(mark.file), "index": files.index(mark.file)}, "region": region}


def _location(file: str) -> dict[str, Any]:
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": _ROOT}


def _message(problem: Problem) -> str:
    """Return message, jobs and hint as one message string: braces are doubled, since single ones are placeholders."""
    jobs = problem.jobs
    where = f" (in {jobs.hit:,} of {jobs.of:,} jobs, first {jobs.first})" if jobs is not None and jobs.of > 1 else ""
    text = problem.message + where + (f". Hint: {problem.hint}" if problem.hint else "")
    return harmless_lines(text).replace("{", "{{").replace("}", "}}")


def _digest(problem: Problem) -> str:
    file = PurePath(problem.mark.file).as_posix() if problem.mark else ""
    line = " ".join(problem.mark.source.split()) if problem.mark else ""
    return sha256("\n".join((problem.code, file, line, problem.message)).encode(errors="replace")).hexdigest()[:32]
