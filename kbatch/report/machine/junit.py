"""The rows as JUnit XML: one testcase a job, its money as properties, red exactly when a job did not end as asked.

The order of elements and attributes is that of Jenkins' junit-10.xsd; properties of a testcase stand first in it, as
pytest writes them. A failure is what a provider did not deliver as bought; an error is an unknown outcome, or
a job without a render.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as Tree

from kbatch.errors import ExitCode
from kbatch.receipts.receipt import OUTCOME_UNKNOWN, describe_remaining_charge
from kbatch.report.data.accounts import Report, jobs_of
from kbatch.report.data.format import harmless_lines
from kbatch.report.data.rows import ReportRow, RowState

_FAILURES = frozenset((RowState.FAILED, RowState.DELIVERED_WRONG))
_ERRORS = frozenset((RowState.UNKNOWN, RowState.RENDERED, RowState.SUBMITTED, RowState.BLOCKED, RowState.SKIPPED))
_WORDS = {
    RowState.DELIVERED_WRONG: "delivered otherwise than bought",
    RowState.UNKNOWN: f"sent, {OUTCOME_UNKNOWN}",
    RowState.RENDERED: "rendered and paid, its clip is not fetched yet",
    RowState.SUBMITTED: "accepted and still rendering",
    RowState.BLOCKED: "blocked",
    RowState.SKIPPED: "not started",
    RowState.NOT_BOUGHT: "not bought yet",
}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Return the report as one suite named after the manifest.

    A case of the run's own stands at the end when there is no job, or when no job says what was wrong with the run.
    """
    rows = jobs_of(report)
    cases = [_case(row) for row in rows]
    red = any(case.find(kind) is not None for case in cases for kind in ("failure", "error"))
    if not cases or (not red and _concerns(report)):
        cases.append(_of_run(report))
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
    }
    skipped = str(sum(case.find("skipped") is not None for case in cases))
    time = f"{sum(_seconds(row) for row in rows):.3f}"
    root = Tree.Element("testsuites", {"name": "kbatch", **counts, "time": time})
    at = {"time": time, "timestamp": report.made_at[:19]}
    suite = Tree.SubElement(root, "testsuite", {"name": _text(report.name), **counts, "skipped": skipped, **at})
    _properties(suite, _of_suite(report))
    suite.extend(cases)
    Tree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n"


def _case(row: ReportRow) -> Tree.Element:
    case = Tree.Element(
        "testcase", {"name": _text(row.address), "classname": _text(row.shot), "time": f"{_seconds(row):.3f}"}
    )
    _properties(case, _of_job(row))
    if row.state is RowState.DONE:
        return case
    what = f"failed, {describe_remaining_charge(row.reported)}" if row.state is RowState.FAILED else _WORDS[row.state]
    said = _text(row.error or row.reason or what)
    kind = "failure" if row.state in _FAILURES else "error" if row.state in _ERRORS else "skipped"
    Tree.SubElement(case, kind, {"type": row.state.value, "message": said}).text = f"{what}: {said}"
    return case


def _of_run(report: Report) -> Tree.Element:
    case = Tree.Element("testcase", {"name": _text(report.name), "classname": "kbatch", "time": "0.000"})
    concerns = _concerns(report)
    if concerns:
        said = _text("\n".join(concerns))
        Tree.SubElement(case, "error", {"type": "run", "message": said.partition("\n")[0]}).text = said
    return case


def _concerns(report: Report) -> list[str]:
    """Return the faults of the run as a whole."""
    if report.stopped is not None:
        return [report.stopped]
    outcome = report.outcome
    if outcome is None or outcome.exit_code == ExitCode.OK:
        return []
    said = [*outcome.stopped, *outcome.surprises, *outcome.problems]
    said += [
        f"{provider}: {settlement.unexplained:,} credits unexplained"
        for provider, settlement in outcome.credits.items()
        if settlement.unexplained
    ]
    return said or [f"ended with exit code {int(outcome.exit_code)}"]


def _of_suite(report: Report) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("profile", report.profile), ("simulated", str(report.simulated).lower())]
    for account in report.accounts:
        settlement = account.settlement
        numbers = {"spent": account.spent, "held": account.held}
        if settlement is not None:
            names = ("planned", "reported", "refunded", "unexplained")
            numbers = {**{name: getattr(settlement, name) for name in names}, **numbers}
        found += [(f"{account.provider}.credits.{name}", number) for name, number in numbers.items()]
    return found


def _of_job(row: ReportRow) -> list[tuple[str, object]]:
    return [
        ("state", row.state.value),
        ("provider", row.provider),
        ("model", row.model),
        ("variant", row.variant),
        ("credits.planned", row.planned),
        ("credits.reported", row.reported),
        ("credits.spent", row.spent),
        ("credits.held", row.held),
        ("job_id", row.job_id),
        ("output", row.output),
        ("sha256", row.sha256),
        ("shares", row.shares),
        *((f"axis.{name}", value) for name, value in row.axes),
        *((f"label.{name}", value) for name, value in row.labels.items()),
    ]


def _properties(parent: Tree.Element, named: Sequence[tuple[str, object]]) -> None:
    """Add the known values; an unknown one has no property, so that it is never read as 0."""
    known = [(name, value) for name, value in named if value is not None and value != ""]
    if known:
        properties = Tree.SubElement(parent, "properties")
        for name, value in known:
            Tree.SubElement(properties, "property", {"name": _text(name), "value": _text(str(value))})


def _seconds(row: ReportRow) -> float:
    if row.submitted_at is None or row.finished_at is None:
        return 0.0
    passed = datetime.fromisoformat(row.finished_at) - datetime.fromisoformat(row.submitted_at)
    return max(0.0, passed.total_seconds())


def _text(text: str) -> str:
    """Return text that XML can hold, without terminal escapes and direction overrides."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", harmless_lines(text))
