"""What every report shows: one row a job, joined from plan and receipts, and what else was paid under this lockfile.

A request that two jobs share is bought once: its credits stand in the first of them and are 0 in the others, so that a
column of credits adds up. All renderers read these rows and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kbatch.catalog.bodies import parameters_of
from kbatch.manifest.drafts import Frame
from kbatch.plan.actions import Action, Entry
from kbatch.plan.jobs import Job
from kbatch.receipts.receipt import Receipt, ReceiptState, without_queries

_NOT_PARAMETERS = frozenset(("prompt", "model"))


class State(StrEnum):
    """How a job stands: the states of a receipt, and those of a job without one."""

    DONE = "done"
    DELIVERED_WRONG = "delivered-wrong"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RENDERED = "rendered"
    SUBMITTED = "submitted"
    BLOCKED = "blocked"
    SKIPPED = "skipped"
    NOT_BOUGHT = "not-bought"


class Role(StrEnum):
    """Why a row is there: a job of the manifest, an earlier purchase of one, or a receipt that no job here refers to."""

    JOB = "job"
    EARLIER = "earlier"
    PROFILE = "profile"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One job, or one more paid render; credits are the provider's own, None where nobody told.

    `request` is the address without its take: rows that share it stand side by side. `planned` is the quote, `spent` what
    was charged and kept, `held` what an unknown outcome may have cost; `reason` says why the job stands as it does;
    `output` is relative to the manifest, and `here` whether that file is on this disk; `defaulted` names parameters that
    nobody wrote.
    """

    role: Role = Role.JOB
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
    state: State
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
    error: str | None = None
    reason: str = ""
    shares: str | None = None
    failures: int = 0
    simulated: bool = False

    @property
    def name(self) -> str:
        """The model with its variant, as prices are listed."""
        return f"{self.model} {self.variant}".strip()


def read_rows(entries: Iterable[Entry], renders: Mapping[str, Receipt], here: frozenset[str]) -> tuple[Row, ...]:
    """Return one row an entry, in order; `here` are the outputs that exist on this disk."""
    rows = []
    first: dict[str, str] = {}
    for entry in entries:
        shares = first.setdefault(entry.job.fingerprint, entry.address)
        receipt = renders.get(entry.job.fingerprint)
        rows.append(_row(entry, receipt, here, shares if shares != entry.address else None))
    return tuple(rows)


def other_rows(
    known: frozenset[str], renders: Mapping[str, Receipt], profiles: frozenset[str], here: frozenset[str]
) -> tuple[Row, ...]:
    """Return what else was paid: earlier purchases of jobs, and receipts of no job in `known` (fingerprints).

    `profiles` are the fingerprints that jobs of other profiles refer to.
    """
    return tuple(_others(known, renders, profiles, here))


def _row(entry: Entry, receipt: Receipt | None, here: frozenset[str], shares: str | None) -> Row:
    job = entry.job
    address = job.address
    fields: dict[str, Any] = {
        "address": address,
        "request": address.removesuffix(f"@{job.draft.take}"),
        "shot": job.draft.shot,
        "axes": tuple(job.draft.axes),
        "labels": dict(job.draft.labels),
        "take": job.draft.take,
        "provider": job.provider,
        "model": job.model,
        "variant": job.quote.variant,
        "prompt": job.request.get("prompt"),
        "params": _written(job),
        "defaulted": frozenset(job.defaulted),
        "reason": entry.reason,
        "shares": shares,
        "output": job.draft.output,
    }
    if receipt is None:
        state = State.BLOCKED if entry.action is Action.BLOCKED else State.NOT_BOUGHT
        return Row(**fields, state=state, planned=0 if shares else job.quote.credits)
    return Row(**{**fields, **_bought(receipt), **_clip(receipt, here, job.draft.output if shares else "")}).__class__(
        **{**fields, **_bought(receipt), **_clip(receipt, here, job.draft.output if shares else ""), **_no_money(shares)}
    )
