"""Envelopes: how many credits a month, a market, a campaign or a person may spend over many manifests.

What stands against an envelope is what its lockfiles' purchases were charged after refunds, what unknown sends hold,
and what runs that live have reserved and not bought yet. A purchase belongs to the month in which it was sent, in UTC.
A charge that was not reported counts as its quote, or as the largest known charge of its model and variant where that
is more; what cannot be known at all is counted apart, and nothing is bought beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from kbatch.errors import Mark, Refused
from kbatch.planner.actions import PlanEntry
from kbatch.planner.budgets.purchases import PaidPurchase
from kbatch.planner.known_charges import Kind, KnownCharges, keep_largest
from kbatch.receipts.receipt import Purchase, without_queries


class Threshold(Struct, frozen=True, kw_only=True):
    """A part of an envelope in percent, and the program that is called when so much of it is used."""

    percent: int
    command: tuple[str, ...]


class Envelope(Struct, frozen=True, kw_only=True):
    """One envelope; `monthly`: its credits are for each month. What it names of labels, campaign and actor must match.

    `paths` are files and folders with its lockfiles, relative to the file of budgets.
    """

    name: str
    max_credits: Mapping[str, int]
    monthly: bool = False
    labels: Mapping[str, str] = {}
    campaign: str | None = None
    actor: str | None = None
    at: tuple[Threshold, ...] = ()
    paths: tuple[str, ...] = ()
    mark: Mark | None = None

    def covers(self, about: Purchase) -> bool:
        """Whether a purchase for this job, campaign and person counts here."""
        return (
            self.campaign in (None, about.campaign)
            and self.actor in (None, about.actor)
            and all(about.labels.get(name) == value for name, value in self.labels.items())
        )

    @property
    def selective(self) -> bool:
        """Whether it covers some purchases only."""
        return bool(self.labels or self.campaign or self.actor)


class Wish(Struct, frozen=True, kw_only=True):
    """A purchase that is to be made: its fingerprint, provider and quote (None: unknown), and what it is for."""

    fingerprint: str
    provider: str
    credits: int | None
    about: Purchase


class Reserved(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Credits of one envelope and period that a run has set aside; a period is a month, or empty for all time."""

    run: str
    envelope: str
    provider: str
    period: str
    credits: int


class EnvelopeUse(Struct, frozen=True, kw_only=True):
    """One provider's credits of an envelope in a period.

    `used` is charged after refunds, `held` what unknown sends may cost, `reserved` what other runs may still buy,
    `wanted` the quotes of the purchases to be made: `wishes` by fingerprint. `unknown` counts charges that are not
    known, `unpriced` wishes without a quote, `unplaced` purchases of older receipts, which remember nothing.
    """

    envelope: Envelope
    provider: str
    period: str
    used: int
    held: int
    reserved: int
    wishes: Mapping[str, int]
    unknown: int = 0
    unpriced: int = 0
    unplaced: int = 0

    @property
    def limit(self) -> int:
        """The credits of the envelope."""
        return self.envelope.max_credits[self.provider]

    @property
    def wanted(self) -> int:
        """The quotes of the purchases to be made."""
        return sum(self.wishes.values())

    @property
    def left(self) -> int:
        """The credits that may still be bought, below 0 when it is overdrawn."""
        return self.limit - self.used - self.held - self.reserved

    @property
    def words(self) -> str:
        """What stands in the envelope, in words."""
        parts = [f"{self.used:,} used", f"{self.held:,} held"]
        parts += [f"{self.reserved:,} reserved by other runs"] if self.reserved else []
        parts += [f"{self.wanted:,} wanted", f"{self.left:,} left of {self.limit:,}"]
        when = f" ({self.period})" if self.period else ""
        return f"envelope `{self.envelope.name}`{when}: {self.provider}: {', '.join(parts)}"


def wishes_of(entries: Iterable[PlanEntry], campaign: str, actor: str | None) -> tuple[Wish, ...]:
    """Return the purchases of a plan as their receipts will remember them."""
    return tuple(
        Wish(
            fingerprint=entry.job.fingerprint,
            provider=entry.job.provider,
            credits=entry.credits,
            about=Purchase(
                address=entry.address,
                labels=without_queries(entry.job.draft.labels),
                campaign=campaign,
                run="",
                actor=actor,
            ),
        )
        for entry in entries
    )


def period_of(envelope: Envelope, month: str) -> str:
    """Return the period of an envelope that a purchase of this month belongs to."""
    return month if envelope.monthly else ""


def use_of(
    envelope: Envelope,
    purchases: Sequence[PaidPurchase],
    wishes: Iterable[Wish],
    month: str,
    reserved: Iterable[Reserved] = (),
) -> tuple[EnvelopeUse, ...]:
    """Return what stands in an envelope in a month, by provider; `purchases` are those of its lockfiles.

    `reserved` are reservations of other living runs: of each the larger of it and of what its run has bought counts.
    """
    period, known = period_of(envelope, month), _known(purchases)
    mine = [one for one in purchases if (one.at or month)[: len(period)] == period]
    found = []
    for provider in envelope.max_credits:
        here = [one for one in mine if one.provider == provider and envelope.covers(one.about)]
        wanted = {one.fingerprint: one for one in wishes if one.provider == provider and envelope.covers(one.about)}
        costs = [_cost(one, known) for one in here]
        found.append(
            EnvelopeUse(
                envelope=envelope,
                provider=provider,
                period=period,
                used=sum(cost for one, cost in zip(here, costs, strict=True) if cost is not None and one.held == 0),
                held=sum(one.held or 0 for one in here),
                reserved=_beyond(here, known, [one for one in reserved if _is_of(one, envelope, provider, period)]),
                wishes={key: one.credits or 0 for key, one in wanted.items()},
                unknown=costs.count(None),
                unpriced=sum(one.credits is None for one in wanted.values()),
                unplaced=sum(one.memory is None for one in mine if one.provider == provider and envelope.selective),
            )
        )
    return tuple(found)


def _is_of(one: Reserved, envelope: Envelope, provider: str, period: str) -> bool:
    return (one.envelope, one.provider, one.period) == (envelope.name, provider, period)


def _beyond(purchases: Iterable[PaidPurchase], known: KnownCharges, reserved: Iterable[Reserved]) -> int:
    """Return what runs have reserved beyond what they have bought."""
    bought: dict[str, int] = {}
    for one in purchases:
        bought[one.about.run] = bought.get(one.about.run, 0) + (_cost(one, known) or 0)
    return sum(max(0, one.credits - bought.get(one.run, 0)) for one in reserved)


def _cost(purchase: PaidPurchase, known: KnownCharges) -> int | None:
    """Return what a purchase may have cost, None where that is unknown."""
    if purchase.held != 0:
        return purchase.held
    kind = (purchase.provider, purchase.model, purchase.variant)
    if purchase.charged is None:
        return known.worst(*kind)
    charged = purchase.charged
    if not purchase.reported and purchase.refunded < charged:
        charged = max(charged, known.of(*kind) or 0)
    return charged - purchase.refunded


def _known(purchases: Iterable[PaidPurchase]) -> KnownCharges:
    charges: dict[Kind, int] = {}
    for one in purchases:
        if one.reported and one.charged:
            keep_largest(charges, (one.provider, one.model, one.variant), one.charged)
    return KnownCharges(charges=charges)


def objection_to(use: EnvelopeUse) -> Refused | None:
    """Return why the purchases that an envelope is wanted for may not be made, None where they fit."""
    if not use.wishes:
        return None
    name = f"envelope `{use.envelope.name}`"
    if use.unpriced:
        jobs = "job has" if use.unpriced == 1 else "jobs have"
        message = f"{name}: {use.unpriced:,} {use.provider} {jobs} no known price, so it cannot be held"
        hint = "state a price under `prices`, or take it from the public list by `--live`"
        return Refused("envelope-unpriced", message, hint=hint)
    if use.unknown:
        are = "1 purchase" if use.unknown == 1 else f"{use.unknown:,} purchases"
        message = f"{name}: what {are} of {use.provider} cost is not known, so it cannot be held"
        return Refused(
            "untold-charges", message, hint="`kbatch pull` asks for charges, `kbatch reconcile` settles sends"
        )
    if use.wanted > use.left:
        hint = "select fewer jobs with --only or --first, or let who owns the file of budgets raise it"
        return Refused("over-envelope", use.words, hint=hint)
    return None


def reached(use: EnvelopeUse) -> tuple[Threshold, ...]:
    """Return the thresholds that used and held credits have reached; nothing used reaches none."""
    spent = use.used + use.held
    return tuple(one for one in use.envelope.at if spent and spent * 100 >= one.percent * use.limit)


def as_document(use: EnvelopeUse) -> dict[str, Any]:
    """Return what a command of a threshold reads on stdin, and a program of a plan."""
    return {
        "envelope": use.envelope.name,
        "period": use.period or None,
        "provider": use.provider,
        "used": use.used,
        "held": use.held,
        "reserved": use.reserved,
        "wanted": use.wanted,
        "left": use.left,
        "max_credits": use.limit,
    }
