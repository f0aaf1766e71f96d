"""Reasons of jobs without the parts that only one job has, so that equal reasons are shown once."""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from kbatch.planner.actions import Action, PlanEntry

_JOB_ID = re.compile(r"(accepted|sent earlier) as [^\s,]+,")
_PLAIN = re.compile(r"bought [\d-]*|same request as [^;]*")
_CHANGED = "changed since it was rendered"
_MOST_WAYS = 3
"""How many different changes of a shot's jobs are reasons of their own before they become one."""
_ORDER: Mapping[Action, int] = {
    Action.RENDER: 0,
    Action.UNKNOWN: 1,
    Action.BLOCKED: 2,
    Action.POLL: 3,
    Action.DOWNLOAD: 4,
    Action.REUSE: 5,
}
"""What costs money, then what may have, what waits for something, what is owed, and what is paid."""


def shared(words: str, address: str) -> str:
    """Return a reason without the job's own address and the id that its provider gave it, which each row has.

    >>> shared("accepted as job-17, not collected yet", "hero[city=oslo]")
    'accepted, not collected yet'
    """
    return _JOB_ID.sub(r"\1,", words.replace(f"`{address}`", "it"))


def why(entry: PlanEntry) -> str:
    """Return the reason of an entry in the form that it has in common with other entries."""
    return "the same request as another job, bought once" if entry.shared_with else shared(entry.words, entry.address)


class ReasonGroup(Struct, frozen=True, kw_only=True):
    """Jobs with one action and one reason; of paid jobs `plain` says that there is nothing to do about them."""

    why: str
    entries: tuple[PlanEntry, ...]
    plain: bool


def by_reason(entries: Iterable[PlanEntry]) -> list[ReasonGroup]:
    """Return the entries by action and reason: what costs most first, what is paid already last.

    Where the jobs of a shot changed in more ways than a few, as a seed does in each, they are one group.
    """
    reasons: dict[tuple[Action, str, str], list[PlanEntry]] = {}
    for entry in entries:
        reasons.setdefault((entry.action, why(entry), entry.job.draft.shot), []).append(entry)
    ways: dict[str, list[str]] = {}
    for _, reason, shot in reasons:
        if reason.endswith(_CHANGED):
            ways.setdefault(shot, []).append(reason)
    groups: dict[tuple[Action, str], list[PlanEntry]] = {}
    for (action, reason, shot), group in reasons.items():
        alike = ways.get(shot, [])
        one = len(alike) > _MOST_WAYS and reason in alike
        words = f"{alike[0]}, each in its own way" if one else reason
        groups.setdefault((action, words), []).extend(group)
    made = [
        ReasonGroup(why=reason, entries=tuple(group), plain=_is_plain(group[0]))
        for (_, reason), group in groups.items()
    ]
    return sorted(made, key=_weight)


def _is_plain(entry: PlanEntry) -> bool:
    return entry.action is Action.REUSE and not entry.reminder and bool(_PLAIN.fullmatch(entry.reason))


def _weight(group: ReasonGroup) -> tuple[int, bool, int]:
    """Return the place of a group: by action, those with something to say first, then by credits."""
    credits = sum(entry.credits or 0 for entry in group.entries)
    return _ORDER[group.entries[0].action], group.plain, -credits
