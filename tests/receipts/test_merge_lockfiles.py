"""Merging lockfiles: any number, in any order, without losing what was paid."""

from hypothesis import given, settings
from hypothesis import strategies as st
from receipt_samples import DONE, FAILED, LOST, Teller, lives, lockfiles, receipts

from kbatch.receipts.attempts import join, records_of
from kbatch.receipts.fold import fold
from kbatch.receipts.lifecycle import OPEN, PAID, Kind
from kbatch.receipts.lockfile import Entry, Lockfile, parse, serialize
from kbatch.receipts.merge import merge
from kbatch.receipts.receipt import Receipt, ReceiptState


def paid(receipt: Receipt) -> set[tuple[int, str | None]]:
    """Return the purchases of a receipt that nobody refunded."""
    return {(record.attempt, record.job_id) for record in records_of(receipt) if record.stage in PAID}


def ended(receipt: Receipt) -> set[tuple[int, str | None]]:
    """Return the jobs of a receipt that failed."""
    return {(record.attempt, record.job_id) for record in records_of(receipt) if record.stage not in PAID | OPEN}


@settings(max_examples=300, deadline=None)
@given(lockfiles, lockfiles)
def test_merge_is_commutative(one: Lockfile, other: Lockfile) -> None:
    """Which side is ours makes no difference, in the value and in the bytes."""
    assert merge(one, other) == merge(other, one)
    assert serialize(merge(one, other)) == serialize(merge(other, one))


@settings(max_examples=400, deadline=None)
@given(lockfiles, lockfiles, lockfiles)
def test_merge_is_associative(one: Lockfile, two: Lockfile, three: Lockfile) -> None:
    """Three branches give one lockfile, whichever two are merged first, also by way of files."""
    first, last = merge(merge(one, two), three), merge(one, merge(two, three))
    assert first == last
    by_file = merge(parse(serialize(merge(one, two)), "x"), three)
    assert serialize(by_file) == serialize(last)


@settings(max_examples=300, deadline=None)
@given(lockfiles, lockfiles)
def test_merge_is_idempotent(one: Lockfile, other: Lockfile) -> None:
    """Merging what is merged already changes nothing."""
    both = merge(one, other)
    assert merge(one, one) == one
    assert merge(both, one) == both
    assert merge(both, both) == both


@settings(max_examples=400, deadline=None)
@given(receipts, receipts)
def test_merge_drops_no_paid_render(one: Receipt, other: Receipt) -> None:
    """A purchase of either side is there afterwards, unless the other side knows that it failed."""
    both = join(one, other)
    assert (paid(one) | paid(other)) - ended(both) <= paid(both)
    assert {job for _, job in ended(both)} <= {job for _, job in ended(one) | ended(other)}
