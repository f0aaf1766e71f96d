"""Purchases of many lockfiles, each once, with what it cost and what it was bought for.

Lockfiles share purchases: clones, branches, a manifest that was renamed. A purchase with a job is identified by
provider, origin and job id; a send without one by origin, fingerprint and attempt, and by the name that its provider's
log has for it, since there each send may be charged. What several lockfiles know of one purchase is joined as a merge
does.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from kbatch.receipts.join import combine_records, records_of
from kbatch.receipts.receipt import Purchase, Receipt, ReceiptState
from kbatch.receipts.refunds.refund_claim import refund_of

_NOTHING = Purchase(address="", campaign="", run="")


class PaidPurchase(Struct, frozen=True, kw_only=True):
    """One purchase in its provider's credits; `planned`, `charged` and `held` are None where unknown, never 0.

    `charged` is before refunds: as reported, else the quote, in which case it is not `reported`. `unexplained` is what
    was charged beyond the quote, or kept for a failure. `held` is the quote of a send whose outcome is unknown.
    """

    provider: str
    origin: str
    model: str
    variant: str | None
    fingerprint: str
    attempt: int
    job_id: str | None
    at: str | None
    memory: Purchase | None
    planned: int | None
    charged: int | None
    refunded: int
    unexplained: int
    held: int | None
    reported: bool

    @property
    def about(self) -> Purchase:
        """What it was bought for; an older receipt remembers nothing."""
        return self.memory or _NOTHING


def purchases_of(lockfiles: Iterable[Mapping[str, Receipt]]) -> tuple[PaidPurchase, ...]:
    """Return the purchases of these lockfiles, given by their receipts, by time of submission; refusals are none."""
    groups: dict[tuple[str, str, str], list[Receipt]] = {}
    last: dict[str, int] = {}
    for renders in lockfiles:
        for fingerprint, receipt in renders.items():
            last[fingerprint] = max(last.get(fingerprint, 0), receipt.last_attempt)
            for one in records_of(receipt):
                key = (one.origin, fingerprint, one.client_request_id or "")
                groups.setdefault(key, []).append(one)
    jobs: dict[tuple[str, str, str], PaidPurchase] = {}
    sends: list[PaidPurchase] = []
    for (_, fingerprint, name), found in groups.items():
        for one in records_of(combine_records(found, last_attempt=0 if name else last[fingerprint])):
            purchase = _less_claimed(_read(fingerprint, one), refund_of(one.refund_claim))
            if one.job_id is None:
                sends.append(purchase)
            else:
                job = (one.provider, one.origin, one.job_id)
                jobs[job] = max(jobs.get(job, purchase), purchase, key=_knowledge)
    paid = [*jobs.values(), *(send for send in sends if send.held != 0 or send.charged)]
    return tuple(sorted(paid, key=_order))


def _order(purchase: PaidPurchase) -> tuple[str, str, str, str, int, str]:
    at, job_id = purchase.at or "", purchase.job_id or ""
    return at, purchase.provider, purchase.origin, purchase.fingerprint, purchase.attempt, job_id


def _knowledge(purchase: PaidPurchase) -> tuple[bool, int, int, str]:
    """Order two records of one job that stand under two fingerprints: a reported charge, then the larger one."""
    return purchase.reported, purchase.charged or 0, purchase.refunded, purchase.fingerprint


def _read(fingerprint: str, one: Receipt) -> PaidPurchase:
    quote, reported = one.credits.planned, one.credits.reported
    purchase = PaidPurchase(
        provider=one.provider,
        origin=one.origin,
        model=one.model,
        variant=one.variant,
        fingerprint=fingerprint,
        attempt=one.attempt,
        job_id=one.job_id,
        at=one.submitted_at,
        memory=one.purchase,
        planned=quote,
        charged=quote if reported is None else reported,
        refunded=0,
        unexplained=0 if reported is None or quote is None else reported - quote,
        held=0,
        reported=reported is not None,
    )
    if one.state is ReceiptState.UNKNOWN:
        return replace(purchase, planned=0, charged=0, unexplained=0, held=quote, reported=True)
    if one.state is not ReceiptState.FAILED:
        return purchase
    kept = reported or 0
    known = one.credits.charged if one.credits.charged is not None else (quote if one.job_id else None)
    before = max(kept, known or 0)
    return replace(purchase, charged=before, refunded=before - kept, unexplained=kept)


def _less_claimed(purchase: PaidPurchase, refund: int) -> PaidPurchase:
    """Return a purchase with what came back by a refund claim, which never exceeds its charge."""
    kept = refund if purchase.charged is None else purchase.charged - purchase.refunded
    back = min(refund, kept)
    unexplained = purchase.unexplained - min(back, max(0, purchase.unexplained))
    return replace(purchase, refunded=purchase.refunded + back, unexplained=unexplained)
