"""Keeps simulated and real receipts apart, wherever state is read or joined.

The `origin` of a receipt says which it is. One rule for every command: a state is simulated or real; a command without
`--simulate` reads no simulated state, and one with it no real state.
"""

from collections.abc import Iterable, Mapping

from kbatch.errors import Refused
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt

ORIGIN = "simulator"

_SIMULATED = (
    "a simulated run made it: `--simulate` reads it, and `--lockfile FILE` gives what is bought a lockfile of its own"
)
_REAL = "what was bought stays out of rehearsals: leave out --simulate, or give it a lockfile by `--lockfile FILE`"


def check_not_mixed(renders: Mapping[str, Receipt], name: str, *, simulated: bool) -> None:
    """Raise Refused when a state holds simulated receipts and the command is real, or the reverse."""
    found = kinds(renders.values())
    if (not simulated) in found:
        what, hint = ("receipts that were really bought", _REAL) if simulated else ("simulated receipts", _SIMULATED)
        raise Refused("mixed-origins", f"{name} holds {what}, which pass for nothing here", hint=hint)


def kinds(receipts: Iterable[Receipt]) -> frozenset[bool]:
    """Return the set of "is simulated" over receipts; those without an origin are left out."""
    found: set[bool] = set()
    for receipt in receipts:
        for record in records_of(receipt):
            if record.origin:
                found.add(record.origin == ORIGIN)
        if len(found) == 2:
            break
    return frozenset(found)
