"""What a receipt remembers of its purchase and of where it was made: kept through folds and merges in any order."""

from itertools import permutations

from msgspec.structs import replace
from receipt_samples import DONE, Teller, purchase_of

from kbatch.receipts.fold import fold
from kbatch.receipts.join import join, records_of
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.receipt import Receipt

FIRST, LATER, OTHER = purchase_of("20260101"), purchase_of("20260102"), purchase_of("20260102", "us")


def bought() -> Receipt:
    """Return the receipt of a purchase that does not remember anything, as an earlier version wrote it."""
    return fold(Teller().tell_all(*DONE))["fp"]


def test_the_first_memory_stays_in_any_order() -> None:
    """Of several memories of one purchase the earliest run's stays; none at all gives way to any."""
    known = [replace(bought(), purchase=one) for one in (None, FIRST, LATER, OTHER)]
    for order in permutations(known):
        joined = order[0]
        for one in order[1:]:
            joined = join(joined, one)
        assert joined.purchase == FIRST
        assert join(joined, joined) == joined


def test_a_purchase_is_remembered_to_the_end_and_through_the_file() -> None:
    """It comes with `intended`, no later event takes it away, and the lockfile has it."""
    teller = Teller()
    memory = {"address": "hero", "campaign": "solstice", "run": "20260101"}
    events = [teller.tell(Kind.INTENDED, purchase=memory, endpoint="v2")]
    events += teller.tell_all(*DONE[1:], Kind.REPORTED, Kind.MOVED)
    renders = fold(events)
    assert renders["fp"].purchase is not None
    assert (renders["fp"].purchase.campaign, renders["fp"].endpoint) == ("solstice", "v2")
    lockfile = Lockfile(manifest="m", renders=renders)
    assert parse(serialize(lockfile), "x") == replace(lockfile, renders=parse(serialize(lockfile), "x").renders)
    assert parse(serialize(lockfile), "x").renders["fp"].purchase == renders["fp"].purchase
    assert parse(serialize(lockfile), "x").renders["fp"].endpoint == "v2"


def test_two_purchases_of_a_fingerprint_keep_their_endpoints() -> None:
    """Two checkouts bought one attempt, before and after the card chose another: each job stays where it was begun."""
    mine = fold(Teller().tell_all(*DONE))["fp"]
    other = replace(mine, endpoint="v2", job_id="job-2", submitted_at="2026-01-02T00:00:00Z")
    for joined in (join(mine, other), join(other, mine)):
        assert {record.job_id: record.endpoint for record in records_of(joined)} == {"job-1": None, "job-2": "v2"}
