"""What a run came to: how each job ended, the settlement with each provider, and the exit code that follows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict

from kbatch.errors import ExitCode
from kbatch.receipts.receipt import Receipt, ReceiptState


class JobEnd(StrEnum):
    """How a job ended in this run; `skipped` was not started: a ceiling, a stop, or too many failures."""

    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    OWED = "owed"
    DELIVERED_WRONG = "delivered_wrong"
    SKIPPED = "skipped"


NOT_HERE = "not here"
"""What is said of a reused clip that is not on this disk at all."""


class Settlement(Struct, frozen=True, kw_only=True):
    """One provider's account of this run, in its credits.

    `planned` are the quotes of the jobs that were accepted, `reported` what the provider says it charged and kept,
    `refunded` what it gave back, `unexplained` what it charged beyond or below the quotes of jobs whose charge it told;
    `differing` counts those jobs, since too much and too little may add up to nothing; `untold` are the jobs whose
    charge it did not tell.
    """

    planned: int
    reported: int
    refunded: int
    unexplained: int
    untold: int
    differing: int = 0


class Charge(Struct, frozen=True, kw_only=True):
    """The same of one purchase: `planned` None had no known price, `reported` None was not told."""

    address: str
    provider: str
    job_id: str
    planned: int | None
    reported: int | None
    refunded: int
    unexplained: int


class Outcome(Struct, frozen=True, kw_only=True):
    """The end of a run: `ends` by address, settlements by provider, why providers or models were stopped.

    `absent` are reused jobs whose clip does not lie at its place, by address, with what is there.
    """

    ends: Mapping[str, JobEnd]
    reasons: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
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
        """The largest concern: interrupted, a provider that stopped the run, unknowns, then anything not as asked."""
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
    """Return the counts of `run --format json`; skipped jobs stand apart, since the contract names seven."""
    found = Counter(end.value for end in ends.values())
    counts = {name: found[name] for name in COUNTED}
    if found[JobEnd.SKIPPED.value]:
        counts[JobEnd.SKIPPED.value] = found[JobEnd.SKIPPED.value]
    return counts


def settlement_of(receipts: Iterable[Receipt]) -> dict[str, Settlement]:
    """Return the settlement per provider of the attempts that this run accepted."""
    by_provider: dict[str, list[Charge]] = {}
    for receipt in receipts:
        by_provider.setdefault(receipt.provider, []).append(charge_of(receipt))
    return {provider: _sum(mine) for provider, mine in sorted(by_provider.items())}


def charge_of(receipt: Receipt) -> Charge:
    """Return the account of one purchase; what a failed one had been charged is its quote where nobody told."""
    quote, told = receipt.credits.planned, receipt.credits.reported
    refunded, unexplained = 0, 0
    if receipt.state is ReceiptState.FAILED:
        told = told or 0
        before = (quote or 0) if receipt.credits.charged is None else receipt.credits.charged
        refunded, unexplained = before - told, told
    elif told is not None and quote is not None:
        unexplained = told - quote
    return Charge(
        address=receipt.address,
        provider=receipt.provider,
        job_id=receipt.job_id or "",
        planned=quote,
        reported=told,
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
        untold=sum(one.reported is None for one in charges),
    )


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the one object of `run --format json`."""
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
        "lockfile": outcome.lockfile,
    }
