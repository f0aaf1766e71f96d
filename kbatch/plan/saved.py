"""A saved plan: a spend authorisation as a file, bound to everything it rests on, used once.

It holds no secret. Running it makes the plan anew and compares: what moved is said with its effect in credits, and only
jobs that have meanwhile been bought may leave it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from kbatch.plan.actions import Action
from kbatch.plan.plan import PLAN_VERSION, Plan, as_json, digest_of
from kbatch.plan.selection import Selection
from kbatch.problems import StateUnreadable
from kbatch.receipts.receipt import without_queries

_BOUGHT = frozenset((Action.REUSE, Action.POLL, Action.DOWNLOAD, Action.UNKNOWN))


class Saved(Struct, frozen=True, kw_only=True):
    """A plan that was read back: `source` is the manifest's path relative to the plan's folder, `document` the rest."""

    digest: str
    source: str
    profile: str | None
    simulated: bool
    selection: Selection
    inputs: Mapping[str, str]
    maximum: Mapping[str, int | None]
    document: Mapping[str, Any]


def to_save(plan: Plan, *, source: str, simulated: bool, selection: Selection) -> dict[str, Any]:
    """Return what `plan --out` writes: the plan's JSON and what it is bound to."""
    bound = {
        "source": source,
        "simulated": simulated,
        "selection": asdict(selection),
        "inputs": dict(plan.basis.inputs),
        "prices": plan.settings.prices,
        "held": [entry.held for entry in plan.entries],
        "receipts": plan.receipts,
        "requests": {entry.job.fingerprint: without_queries(entry.job.request) for entry in plan.entries},
    }
    return {**as_json(plan), "bound": bound}


def is_saved_plan(data: bytes) -> bool:
    """Whether a file is meant to be a saved plan and not a manifest."""
    return data.lstrip()[:1] == b"{" and b'"plan_version"' in data


def read_document(data: bytes, name: str) -> dict[str, Any]:
    """Return a plan's JSON, saved or only listed; StateUnreadable when it is none, or of a newer version."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise StateUnreadable(f"{name}: is no saved plan: {error}") from error
    version = document.get("plan_version") if isinstance(document, dict) else None
    if version != PLAN_VERSION:
        raise StateUnreadable(f"{name}: has plan_version {version}, this kbatch reads {PLAN_VERSION}")
    return dict(document)


def read_saved(data: bytes, name: str) -> Saved:
    """Return the saved plan in a file; StateUnreadable when it is none, or of a newer version."""
    document = read_document(data, name)
    bound = document.get("bound")
    if not isinstance(bound, dict):
        hint = "`kbatch plan --out FILE` writes one that can be run"
        raise StateUnreadable(f"{name}: is a plan's listing, not a saved plan", hint=hint)
    try:
        if digest_of(_agreed(document)) != document["digest"]:
            message = f"{name}: was changed after it was saved: what it says has another digest than the one in it"
            raise StateUnreadable(message, hint="`kbatch plan --out FILE` saves it anew")
        return Saved(
            digest=document["digest"],
            source=bound["source"],
            profile=document["profile"],
            simulated=bound["simulated"],
            selection=_selection(bound["selection"]),
            inputs=bound["inputs"],
            maximum={provider: total["maximum"] for provider, total in document["totals"].items()},
            document=document,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StateUnreadable(f"{name}: is not as a saved plan should be: {error!r}") from error


def _agreed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the digest was made of, from what the file says; KeyError, TypeError or ValueError when it cannot."""
    bound = document["bound"]
    jobs = zip(document["jobs"], bound["held"], strict=True)
    return {
        "plan_version": document["plan_version"],
        "manifest": document["manifest"],
        "inputs": bound["inputs"],
        "profile": document["profile"],
        "prices": bound["prices"],
        "jobs": [
            [job["address"], job["fingerprint"], job["action"], job["credits"], held, job["output"]]
            for job, held in jobs
        ],
        "receipts": bound["receipts"],
        "totals": {
            provider: [total["expected"], total["maximum"], total["unpriced"]]
            for provider, total in document["totals"].items()
        },
    }


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


class Move(Struct, frozen=True, kw_only=True):
    """One thing that differs from the saved plan, in words, and what it adds to the cost (None: unknown)."""

    words: str
    credits: int | None = 0


def moves(saved: Saved, now: Plan) -> tuple[Move, ...]:
    """Return everything that moved since the plan was saved; jobs that were bought since are no move."""
    return tuple(_moves(saved, now))


def _moves(saved: Saved, now: Plan) -> Iterator[Move]:
    for name in sorted({*saved.inputs, *now.basis.inputs}):
        if saved.inputs.get(name) != now.basis.inputs.get(name):
            what = "is new" if name not in saved.inputs else "is gone" if name not in now.basis.inputs else "changed"
            yield Move(words=f"{name} {what}")
    then = {job["address"]: job for job in saved.document["jobs"]}
    present = {entry.address: entry for entry in now.entries}
    for address in sorted({*then, *present}):
        if address not in present:
            yield Move(words=f"{address} is gone", credits=-(then[address]["credits"] or 0))
        elif address not in then:
            yield Move(words=f"{address} is new", credits=present[address].credits)
        else:
            yield from _job_moves(then[address], present[address])


def _job_moves(before: Mapping[str, Any], entry: Any) -> Iterator[Move]:
    address, after = entry.address, entry.credits
    if before["fingerprint"] != entry.job.fingerprint:
        yield Move(words=f"{address}: {entry.reason}", credits=_difference(before["credits"], after))
    elif before["action"] != entry.action.value:
        if not (before["action"] in ("render", "poll", "download", "unknown") and entry.action in _BOUGHT):
            words = f"{address} was to {before['action']}, now {entry.action.value}: {entry.reason}"
            yield Move(words=words, credits=_difference(before["credits"], after))
    elif before["credits"] != after:
        yield Move(
            words=f"{address} costs {after} instead of {before['credits']}",
            credits=_difference(before["credits"], after),
        )
    if before.get("output") != entry.job.draft.output:
        yield Move(words=f"{address} goes to {entry.job.draft.output} instead of {before.get('output')}")


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def left_of(saved: Saved, now: Plan) -> dict[str, int]:
    """Return per provider what is left of the plan's maximum after what its jobs were charged or hold since."""
    bought = {job["address"] for job in saved.document["jobs"] if job["action"] == "render"}
    left = {provider: maximum for provider, maximum in saved.maximum.items() if maximum is not None}
    for entry in now.entries:
        if entry.address in bought and entry.action in _BOUGHT and entry.shares is None and entry.job.provider in left:
            left[entry.job.provider] -= entry.job.quote.credits or 0
    return left
