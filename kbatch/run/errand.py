"""What is to be collected: the purchase of a job, or one that is paid and that no job refers to any more.

A prompt that was changed while its clip was still rendering leaves a purchase behind that nobody asks for: it is paid,
so it is collected too, and its clip goes to `.kept/` from where going back brings it to its place.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from kbatch.catalog.cards import Catalog
from kbatch.catalog.delivery import ExpectedClip, expected_clip, typical_s
from kbatch.plan.jobs import Job
from kbatch.receipts.attempts import find, records_of
from kbatch.receipts.receipt import Receipt, ReceiptState

_OWED = (ReceiptState.SUBMITTED, ReceiptState.RENDERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One purchase on its way to `output`; `address` is how it is told, `clip` what must be delivered.

    `attempt` and `job_id` name an older purchase of the fingerprint; None means the one that its receipt shows.
    """

    fingerprint: str
    address: str
    provider: str
    model: str
    variant: str
    output: str
    clip: ExpectedClip | None
    typical_s: tuple[int, int]
    attempt: int | None = None
    job_id: str | None = None

    @property
    def purchase(self) -> str:
        """Return under which name the ceiling knows the purchase: an older one of a fingerprint has its own."""
        return self.fingerprint if self.attempt is None else f"{self.fingerprint}:{self.attempt}:{self.job_id}"

    def receipt(self, renders: Mapping[str, Receipt]) -> Receipt:
        """Return what is known of the purchase."""
        shown = renders[self.fingerprint]
        if self.attempt is None:
            return shown
        return find(shown, self.attempt, self.job_id) or shown


def errand_of(job: Job) -> Errand:
    """Return the errand of a job."""
    return Errand(
        fingerprint=job.fingerprint,
        address=job.address,
        provider=job.provider,
        model=job.model,
        variant=job.quote.variant,
        output=job.draft.output,
        clip=job.clip,
        typical_s=job.typical_s,
    )


def forgotten(
    renders: Mapping[str, Receipt], wanted: Collection[str], root: str, catalog: Catalog
) -> Iterator[Errand]:
    """Yield the errands of purchases that are paid, or may be, and that no job in `wanted` leads to."""
    for fingerprint, receipt in renders.items():
        for record in records_of(receipt):
            shown = record.job_id == receipt.job_id and record.attempt == receipt.attempt
            if shown and fingerprint in wanted:
                continue
            if record.state in _OWED or (shown and record.state is ReceiptState.UNKNOWN):
                yield _errand_of_record(fingerprint, receipt, record, root, catalog)


def _errand_of_record(fingerprint: str, receipt: Receipt, record: Receipt, root: str, catalog: Catalog) -> Errand:
    card = catalog.find(record.provider, record.model)
    known = card is not None and bool(record.request)
    return Errand(
        fingerprint=fingerprint,
        address=f"{record.address or receipt.address or fingerprint[:12]} (bought earlier)",
        provider=record.provider,
        model=record.model,
        variant=record.variant or "",
        output=f"{root}/.kept/{fingerprint[:16]}-{record.attempt}.mp4",
        clip=expected_clip(card, record.request) if card is not None and known else None,
        typical_s=typical_s(card, record.request) if card is not None and known else (60, 300),
        attempt=None if record.state is ReceiptState.UNKNOWN else record.attempt,
        job_id=record.job_id,
    )
