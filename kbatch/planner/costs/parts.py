"""The parts of a plan that a job belongs to: its shot, its model and variant, its labels, its axis values."""

from collections.abc import Iterator

from kbatch.planner.jobs import Job

Part = tuple[str, str, str]
"""A kind (`shot`, `variant`, `label`, `axis`), and the two words of a name: `("axis", "city", "oslo")`."""

_BETWEEN = {"shot": "", "variant": " ", "label": "=", "axis": "="}


def parts_of(job: Job) -> Iterator[Part]:
    """Yield the parts of a job, each of which can be dropped from a plan."""
    draft = job.draft
    yield "shot", draft.shot, ""
    yield "variant", job.model, job.quote.variant
    for key, label in sorted(draft.labels.items()):
        yield "label", key, label
    for axis, value in draft.axes:
        yield "axis", axis, value


def name_of(part: Part) -> str:
    """Return a part's name.

    >>> name_of(("axis", "city", "oslo")), name_of(("variant", "kling-2.6", "5s"))
    ('city=oslo', 'kling-2.6 5s')
    """
    kind, one, other = part
    return f"{one}{_BETWEEN[kind]}{other}"
