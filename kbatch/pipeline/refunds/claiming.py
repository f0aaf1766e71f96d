"""Opens refund claims and settles them by a person's word; buys nothing and needs no network."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Invalid, Problem, Refused, did_you_mean
from kbatch.providers.registry import NAMES, clips_kept, provider_of
from kbatch.receipts.event_data import RefundClaimed, RefundSettled
from kbatch.receipts.events import Fact
from kbatch.receipts.join import find
from kbatch.receipts.receipt import ReceiptState
from kbatch.receipts.refunds.grounds import OwedPurchase, Promises, find_owed, records_named, undelivered
from kbatch.receipts.refunds.refund_claim import is_open, opening_of
from kbatch.receipts.store import LoadedState


class Settling(Struct, frozen=True, kw_only=True):
    """What a person says of a claim: the credits that came back for an address or a job id, 0 for a refusal."""

    word: str
    credits: int


def owed_now(found: LoadedState) -> tuple[OwedPurchase, ...]:
    """Return the purchases with a ground or a claim as of now."""
    promises = Promises(one_job_a_key=_one_job_a_key, clips_kept=clips_kept)
    return find_owed(found.lockfile.renders, promises, now=datetime.now(UTC))


def _one_job_a_key(name: str) -> bool:
    return name in NAMES and provider_of(name).resend_within is not None


def chosen(words: Sequence[str], found: LoadedState) -> tuple[OwedPurchase, ...]:
    """Return the purchases to claim: those named by address or job id, else all that are unclaimed or open.

    A rendered clip that never came is claimed when it is named, also while its provider may still keep it. Invalid for
    a word that names no purchase, Refused where nothing is owed back.
    """
    owed = [one for one in owed_now(found) if one.grounds or is_open(one.receipt.refund_claim)]
    if not words:
        return tuple(one for one in owed if one.receipt.refund_claim is None or is_open(one.receipt.refund_claim))
    picked: dict[tuple[str, str | None], OwedPurchase] = {}
    for word in dict.fromkeys(words):
        mine = [one for one in owed if word in (one.address, one.receipt.job_id)] or _undelivered(word, found)
        if not mine:
            raise Refused(
                "nothing-owed", f"nothing is owed back for `{word}`", hint="`kbatch claim --list` shows what is"
            )
        for one in mine:
            _refuse_settled(one)
            picked[one.fingerprint, one.receipt.job_id] = one
    return tuple(picked.values())


def _undelivered(word: str, found: LoadedState) -> list[OwedPurchase]:
    named = records_named(word, found.lockfile.renders)
    if not named:
        known = [receipt.address for receipt in found.lockfile.renders.values() if receipt.address]
        message = f"`{word}` names no purchase"
        raise Invalid([Problem(code="no-such-job", message=message, hint=did_you_mean(word, known))])
    return [
        replace(one, grounds=(undelivered(one.receipt),))
        for one in named
        if one.receipt.state is ReceiptState.RENDERED and one.receipt.finished_at is not None
    ]


def _refuse_settled(one: OwedPurchase) -> None:
    claim = one.receipt.refund_claim
    if claim is not None and claim.settlement is not None:
        message = f"the claim for `{one.address}` was settled on {claim.settlement.at[:10]}"
        raise Refused("claim-settled", f"{message} ({claim.settlement.reference})")


def openings(owed: Iterable[OwedPurchase]) -> list[Fact]:
    """Return the events that open the claims of purchases without one."""
    facts = []
    for one in owed:
        if one.receipt.refund_claim is None:
            ground, job_id = one.grounds[0], one.receipt.job_id or ""
            facts.append(_fact(one, RefundClaimed(job_id=job_id, reason=ground.reason, credits=ground.credits)))
    return facts


def settlements(settling: Iterable[Settling], reference: str, found: LoadedState) -> list[Fact]:
    """Return the events that settle claims by a person's word; Invalid for a word that names no single claim.

    A settled claim may be settled again, which corrects it. More than was charged never comes back.
    """
    facts, problems = [], []
    for one in settling:
        claims = [owed for owed in records_named(one.word, found.lockfile.renders) if owed.receipt.refund_claim]
        if len(claims) != 1:
            problems.append(_no_single_claim(one.word, claims))
            continue
        [owed] = claims
        charge = owed.receipt.charge
        if charge is not None and one.credits > charge:
            message = f"`{one.word}` was charged {charge:,}, so {one.credits:,} credits cannot have come back"
            problems.append(Problem(code="refund-above-charge", message=message))
        elif owed.receipt.refund_claim is not None:
            opening = opening_of(owed.receipt.refund_claim)
            job_id = owed.receipt.job_id or ""
            data = RefundSettled(job_id=job_id, claim=opening, refunded=one.credits, reference=reference, by="person")
            facts.append(_fact(owed, data))
    if problems:
        raise Invalid(problems)
    return facts


def _no_single_claim(word: str, claims: Sequence[OwedPurchase]) -> Problem:
    if not claims:
        hint = "`kbatch claim --list` shows the claims"
        return Problem(code="no-such-claim", message=f"`{word}` has no refund claim", hint=hint)
    jobs = ", ".join(f"`{one.receipt.job_id}`" for one in claims)
    return Problem(code="several-claims", message=f"`{word}` has {len(claims)} claims", hint=f"name the job: {jobs}")


def _fact(one: OwedPurchase, data: RefundClaimed | RefundSettled) -> Fact:
    return Fact(fingerprint=one.fingerprint, attempt=one.receipt.attempt, data=data)


def claims_of(owed: Iterable[OwedPurchase], found: LoadedState) -> list[OwedPurchase]:
    """Return the purchases with the claims that the state has for them now."""
    renders = found.lockfile.renders
    now = [find(renders[one.fingerprint], one.receipt.attempt, one.receipt.job_id) for one in owed]
    return [replace(one, receipt=receipt or one.receipt) for one, receipt in zip(owed, now, strict=True)]
