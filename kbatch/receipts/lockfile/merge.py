"""Merges two lockfiles into the union of their receipts.

Commutative, associative and idempotent, so that branches may be merged in any order, and no paid render is dropped.
When two index entries of a job differ, one is chosen deterministically; the next run writes the index anew from the
manifest. With a common base the side that changed an entry wins, so that a shot that one branch removed or bought again
does not return with the other.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from kbatch.receipts.claims import merge_claims
from kbatch.receipts.join import join
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry


def merge(one: Lockfile, other: Lockfile) -> Lockfile:
    """Return the union of two lockfiles; of two manifest names the alphabetically later one is used."""
    renders = dict(one.renders)
    for fingerprint, receipt in other.renders.items():
        renders[fingerprint] = join(renders.get(fingerprint), receipt)
    profiles = {
        name: _merge_index(one.profiles.get(name, {}), other.profiles.get(name, {}))
        for name in {**one.profiles, **other.profiles}
    }
    return Lockfile(
        manifest=max(one.manifest, other.manifest),
        jobs=_merge_index(one.jobs, other.jobs),
        renders=renders,
        profiles=profiles,
        claims=merge_claims(one.claims, other.claims),
    )


def merge_from(base: Lockfile, one: Lockfile, other: Lockfile) -> Lockfile:
    """Merge two lockfiles with a common base; receipts are never dropped, index entries may be.

    Commutative in `one` and `other`; equal to `merge(one, other)` for an empty base.
    """
    both = merge(merge(base, one), other)
    empty: Mapping[str, IndexEntry] = {}
    profiles = {
        name: _merge_index_from(*(side.profiles.get(name, empty) for side in (base, one, other)))
        for name in both.profiles
    }
    changed = {one.manifest, other.manifest} - {base.manifest}
    return replace(
        both,
        manifest=max(changed, default=base.manifest),
        jobs=_merge_index_from(base.jobs, one.jobs, other.jobs),
        profiles={name: index for name, index in profiles.items() if name in one.profiles or name in other.profiles},
    )


def _merge_index_from(
    base: Mapping[str, IndexEntry], one: Mapping[str, IndexEntry], other: Mapping[str, IndexEntry]
) -> dict[str, IndexEntry]:
    entries: dict[str, IndexEntry] = {}
    for address, entry in _merge_index(one, other).items():
        before, mine, theirs = base.get(address), one.get(address), other.get(address)
        chosen = theirs if mine == before else mine if theirs == before else entry
        if chosen is not None:
            entries[address] = chosen
    return entries


def _merge_index(one: Mapping[str, IndexEntry], other: Mapping[str, IndexEntry]) -> dict[str, IndexEntry]:
    entries = dict(one)
    for address, entry in other.items():
        mine = entries.get(address, entry)
        entries[address] = max(mine, entry, key=lambda either: (either.fingerprint, either.path))
    return entries
