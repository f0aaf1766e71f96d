"""Merging two lockfiles that began from a third: receipts as ever, entries by who changed them."""

from hypothesis import given, settings
from receipt_samples import lockfiles

from kbatch.receipts.lockfile.lockfile import Lockfile, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.lockfile.merge import merge, merge_from


def entry(fingerprint: str) -> IndexEntry:
    """Return an entry of a job."""
    return IndexEntry(fingerprint=fingerprint, path="a.mp4")


@settings(max_examples=100, deadline=None)
@given(lockfiles, lockfiles, lockfiles)
def test_receipts_are_those_of_the_union(base: Lockfile, one: Lockfile, other: Lockfile) -> None:
    """The base takes no receipt away, and which side is ours makes no difference, in the bytes neither."""
    merged = merge_from(base, one, other)
    assert merged.renders == merge(merge(base, one), other).renders
    assert serialize(merged) == serialize(merge_from(base, other, one))


@settings(max_examples=100, deadline=None)
@given(lockfiles, lockfiles)
def test_who_changed_nothing_brings_nothing(base: Lockfile, one: Lockfile) -> None:
    """Where only one side changed, its jobs and profiles are the result; an empty base gives the plain union."""
    assert merge_from(base, one, base).jobs == one.jobs
    assert merge_from(base, base, one).jobs == one.jobs
    empty = Lockfile(manifest="")
    assert merge_from(empty, base, one).jobs == merge(base, one).jobs
    assert merge_from(empty, base, one).profiles == merge(base, one).profiles


@settings(max_examples=100, deadline=None)
@given(lockfiles, lockfiles, lockfiles)
def test_every_entry_is_one_of_a_side(base: Lockfile, one: Lockfile, other: Lockfile) -> None:
    """No entry is made up, none comes from the base alone, and what both sides agree on stands."""
    jobs = merge_from(base, one, other).jobs
    for address, chosen in jobs.items():
        assert chosen in (one.jobs.get(address), other.jobs.get(address))
    for address in {*one.jobs, *other.jobs}:
        if one.jobs.get(address) == other.jobs.get(address):
            assert jobs[address] == one.jobs[address]


def test_the_side_that_changed_an_entry_counts() -> None:
    """Bought anew on one branch, removed on the other, untouched, added on both: each as its branch left it."""
    base = Lockfile(manifest="m", jobs={name: entry("9") for name in ("anew", "removed", "both", "kept", "either")})
    ours = Lockfile(
        manifest="m",
        jobs={"anew": entry("1"), "removed": entry("9"), "kept": entry("9"), "added": entry("1"), "either": entry("2")},
    )
    theirs = Lockfile(manifest="m", jobs={"anew": entry("9"), "kept": entry("9"), "either": entry("1")})
    merged = merge_from(base, ours, theirs)
    assert merged.jobs == {"anew": entry("1"), "kept": entry("9"), "added": entry("1"), "either": entry("2")}


def test_a_profile_that_one_branch_removed_stays_gone_only_where_nobody_has_it() -> None:
    """An index that both sides dropped does not come back from the base."""
    base = Lockfile(manifest="m", profiles={"draft": {"a": entry("1")}, "final": {"a": entry("1")}})
    ours = Lockfile(manifest="m", profiles={"final": {"a": entry("1")}})
    assert merge_from(base, ours, ours).profiles == {"final": {"a": entry("1")}}
