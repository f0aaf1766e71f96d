"""Rows of every report: one per job, joined from plan and receipts, and one per other purchase of this lockfile.

A request that two jobs share is bought once: its credits stand in the first of them and are 0 in the others, so that a
column of credits adds up. All renderers read these rows and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from msgspec.structs import asdict

from kbatch.manifest.drafts import Frame
from kbatch.models.body import parameters_of
from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.jobs import Job
from kbatch.receipts.receipt import NO_MEDIA, Media, Receipt, ReceiptState, without_queries

_NOT_PARAMETERS = frozenset(("prompt", "model"))


class RowState(StrEnum):
    """The state of a job: the states of a receipt, and those of a job without one."""

    DONE = "done"
    DELIVERED_WRONG = "delivered-wrong"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RENDERED = "rendered"
    SUBMITTED = "submitted"
    BLOCKED = "blocked"
    SKIPPED = "skipped"
    NOT_BOUGHT = "not-bought"


class RowRole(StrEnum):
    """The role of a row: a job, an earlier purchase of one, or a receipt without a shown job.

    Such a receipt belongs to a job of this manifest that was not selected, to one of another profile, or to none.
    """

    JOB = "job"
    EARLIER = "earlier"
    NOT_SELECTED = "not-selected"
    PROFILE = "profile"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFingerprints:
    """Fingerprints: of the jobs that are shown, of jobs of other profiles, and of every job that there is."""

    shown: frozenset[str]
    elsewhere: frozenset[str]
    jobs: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One job, or one more paid render; credits are the provider's own, None where unknown.

    `request` is the address without its take: rows that share it stand side by side. `planned` is the quote, `spent`
    what was charged and kept, `held` what an unknown outcome may have cost; `reason` says why the job stands so;
    `output` is relative to the manifest, and `here` whether that file is on this disk; `defaulted` names parameters
    that take the card's default.
    """

    role: RowRole = RowRole.JOB
    address: str
    request: str
    shot: str
    axes: tuple[tuple[str, str], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    take: int = 1
    provider: str
    model: str
    variant: str
    prompt: str | None
    params: Mapping[str, Any] = field(default_factory=dict)
    defaulted: frozenset[str] = frozenset()
    state: RowState
    planned: int | None
    reported: int | None = None
    spent: int | None = 0
    held: int | None = 0
    job_id: str | None = None
    submitted_at: str | None = None
    finished_at: str | None = None
    output: str = ""
    here: bool = False
    sha256: str = ""
    media: Media = NO_MEDIA
    error: str | None = None
    reason: str = ""
    shares: str | None = None
    failures: int = 0
    simulated: bool = False

    @property
    def name(self) -> str:
        """The model with its variant, as prices are listed."""
        return f"{self.model} {self.variant}".strip()


def read_rows(
    entries: Iterable[PlanEntry], renders: Mapping[str, Receipt], here: frozenset[str]
) -> tuple[ReportRow, ...]:
    """Return one row an entry, in order; `here` are the outputs that exist on this disk."""
    rows = []
    first: dict[str, str] = {}
    for entry in entries:
        shares = first.setdefault(entry.job.fingerprint, entry.address)
        receipt = renders.get(entry.job.fingerprint)
        rows.append(_row(entry, receipt, here, shares if shares != entry.address else None))
    return tuple(rows)


def other_rows(renders: Mapping[str, Receipt], here: frozenset[str], known: KnownFingerprints) -> tuple[ReportRow, ...]:
    """Return the other purchases: earlier ones of jobs, and receipts of jobs that are not shown or do not exist."""
    return tuple(_others(renders, here, known))


def _row(entry: PlanEntry, receipt: Receipt | None, here: frozenset[str], shares: str | None) -> ReportRow:
    job = entry.job
    row = ReportRow(
        address=job.address,
        request=job.address.removesuffix(f"@{job.draft.take}"),
        shot=job.draft.shot,
        axes=tuple(job.draft.axes),
        labels=dict(job.draft.labels),
        take=job.draft.take,
        provider=job.provider,
        model=job.model,
        variant=job.quote.variant,
        prompt=job.request.get("prompt"),
        params=_written(job),
        defaulted=frozenset(job.defaulted),
        state=RowState.BLOCKED if entry.action is Action.BLOCKED else RowState.NOT_BOUGHT,
        planned=job.quote.credits,
        output=job.draft.output,
        reason=entry.words,
        shares=shares,
    )
    if receipt is not None:
        row = _with_receipt(row, receipt)
        paths = (job.draft.output, row.output) if shares else (row.output, job.draft.output)
        found = [path for path in paths if path in here] if _delivered(receipt) else []
        row = replace(row, output=found[0] if found else row.output, here=bool(found))
    return replace(row, planned=0, reported=None, spent=0, held=0) if shares else row


def _with_receipt(row: ReportRow, receipt: Receipt) -> ReportRow:
    credits, unknown = receipt.credits, receipt.state is ReceiptState.UNKNOWN
    said = (receipt.error_message or "no reason given") if receipt.error else None
    lived_with = receipt.accepted_as_is and receipt.state is ReceiptState.DELIVERED_WRONG
    output = receipt.output if _delivered(receipt) else None
    return replace(
        row,
        state=RowState.DONE if lived_with else RowState(receipt.state.value),
        planned=credits.planned,
        reported=credits.reported,
        spent=receipt.net_charge,
        held=credits.planned if unknown else 0,
        job_id=receipt.job_id,
        submitted_at=receipt.submitted_at,
        finished_at=receipt.finished_at,
        output=output.path if output else row.output,
        sha256=output.sha256 if output else "",
        media=output.media if output else row.media,
        error=None if lived_with else said,
        failures=len(receipt.failed),
        simulated=receipt.origin == "simulator",
        labels=row.labels if receipt.purchase is None else receipt.purchase.labels,
        axes=row.axes or (tuple(receipt.purchase.axes.items()) if receipt.purchase else ()),
    )


def _delivered(receipt: Receipt) -> bool:
    return receipt.output is not None and receipt.output.placed and bool(receipt.output.sha256)


def _written(job: Job) -> dict[str, Any]:
    """Return the parameters as sent, each picture as it was written: a path, a URL, whose frame."""
    shown: dict[str, Any] = {}
    for name, value in parameters_of(job.card, job.request).items():
        written = job.draft.params.get(name, value) if name in job.card.images else value
        if isinstance(written, Frame):
            written = f"{written.which} frame of {written.address}"
        elif name in job.card.images and str(written).startswith("data:"):
            written = value
        shown[name] = without_queries(written)
    return shown


def _others(renders: Mapping[str, Receipt], here: frozenset[str], known: KnownFingerprints) -> Iterator[ReportRow]:
    for fingerprint, receipt in sorted(renders.items(), key=lambda item: (item[1].address, item[0])):
        name = receipt.address or fingerprint[:12]
        if fingerprint not in known.shown:
            yield _other(_role(fingerprint, known), receipt, name, here)
        for earlier in receipt.also:
            yield _other(RowRole.EARLIER, earlier, name, here)


def _role(fingerprint: str, known: KnownFingerprints) -> RowRole:
    if fingerprint in known.elsewhere:
        return RowRole.PROFILE
    return RowRole.NOT_SELECTED if fingerprint in known.jobs else RowRole.ORPHAN


def _other(role: RowRole, receipt: Receipt, address: str, here: frozenset[str]) -> ReportRow:
    inner = next((value for value in receipt.request.values() if isinstance(value, Mapping)), receipt.request)
    row = ReportRow(
        role=role,
        address=address,
        request=address,
        shot=address.partition("[")[0].partition("@")[0],
        provider=receipt.provider,
        model=receipt.model,
        variant=receipt.variant or "",
        prompt=receipt.request.get("prompt"),
        params={name: value for name, value in inner.items() if name not in _NOT_PARAMETERS},
        state=RowState.NOT_BOUGHT,
        planned=None,
    )
    row = _with_receipt(row, receipt)
    return replace(row, here=_delivered(receipt) and row.output in here)


def paths_of(entries: Sequence[PlanEntry], renders: Mapping[str, Receipt]) -> frozenset[str]:
    """Return every path, relative to the manifest, at which a clip of these jobs or receipts may lie."""
    placed = {
        one.output.path
        for receipt in renders.values()
        for one in (receipt, *receipt.also)
        if one.output is not None and one.output.placed
    }
    return frozenset(placed | {entry.job.draft.output for entry in entries})


def as_json(row: ReportRow) -> dict[str, Any]:
    """Return a row as plain JSON."""
    fields = {name: getattr(row, name) for name in ReportRow.__slots__}
    plain = {
        "media": asdict(row.media),
        "role": row.role.value,
        "state": row.state.value,
        "axes": dict(row.axes),
        "defaulted": sorted(row.defaulted),
    }
    return {**fields, **plain}
