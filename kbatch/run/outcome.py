"""What a run came to: how each job ended, the settlement with each provider, and the exit code that follows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kbatch.problems import ExitCode
from kbatch.receipts.receipt import Receipt, ReceiptState


class End(StrEnum):
    """How a job ended in this run; `skipped` was not started: a ceiling, a stop, or too many failures."""

    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    OWED = "owed"
    DELIVERED_WRONG = "delivered_wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a run: `ends` by address, settlements by provider, why providers or models were stopped."""

    ends: Mapping[str, End]
    reasons: Mapping[str, str] = field(default_factory=dict)
    credits: Mapping[str, Settlement] = field(default_factory=dict)
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
        if End.UNKNOWN in self.ends.values():
            found.append(ExitCode.UNKNOWN)
        wrong = {End.FAILED, End.BLOCKED, End.OWED, End.DELIVERED_WRONG, End.SKIPPED} & set(self.ends.values())
        unexplained = any(settlement.differing for settlement in self.credits.values())
        if wrong or self.surprises or self.problems or unexplained:
            found.append(ExitCode.NOT_AS_ASKED)
        return ExitCode.worst(found)


COUNTED = ("done", "failed", "blocked", "unknown", "owed", "delivered_wrong", "reused")


def count_ends(ends: Mapping[str, End]) -> dict[str, int]:
    """Return the counts of `run --format json`; skipped jobs stand apart, since the contract names seven."""
    found = Counter(end.value for end in ends.values())
    counts = {name: found[name] for name in COUNTED}
    if found[End.SKIPPED.value]:
        counts[End.SKIPPED.value] = found[End.SKIPPED.value]
    return counts


def settle(receipts: Iterable[Receipt]) -> dict[str, Settlement]:
    """Return the settlement per provider of the attempts that this run accepted."""
    by_provider: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        by_provider.setdefault(receipt.provider, []).append(receipt)
    return {provider: _settle(mine) for provider, mine in sorted(by_provider.items())}


def _settle(receipts: list[Receipt]) -> Settlement:
    planned = reported = refunded = unexplained = differing = untold = 0
    for receipt in receipts:
        quote, told = receipt.credits.planned, receipt.credits.reported
        planned += quote or 0
        if receipt.state is ReceiptState.FAILED:
            kept = told or 0
            before = (quote or 0) if receipt.credits.charged is None else receipt.credits.charged
            reported, refunded, beyond = reported + kept, refunded + before - kept, kept
        elif told is None:
            untold += 1
            continue
        else:
            reported, beyond = reported + told, 0 if quote is None else told - quote
        unexplained += beyond
        differing += beyond != 0
    return Settlement(
        planned=planned,
        reported=reported,
        refunded=refunded,
        unexplained=unexplained,
        differing=differing,
        untold=untold,
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
        "lockfile": outcome.lockfile,
    }
