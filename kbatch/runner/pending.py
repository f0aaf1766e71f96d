"""Renders to collect: the purchase of a job, or an orphan, which is paid and referred to by no job.

Changing a prompt while its clip still renders leaves an orphan. It is paid, so it is collected too; its clip goes to
`.kept/`, and returns to its path when the prompt is changed back.
"""

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from kbatch.models.expected_clip import ExpectedClip, expected_clip
from kbatch.planner.jobs import Job
from kbatch.planner.plan import Plan
from kbatch.providers.registry import catalog_of
from kbatch.receipts.join import find, records_of
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.run_inputs import RunInputs

_OWED = (ReceiptState.SUBMITTED, ReceiptState.RENDERED)
_OPEN = (*_OWED, ReceiptState.UNKNOWN)
_TYPICAL_S = (60, 300)


class PendingRender(Struct, frozen=True, kw_only=True):
    """One purchase to collect into `output`; `address` names it in messages, `clip` is what was bought.

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
        """Key of the purchase in the credit reservations; an older purchase of a fingerprint has a key of its own."""
        return self.fingerprint if self.attempt is None else f"{self.fingerprint}:{self.attempt}:{self.job_id}"

    def receipt(self, renders: Mapping[str, Receipt]) -> Receipt:
        """Return the record of this purchase among `renders`."""
        shown = renders[self.fingerprint]
        if self.attempt is None:
            return shown
        return find(shown, self.attempt, self.job_id) or shown


def pending_render_of(job: Job) -> PendingRender:
    """Return the pending render of a job of the plan."""
    return PendingRender(
        fingerprint=job.fingerprint,
        address=job.address,
        provider=job.provider,
        model=job.model,
        variant=job.quote.variant,
        output=job.draft.output,
        clip=job.clip,
        typical_s=job.typical_s,
    )


def orphaned_renders_of(plan: Plan, inputs: RunInputs) -> tuple[PendingRender, ...]:
    """Return the orphans of a lockfile that are not collected yet."""
    lockfile, profile = inputs.loaded.lockfile, plan.settings.profile
    uncollected = {key: receipt for key, receipt in lockfile.renders.items() if _may_be_open(receipt)}
    if not uncollected:
        return ()
    referenced = {job.fingerprint for job in inputs.jobs}
    referenced |= {entry.fingerprint for index in lockfile.of_others(profile) for entry in index.values()}
    return tuple(orphaned_renders(uncollected, referenced, plan.settings.output_root))


def _may_be_open(receipt: Receipt) -> bool:
    """Whether a receipt may hold an attempt that is not collected; a fast filter, since nearly all are."""
    return receipt.state in _OPEN or bool(receipt.also or receipt.failed)


def orphaned_renders(renders: Mapping[str, Receipt], referenced: Collection[str], root: str) -> Iterator[PendingRender]:
    """Yield pending renders of purchases that are paid, or may be, and whose fingerprint is not in `referenced`.

    `root` is the output folder whose `.kept/` receives the clips.
    """
    for fingerprint, receipt in renders.items():
        for record in records_of(receipt):
            shown = (record.attempt, record.job_id) == (receipt.attempt, receipt.job_id)
            if shown and fingerprint in referenced:
                continue
            if record.state in _OWED or (shown and record.state is ReceiptState.UNKNOWN):
                yield _pending_of_record(fingerprint, receipt, record, root)


def _pending_of_record(fingerprint: str, receipt: Receipt, record: Receipt, root: str) -> PendingRender:
    unknown = record.state is ReceiptState.UNKNOWN
    name = record.address or receipt.address or fingerprint[:12]
    return PendingRender(
        fingerprint=fingerprint,
        address=f"{name} (bought earlier{f', {fingerprint[:12]}' if unknown else f' as {record.job_id}'})",
        provider=record.provider,
        model=record.model,
        variant=record.variant or "",
        output=f"{root}/.kept/{fingerprint[:16]}-{record.attempt}.mp4",
        clip=_clip_of(record),
        typical_s=_TYPICAL_S,
        attempt=None if unknown else record.attempt,
        job_id=record.job_id,
    )


def _clip_of(record: Receipt) -> ExpectedClip | None:
    """Return what was bought, None when the present model card cannot read that request."""
    card = catalog_of([record.provider]).find(record.provider, record.model)
    try:
        return expected_clip(card, record.request) if card is not None else None
    except KeyError:
        return None
