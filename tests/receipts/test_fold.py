"""Events fold into receipts: what each event says, whatever is repeated, missing or out of order."""

import json
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receipt_samples import DONE, FAILED, LOST, Teller, lives

from kbatch.errors import IllegalTransition
from kbatch.receipts.events import Event
from kbatch.receipts.fold import apply, check, fold, next_attempt
from kbatch.receipts.lifecycle import Kind, State
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.receipt import Receipt, ReceiptError, ReceiptState


def written(renders: dict[str, Receipt]) -> bytes:
    """Return receipts as a lockfile writes them."""
    return serialize(Lockfile(manifest="m", renders=renders))


def replacement(teller: Teller, *kinds: Kind) -> list[Event]:
    """Return the second attempt's events."""
    return teller.tell_all(*kinds, attempt=2, job_id="job-2")


@pytest.mark.parametrize(
    ("kinds", "stage", "state"),
    [
        ((Kind.INTENDED,), State.INTENDED, ReceiptState.UNKNOWN),
        (LOST, State.UNKNOWN, ReceiptState.UNKNOWN),
        ((Kind.INTENDED, Kind.REFUSED), State.REFUSED, ReceiptState.FAILED),
        (DONE[:2], State.ACCEPTED, ReceiptState.SUBMITTED),
        ((*DONE[:2], Kind.REPORTED), State.ACCEPTED, ReceiptState.SUBMITTED),
        (FAILED, State.FAILED, ReceiptState.FAILED),
        (DONE[:3], State.SUCCEEDED, ReceiptState.RENDERED),
        (DONE[:4], State.DOWNLOADED, ReceiptState.RENDERED),
        ((*DONE[:4], Kind.DELIVERED_WRONG), State.DELIVERED_WRONG, ReceiptState.DELIVERED_WRONG),
        (DONE, State.DONE, ReceiptState.DONE),
        ((Kind.INTENDED, Kind.REFUSED, Kind.INTENDED), State.INTENDED, ReceiptState.UNKNOWN),
        ((Kind.INTENDED, Kind.REFUSED, Kind.INTENDED, Kind.LOST), State.UNKNOWN, ReceiptState.UNKNOWN),
        ((Kind.INTENDED, Kind.REFUSED, *DONE), State.DONE, ReceiptState.DONE),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_each_life_ends_in_its_state(kinds: tuple[Kind, ...], stage: State, state: ReceiptState) -> None:
    """The fold ends where the table of states ends, and the lockfile has its own word for it."""
    receipt = fold(Teller().tell_all(*kinds))["fp"]
    assert (receipt.stage, receipt.state) == (stage, state)


def test_a_delivered_clip_has_everything_its_events_said() -> None:
    """Quote, charge, times, job, place and media of a purchase are in its receipt."""
    teller = Teller()
    events = [*teller.tell_all(*DONE[:2]), teller.tell(Kind.REPORTED, credits=30), *teller.tell_all(*DONE[2:])]
    receipt = fold(events)["fp"]
    assert (receipt.provider, receipt.model, receipt.variant) == ("apiframe", "kling-2.6", "5s")
    assert (receipt.credits.planned, receipt.credits.reported) == (15, 30)
    assert (receipt.submitted_at, receipt.finished_at) == (events[0].at, events[3].at)
    assert (receipt.job_id, receipt.attempt, receipt.address) == ("job-1", 1, "hero[city=lisbon]")
    assert receipt.output is not None
    assert (receipt.output.path, receipt.output.bytes, receipt.output.media.width) == ("renders/hero.mp4", 1000, 1280)
    assert receipt.output.placed_at == events[-1].at
    assert (receipt.key, receipt.body) == ("key-1", '{"prompt":"a ridge"}')


def test_refused_and_failed_cost_nothing() -> None:
    """A refusal reports 0 and where it came from; a failure shows what had been charged and what is left of it."""
    teller = Teller()
    refused = fold(teller.tell_all(Kind.INTENDED, Kind.REFUSED))["fp"]
    assert refused.credits.reported == 0
    assert refused.error == ReceiptError(at="submit", reason="rate", message="too many requests")
    failed = fold([*teller.tell_all(*DONE[:2]), teller.tell(Kind.REPORTED), teller.tell(Kind.FAILED)])["fp"]
    assert (failed.credits.reported, failed.credits.charged) == (0, 15)
    assert failed.error == ReceiptError(at="render", reason=None, message="the model gave up")


def test_delivered_wrong_says_why_until_it_is_put_right() -> None:
    """The reasons are the receipt's error; fetching the right clip ends them, accepting as is only the reminder."""
    teller = Teller()
    events = teller.tell_all(*DONE[:4], Kind.DELIVERED_WRONG, Kind.ACCEPTED_AS_IS)
    wrong = fold(events)["fp"]
    assert wrong.error_message == "the clip is 3 s long, 5 s were bought"
    assert (wrong.state, wrong.accepted_as_is) == (ReceiptState.DELIVERED_WRONG, True)
    right = fold([teller.tell(Kind.DELIVERED)], {"fp": wrong})["fp"]
    assert (right.state, right.error) == (ReceiptState.DONE, None)


@pytest.mark.parametrize("again", [(), (Kind.DELIVERED,)], ids=["moved", "moved-then-fetched-elsewhere"])
def test_a_clip_is_where_it_was_put_last(again: tuple[Kind, ...]) -> None:
    """Of two places the later counts, in whatever order the events are folded."""
    teller = Teller()
    events = [*teller.tell_all(*DONE), teller.tell(Kind.MOVED, path="renders/b.mp4")]
    events += [teller.tell(kind, path="renders/c.mp4") for kind in again]
    for order in (events, events[::-1], events + events[4:5]):
        output = fold(order)["fp"].output
        assert output is not None
        assert (output.path, output.bytes) == ("renders/c.mp4" if again else "renders/b.mp4", 1000)


def test_a_clip_that_is_fetched_again_is_where_it_was_until_it_is_placed() -> None:
    """A new `.part` of a delivered clip does not change its output, and never stands in the lockfile."""
    teller = Teller()
    done = fold(teller.tell_all(*DONE))
    again = fold([teller.tell(Kind.DOWNLOADED, path="renders/b.mp4")], done)
    assert again["fp"].output == done["fp"].output
    fetched = fold(Teller().tell_all(*DONE[:4]))
    assert fetched["fp"].output is not None
    assert parse(written(fetched), "x").renders["fp"].output is None


def test_a_replacement_is_shown_from_its_sending_and_the_older_render_stays() -> None:
    """While a replacement is open or paid it is shown and the older render stands in `also`."""
    teller = Teller()
    first = teller.tell_all(*DONE)
    for kinds in (LOST, DONE[:2], DONE):
        receipt = fold(first + replacement(teller, *kinds))["fp"]
        assert receipt.attempt == 2
        assert [(one.job_id, one.state) for one in receipt.also] == [("job-1", ReceiptState.DONE)]


@pytest.mark.parametrize("kinds", [FAILED, (Kind.INTENDED, Kind.REFUSED)], ids=["failed", "refused"])
def test_a_failed_replacement_hides_no_paid_render(kinds: tuple[Kind, ...]) -> None:
    """The paid render is shown, and the attempt that failed counts for the next one's number."""
    teller = Teller()
    receipt = fold(teller.tell_all(*DONE) + replacement(teller, *kinds))["fp"]
    assert (receipt.attempt, receipt.state, receipt.last_attempt) == (1, ReceiptState.DONE, 2)
    assert next_attempt(receipt) == (3 if kinds is FAILED else 2)
    assert parse(written({"fp": receipt}), "x").renders["fp"].last_attempt == 2


@pytest.mark.parametrize(
    ("kinds", "number"),
    [((), 1), ((Kind.INTENDED, Kind.REFUSED), 1), (LOST, 1), (DONE[:2], 2), (FAILED, 2), (DONE, 2)],
    ids=["never", "refused", "lost", "accepted", "failed", "done"],
)
def test_the_next_attempt_counts_what_was_bought(kinds: tuple[Kind, ...], number: int) -> None:
    """After a refusal the number stays, since its key bought nothing; after a job it goes up."""
    assert next_attempt(fold(Teller().tell_all(*kinds)).get("fp")) == number


@settings(max_examples=100, deadline=None)
@given(lives(), st.data())
def test_folding_an_event_twice_changes_nothing(told: list[Event], data: st.DataObject) -> None:
    """Any earlier event, and the whole journal again, leave the receipts as they are."""
    renders = fold(told)
    assert fold(told, renders) == renders
    if told:
        event = data.draw(st.sampled_from(told))
        assert apply(renders, event) == renders[str(event.fingerprint)]


@settings(max_examples=100, deadline=None)
@given(lives(), st.integers(0, 14), st.integers(0, 14))
def test_a_lockfile_and_its_journal_give_what_all_events_give(told: list[Event], cut: int, start: int) -> None:
    """A lockfile of any moment, with the journal from any earlier moment folded over it, is the whole story."""
    kept = parse(written(fold(told[:cut])), "x").renders
    assert written(fold(told[min(start, cut) :], kept)) == written(fold(told))


@settings(max_examples=100, deadline=None)
@given(lives(), st.integers(0, 14))
def test_no_paid_render_and_no_state_is_lost_by_a_further_event(told: list[Event], cut: int) -> None:
    """States of a purchase only rise: folding more events never makes one less than it was."""
    before, after = fold(told[:cut]), fold(told)
    for fingerprint, receipt in before.items():
        later = {
            (record.attempt, record.job_id): record.stage
            for record in (after[fingerprint], *after[fingerprint].also, *after[fingerprint].failed)
        }
        for record in (receipt, *receipt.also, *receipt.failed):
            if record.job_id is not None:
                assert later[record.attempt, record.job_id].rank >= record.stage.rank


@pytest.mark.parametrize(
    "kinds",
    [
        DONE,
        FAILED,
        (*LOST, Kind.REFUSED),
        (*LOST, Kind.ACCEPTED, Kind.REPORTED, Kind.RENDERED),
        (Kind.INTENDED, Kind.REFUSED, *LOST),
        (Kind.INTENDED, Kind.REFUSED, Kind.INTENDED, Kind.ACCEPTED),
    ],
    ids=["done", "failed", "refused-after-loss", "found-after-loss", "lost-after-refusal", "accepted-after-refusal"],
)
def test_events_of_an_attempt_fold_in_any_order(kinds: tuple[Kind, ...]) -> None:
    """Every order of one attempt's events gives the same receipt, its request and quote included."""
    events = Teller().tell_all(*kinds)
    wanted = fold(events)
    for order in permutations(events):
        assert fold(order) == wanted


@settings(max_examples=100, deadline=None)
@given(lives(), st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(told: list[Event], random: Random) -> None:
    """An attempt's sends and answers in any order, then what befell its jobs in any order, fold to the same."""
    answers = (Kind.INTENDED, Kind.LOST, Kind.REFUSED, Kind.ACCEPTED)
    shuffled = random.sample(told, len(told))
    shuffled.sort(key=lambda event: (event.attempt, event.kind not in answers))
    assert fold(shuffled) == fold(told)


def test_a_carried_body_reaches_a_lockfile_that_has_none() -> None:
    """The journal gives an unknown receipt of the lockfile its exact body and key back, for a resend."""
    events = Teller().tell_all(*LOST)
    kept = parse(written(fold(events)), "x").renders
    assert kept["fp"].body is None
    assert fold(events, kept)["fp"].body == '{"prompt":"a ridge"}'
    assert fold(events, kept)["fp"].key == "key-1"


def test_a_second_send_after_a_refusal_counts_with_its_own_body() -> None:
    """A lost second send is unknown, not refused, and what would be sent again is the second body."""
    teller = Teller()
    events = [
        *teller.tell_all(Kind.INTENDED, Kind.REFUSED),
        teller.tell(Kind.INTENDED, body="second"),
        teller.tell(Kind.LOST),
    ]
    receipt = fold(events)["fp"]
    assert (receipt.stage, receipt.body) == (State.UNKNOWN, "second")
    assert fold(events[:2], {"fp": receipt})["fp"] == receipt


def test_what_a_url_hides_is_in_no_receipt() -> None:
    """Query, fragment and user of a URL are cut off in request, inputs and messages; a prompt keeps its words."""
    prompt = "like https://example.org/?a=b but warmer"
    request = {"prompt": prompt, "start_image": "https://u:p@cdn.example/a.png?sig=SECRET#x", "n": [1, None]}
    teller = Teller()
    intended = teller.tell(Kind.INTENDED, request=request, inputs={"a": {"url": "https://cdn.example/b?sig=SECRET"}})
    lost = teller.tell(Kind.LOST, message="GET https://cdn.example/c?sig=SECRET was cut")
    receipt = fold([intended, lost])["fp"]
    assert receipt.request == {"prompt": prompt, "start_image": "https://cdn.example/a.png", "n": [1, None]}
    assert receipt.inputs == {"a": {"url": "https://cdn.example/b"}}
    assert receipt.error_message == "GET https://cdn.example/c was cut"
    assert b"SECRET" not in written({"fp": receipt})


def test_neither_key_nor_body_reaches_the_lockfile() -> None:
    """What only a resend needs stays in the journal, and a body not even in a repr."""
    receipt = fold(Teller().tell_all(Kind.INTENDED))["fp"]
    kept = json.loads(written({"fp": receipt}))["renders"]["fp"]
    assert {"key", "body", "address"}.isdisjoint(kept)
    assert 'a ridge"}' not in repr(receipt)


def test_a_life_of_legal_events_passes_the_check() -> None:
    """The strict look lets every event of a whole life through, and the run's own."""
    teller = Teller()
    renders: dict[str, Receipt] = {}
    for event in [teller.tell_run(Kind.BEGAN), *teller.tell_all(*DONE, Kind.REPORTED, Kind.MOVED)]:
        check(renders, event)
        renders = fold([event], renders)
    assert renders["fp"].state is ReceiptState.DONE


@pytest.mark.parametrize(
    ("kinds", "event", "words"),
    [
        ((), {"kind": Kind.ACCEPTED}, "fp is planned: `accepted`"),
        (LOST, {"kind": Kind.INTENDED}, r"hero\[city=lisbon\] is unknown: `intended`"),
        (LOST, {"kind": Kind.INTENDED, "attempt": 2}, "attempt 2 must not be `intended`, the next one is 1"),
        (LOST, {"kind": Kind.REFUSED}, "only `reconcile`"),
        (LOST, {"kind": Kind.ACCEPTED, "sent_at": "2026-01-01T00:00:09Z"}, "`accepted` is of another send"),
        (DONE, {"kind": Kind.INTENDED}, "is done: `intended`"),
        (DONE, {"kind": Kind.INTENDED, "attempt": 3}, "the next one is 2"),
        (DONE[:2], {"kind": Kind.ACCEPTED, "job_id": "other"}, "is accepted: `accepted`"),
        (DONE[:2], {"kind": Kind.LOST}, "is accepted: `lost`"),
        (DONE[:2], {"kind": Kind.RENDERED, "job_id": "other"}, "is planned: `rendered`"),
        (FAILED, {"kind": Kind.RENDERED}, "is failed: `rendered`"),
        (DONE[:2], {"kind": Kind.DELIVERED}, "is accepted: `delivered`"),
    ],
    ids=[
        "accepted-unsent",
        "sent-while-unknown",
        "next-attempt-while-unknown",
        "refused-by-a-resend",
        "answer-to-another-send",
        "attempt-used",
        "attempt-skipped",
        "second-job",
        "lost-when-accepted",
        "another-job",
        "failed-renders",
        "delivered-unfetched",
    ],
)
def test_an_illegal_next_event_is_refused(kinds: tuple[Kind, ...], event: dict, words: str) -> None:
    """What would pay twice or skip a step raises before it is journaled, naming job, state and event."""
    teller = Teller()
    renders = fold(teller.tell_all(*kinds))
    changes = {name: value for name, value in event.items() if name not in ("kind", "attempt")}
    wrong = teller.tell(event["kind"], "fp", event.get("attempt", 1), **changes)
    with pytest.raises(IllegalTransition, match=words):
        check(renders, wrong)
