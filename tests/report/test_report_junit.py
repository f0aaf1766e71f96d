"""The JUnit report: the shape that CI systems read, one case a job, red exactly when something is not as asked."""

from xml.etree import ElementTree as Tree

import pytest
from report_samples import HOSTILE, ROWS, account, golden, hostile_rows, nothing_bought, report, row

from kbatch.report.data.accounts import not_run, of_run
from kbatch.report.data.rows import RowState
from kbatch.report.machine import junit
from kbatch.runner.outcome import JobEnd, Outcome, Settlement

SHAPE = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        ["properties", "testcase"],
    ),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": ({"name", "classname", "time"}, ["properties", "failure", "error", "skipped"]),
    "failure": ({"type", "message"}, []),
    "error": ({"type", "message"}, []),
    "skipped": ({"type", "message"}, []),
}
"""Attributes and, in their order, elements: Jenkins' junit-10.xsd, with pytest's properties in a testcase."""


def check_shape(element: Tree.Element) -> None:
    """Assert that an element has the attributes and children that the schema allows, in its order."""
    attributes, children = SHAPE[element.tag]
    assert set(element.attrib) <= attributes
    order = [children.index(child.tag) for child in element]
    assert order == sorted(order)
    for child in element:
        check_shape(child)


def verdict(case: Tree.Element) -> str:
    """Return how a case ended."""
    return next((child.tag for child in case if child.tag != "properties"), "passed")


def cases(text: str) -> dict[str, Tree.Element]:
    """Return the cases by name."""
    return {case.attrib["name"]: case for case in Tree.fromstring(text).iter("testcase")}


def test_the_document_is_as_agreed() -> None:
    """The whole document of a campaign in every state."""
    text = junit.render(report())
    assert text == golden("report.junit.xml", text)


@pytest.mark.parametrize("rows", [ROWS, hostile_rows(), ()], ids=["every-state", "hostile", "no-job"])
def test_the_shape_is_the_usual_one(rows: tuple[object, ...]) -> None:
    """Elements, attributes and their order are those that Jenkins, GitLab and GitHub's reporters read; sums agree."""
    text = junit.render(report(rows, stopped="no plan" if not rows else None))  # type: ignore[arg-type]
    root = Tree.fromstring(text)
    check_shape(root)
    suite = root.find("testsuite")
    assert suite is not None
    found = [verdict(case) for case in suite.findall("testcase")]
    assert suite.attrib["tests"] == root.attrib["tests"] == str(len(found))
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert suite.attrib[attribute] == str(found.count(kind))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (RowState.DONE, "passed"),
        (RowState.FAILED, "failure"),
        (RowState.DELIVERED_WRONG, "failure"),
        (RowState.UNKNOWN, "error"),
        (RowState.RENDERED, "error"),
        (RowState.SUBMITTED, "error"),
        (RowState.BLOCKED, "error"),
        (RowState.SKIPPED, "error"),
        (RowState.NOT_BOUGHT, "skipped"),
    ],
)
def test_each_state_has_its_colour(state: RowState, expected: str) -> None:
    """What is not as asked is red, what was never asked for is grey, what was delivered is green."""
    assert verdict(cases(junit.render(report((row(state=state),))))["hero[city=oslo]"]) == expected


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str) -> None:
    """A text from elsewhere is read back as text: no element of its own, no sign that XML does not have."""
    rows = (nothing_bought("bad", RowState.FAILED, error=text, labels={"market": text}),)
    root = Tree.fromstring(junit.render(report(rows)))
    check_shape(root)
    message = cases(junit.render(report(rows)))["bad"].find("failure")
    assert message is not None
    assert "evil" not in {element.tag for element in root.iter()}


def test_money_and_names_are_properties() -> None:
    """Credits, model and job id stand as properties; an unknown amount has none, so that it is not read as 0."""
    found = cases(junit.render(report((row(labels={"market": "eu"}), row("free", planned=None, job_id=None)))))
    properties = {one.attrib["name"]: one.attrib["value"] for one in found["hero[city=oslo]"].iter("property")}
    assert properties["credits.planned"] == properties["credits.reported"] == properties["credits.spent"] == "15"
    assert (properties["model"], properties["job_id"], properties["axis.city"], properties["label.market"]) == (
        "kling-2.6", "job-1", "oslo", "eu",
    )  # fmt: skip
    bare = {one.attrib["name"] for one in found["free"].iter("property")}
    assert not {"credits.planned", "job_id"} & bare


def outcome(**changes: object) -> Outcome:
    """Return a run's outcome in which the one job is done."""
    return Outcome(**{"ends": {"hero[city=oslo]": JobEnd.DONE}, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "concern",
    [
        {"stopped": ("apiframe: the key was refused",)},
        {"surprises": ("kling-2.6 5s charged 30, quoted 15",)},
        {"problems": ("the lockfile cannot be written",)},
        {"interrupted": True},
        {
            "credits": {
                "apiframe": Settlement(planned=15, reported=30, refunded=0, unexplained=15, differing=1, unreported=0)
            }
        },
    ],
    ids=["stopped", "surprise", "problem", "interrupted", "unexplained"],
)
def test_a_run_that_is_not_fine_is_red_without_a_bad_job(concern: dict[str, object]) -> None:
    """An exit code above 0 never comes with a green file: the run gets a case of its own."""
    ended = outcome(**concern)
    assert ended.exit_code != 0
    root = Tree.fromstring(junit.render(of_run(report((row(),), accounts=(account(),)), ended)))
    assert root.attrib["errors"] == "1"


def test_a_run_that_is_fine_is_green() -> None:
    """Exit code 0 and no red case."""
    root = Tree.fromstring(junit.render(of_run(report((row(),)), outcome())))
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("1", "0", "0")


def test_a_run_that_never_began_names_what_it_would_have_bought() -> None:
    """A refusal makes every purchase an error with the reason, and leaves what is there green."""
    found = cases(
        junit.render(not_run(report((row(), nothing_bought("later", RowState.NOT_BOUGHT))), "over the budget"))
    )
    assert verdict(found["hero[city=oslo]"]) == "passed"
    error = found["later"].find("error")
    assert error is not None
    assert error.attrib["message"] == "over the budget"
