"""A saved plan: an authorisation to spend, as a file that is bound to its inputs and can be used once.

It holds no secret. A run makes the plan again and compares: every deviation is reported with its effect in credits, and
the only accepted one is that jobs have been bought meanwhile.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from kbatch.errors import StateUnreadable
from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.approval.plan_digest import attempt_of, seal_of, terms_of_document
from kbatch.planner.payers import ONLY_DEFAULT, Weights
from kbatch.planner.plan import PLAN_VERSION, Plan, as_json, head_of_document
from kbatch.planner.selection import Selection
from kbatch.receipts.approvals.approval import Person
from kbatch.receipts.claims import Claim, digest_of
from kbatch.receipts.event_data import CoveredPurchase
from kbatch.receipts.fold import next_attempt
from kbatch.receipts.receipt import without_queries

_BOUGHT = frozenset((Action.REUSE, Action.POLL, Action.DOWNLOAD, Action.UNKNOWN, Action.BLOCKED))
_MISFITS = (KeyError, TypeError, AttributeError, ValueError)
_MAY_MOVE = frozenset(("render", "poll", "download", "unknown", "blocked"))


class SavedPlan(Struct, frozen=True, kw_only=True):
    """A saved plan as read; `source` is the manifest's path relative to the plan's folder, `document` the whole JSON.

    `lockfile` is relative to the manifest's folder. `sealed` is False for a plan of an earlier kbatch, which lacks the
    hashes of its inputs: it can be read and compared with, but not run.
    """

    digest: str
    source: str
    profile: str | None
    simulated: bool
    selection: Selection
    lockfile: str
    inputs: Mapping[str, str]
    claim: Claim
    sealed: bool
    document: Mapping[str, Any]

    @property
    def live(self) -> bool:
        """Whether a price in it is from a public list, so that the list is asked again before it is carried out."""
        return bool(self.document["bound"].get("published"))

    @property
    def accounts(self) -> Mapping[str, Weights]:
        """The weights of the accounts that pay, by provider, where not the default one alone does."""
        return self.document["bound"].get("accounts") or {}


def to_save(  # noqa: PLR0913 - keyword-only, each a line of the file
    plan: Plan,
    *,
    source: str,
    simulated: bool,
    selection: Selection,
    made_at: str = "",
    author: Person | None = None,
) -> dict[str, Any]:
    """Return the document of `plan --out`: the plan's JSON, the inputs that it is bound to, and a seal over both."""
    bound = {
        "source": source,
        "lockfile": plan.basis.lockfile,
        "origins": {name: plan.basis.origins.get(name) for name in plan.providers},
        "simulated": simulated,
        "selection": asdict(selection),
        "inputs": dict(plan.basis.inputs),
        "prices": plan.settings.prices,
        "held": [entry.held for entry in plan.entries],
        "attempts": [attempt_of(entry) for entry in plan.entries],
        "receipts": plan.receipts,
        **({"published": plan.basis.published} if plan.basis.published else {}),
        **({"asked": plan.basis.asked} if plan.basis.asked else {}),
        **({"accounts": plan.basis.payers} if plan.basis.payers else {}),
        "requests": {entry.job.fingerprint: without_queries(entry.job.request) for entry in plan.entries},
    }
    by = {"author": asdict(author)} if author else {}
    document = {**as_json(plan), **_budget(plan), "made_at": made_at, **by, "bound": bound}
    return {**document, "seal": seal_of(document)}


def _budget(plan: Plan) -> dict[str, Any]:
    """Return each provider's limit with what was charged before; nothing where the manifest has none."""
    limits = plan.settings.max_credits
    known = {name: limits.get(name, limits.get(None)) for name in plan.providers}
    budget = {
        name: {"limit": limit, "spent": plan.spent.get(name, 0)} for name, limit in known.items() if limit is not None
    }
    return {"budget": budget} if budget else {}


def is_saved_plan(data: bytes) -> bool:
    """Whether a file looks like a saved plan and not like a manifest."""
    return data.lstrip()[:1] == b"{" and b'"plan_version"' in data


def read_document(data: bytes, name: str) -> dict[str, Any]:
    """Return the JSON of a saved plan or of `plan --format json`; StateUnreadable for others and newer versions."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise StateUnreadable(f"{name}: is no saved plan: {error}") from error
    version = document.get("plan_version") if isinstance(document, dict) else None
    if version != PLAN_VERSION:
        raise StateUnreadable(f"{name}: has plan_version {version}, this kbatch reads {PLAN_VERSION}")
    if "seal" in document:
        try:
            _check_seal(document, name)
        except _MISFITS as error:
            raise StateUnreadable(f"{name}: is not as a saved plan should be: {error!r}") from error
    return dict(document)


def read_saved(data: bytes, name: str) -> SavedPlan:
    """Return the saved plan in a file; StateUnreadable for other files and newer versions."""
    document = read_document(data, name)
    bound = document.get("bound")
    if not isinstance(bound, dict):
        hint = "`kbatch plan --out FILE` writes one that can be run"
        raise StateUnreadable(f"{name}: is a plan's listing, not a saved plan", hint=hint)
    sealed = "seal" in document
    try:
        return SavedPlan(
            digest=document["digest"],
            source=bound["source"],
            profile=document["profile"],
            simulated=bound["simulated"],
            selection=_selection(bound["selection"]),
            lockfile=bound["lockfile"] if sealed else "",
            inputs=bound["inputs"],
            claim=_claim(document) if sealed else Claim(fingerprints={}, maximum={}, origins={}, terms="", accounts={}),
            sealed=sealed,
            document=document,
        )
    except _MISFITS as error:
        raise StateUnreadable(f"{name}: is not as a saved plan should be: {error!r}") from error


def _check_seal(document: Mapping[str, Any], name: str) -> None:
    """Raise StateUnreadable unless the file is unchanged and its digest covers its content."""
    same = seal_of(document) == document["seal"]
    counts = Counter(job["action"] for job in document["jobs"])
    counted = {name: number for name, number in document["counts"].items() if number} == dict(counts)
    if not (same and counted and digest_of(_claim(document)) == document["digest"]):
        message = f"{name}: was changed after it was saved: what it says has another digest than the one in it"
        raise StateUnreadable(message, hint="`kbatch plan --out FILE` saves it anew")


def _claim(document: Mapping[str, Any]) -> Claim:
    """Return the purchases that a saved plan authorises."""
    jobs = zip(document["jobs"], document["bound"]["attempts"], strict=True)
    return Claim(
        fingerprints={
            job["fingerprint"]: CoveredPurchase(attempt=attempt, quote=job["credits"])
            for job, attempt in jobs
            if job["action"] == Action.RENDER
        },
        maximum={provider: total["maximum"] for provider, total in document["totals"].items()},
        origins=document["bound"]["origins"],
        terms=terms_of_document(document, head_of_document(document)),
        accounts={},
    )


def _selection(kept: Mapping[str, Any]) -> Selection:
    return Selection(
        only=tuple(kept["only"]),
        exclude=tuple(kept["exclude"]),
        labels=tuple((key, value) for key, value in kept["labels"]),
        failed=kept["failed"],
        first=kept["first"],
        replace=tuple(kept["replace"]),
        cascade=kept.get("cascade", False),
    )


class Deviation(Struct, frozen=True, kw_only=True):
    """A difference from the saved plan, in words, with its effect on the cost in credits (None: unknown)."""

    words: str
    credits: int | None = 0


def deviations(saved: SavedPlan, now: Plan) -> tuple[Deviation, ...]:
    """Return all deviations since the plan was saved; jobs bought since then are none."""
    return tuple(_deviations(saved, now))


def _deviations(saved: SavedPlan, now: Plan) -> Iterator[Deviation]:
    for name in sorted({*saved.inputs, *now.basis.inputs}):
        if saved.inputs.get(name) != now.basis.inputs.get(name):
            what = "is new" if name not in saved.inputs else "is gone" if name not in now.basis.inputs else "changed"
            yield Deviation(words=f"{name} {what}")
    yield from _binding_deviations(saved, now)
    requests = saved.document["bound"]["requests"]
    then = {job["address"]: job for job in saved.document["jobs"]}
    present = {entry.address: entry for entry in now.entries}
    for address in sorted({*then, *present}):
        if address not in present:
            yield Deviation(words=f"{address} is gone", credits=-(then[address]["credits"] or 0))
        elif address not in then:
            yield Deviation(words=f"{address} is new", credits=present[address].credits)
        else:
            yield from _job_deviations(then[address], present[address], saved.claim)
            if requests.get(then[address]["fingerprint"]) != without_queries(present[address].job.request):
                yield Deviation(words=f"the request of {address} is not the one that the plan shows")


def _binding_deviations(saved: SavedPlan, now: Plan) -> Iterator[Deviation]:
    if saved.lockfile != now.basis.lockfile:
        yield Deviation(words=f"it was made on the lockfile {saved.lockfile}, not on {now.basis.lockfile}")
    for provider, origin in saved.document["bound"]["origins"].items():
        here = now.basis.origins.get(provider)
        if provider in now.providers and here != origin:
            yield Deviation(words=f"it would pay {provider} at {here} instead of {origin}")
    before, after = saved.accounts, now.basis.payers
    for provider in now.providers:
        if before.get(provider, ONLY_DEFAULT) != after.get(provider, ONLY_DEFAULT):
            then, here = (_names(payers.get(provider, ONLY_DEFAULT)) for payers in (before, after))
            yield Deviation(words=f"{provider} would be paid by {here} instead of {then}")


def _names(weights: Weights) -> str:
    return " and ".join(f"{name} ({weight})" for name, weight in weights.items())


def _job_deviations(before: Mapping[str, Any], entry: PlanEntry, claim: Claim) -> Iterator[Deviation]:
    address, after = entry.address, entry.credits
    if before["fingerprint"] != entry.job.fingerprint:
        yield Deviation(words=f"{address}: {entry.reason}", credits=_difference(before["credits"], after))
    elif before["action"] != entry.action.value:
        if not (before["action"] in _MAY_MOVE and entry.action in _BOUGHT):
            words = f"{address} was to {before['action']}, now {entry.action.value}: {entry.reason}"
            yield Deviation(words=words, credits=_difference(before["credits"], after))
    elif before["credits"] != after:
        words = f"{address} costs {after} instead of {before['credits']}"
        yield Deviation(words=words, credits=_difference(before["credits"], after))
    purchase = claim.fingerprints.get(entry.job.fingerprint)
    if purchase is not None and before["action"] == Action.RENDER:
        attempt = next_attempt(entry.receipt)
        if attempt < purchase.attempt or (entry.buys and attempt != purchase.attempt):
            yield Deviation(words=f"{address}: its receipts are others than those that the plan was made on")
    if before["output"] != entry.job.draft.output:
        yield Deviation(words=f"{address} goes to {entry.job.draft.output} instead of {before['output']}")


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before
