"""The life of one purchase: which event takes an attempt from which state to which, in one table.

An *attempt* is one purchase of one fingerprint, counted from 1; sending again after a refusal is the same attempt,
since nothing was bought. What is not in `TRANSITIONS` is illegal, and only an event changes a state. The order in which
the states are written here is their rank: when two records of one attempt disagree, the greater state is what happened.

The table is for what a run may do next, so it is strict; reading the past is `fold`, which bears repetition.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from kbatch.errors import IllegalTransition


class State(StrEnum):
    """Where an attempt stands, from the least to the greatest that can be known of it."""

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
    """What an event tells: of one attempt, or with the last three of a whole run."""

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
    BEGAN = "began"
    UPLOADED = "uploaded"
    ENDED = "ended"


RUN_KINDS = frozenset({Kind.BEGAN, Kind.UPLOADED, Kind.ENDED})
"""Events of a run: they belong to no attempt and change no state."""

OPEN = frozenset({State.INTENDED, State.UNKNOWN})
"""Sent, or about to be, and nobody knows the outcome: maybe paid."""

PAID = frozenset({State.ACCEPTED, State.SUCCEEDED, State.DOWNLOADED, State.DELIVERED_WRONG, State.DONE})
"""The provider took the job and has not refunded it."""

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
        (State.ACCEPTED, Kind.FAILED): State.FAILED,
        (State.ACCEPTED, Kind.RENDERED): State.SUCCEEDED,
        (State.SUCCEEDED, Kind.REPORTED): State.SUCCEEDED,
        (State.SUCCEEDED, Kind.DOWNLOADED): State.DOWNLOADED,
        (State.DOWNLOADED, Kind.REPORTED): State.DOWNLOADED,
        (State.DOWNLOADED, Kind.DOWNLOADED): State.DOWNLOADED,
        (State.DOWNLOADED, Kind.DELIVERED): State.DONE,
        (State.DOWNLOADED, Kind.DELIVERED_WRONG): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.REPORTED): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.DOWNLOADED): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.DELIVERED_WRONG): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.DELIVERED): State.DONE,
        (State.DELIVERED_WRONG, Kind.MOVED): State.DELIVERED_WRONG,
        (State.DELIVERED_WRONG, Kind.ACCEPTED_AS_IS): State.DELIVERED_WRONG,
        (State.DONE, Kind.REPORTED): State.DONE,
        (State.DONE, Kind.DOWNLOADED): State.DONE,
        (State.DONE, Kind.DELIVERED): State.DONE,
        (State.DONE, Kind.MOVED): State.DONE,
        (State.DONE, Kind.ACCEPTED_AS_IS): State.DONE,
    }
)
"""Every legal step. `done` and `delivered-wrong` may be fetched again: a fresh clone has the receipt, not the file."""


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
    """Mermaid reads a hyphen in a state's name as something else."""
    return state.value.replace("-", "_")
