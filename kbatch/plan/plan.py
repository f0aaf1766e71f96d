"""The plan: every job with an action, a price and a reason; totals per provider; a digest of what is agreed to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from kbatch.catalog.identity import canonical
from kbatch.manifest.settings import Settings
from kbatch.plan.actions import Action, Entry
from kbatch.receipts.attempts import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState

PLAN_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What one provider may charge, in its own credits: `expected` is the quotes of `render`, `maximum` adds what
    unknown outcomes hold; both are None when a price in them is unknown, and `unpriced` counts those jobs."""

    unit: str
    expected: int | None
    maximum: int | None
    unpriced: int
    known: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a plan rests on: the manifest by name with its settings and notes, and the files it was made of.

    `known` are the fingerprints that any job of the manifest refers to, `inputs` the SHA-256 of the manifest and of
    each file that it read, by name.
    """

    manifest: str
    settings: Settings
    known: frozenset[str]
    inputs: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A priced plan; `spent` is what the lockfile's receipts were charged, `orphans` are receipts without a job.

    `digest` is the hash of `agreed`: of all that an approval is about.
    """

    basis: Basis
    entries: tuple[Entry, ...]
    totals: Mapping[str, Total]
    counts: Mapping[str, int]
    spent: Mapping[str, int]
    orphans: tuple[str, ...]
    agreed: Mapping[str, Any]
    digest: str

    @property
    def manifest(self) -> str:
        """The manifest's file name."""
        return self.basis.manifest

    @property
    def settings(self) -> Settings:
        """What the manifest says beside its shots."""
        return self.basis.settings

    @property
    def purchases(self) -> tuple[Entry, ...]:
        """The entries that cost something."""
        return tuple(entry for entry in self.entries if entry.buys)

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers of the plan's jobs."""
        return tuple(dict.fromkeys(entry.job.provider for entry in self.entries))


def build_plan(basis: Basis, entries: Sequence[Entry], renders: Mapping[str, Receipt]) -> Plan:
    """Return the plan of these entries."""
    totals = _totals(entries)
    counts = Counter(entry.action.value for entry in entries)
    agreed = _agreed(basis, entries, totals, renders)
    return Plan(
        basis=basis,
        entries=tuple(entries),
        totals=totals,
        counts={action.value: counts[action.value] for action in Action},
        spent=_spent(entries, renders),
        orphans=tuple(sorted(key for key, receipt in renders.items() if key not in basis.known and _paid(receipt))),
        agreed=agreed,
        digest=digest_of(agreed),
    )


def first_purchases(entries: Sequence[Entry], count: int) -> tuple[Entry, ...]:
    """Return the entries with only the first `count` purchases, and without what needs one that was left out."""
    kept: list[Entry] = []
    left_out: set[str] = set()
    bought = 0
    for entry in entries:
        shared = entry.shares in left_out
        waits = any(need in left_out for need in entry.job.upstream)
        if (entry.buys and bought >= count) or shared or waits:
            left_out.add(entry.address)
            continue
        bought += entry.buys
        kept.append(entry)
    return tuple(kept)


def charged(renders: Mapping[str, Receipt]) -> dict[str, int]:
    """Return what receipts were charged, per provider: what the provider reported, else what was planned."""
    spent: Counter[str] = Counter()
    for receipt in renders.values():
        for one in records_of(receipt):
            spent[one.provider] += _charge(one)
    return dict(spent)


def _spent(entries: Sequence[Entry], renders: Mapping[str, Receipt]) -> dict[str, int]:
    """Return what a budget bears already: all charges, and what unknown outcomes hold that are not in this plan."""
    spent = Counter(charged(renders))
    planned = {entry.job.fingerprint for entry in entries if entry.action is Action.UNKNOWN}
    for fingerprint, receipt in renders.items():
        for number, one in enumerate(records_of(receipt)):
            if one.state is ReceiptState.UNKNOWN and (number or fingerprint not in planned):
                spent[one.provider] += one.credits.planned or 0
    return dict(spent)


def _charge(receipt: Receipt) -> int:
    """Return what one attempt costs as far as is known: after a failure only what the provider says it kept."""
    if receipt.state is ReceiptState.UNKNOWN:
        return 0
    told = receipt.credits.reported
    if receipt.state is ReceiptState.FAILED:
        return told or 0
    return (receipt.credits.planned or 0) if told is None else told


def _paid(receipt: Receipt) -> bool:
    return receipt.state not in (ReceiptState.FAILED, ReceiptState.UNKNOWN)


def _totals(entries: Sequence[Entry]) -> dict[str, Total]:
    totals: dict[str, Total] = {}
    for provider in dict.fromkeys(entry.job.provider for entry in entries):
        mine = [entry for entry in entries if entry.job.provider == provider]
        buying = [entry.credits for entry in mine if entry.buys]
        holding = [entry.held for entry in mine if entry.action is Action.UNKNOWN and entry.shares is None]
        unpriced = buying.count(None)
        known, held = sum(filter(None, buying)), sum(filter(None, holding))
        totals[provider] = Total(
            unit=mine[0].job.quote.unit,
            expected=None if unpriced else known,
            maximum=None if unpriced or None in holding else known + held,
            unpriced=unpriced + holding.count(None),
            known=known,
            held=held,
        )
    return totals


def digest_of(agreed: Mapping[str, Any]) -> str:
    """Return the digest of what an approval is about."""
    return "sha256:" + sha256(canonical(agreed)).hexdigest()


def _agreed(
    basis: Basis, entries: Sequence[Entry], totals: Mapping[str, Total], renders: Mapping[str, Receipt]
) -> dict[str, Any]:
    """Return what an approval is about: manifest and inputs, jobs, prices, outputs, their receipts, and the maximum."""
    return {
        "plan_version": PLAN_VERSION,
        "manifest": basis.manifest,
        "inputs": dict(basis.inputs),
        "profile": basis.settings.profile,
        "prices": {key: dict(value) for key, value in basis.settings.prices.items()},
        "jobs": [
            [
                entry.address,
                entry.job.fingerprint,
                entry.action.value,
                entry.credits,
                entry.held,
                entry.job.draft.output,
            ]
            for entry in entries
        ],
        "receipts": [_state_of(renders.get(entry.job.fingerprint)) for entry in entries],
        "totals": {name: [total.expected, total.maximum, total.unpriced] for name, total in totals.items()},
    }


def _state_of(receipt: Receipt | None) -> Any:
    return None if receipt is None else [receipt.state.value, receipt.attempt, receipt.job_id]


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan in the form of `plan --format json`; `schemas/plan.schema.json` describes it."""
    return {
        "plan_version": PLAN_VERSION,
        "digest": plan.digest,
        "manifest": plan.manifest,
        "profile": plan.settings.profile,
        "jobs": [
            {
                "address": entry.address,
                "fingerprint": entry.job.fingerprint,
                "action": entry.action.value,
                "provider": entry.job.provider,
                "model": entry.job.model,
                "variant": entry.job.quote.variant,
                "credits": entry.credits,
                "reason": entry.reason,
                "output": entry.job.draft.output,
                "dropped": list(entry.job.dropped),
            }
            for entry in plan.entries
        ],
        "totals": {
            provider: {
                "unit": total.unit,
                "expected": total.expected,
                "maximum": total.maximum,
                "unpriced": total.unpriced,
            }
            for provider, total in plan.totals.items()
        },
        "counts": dict(plan.counts),
        "orphans": list(plan.orphans),
    }
