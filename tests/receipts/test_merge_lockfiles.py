"""Merging lockfiles: any number, in any order, without losing what was paid."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from receipt_samples import DONE, FAILED, LOST, Teller, lives, lockfiles, receipts

from kbatch.receipts.fold import fold, next_attempt
from kbatch.receipts.join import join, records_of
from kbatch.receipts.lifecycle import OPEN, PAID, Kind
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.lockfile.merge import merge
from kbatch.receipts.receipt import Receipt, ReceiptState


def paid(receipt: Receipt) -> set[tuple[int, str | None]]:
    """Return the purchases of a receipt that nobody refunded."""
    return {(record.attempt, record.job_id) for record in records_of(receipt) if record.stage in PAID}


def ended(receipt: Receipt) -> set[tuple[int, str | None]]:
    """Return the jobs of a receipt that failed."""
    return {(record.attempt, record.job_id) for record in records_of(receipt) if record.stage not in PAID | OPEN}


@settings(max_examples=100, deadline=None)
@given(lockfiles, lockfiles)
def test_merge_is_commutative(one: Lockfile, other: Lockfile) -> None:
    """Which side is ours makes no difference, in the value and in the bytes."""
    assert merge(one, other) == merge(other, one)
    assert serialize(merge(one, other)) == serialize(merge(other, one))


@settings(max_examples=100, deadline=None)
@given(lockfiles, lockfiles, lockfiles)
def test_merge_is_associative(one: Lockfile, two: Lockfile, three: Lockfile) -> None:
    """Three branches give one lockfile, whichever two are merged first, also by way of files."""
    first, last = merge(merge(one, two), three), merge(one, merge(two, three))
    assert first == last
    by_file = merge(parse(serialize(merge(one, two)), "x"), three)
    assert serialize(by_file) == serialize(last)


@settings(max_examples=100, deadline=None)
@given(lockfiles, lockfiles)
def test_merge_is_idempotent(one: Lockfile, other: Lockfile) -> None:
    """Merging what is merged already changes nothing."""
    both = merge(one, other)
    assert merge(one, one) == one
    assert merge(both, one) == both
    assert merge(both, both) == both


@settings(max_examples=100, deadline=None)
@given(receipts, receipts)
def test_merge_drops_no_paid_render(one: Receipt, other: Receipt) -> None:
    """A purchase of either side is there afterwards, unless the other side knows that it failed."""
    both = join(one, other)
    assert (paid(one) | paid(other)) - ended(both) <= paid(both)
    assert {job for _, job in ended(both)} <= {job for _, job in ended(one) | ended(other)}


@st.composite
def checkouts(draw: st.DrawFn) -> tuple[list, list, list]:
    """Return what one checkout told, and what two that began from it told on their own."""
    trunk = draw(lives(run="trunk", steps=8))
    ours = draw(lives(run="ours", known=trunk, steps=6, start=100))
    theirs = draw(lives(run="theirs", known=trunk, steps=6, start=draw(st.sampled_from([103, 200]))))
    return trunk, ours, theirs


@settings(max_examples=100, deadline=None)
@given(checkouts())
def test_two_checkouts_lose_nothing_when_merged(told: tuple[list, list, list]) -> None:
    """Each side's purchases are in the merge of both lockfiles, and either side's journal adds nothing to it."""
    trunk, ours, theirs = told
    left, right = (parse(serialize(Lockfile(manifest="m", renders=fold(trunk + side))), "x") for side in (ours, theirs))
    merged = merge(left, right)
    for side in (left, right):
        for fingerprint, receipt in side.renders.items():
            both = merged.renders[fingerprint]
            assert paid(receipt) - ended(both) <= paid(both)
    for side in (ours, theirs):
        again = Lockfile(manifest="m", renders=fold(trunk + side, merged.renders))
        assert serialize(again) == serialize(merged)


@settings(max_examples=100, deadline=None)
@given(lives(steps=16), st.integers(0, 16), st.integers(0, 16))
def test_lockfiles_of_one_history_merge_to_the_later_one(told: list, one: int, other: int) -> None:
    """A lockfile of an older moment adds nothing to a newer one of the same events: nothing comes back to life."""
    older, newer = sorted((one, other))
    before = parse(serialize(Lockfile(manifest="m", renders=fold(told[:older]))), "x")
    after = parse(serialize(Lockfile(manifest="m", renders=fold(told[:newer]))), "x")
    assert serialize(merge(before, after)) == serialize(after)


@settings(max_examples=100, deadline=None)
@given(lives(steps=16))
def test_folding_all_is_merging_the_folds_of_each_fingerprint(told: list) -> None:
    """Events of different fingerprints may be folded apart: merging gives what folding them together gives."""
    apart = [fold(event for event in told if event.fingerprint == fingerprint) for fingerprint in ("one", "two")]
    lockfile = merge(*(Lockfile(manifest="m", renders=renders) for renders in apart))
    assert lockfile.renders == fold(told)


def test_a_stale_branch_revives_no_failed_job() -> None:
    """A branch that saw the first attempt running cannot bring it back once it failed and was bought again."""
    teller = Teller()
    first = teller.tell_all(*FAILED)
    second = teller.tell_all(*DONE, attempt=2, job_id="job-2")
    stale = Lockfile(manifest="m", renders=fold(first[:2]))
    now = Lockfile(manifest="m", renders=fold(first + second))
    receipt = merge(stale, now).renders["fp"]
    assert (receipt.job_id, receipt.state, receipt.also) == ("job-2", ReceiptState.DONE, ())
    assert [one.job_id for one in receipt.failed] == ["job-1"]


def test_two_checkouts_that_bought_the_same_job_twice_keep_both() -> None:
    """Two job ids of one attempt are two purchases: the later is shown, the earlier stands in `also`."""
    here, there = Teller("here"), Teller("there", start=100)
    ours = fold(here.tell_all(*DONE))
    theirs = fold(there.tell_all(*DONE[:3], job_id="job-b"))
    receipt = merge(Lockfile(manifest="m", renders=ours), Lockfile(manifest="m", renders=theirs)).renders["fp"]
    assert (receipt.job_id, receipt.state) == ("job-b", ReceiptState.RENDERED)
    assert [(one.job_id, one.state) for one in receipt.also] == [("job-1", ReceiptState.DONE)]


def test_an_unknown_outcome_is_settled_by_the_job_that_the_other_checkout_found() -> None:
    """The key of a purchase is its fingerprint and attempt: what one checkout calls unknown is the other's job."""
    teller = Teller()
    lost = fold(teller.tell_all(*LOST))
    found = fold([teller.tell(Kind.ACCEPTED)], lost)
    merged = merge(Lockfile(manifest="m", renders=lost), Lockfile(manifest="m", renders=found))
    assert merged.renders["fp"].state is ReceiptState.SUBMITTED
    assert merged.renders["fp"].also == ()


def test_the_highest_attempt_is_kept_even_when_its_record_is_not() -> None:
    """The next purchase's number is above every one ever used, whichever side knew of it."""
    done = fold(Teller().tell_all(*DONE))["fp"]
    for one, other in ((done, replace(done, last_attempt=5)), (replace(done, last_attempt=5), done)):
        assert next_attempt(join(one, other)) == 6


def test_a_second_purchase_of_an_attempt_is_told_by_what_both_share() -> None:
    """A job found after another checkout's job had settled the attempt has the same request, model and quote."""
    here, there = Teller("here"), Teller("there", start=100)
    theirs = fold(there.tell_all(*DONE, job_id="job-b"))
    both = fold(here.tell_all(*LOST, Kind.ACCEPTED), theirs)["fp"]
    assert [(one.job_id, one.model, one.credits.planned) for one in both.also] == [("job-1", "kling-2.6", 15)]
    assert both.also[0].request == both.request


def test_indexes_of_both_sides_are_kept() -> None:
    """Jobs and profiles of both lockfiles stand in the merge; of two entries for an address one stands."""
    one = Lockfile(manifest="m", jobs={"a": IndexEntry(fingerprint="1", path="a.mp4")}, profiles={"draft": {}})
    entry = IndexEntry(fingerprint="2", path="a.mp4")
    other = Lockfile(manifest="m", jobs={"a": entry, "b": entry}, profiles={"final": {"a": entry}})
    merged = merge(one, other)
    assert merged.jobs == {"a": entry, "b": entry}
    assert merged.profiles == {"draft": {}, "final": {"a": entry}}
