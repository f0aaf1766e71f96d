"""Reasons of jobs without the parts that only one job has, so that equal reasons are shown once."""

import re

from kbatch.planner.actions import PlanEntry

_JOB_ID = re.compile(r"accepted as [^\s,]+,")


def shared(words: str, address: str) -> str:
    """Return a reason without the job's own address and the id that its provider gave it, which each row has.

    >>> shared("accepted as job-17, not collected yet", "hero[city=oslo]")
    'accepted, not collected yet'
    """
    return _JOB_ID.sub("accepted,", words.replace(f"`{address}`", "it"))


def why(entry: PlanEntry) -> str:
    """Return the reason of an entry in the form that it has in common with other entries."""
    return "the same request as another job, bought once" if entry.shared_with else shared(entry.words, entry.address)
