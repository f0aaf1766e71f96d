"""The plan: every job with an action, a price and a reason; totals per provider; the digest that consent names."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from kbatch.manifest.settings import Settings
from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.approval.plan_digest import SHOWN, claim_of_entries, state_of, terms_of_plan
from kbatch.planner.charges import spent_before
from kbatch.planner.payers import Share, Weights, shares_of
from kbatch.receipts.claims import Claim, digest_of
from kbatch.receipts.receipt import Receipt, ReceiptState

PLAN_VERSION = 1


class Total(Struct, frozen=True, kw_only=True):
    """What one provider may charge, in its own credits: `expected` is the quotes of `render`, `maximum` adds what
    unknown outcomes hold; both are None when a price in them is unknown, and `unpriced` counts those jobs."""

    unit: str
    expected: int | None
    maximum: int | None
    unpriced: int
    known: int
    held: int


class Basis(Struct, frozen=True, kw_only=True):
    """Inputs of a plan: the manifest's name, settings and notes, and the files that it reads.

    `known` holds the fingerprints of this profile's jobs and of those that the lockfile lists for other profiles.
    `payers` has the weights of accounts by provider, where not the default account alone pays.
    `inputs` is the SHA-256 of the manifest and of each file that it reads, by name. `lockfile` is its path relative to
    the manifest's folder. `origins` is the paid host by provider: `https://host`, `loopback` or `simulator`.
    `published` says by model where a quote is from that only a public price list names: its address and prices' hash.
    `asked` says by provider which list was asked, when, and its tag: no part of the digest, since it differs each time.
    """

    manifest: str
    settings: Settings
    known: frozenset[str]
    inputs: Mapping[str, str]
    notes: tuple[str, ...] = ()
    lockfile: str = ""
    origins: Mapping[str, str] = {}
    published: Mapping[str, Mapping[str, str]] = {}
    asked: Mapping[str, Mapping[str, str | None]] = {}
    payers: Mapping[str, Weights] = {}


class Plan(Struct, frozen=True, kw_only=True):
    """A priced plan; `spent` is what the lockfile's receipts were charged, `orphans` are receipts without a job.

    `unknown_charges` counts by provider the charges of unknown amount, which `spent` leaves out. `purchases` are the
    entries to buy, `resends` the unknown sends that may be sent again, `providers` the providers of all jobs. `digest`
    is the hash that consent names, `terms` the hash of all that the plan shows, `receipts` the recorded state of each
    entry in the form that the digest covers.
    """

    basis: Basis
    entries: tuple[PlanEntry, ...]
    purchases: tuple[PlanEntry, ...]
    providers: tuple[str, ...]
    totals: Mapping[str, Total]
    counts: Mapping[str, int]
    spent: Mapping[str, int]
    unknown_charges: Mapping[str, int]
    orphans: tuple[str, ...]
    receipts: tuple[Any, ...]
    digest: str
    terms: str
    resends: tuple[PlanEntry, ...] = ()

    @property
    def spends(self) -> tuple[PlanEntry, ...]:
        """The entries that need consent: purchases, and unknown sends that may be sent again."""
        return (*self.purchases, *self.resends)

    @property
    def claim(self) -> Claim:
        """The purchases that an approval of the digest covers."""
        return _claim(self.terms, self.purchases, self.basis, self.totals)

    @property
    def shares(self) -> Mapping[str, Mapping[str, Share]]:
        """What each account pays, by provider and name, where not the default accounts alone do."""
        payers = self.basis.payers
        return {provider: shares_of(provider, self.purchases, weights) for provider, weights in payers.items()}

    @property
    def manifest(self) -> str:
        """The manifest's file name."""
        return self.basis.manifest

    @property
    def settings(self) -> Settings:
        """The manifest's settings beside its shots."""
        return self.basis.settings


def build_plan(basis: Basis, entries: Sequence[PlanEntry], renders: Mapping[str, Receipt]) -> Plan:
    """Return the plan of these entries with totals, charges so far and digest."""
    totals = _totals(entries)
    counts = Counter(entry.action for entry in entries)
    receipts = tuple([state_of(entry.receipt) for entry in entries])
    spent = spent_before(entries, renders)
    terms = terms_of_plan(_head(basis, totals, receipts), entries)
    return Plan(
        basis=basis,
        entries=tuple(entries),
        purchases=tuple(entry for entry in entries if entry.buys),
        resends=tuple([entry for entry in entries if entry.resend]),
        providers=tuple(totals),
        totals=totals,
        counts={action.value: counts[action] for action in Action},
        spent=spent.credits,
        unknown_charges=spent.unknown_charges,
        orphans=tuple(sorted(key for key in renders.keys() - basis.known if _paid(renders[key]))),
        receipts=receipts,
        terms=terms,
        digest=digest_of(_claim(terms, entries, basis, totals)),
    )


def _claim(terms: str, entries: Sequence[PlanEntry], basis: Basis, totals: Mapping[str, Total]) -> Claim:
    pays = {name: (total.maximum, basis.origins.get(name)) for name, total in totals.items()}
    return claim_of_entries(terms, entries, pays)


def _head(basis: Basis, totals: Mapping[str, Total], receipts: Sequence[Any]) -> dict[str, Any]:
    """Return the part of the terms that is not about single jobs: inputs, paid hosts, totals."""
    return {
        "plan_version": PLAN_VERSION,
        "manifest": basis.manifest,
        "inputs": dict(basis.inputs),
        "profile": basis.settings.profile,
        "prices": basis.settings.prices,
        "lockfile": basis.lockfile,
        "origins": {name: basis.origins.get(name) for name in totals},
        "receipts": receipts,
        "totals": {name: [total.unit, total.expected, total.maximum, total.unpriced] for name, total in totals.items()},
        **({"published": basis.published} if basis.published else {}),
        **({"accounts": basis.payers} if basis.payers else {}),
    }


def head_of_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same part of a saved plan's terms; KeyError or TypeError when fields are missing or wrong."""
    bound = document["bound"]
    names = ("inputs", "prices", "lockfile", "origins", "receipts")
    return {
        "plan_version": document["plan_version"],
        "manifest": document["manifest"],
        "profile": document["profile"],
        **{name: bound[name] for name in names},
        "totals": {
            name: [total["unit"], total["expected"], total["maximum"], total["unpriced"]]
            for name, total in document["totals"].items()
        },
        **({"published": bound["published"]} if bound.get("published") else {}),
        **({"accounts": bound["accounts"]} if bound.get("accounts") else {}),
    }


def first_purchases(entries: Sequence[PlanEntry], count: int) -> tuple[PlanEntry, ...]:
    """Return the entries with only the first `count` purchases, and without entries that need one left out.

    Later unknown sends stay in the plan, but are only searched for and not sent again.
    """
    kept: list[PlanEntry] = []
    left_out: set[str] = set()
    bought = 0
    for entry in entries:
        shared = entry.shared_with in left_out
        waits = any(need in left_out for need in entry.job.upstream)
        if (entry.buys and bought >= count) or shared or waits:
            left_out.add(entry.address)
            continue
        if entry.resend and bought >= count:
            entry = replace(entry, resend=False, objection=f"it is not among the first {count} purchases")  # noqa: PLW2901
        bought += entry.buys or entry.resend
        kept.append(entry)
    return tuple(kept)


def _paid(receipt: Receipt) -> bool:
    return receipt.state not in (ReceiptState.FAILED, ReceiptState.UNKNOWN)


def _totals(entries: Sequence[PlanEntry]) -> dict[str, Total]:
    totals: dict[str, Total] = {}
    for provider in dict.fromkeys(entry.job.provider for entry in entries):
        mine = [entry for entry in entries if entry.job.provider == provider]
        buying = [entry.credits for entry in mine if entry.buys]
        holding = [entry.held for entry in mine if entry.action is Action.UNKNOWN and entry.shared_with is None]
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


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan in the form of `plan --format json`; `schemas/plan.schema.json` describes it."""
    return {**as_stream(plan), "jobs": list(_rows(plan))}


def as_stream(plan: Plan) -> dict[str, Any]:
    """Return the same with `jobs` as an iterator, so that a writer can stream them."""
    return {
        "plan_version": PLAN_VERSION,
        "digest": plan.digest,
        "manifest": plan.manifest,
        "profile": plan.settings.profile,
        "jobs": _rows(plan),
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
        **({"accounts": _accounts(plan)} if plan.shares else {}),
    }


def _accounts(plan: Plan) -> dict[str, Any]:
    return {
        provider: {name: asdict(share) for name, share in shares.items()} for provider, shares in plan.shares.items()
    }


def _rows(plan: Plan) -> Iterator[dict[str, Any]]:
    for entry in plan.entries:
        job = entry.job
        yield {
            "address": job.address,
            "fingerprint": job.fingerprint,
            "action": entry.action.value,
            "provider": job.provider,
            "model": job.model,
            "variant": job.quote.variant,
            "credits": entry.credits,
            "reason": entry.reason,
            "resend": entry.held if entry.resend else None,
            "output": job.draft.output,
            "dropped": list(job.dropped),
            "price": job.quote.source,
            **({"labels": dict(job.draft.labels)} if job.draft.labels else {}),
            **({"prompt": job.draft.prompt} if entry.action in SHOWN else {}),
            **({"extra": job.extra} if entry.action in SHOWN and job.extra else {}),
        }
