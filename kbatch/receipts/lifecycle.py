"""The states of one purchase and the events that change them, in one table.

An *attempt* is one purchase of one fingerprint, counted from 1; a resend after a refusal is the same attempt, since
nothing was bought. A step that is not in `TRANSITIONS` is illegal, and only an event changes a state. The order of the
states here is their rank: when two records of one attempt disagree, the higher state is true.

The table restricts what a run may do next. Past events are read by `fold`, which tolerates repetition.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from kbatch.errors import IllegalTransition


class State(StrEnum):
    """The state of an attempt, in order of rank."""

    PLANNED = "planned"
    INTENDED = "intended"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    DOWNLOADED = "downloaded"
    DELIVERED_WRONG = "delivered-wrong"
    DONE = "done"

    @property
    def rank(self) -> int:
        """Position in the order of states, from 0."""
        return _RANK[self]


class Kind(StrEnum):
    """The kind of an event, of one attempt; the last three are of a run."""

    INTENDED = "intended"
    LOST = "lost"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    REPORTED = "reported"
    RENDERED = "rendered"
    FAILED = "failed"
    DOWNLOADED = "downloaded"
    DELIVERED = "delivered"
    DELIVERED_WRONG = "delivered-wrong"
    MOVED = "moved"
    ACCEPTED_AS_IS = "accepted-as-is"
    REFUND_CLAIMED = "refund-claimed"
    REFUND_SETTLED = "refund-settled"
    BEGAN = "began"
    UPLOADED = "uploaded"
    ENDED = "ended"


RUN_KINDS = frozenset({Kind.BEGAN, Kind.UPLOADED, Kind.ENDED})
"""Events of a run: they belong to no attempt and change no state."""

OPEN = frozenset({State.INTENDED, State.UNKNOWN})
"""States of a send whose outcome is unknown: it may be paid."""

PAID = frozenset({State.ACCEPTED, State.SUCCEEDED, State.DOWNLOADED, State.DELIVERED_WRONG, State.DONE})
"""States of an accepted job that is not refunded."""

_RANK = {state: position for position, state in enumerate(State)}

TRANSITIONS: Mapping[tuple[State, Kind], State] = MappingProxyType(
    {
        (State.PLANNED, Kind.INTENDED): State.INTENDED,
        (State.INTENDED, Kind.ACCEPTED): State.ACCEPTED,
        (State.INTENDED, Kind.REFUSED): State.REFUSED,
        (State.INTENDED, Kind.LOST): State.UNKNOWN,
        (State.UNKNOWN, Kind.ACCEPTED): State.ACCEPTED,
        (State.UNKNOWN, Kind.REFUSED): State.REFUSED,
        (State.UNKNOWN, Kind.LOST): State.UNKNOWN,
        (State.REFUSED, Kind.INTENDED): State.INTENDED,
        (State.ACCEPTED, Kind.REPORTED): State.ACCEPTED,
        (State.ACCEPTED, Kind.REFUND_CLAIMED): State.ACCEPTED,
        (State.ACCEPTED, Kind.REFUND_SETTLED): State.ACCEPTED,
        (State.ACCEPTED, Kind.FAILED): State.FAILED,
        (State.ACCEPTED, Kind.RENDERED): State.SUCCEEDED,
        (State.FAILED, Kind.REFUND_CLAIMED): State.FAILED,
        (State.FAILED, Kind.REFUND_SETTLED): State.FAILED,
        (State.SUCCEEDED, Kind.REPORTED): State.SUCCEEDED,
        (State.SUCCEEDED, Kind.REFUND_CLAIMED): State.SUCCEEDED,
        (State.SUCCEEDED, Kind.REFUND_SETTLED): State.SUCCEEDED,
        (State.SUCCEEDED, Kind.DOWNLOADED): State.DOWNLOADED,
        (State.DOWNLOADED, Kind.REPORTED): State.DOWNLOADED,
        (State.DOWNLOADED, Kind.REFUND_CLAIMED): State.DOWNLOADED,
        (State.DOWNLOADED, Kind.REFUND_SETTLED): State.DOWNLOADED,
        (State.DOWNLOADED, Kind.DOWNLOADED): State.DOWNLOADED,
        (State.DOWNLOADED, Kind.DELIVERED): State.DONE,
        (State.DOWNLOADED, Kind.DELIVERED_WRONG): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.REPORTED): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.DOWNLOADED): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.DELIVERED_WRONG): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.DELIVERED): State.DONE,
        (State.DELIVERED_WRONG, Kind.MOVED): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.ACCEPTED_AS_IS): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.REFUND_CLAIMED): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.REFUND_SETTLED): State.DELIVERED_WRONG,
        (State.DONE, Kind.REPORTED): State.DONE,
        (State.DONE, Kind.DOWNLOADED): State.DONE,
        (State.DONE, Kind.DELIVERED): State.DONE,
        (State.DONE, Kind.MOVED): State.DONE,
        (State.DONE, Kind.ACCEPTED_AS_IS): State.DONE,
        (State.DONE, Kind.REFUND_CLAIMED): State.DONE,
        (State.DONE, Kind.REFUND_SETTLED): State.DONE,
    }
)
"""Every legal step. `done` and `delivered-wrong` allow a new download: a fresh clone has the receipt, not the file."""


def advance(state: State, kind: Kind, *, address: str) -> State:
    """Return the state after an event of an attempt; IllegalTransition names address, state and event."""
    after = TRANSITIONS.get((state, kind))
    if after is None:
        raise IllegalTransition(f"{address or 'a job'} is {state.value}: `{kind.value}` must not happen to it")
    return after


def diagram() -> str:
    """Return the table as a Mermaid `stateDiagram-v2`; the events between two states share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, kind), after in TRANSITIONS.items():
        arrows.setdefault((state, after), []).append(kind.value)
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {_name(state)}' for state in State if _name(state) != state.value]
    lines.append(f"    [*] --> {_name(State.PLANNED)}")
    lines += [f"    {_name(one)} --> {_name(other)}: {', '.join(kinds)}" for (one, other), kinds in arrows.items()]
    leaving = {one for one, other in arrows if one is not other}
    lines += [f"    {_name(state)} --> [*]" for state in State if state not in leaving]
    return "\n".join(lines) + "\n"


def _name(state: State) -> str:
    """Return a state's name without hyphens, which Mermaid does not allow in names."""
    return state.value.replace("-", "_")
