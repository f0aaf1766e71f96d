"""Two lockfiles become one: the union of what they know.

Commutative, associative and idempotent, so that any number of branches may be merged in any order, and no paid render
is dropped. Where two lockfiles disagree about which receipt a job refers to, one of both is taken, always the same one:
the next run writes the index anew from the manifest.
"""

from collections.abc import Mapping

from kbatch.receipts.attempts import join
from kbatch.receipts.lockfile import Entry, Lockfile


def merge(one: Lockfile, other: Lockfile) -> Lockfile:
    """Return what both lockfiles know; of two manifest names the later in the alphabet stands."""
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
    )


def _merge_index(one: Mapping[str, Entry], other: Mapping[str, Entry]) -> dict[str, Entry]:
    entries = dict(one)
    for address, entry in other.items():
        mine = entries.get(address, entry)
        entries[address] = max(mine, entry, key=lambda either: (either.fingerprint, either.path))
    return entries
