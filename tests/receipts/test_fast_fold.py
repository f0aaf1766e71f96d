"""The usual course of a purchase is folded without joining, and what comes out is what joining gives."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace
from receipt_samples import DONE, MEDIA, SHA, Teller, data_of, fact_of, lives, records

from kbatch.receipts.account import Account
from kbatch.receipts.event_receipt import receipt_of_event
from kbatch.receipts.events import Event, stamp
from kbatch.receipts.fold import apply, fold
from kbatch.receipts.join import join
from kbatch.receipts.lifecycle import RUN_KINDS, Kind
from kbatch.receipts.receipt import Credits, Output, Receipt, ReceiptError, ReceiptState

TIMES = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z")
ERROR = ReceiptError(at="delivery", reason=None, message="no")
OFFERED: Mapping[str, tuple[Any, ...]] = {
    "job_id": ("a", "a", "a", "b"),
    "sent_at": TIMES,
    "credits": (None, 0, 15, 30),
    "account": (None, "", "team", Account(team="t", user="u", key=None), Account(team="t", user="u", key="afk_1")),
    "variant": (None, "", "5s"),
    "body": (None, "", "body"),
    "provider_time": (None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
    "endpoint": (UNSET, "legacy", "v2"),
    "path": ("renders/a.mp4", "renders/b.mp4"),
    "sha256": (SHA, "cd" * 32),
    "media": (MEDIA, {**MEDIA, "fps": 24.0, "duration": None}),
    "reasons": ([], ["too short"], ["no audio"]),
    "message": ("", "no", "https://cdn.example/a?sig=1"),
}
OF_JOB = [kind for kind in Kind if kind not in {*RUN_KINDS, Kind.INTENDED, Kind.LOST, Kind.REFUSED}]


def joined(events: Iterable[Event], renders: Mapping[str, Receipt]) -> dict[str, Receipt]:
    """Return what folding is by its definition: what each event tells, joined to what is known."""
    known = dict(renders)
    for event in events:
        assert event.fingerprint is not None
        assert event.attempt is not None
        known[event.fingerprint] = join(known.get(event.fingerprint), receipt_of_event(event.attempt, event))
    return known


def applied(events: Iterable[Event], renders: Mapping[str, Receipt]) -> dict[str, Receipt]:
    """Return the receipts after one event at a time, as a run knows them."""
    known = dict(renders)
    for event in events:
        receipt = apply(known, event)
        assert receipt is not None
        known[str(event.fingerprint)] = receipt
    return known


@st.composite
def any_events(draw: st.DrawFn) -> Event:
    """Return an event of one fingerprint that may come from anywhere: other checkouts, lost beginnings, any order."""
    kind = draw(st.sampled_from([*OF_JOB, Kind.INTENDED, Kind.ACCEPTED, *OF_JOB, Kind.LOST, Kind.REFUSED]))
    data = data_of(kind)
    if kind is Kind.INTENDED:
        data |= {"provider_time": None, "account": None, "endpoint": UNSET}
    for name in OFFERED.keys() & data.keys():
        data[name] = draw(st.sampled_from(OFFERED[name]))
    if kind is Kind.REPORTED:
        data["credits"] = data["credits"] or 0
    data = {name: value for name, value in data.items() if value is not UNSET}
    fact = fact_of(kind, data, "fp", draw(st.sampled_from([1, 1, 1, 1, 2])))
    return stamp(fact, at=draw(st.sampled_from(TIMES)), run="r", sequence=1)


@st.composite
def any_receipts(draw: st.DrawFn) -> Receipt:
    """Return a receipt of any content, even one that no event could make, most often with one job."""
    offered: dict[str, tuple[Any, ...]] = {
        "state": tuple(ReceiptState),
        "job_id": ("a", "a", "a", None),
        "provider": ("apiframe", "apiframe", "apiframe", ""),
        "variant": OFFERED["variant"],
        "body": OFFERED["body"],
        "provider_time": OFFERED["provider_time"],
        "account": OFFERED["account"],
        "endpoint": (None, "legacy", "v2"),
        "address": ("", "hero"),
        "key": ("", "key"),
        "submitted_at": (*TIMES, *TIMES, None, "Z"),
        "finished_at": (None, *TIMES),
        "error": (None, None, ERROR, replace(ERROR, message="ä")),
        "accepted_as_is": (False, True),
        "last_attempt": (0, 0, 0, 2),
        "output": (None, *(Output(path="renders/a.mp4", placed_at=at, placed=at > TIMES[1]) for at in TIMES)),
    }
    fields = {name: draw(st.sampled_from(values)) for name, values in offered.items()}
    credits = Credits(**{name: draw(st.sampled_from([None, 0, 15])) for name in ("planned", "reported", "charged")})
    lists = {name: draw(st.sampled_from([0, 0, 0, 1])) * (draw(records()),) for name in ("also", "failed")}
    return Receipt(attempt=1, request={"prompt": "a ridge"}, credits=credits, **fields, **lists)


def test_every_two_events_of_a_job_fold_as_they_join() -> None:
    """Each state with and without what may stand beside it, each pair of events after it."""
    outputs = (None, Output(path="renders/a.mp4", placed_at=TIMES[2]), Output(path="renders/a.mp4", placed=False))
    teller = Teller()
    events = [
        teller.tell(kind, job_id="a", sent_at=TIMES[0]) if kind is Kind.ACCEPTED else teller.tell(kind, job_id="a")
        for kind in OF_JOB
    ]
    for state, error, output in product(ReceiptState, (None, ERROR), outputs):
        known = {"fp": Receipt(state=state, attempt=1, job_id="a", error=error, output=output, submitted_at=TIMES[0])}
        for pair in product(events, repeat=2):
            assert fold(pair, known) == applied(pair, known) == joined(pair, known), (state, error, output, pair)


def test_every_send_becomes_its_job_as_it_joins() -> None:
    """Sends that say something of everything, or nothing, and an acceptance of this send or of another."""
    for empty, sent_at, account in product((None, "", "x"), TIMES, OFFERED["account"]):
        given = dict.fromkeys(("variant", "body", "account"), empty) | {"provider_time": TIMES[0] if empty else None}
        fact = fact_of(Kind.INTENDED, {**data_of(Kind.INTENDED), **given}, "fp", 1)
        sent = stamp(fact, at=TIMES[0], run="r", sequence=1)
        answer = Teller().tell(Kind.ACCEPTED, sent_at=sent_at, account=account)
        for known in ({}, {"fp": Receipt(state=ReceiptState.UNKNOWN, attempt=1, last_attempt=2)}):
            assert fold([sent, answer], known) == applied([sent, answer], known) == joined([sent, answer], known)


@settings(max_examples=300, deadline=None)
@given(st.none() | any_receipts(), st.lists(any_events(), min_size=1, max_size=7))
def test_whatever_happened_folds_as_it_joins(receipt: Receipt | None, events: list[Event]) -> None:
    """Events in any order over a receipt of any content: by the fold and one at a time, to the last field."""
    known = {} if receipt is None else {"fp": receipt}
    wanted = joined(events, known)
    assert fold(events, known) == wanted
    assert applied(events, known) == wanted


@settings(max_examples=100, deadline=None)
@given(lives(), st.integers(0, 14))
def test_a_life_folds_as_it_joins(events: list[Event], cut: int) -> None:
    """Legal lives, in one go, in two, and one event at a time."""
    wanted = joined(events, {})
    assert fold(events) == fold(events[cut:], fold(events[:cut])) == applied(events, {}) == wanted


def test_what_no_event_touches_stays_the_same_object() -> None:
    """A start that finds nothing new makes no receipt anew, and what it was given stays as it is."""
    known = fold(Teller().tell_all(*DONE))
    before = dict(known)
    after = fold([Teller().tell(Kind.INTENDED, "other")], known)
    assert after["fp"] is known["fp"]
    assert known == before
    assert after.keys() == {"fp", "other"}
