"""Records of runs in events: used plans, unfinished runs, open sends.

They outlive a journal: when it is rotated, `events_to_carry` starts the next one.
"""

from collections.abc import Iterable

from kbatch.receipts.event_data import Began, Ended, Intended, Uploaded
from kbatch.receipts.events import Event
from kbatch.receipts.lifecycle import Kind


def events_to_carry(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the events at the start of a new journal: unfinished runs, then open sends with uploads and last `lost`.

    An open send needs its exact body for a resend, and the expiry of the uploads that the body names. The events are
    read once; only those that may be carried are held in memory.
    """
    of_runs: list[Event] = []
    uploads: list[Event] = []
    open_sends: dict[tuple[str | None, int | None], tuple[Event, ...]] = {}
    for event in events:
        attempt = event.fingerprint, event.attempt
        match event.kind:
            case Kind.BEGAN | Kind.ENDED:
                of_runs.append(event)
            case Kind.UPLOADED:
                uploads.append(event)
            case Kind.INTENDED:
                open_sends[attempt] = (event,)
            case Kind.LOST if attempt in open_sends:
                open_sends[attempt] = (open_sends[attempt][0], event)
            case Kind.ACCEPTED | Kind.REFUSED:
                open_sends.pop(attempt, None)
    sent = "\n".join(send[0].data.body or "" for send in open_sends.values() if isinstance(send[0].data, Intended))
    needed = (event for event in uploads if isinstance(event.data, Uploaded) and event.data.url in sent)
    return (*unfinished_runs(of_runs), *needed, *(event for send in open_sends.values() for event in send))


def unfinished_runs(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the first `began` event of each claimed plan and each replacement that no later run has finished.

    A run finishes them when it ends as finished, has the same plan if there was one, and replaces at least the same
    fingerprints.
    """
    unfinished: list[Event] = []
    of_run: dict[str, Event] = {}
    for event in events:
        data = event.data
        if isinstance(data, Began):
            of_run[event.run] = event
            work = data.plan is not None or data.replacing
            if work and not any(_covers(event, other) and _covers(other, event) for other in unfinished):
                unfinished.append(event)
        elif isinstance(data, Ended) and data.finished and event.run in of_run:
            unfinished = [other for other in unfinished if not _covers(of_run[event.run], other)]
    return tuple(unfinished)


def used_plans(events: Iterable[Event]) -> frozenset[str]:
    """Return the digests of the plans that a run has finished."""
    plans: dict[str, str] = {}
    used = set()
    for event in events:
        data = event.data
        if isinstance(data, Began) and data.plan is not None:
            plans[event.run] = data.plan
        elif isinstance(data, Ended) and data.finished and event.run in plans:
            used.add(plans[event.run])
    return frozenset(used)


def _covers(run: Event, work: Event) -> bool:
    one, other = run.data, work.data
    if not isinstance(one, Began) or not isinstance(other, Began):
        return False
    return other.plan in (None, one.plan) and set(other.replacing) <= set(one.replacing)
