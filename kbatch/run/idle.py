"""A run that has nothing to do, known before a line is opened, a key is read or an event loop begins.

Nothing is to be done when each job's clip stands, nobody is owed anything, and the lockfile would be written as it is:
no claim, no decision, nothing in the journal, no clip to keep aside. Whoever finds otherwise runs, and decides anew.
"""

from kbatch.plan.consent import ConfirmedPlan
from kbatch.plan.plan import Plan
from kbatch.run.errand import errands_of
from kbatch.run.ground import Ground
from kbatch.run.index import lockfile_of, to_keep, wanted_of
from kbatch.run.outcome import End, Outcome, count_ends


def idle(confirmed: ConfirmedPlan, ground: Ground, stands: frozenset[str]) -> Outcome | None:
    """Return what a run comes to that has nothing to do, else None; `stands` are the jobs whose clips stand."""
    plan, loaded = confirmed.plan, ground.loaded
    if len(stands) < len(plan.entries) or confirmed.terms.claim or loaded.events or loaded.notes:
        return None
    if not _is_settled(plan, ground, stands) or errands_of(plan, ground):
        return None
    ends = dict.fromkeys([entry.address for entry in plan.entries], End.REUSED)
    counts = {**count_ends({}), End.REUSED.value: len(ends)}
    return Outcome(ends=ends, lockfile=str(ground.lockfile_path), counts=counts)


def _is_settled(plan: Plan, ground: Ground, stands: frozenset[str]) -> bool:
    """Whether the lockfile would be written as it is, and no clip is left that no job refers to."""
    lockfile = ground.loaded.lockfile
    index = lockfile.of(plan.settings.profile)
    if stands and len(index) == len(ground.jobs) == len(stands):  # it names all jobs as they stand, and no others
        wanted = plan.basis.known
    else:
        after = lockfile_of(lockfile.renders, lockfile, ground.jobs, plan.settings.profile)
        if after != lockfile:
            return False
        wanted = wanted_of(lockfile)
    return not any(to_keep(lockfile.renders, wanted))
