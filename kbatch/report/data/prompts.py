"""The prompts of a plan's purchases in a few lines, each once and cut to one line."""

from collections.abc import Iterable, Iterator, Sequence

from kbatch.planner.actions import PlanEntry
from kbatch.report.data.format import count, one_line

_MARKS = 2  # the quotation marks around a prompt


def prompt_of(entry: PlanEntry, room: int) -> str:
    """Return an entry's prompt on one line of at most `room` columns, in quotation marks; nothing without one."""
    prompt = entry.job.draft.prompt
    return f"“{one_line(prompt, max(12, room - _MARKS))}”" if prompt else ""


def asked_for(purchases: Sequence[PlanEntry], width: int, most: int = 3) -> Iterator[str]:
    """Yield what is bought, one line a job: its address with the start of its prompt; of many jobs the first few.

    Jobs that ask for the same stand in one line.
    """
    groups = list(_by_prompt(purchases))
    for group in groups[:most]:
        first, *others = group
        more = f" and {count(len(others), 'more job')}" if others else ""
        name = one_line(f"{first.address}{more}", max(24, width // 2))
        prompt = prompt_of(first, width - len(name) - 4)
        yield f"  {name}  {prompt}".rstrip()
    hidden = sum(map(len, groups[most:]))
    if hidden:
        yield f"  … and {count(hidden, 'more job')}; `kbatch plan --format json` has all prompts"


def _by_prompt(purchases: Iterable[PlanEntry]) -> Iterable[list[PlanEntry]]:
    groups: dict[str | None, list[PlanEntry]] = {}
    for entry in purchases:
        groups.setdefault(entry.job.draft.prompt, []).append(entry)
    return groups.values()
