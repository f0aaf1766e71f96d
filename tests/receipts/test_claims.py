"""Claims: what an approval covers is one set of purchases, in whatever order lockfiles and events are joined."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace
from receipt_samples import DONE, FAILED, Teller

from kbatch.receipts.claims import (
    BEGUN,
    FINISHED,
    Claim,
    agreed,
    digest_of,
    fold_claims,
    join_claims,
    merge_claims,
    spent_of,
)
from kbatch.receipts.event_data import CoveredPurchase
from kbatch.receipts.events import Event
from kbatch.receipts.fold import fold
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, parse_trusted, serialize
from kbatch.receipts.lockfile.merge import merge, merge_from

NAMES = st.sampled_from(["fp", "one", "two"])
CREDITS = st.none() | st.integers(0, 50)
purchases = st.builds(CoveredPurchase, attempt=st.integers(1, 3), quote=CREDITS)
claim_values = st.builds(
    Claim,
    fingerprints=st.dictionaries(NAMES, purchases, max_size=3),
    maximum=st.dictionaries(st.sampled_from(["apiframe", "aimlapi"]), CREDITS),
    origins=st.dictionaries(st.sampled_from(["apiframe", "aimlapi"]), st.sampled_from([None, "loopback"])),
    terms=st.sampled_from(["", "sha256:1", "sha256:2"]),
    accounts=st.dictionaries(st.sampled_from(["apiframe", "aimlapi"]), st.sampled_from(["team 1", "team 2"])),
    state=st.sampled_from([BEGUN, FINISHED]),
)


def _claim(attempt: int, terms: str = "", credits: int = 15) -> Claim:
    purchases = {"fp": CoveredPurchase(attempt=attempt, quote=credits)}
    return Claim(fingerprints=purchases, maximum={"apiframe": credits}, origins={}, terms=terms, accounts={})


TRUE = _claim(1, "sha256:1")
claims = st.dictionaries(
    st.sampled_from(["sha256:a", digest_of(TRUE)]),
    claim_values | st.builds(lambda state: replace(TRUE, state=state), st.sampled_from([BEGUN, FINISHED])),
)


@settings(deadline=None)
@given(claims, claims, claims)
def test_merging_claims_is_commutative_associative_and_idempotent(one: Any, two: Any, three: Any) -> None:
    """Any number of clones, merged in any order and as often as one likes, know one and the same."""
    assert merge_claims(one, two) == merge_claims(two, one)
    assert merge_claims(merge_claims(one, two), three) == merge_claims(one, merge_claims(two, three))
    assert merge_claims(one, one) == one
    both = merge_claims(one, two)
    assert merge_claims(both, one) == both


@settings(deadline=None)
@given(claims, claims)
def test_lockfiles_carry_claims_through_files_and_merges(one: Any, two: Any) -> None:
    """What is written is read back as it was, by this machine and by any other; no merge drops or reopens a claim."""
    left, right = Lockfile(manifest="m", claims=one), Lockfile(manifest="m", claims=two)
    assert parse(serialize(left), "x") == left
    assert parse_trusted(serialize(left)) == left
    both = merge(left, right)
    assert serialize(both) == serialize(merge(right, left))
    assert both.claims.keys() == {**one, **two}.keys()
    for digest, claim in both.claims.items():
        assert claim.finished == any(side[digest].finished for side in (one, two) if digest in side)
    assert merge_from(Lockfile(manifest="m"), left, right).claims == both.claims


def _began(teller: Teller, claim: Claim, plan: str = "sha256:a") -> Event:
    return teller.tell(Kind.BEGAN, None, None, plan=plan, claim=to_builtins(agreed(claim)))


ONE = _claim(1)


def test_a_run_begins_and_finishes_a_claim() -> None:
    """It stands from the event that begins the run; an end that left something out does not finish it."""
    teller = Teller()
    began = _began(teller, ONE)
    assert fold_claims([began], {}) == {"sha256:a": ONE}
    stopped = teller.tell(Kind.ENDED, None, None, finished=False)
    assert not fold_claims([began, stopped], {})["sha256:a"].finished
    ended = teller.tell(Kind.ENDED, None, None)
    claims = fold_claims([began, stopped, ended], {})
    assert claims["sha256:a"].finished
    assert fold_claims([began, stopped, ended], claims) == claims
    assert fold_claims([began], claims)["sha256:a"].finished


def test_a_run_of_an_earlier_kbatch_claims_nothing_here() -> None:
    """Its `began` names a plan and not what that covers."""
    assert fold_claims([Teller().tell(Kind.BEGAN, None, None, plan="sha256:a")], {}) == {}


def test_what_is_spent_is_what_receipts_were_charged() -> None:
    """A charge counts, one that a failure kept too, a refund not, and nothing that another attempt bought."""
    teller = Teller()
    bought = fold(teller.tell_all(*DONE))
    assert spent_of(ONE, bought) == {"apiframe": 15}
    failed = fold(Teller().tell_all(*FAILED))
    assert spent_of(ONE, failed) == {"apiframe": 0}
    told = Teller()
    kept = [*told.tell_all(*FAILED[:-1]), told.tell(Kind.FAILED, credits=4)]
    assert spent_of(ONE, fold(kept)) == {"apiframe": 4}
    second = _claim(2)
    assert spent_of(second, bought) == {"apiframe": 0}


def test_a_claim_that_its_digest_is_not_of_gives_way() -> None:
    """Whatever a stranger writes under the digest of an approval, what was approved stands, in either order."""
    wide = _claim(2, "sha256:1", credits=900)
    digest = digest_of(TRUE)
    assert join_claims(digest, TRUE, wide) == join_claims(digest, wide, TRUE) == TRUE
    neither = join_claims("sha256:other", TRUE, wide)
    assert neither == join_claims("sha256:other", wide, TRUE)
    assert digest_of(neither) != "sha256:other"


def test_what_several_purchases_cost_is_their_sum_or_unknown() -> None:
    """Two charges add up, that of a provider without a maximum too; one that is unknown makes the sum unknown."""
    known = fold(Teller().tell_all(*DONE))["fp"]
    dark = replace(known, credits=replace(known.credits, planned=None, reported=None))
    both = replace(ONE, fingerprints=dict.fromkeys(("a", "b"), CoveredPurchase(attempt=1, quote=15)))
    assert spent_of(both, {"a": known, "b": known}) == {"apiframe": 30}
    assert spent_of(replace(both, maximum={}), {"a": known, "b": known}) == {"apiframe": 30}
    assert spent_of(both, {"a": known, "b": dark}) == {"apiframe": None}
    assert spent_of(both, {"a": dark, "b": known}) == {"apiframe": None}
