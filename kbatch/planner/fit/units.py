"""Units of a campaign: shots that are edited together, since one needs another's frame or has the same prompt.

Two units never share a purchase, so their costs and losses add up.
"""

from collections.abc import Sequence

from kbatch.planner.jobs import Job


class Groups:
    """Names that belong together, joined pair by pair; a group is named by one of its members."""

    def __init__(self) -> None:
        self._leader: dict[str, str] = {}

    def leader(self, name: str) -> str:
        """Return the name that stands for the group of `name`."""
        found = self._leader.setdefault(name, name)
        while found != self._leader[found]:
            self._leader[found] = self._leader[self._leader[found]]
            found = self._leader[found]
        return found

    def join(self, one: str, other: str) -> None:
        """Put two names, and their groups, into one."""
        self._leader[self.leader(other)] = self.leader(one)


def units_of(jobs: Sequence[Job]) -> tuple[tuple[Job, ...], ...]:
    """Return the jobs of each unit, in the order of the manifest."""
    groups = Groups()
    shot_of = {job.address: job.draft.shot for job in jobs}
    prompts: dict[str | None, str] = {}
    for job in jobs:
        shot = job.draft.shot
        groups.join(prompts.setdefault(job.draft.prompt, shot), shot)
        for need in job.upstream:
            if need in shot_of:
                groups.join(shot_of[need], shot)
    units: dict[str, list[Job]] = {}
    for job in jobs:
        units.setdefault(groups.leader(job.draft.shot), []).append(job)
    return tuple(map(tuple, units.values()))
