"""The outcome of a run: the end of each job, the credits per provider, the exit code."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict

from kbatch.errors import ExitCode
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.receipts.refunds.refund_claim import refund_of


class JobEnd(StrEnum):
    """How a job ended in this run; a `skipped` job was not started because of a ceiling, a stop, or failures."""

    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    OWED = "owed"
    DELIVERED_WRONG = "delivered_wrong"
    SKIPPED = "skipped"


NOT_HERE = "not here"
"""Text for a reused clip that is not on this disk."""


class Settlement(Struct, frozen=True, kw_only=True):
    """One provider's account of this run, in its credits.

    `planned` is the sum of the quotes of accepted jobs, `reported` the charges that the provider reported, `refunded`
    its refunds. `unexplained` is the sum of charge minus quote; `differing` counts the jobs where they differ, since
    differences may cancel out. `unreported` counts the jobs without a reported charge.
    """

    planned: int
    reported: int
    refunded: int
    unexplained: int
    unreported: int
    differing: int = 0


class Charge(Struct, frozen=True, kw_only=True):
    """Credits of one purchase: `planned` is None without a known price, `reported` without a reported charge."""

    address: str
    provider: str
    job_id: str
    planned: int | None
    reported: int | None
    refunded: int
    unexplained: int


class UnknownSend(Struct, frozen=True, kw_only=True):
    """A send whose outcome stays unknown: its name in the provider's log, which is asked until that day, if any."""

    address: str
    provider: str
    submitted_at: str | None
    client_request_id: str | None
    asked_until: str | None


class Outcome(Struct, frozen=True, kw_only=True):
    """The end of a run: `ends` by address, settlements by provider, reasons for stopped providers and models.

    `absent` has the reused jobs whose clip is not at its path: by address, with what is found there. `unknown` has the
    sends that this run leaves unknown.
    """

    ends: Mapping[str, JobEnd]
    reasons: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[UnknownSend, ...] = ()
    credits: Mapping[str, Settlement] = field(default_factory=dict)
    charges: tuple[Charge, ...] = ()
    stopped: tuple[str, ...] = ()
    surprises: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    interrupted: bool = False
    lockfile: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """The most serious result: interrupted, stopped by a provider, unknown sends, then anything not as asked."""
        found = [ExitCode.OK]
        if self.interrupted:
            found.append(ExitCode.INTERRUPTED)
        if self.stopped:
            found.append(ExitCode.PROVIDER)
        if JobEnd.UNKNOWN in self.ends.values():
            found.append(ExitCode.UNKNOWN)
        wrong = {JobEnd.FAILED, JobEnd.BLOCKED, JobEnd.OWED, JobEnd.DELIVERED_WRONG, JobEnd.SKIPPED} & set(
            self.ends.values()
        )
        unexplained = any(settlement.differing for settlement in self.credits.values())
        if wrong or self.surprises or self.problems or unexplained:
            found.append(ExitCode.NOT_AS_ASKED)
        return ExitCode.worst(found)


COUNTED = ("done", "failed", "blocked", "unknown", "owed", "delivered_wrong", "reused")


def count_ends(ends: Mapping[str, JobEnd]) -> dict[str, int]:
    """Return the counts of `run --format json`: the seven documented names, and `skipped` when it is not 0."""
    found = Counter(end.value for end in ends.values())
    counts = {name: found[name] for name in COUNTED}
    if found[JobEnd.SKIPPED.value]:
        counts[JobEnd.SKIPPED.value] = found[JobEnd.SKIPPED.value]
    return counts


def settlement_of(receipts: Iterable[Receipt]) -> dict[str, Settlement]:
    """Return the settlement per provider of these receipts, one for each accepted attempt of the run."""
    by_provider: dict[str, list[Charge]] = {}
    for receipt in receipts:
        by_provider.setdefault(receipt.provider, []).append(charge_of(receipt))
    return {provider: _sum(mine) for provider, mine in sorted(by_provider.items())}


def charge_of(receipt: Receipt) -> Charge:
    """Return the credits of one purchase; a failed job without a reported charge counts as charged its quote.

    A refund that settled a claim is taken off what was reported, and off what is unexplained.
    """
    quote, charged = receipt.credits.planned, receipt.credits.reported
    refunded, unexplained = 0, 0
    if receipt.state is ReceiptState.FAILED:
        charged = charged or 0
        before = (quote or 0) if receipt.credits.charged is None else receipt.credits.charged
        refunded, unexplained = before - charged, charged
    elif charged is not None and quote is not None:
        unexplained = charged - quote
    back = min(refund_of(receipt.refund_claim), receipt.charge or 0)
    if back:
        charged = None if charged is None else charged - back
        refunded, unexplained = refunded + back, unexplained - min(back, max(0, unexplained))
    return Charge(
        address=receipt.address,
        provider=receipt.provider,
        job_id=receipt.job_id or "",
        planned=quote,
        reported=charged,
        refunded=refunded,
        unexplained=unexplained,
    )


def _sum(charges: list[Charge]) -> Settlement:
    return Settlement(
        planned=sum(one.planned or 0 for one in charges),
        reported=sum(one.reported or 0 for one in charges),
        refunded=sum(one.refunded for one in charges),
        unexplained=sum(one.unexplained for one in charges),
        differing=sum(one.unexplained != 0 for one in charges),
        unreported=sum(one.reported is None for one in charges),
    )


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON object of `run --format json`."""
    return {
        "exit_code": int(outcome.exit_code),
        "counts": dict(outcome.counts),
        "credits": {
            provider: {
                "planned": settlement.planned,
                "reported": settlement.reported,
                "refunded": settlement.refunded,
                "unexplained": settlement.unexplained,
            }
            for provider, settlement in outcome.credits.items()
        },
        "jobs": [asdict(charge) for charge in outcome.charges],
        "absent": dict(outcome.absent),
        "unknown": [asdict(send) for send in outcome.unknown],
        "lockfile": outcome.lockfile,
    }
