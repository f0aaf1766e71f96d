"""Lives of purchases for the tests: told event by event, at random but legal, or as receipts of any content."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from msgspec import convert
from msgspec.structs import replace

from kbatch.receipts.account import Account
from kbatch.receipts.event_data import DATA
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.receipts.fold import apply, check, next_attempt, stage_of
from kbatch.receipts.join import combine_records, find
from kbatch.receipts.lifecycle import TRANSITIONS, Kind, State
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import NO_MEDIA, Credits, Output, Purchase, Receipt, ReceiptError, ReceiptState

MEDIA = {"duration": 5.0, "width": 1280, "height": 720, "fps": 24, "audio": False}
SHA = "ab" * 32
OPENING = {"opened_at": "2026-01-01T00:00:00Z", "reason": "above-quote", "credits": 15}
ACCOUNTS = (None, "team", Account(team="t", user="u", key=None), Account(team="t", user="u", key="afk_1"))


def data_of(kind: Kind, **changes: Any) -> dict[str, Any]:
    """Return valid data of an event of this kind, with some of it changed."""
    job = {"job_id": "job-1"}
    send = {"sent_at": "2026-01-01T00:00:01Z"}
    clip = {**job, "path": "renders/hero.mp4", "sha256": SHA, "bytes": 1000, "media": MEDIA}
    samples: Mapping[Kind, dict[str, Any]] = {
        Kind.INTENDED: {
            "address": "hero[city=lisbon]",
            "provider": "apiframe",
            "model": "kling-2.6",
            "variant": "5s",
            "origin": "https://api.apiframe.ai",
            "key": "key-1",
            "credits": 15,
            "request": {"prompt": "a ridge", "model": "kling-2.6", "klingParams": {"duration": 5}},
            "inputs": {},
            "body": '{"prompt":"a ridge"}',
        },
        Kind.LOST: {**send, "message": "cut off after sending"},
        Kind.REFUSED: {**send, "reason": "rate", "message": "too many requests", "by": "submit"},
        Kind.ACCEPTED: {**send, **job, "account": None, "by": "submit"},
        Kind.REPORTED: {**job, "credits": 15},
        Kind.RENDERED: {**job, "credits": None},
        Kind.FAILED: {**job, "message": "the model gave up", "credits": 0},
        Kind.DOWNLOADED: clip,
        Kind.DELIVERED: clip,
        Kind.DELIVERED_WRONG: {**clip, "reasons": ["the clip is 3 s long, 5 s were bought"]},
        Kind.MOVED: {**job, "path": "renders/moved.mp4"},
        Kind.ACCEPTED_AS_IS: job,
        Kind.REFUND_CLAIMED: {**job, "reason": "above-quote", "credits": 15},
        Kind.REFUND_SETTLED: {**job, "claim": OPENING, "refunded": 15, "reference": "ticket 1", "by": "person"},
        Kind.BEGAN: {"manifest": "campaign.yaml", "plan": None, "maximum": {"apiframe": 100}, "replacing": []},
        Kind.UPLOADED: {"provider": "apiframe", "digest": SHA, "url": "https://cdn.example/1.png", "expires_at": None},
        Kind.ENDED: {"exit_code": 0, "finished": True},
    }
    return {**samples[kind], **changes}


def fact_of(kind: Kind, data: Mapping[str, Any], fingerprint: str | None = None, attempt: int | None = None) -> Fact:
    """Return the fact with this data, given as JSON."""
    return Fact(fingerprint=fingerprint, attempt=attempt, data=convert(data, DATA[kind]))


class Teller:
    """Stamps facts as a journal would, each a second later than the one before; answers are about the last send."""

    def __init__(self, run: str = "run-1", *, start: int = 0) -> None:
        self.run = run
        self._second = start
        self._sequence = 0
        self._sent_at: dict[tuple[str | None, int | None], str] = {}

    def tell(self, kind: Kind, fingerprint: str | None = "fp", attempt: int | None = 1, **changes: Any) -> Event:
        """Return the next event."""
        self._second += 1
        self._sequence += 1
        at = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._second)).isoformat().replace("+00:00", "Z")
        if kind is Kind.INTENDED:
            self._sent_at[fingerprint, attempt] = at
        if kind in (Kind.LOST, Kind.REFUSED, Kind.ACCEPTED) and (fingerprint, attempt) in self._sent_at:
            changes = {"sent_at": self._sent_at[fingerprint, attempt], **changes}
        fact = fact_of(kind, data_of(kind, **changes), fingerprint, attempt)
        return stamp(fact, at=at, run=self.run, sequence=self._sequence)

    def tell_all(self, *kinds: Kind, attempt: int = 1, job_id: str = "job-1") -> list[Event]:
        """Return one event after another of an attempt of `fp`, those after its acceptance about this job."""
        return [
            self.tell(kind, "fp", attempt, **({"job_id": job_id} if "job_id" in data_of(kind) else {}))
            for kind in kinds
        ]

    def tell_run(self, kind: Kind, **changes: Any) -> Event:
        """Return the next event, one of the run."""
        return self.tell(kind, None, None, **changes)


DONE = (Kind.INTENDED, Kind.ACCEPTED, Kind.RENDERED, Kind.DOWNLOADED, Kind.DELIVERED)
FAILED = (Kind.INTENDED, Kind.ACCEPTED, Kind.FAILED)
LOST = (Kind.INTENDED, Kind.LOST)


@st.composite
def lives(
    draw: st.DrawFn, *, run: str = "run-1", steps: int = 14, known: Sequence[Event] = (), start: int = 0
) -> list[Event]:
    """Return events that a run may journal after the known ones: every one passes `check`."""
    teller = Teller(run, start=start)
    renders: dict[str, Receipt] = {}
    for event in known:
        _take(renders, event)
    told = []
    for _ in range(draw(st.integers(0, steps))):
        event = draw(_next_events(renders, teller))
        check(renders, event)
        _take(renders, event)
        told.append(event)
    return told


def _take(renders: dict[str, Receipt], event: Event) -> None:
    receipt = apply(renders, event)
    assert receipt is not None
    assert event.fingerprint is not None
    renders[event.fingerprint] = receipt


@st.composite
def _next_events(draw: st.DrawFn, renders: Mapping[str, Receipt], teller: Teller) -> Event:
    fingerprint = draw(st.sampled_from(["one", "two"]))
    receipt = renders.get(fingerprint)
    moves: list[tuple[int, str | None, Kind]] = []
    for record in (receipt, *receipt.also, *receipt.failed) if receipt else ():
        stage = stage_of(receipt, record.attempt, record.job_id)
        kinds = [kind for state, kind in TRANSITIONS if state is stage and kind is not Kind.INTENDED]
        moves += [(record.attempt, record.job_id, kind) for kind in kinds]
    attempt = next_attempt(receipt)
    if stage_of(receipt, attempt) in (State.PLANNED, State.REFUSED):
        moves.append((attempt, None, Kind.INTENDED))
    attempt, job_id, kind = draw(st.sampled_from(moves))
    send = find(receipt, attempt, None)
    changes: dict[str, Any] = {}
    if kind is Kind.INTENDED:
        changes = {"body": f"body of {teller.run} {draw(st.integers(1, 3))}", "address": fingerprint}
    elif kind in (Kind.LOST, Kind.REFUSED):
        changes = {"sent_at": send and send.submitted_at, **({"by": "reconcile"} if kind is Kind.REFUSED else {})}
    elif kind is Kind.ACCEPTED:
        job_id = f"{fingerprint}-{attempt}-{draw(st.sampled_from(['same', teller.run]))}"
        changes = {"sent_at": send and send.submitted_at, "job_id": job_id}
    else:
        changes = {"job_id": job_id}
    if kind in (Kind.REPORTED, Kind.RENDERED, Kind.FAILED):
        changes["credits"] = draw(st.sampled_from([0, 15, 30]))
    if kind in (Kind.MOVED, Kind.DELIVERED, Kind.DELIVERED_WRONG):
        changes["path"] = draw(st.sampled_from(["renders/a.mp4", "renders/b.mp4", "renders/c.mp4"]))
    return teller.tell(kind, fingerprint, attempt, **changes)


_times = st.integers(0, 5).map(lambda second: f"2026-01-01T00:00:0{second}Z")
_credits = st.sampled_from([None, 0, 15, 30])
_outputs = st.builds(
    Output,
    path=st.sampled_from(["renders/a.mp4", "renders/b.mp4"]),
    sha256=st.sampled_from([SHA, "cd" * 32]),
    bytes=st.integers(1, 2),
    media=st.builds(
        lambda duration, fps: replace(NO_MEDIA, duration=duration, fps=fps),
        st.sampled_from([None, 5.0]),
        st.sampled_from([24, 23.976]),
    ),
    placed_at=_times,
)
_errors = st.builds(
    ReceiptError,
    at=st.sampled_from(["submit", "render", "delivery"]),
    reason=st.sampled_from([None, "moderation"]),
    message=st.sampled_from(["", "no", "é"]),
)


def purchase_of(run: str, market: str = "eu") -> Purchase:
    """Return what a receipt remembers of its purchase in a run."""
    return Purchase(address="hero", labels={"market": market}, axes={"city": "oslo"}, campaign="solstice", run=run)


@st.composite
def records(draw: st.DrawFn) -> Receipt:
    """Return one attempt as a lockfile may have it, from a small world, so that two often are the same purchase.

    What was sent goes by attempt and time: these tell one send from another.
    """
    state = draw(st.sampled_from(ReceiptState))
    accepted = state is not ReceiptState.UNKNOWN and (state is not ReceiptState.FAILED or draw(st.booleans()))
    placed = state in (ReceiptState.DONE, ReceiptState.DELIVERED_WRONG)
    attempt, submitted_at = draw(st.integers(1, 3)), draw(_times)
    planned = (None, 15, 30)[(attempt + int(submitted_at[-2])) % 3]
    return Receipt(
        provider="apiframe",
        model="kling-2.6",
        variant="5s" if planned == 15 else None,
        state=state,
        origin="https://api.apiframe.ai",
        job_id=draw(st.sampled_from(["a", "b"])) if accepted else None,
        attempt=attempt,
        request={"prompt": "a ridge"},
        inputs={"start_image": {"job_id": submitted_at}} if attempt == 3 else {},
        credits=Credits(
            planned=planned,
            reported=draw(_credits),
            charged=draw(_credits) if state is ReceiptState.FAILED and accepted else None,
        ),
        submitted_at=submitted_at,
        finished_at=draw(st.none() | _times),
        output=draw(_outputs) if placed else None,
        error=draw(_errors if state is ReceiptState.FAILED else st.none() | _errors),
        account=draw(st.sampled_from(ACCOUNTS)),
        endpoint=(None, "legacy", "v2")[(attempt + int(submitted_at[-2])) % 3],
        purchase=purchase_of(f"{submitted_at}-{attempt}") if planned != 30 else None,
        accepted_as_is=draw(st.booleans()),
    )


receipts = st.builds(
    lambda found, last: combine_records(found, last_attempt=last),
    st.lists(records(), min_size=1, max_size=4),
    st.integers(0, 4),
)
_entries = st.builds(IndexEntry, fingerprint=st.sampled_from(["one", "two"]), path=st.sampled_from(["a.mp4", "b.mp4"]))
_indexes = st.dictionaries(st.sampled_from(["hero", "reveal@2"]), _entries, max_size=2)
lockfiles = st.builds(
    Lockfile,
    manifest=st.sampled_from(["campaign.yaml", "launch.yaml"]),
    jobs=_indexes,
    renders=st.dictionaries(st.sampled_from(["one", "two"]), receipts, max_size=2),
    profiles=st.dictionaries(st.just("draft"), _indexes, max_size=1),
)
