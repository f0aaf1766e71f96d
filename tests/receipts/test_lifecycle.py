"""The table of a purchase's life: complete, monotone where it must be, and drawn as it is."""

import re

import pytest

from kbatch.errors import Bug, ExitCode, IllegalTransition
from kbatch.receipts.lifecycle import OPEN, PAID, RUN_KINDS, TRANSITIONS, Kind, State, advance, diagram


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", Kind)
def test_every_event_in_every_state_is_in_the_table_or_illegal(state: State, kind: Kind) -> None:
    """There is no third answer, and what is illegal names job, state and event."""
    if (state, kind) in TRANSITIONS:
        assert advance(state, kind, address="hero[city=lisbon]") is TRANSITIONS[state, kind]
        return
    with pytest.raises(IllegalTransition) as caught:
        advance(state, kind, address="hero[city=lisbon]")
    assert all(word in caught.value.message for word in ("hero[city=lisbon]", state.value, f"`{kind.value}`"))
    assert isinstance(caught.value, Bug)
    assert caught.value.exit_code is ExitCode.BUG


def test_only_a_new_send_after_a_refusal_goes_back() -> None:
    """No other event makes less of a purchase than was known of it."""
    falls = {(state, kind) for (state, kind), after in TRANSITIONS.items() if after.rank < state.rank}
    assert falls == {(State.REFUSED, Kind.INTENDED)}


def test_money_is_spent_in_one_place() -> None:
    """Only what was intended, and only an acceptance, becomes paid; only a failure or nothing ends that."""
    into = {(state, kind) for (state, kind), after in TRANSITIONS.items() if after in PAID and state not in PAID}
    assert into == {(State.INTENDED, Kind.ACCEPTED), (State.UNKNOWN, Kind.ACCEPTED)}
    out_of = {(state, kind) for (state, kind), after in TRANSITIONS.items() if state in PAID and after not in PAID}
    assert out_of == {(State.ACCEPTED, Kind.FAILED)}


def test_an_unknown_outcome_is_never_sent_anew() -> None:
    """From unknown only an answer leads on: a new `intended` would pay twice."""
    assert {kind for state, kind in TRANSITIONS if state is State.UNKNOWN} == {Kind.ACCEPTED, Kind.REFUSED, Kind.LOST}
    assert all((state, Kind.INTENDED) not in TRANSITIONS for state in PAID | OPEN)


def test_every_state_is_reached_and_events_of_runs_change_none() -> None:
    """The table leads from planned to every state, and the run's own events are not in it."""
    assert {State.PLANNED, *TRANSITIONS.values()} == set(State)
    assert {kind for _, kind in TRANSITIONS} == set(Kind) - RUN_KINDS


def test_the_diagram_has_every_arrow_of_the_table_and_no_other() -> None:
    """Reading the drawn arrows back gives the table."""
    text = diagram()
    assert text.startswith("stateDiagram-v2\n")
    aliases = {name: label for label, name in re.findall(r'state "(.+)" as (\w+)', text)}
    arrows = {
        (State(aliases.get(one, one)), Kind(kind)): State(aliases.get(other, other))
        for one, other, kinds in re.findall(r"    (\w+) --> (\w+): (.+)", text)
        for kind in kinds.split(", ")
    }
    assert arrows == dict(TRANSITIONS)
    assert set(re.findall(r"    (\w+) --> \[\*\]", text)) == {"failed", "done"}
    assert "    [*] --> planned\n" in text
