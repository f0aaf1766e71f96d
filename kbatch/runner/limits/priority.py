"""The order of jobs: the longest remaining work first, a chain by its sum; pure."""

from kbatch.planner.actions import Action
from kbatch.planner.plan import Plan


def priorities(plan: Plan) -> dict[str, float]:
    """Return for each address the seconds of work that depend on the job, its own included.

    The clip's own length is added, so that of renders with equal typical times the longer clip goes first.
    """
    feeds: dict[str, list[str]] = {}
    own: dict[str, float] = {}
    for entry in plan.entries:
        runs = entry.action in (Action.RENDER, Action.POLL)
        own[entry.address] = float(entry.job.typical_s[1] + entry.job.clip.duration_s) if runs else 1.0
        for need in entry.job.upstream:
            feeds.setdefault(need, []).append(entry.address)
    total: dict[str, float] = {}
    for start in own:
        stack = [start]
        while stack:
            address = stack[-1]
            waiting = [fed for fed in feeds.get(address, ()) if fed in own and fed not in total]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            total[address] = own[address] + max(
                (total[fed] for fed in feeds.get(address, ()) if fed in total), default=0
            )
    return total
