"""What a saved plan says, in the form that its pages have in common.

All values are the file's own; whether they still hold shows when the plan is run. A file whose form is wrong is an
error of the user's state, never half a page.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from kbatch.errors import StateUnreadable
from kbatch.planner.actions import Action
from kbatch.report.data.format import count
from kbatch.report.data.reasons import shared

_FIRST = (Action.RENDER, Action.UNKNOWN, Action.BLOCKED, Action.POLL, Action.DOWNLOAD, Action.REUSE)
_STATED = {"manifest": "stated by the manifest", "own-card": "stated by a card of the user"}


class SavedJob(Struct, frozen=True, kw_only=True):
    """A job as the plan shows it; `credits` is None where the price is not known, `price` says whose it is."""

    address: str
    fingerprint: str
    action: Action
    provider: str
    model: str
    variant: str
    credits: int | None
    why: str
    prompt: str | None
    labels: Mapping[str, str]
    output: str
    price: str
    dropped: tuple[str, ...]
    extra: str
    params: Mapping[str, Any]

    @property
    def shot(self) -> str:
        """The id of its shot."""
        return self.address.partition("[")[0].partition("@")[0]


class SavedTotal(Struct, frozen=True, kw_only=True):
    """One provider's total with its budget: what was charged before, and what is left after; None without one."""

    provider: str
    unit: str
    expected: int | None
    maximum: int | None
    unpriced: int
    budget: int | None
    spent: int | None

    @property
    def left(self) -> int | None:
        """What the budget leaves after the plan's maximum."""
        if self.budget is None or self.spent is None or self.maximum is None:
            return None
        return self.budget - self.spent - self.maximum


class SavedView(Struct, frozen=True, kw_only=True):
    """A saved plan's jobs, what is bought first, with its totals and facts about it."""

    manifest: str
    profile: str | None
    digest: str
    simulated: bool
    sealed: bool
    facts: tuple[tuple[str, str], ...]
    jobs: tuple[SavedJob, ...]
    totals: tuple[SavedTotal, ...]

    @property
    def headline(self) -> str:
        """What it buys, for how much of each provider's credits."""
        bought = [job for job in self.jobs if job.action is Action.RENDER]
        if not bought:
            return "Nothing is bought"
        return f"Buys {count(len(bought), 'clip')} for {credits_words(bought)}"


class SavedGroup(Struct, frozen=True, kw_only=True):
    """Jobs with one action and one reason."""

    action: Action
    why: str
    jobs: tuple[SavedJob, ...]


def view_of(document: Mapping[str, Any], name: str) -> SavedView:
    """Return what a saved plan says; StateUnreadable when its form is wrong."""
    try:
        return _view(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateUnreadable(f"{name}: is not as a saved plan should be: {error!r}") from error


def _view(document: Mapping[str, Any]) -> SavedView:
    bound, author = document["bound"], document.get("author") or {}
    by = " ".join(filter(None, (author.get("name"), f"<{author['email']}>" if author.get("email") else "")))
    origins = ", ".join(f"{name} at {origin}" for name, origin in (bound.get("origins") or {}).items())
    facts = (
        ("made", str(document.get("made_at") or "")),
        ("by", by),
        ("lockfile", str(bound.get("lockfile") or "")),
        ("pays", origins),
    )
    jobs = [_job(row, bound.get("requests") or {}) for row in document["jobs"]]
    budgets = document.get("budget") or {}
    return SavedView(
        manifest=str(document["manifest"]),
        profile=document.get("profile"),
        digest=str(document["digest"]),
        simulated=bool(bound["simulated"]),
        sealed="seal" in document,
        facts=tuple((name, words) for name, words in facts if words),
        jobs=tuple(sorted(jobs, key=lambda job: _FIRST.index(job.action))),
        totals=tuple(_total(name, total, budgets.get(name) or {}) for name, total in document["totals"].items()),
    )


def _job(row: Mapping[str, Any], requests: Mapping[str, Any]) -> SavedJob:
    request = requests.get(row["fingerprint"]) or {}
    inner = next((value for value in request.values() if isinstance(value, Mapping)), request)
    credits = row["credits"]
    if credits is not None and type(credits) is not int:
        raise TypeError("credits are no integer")
    return SavedJob(
        address=str(row["address"]),
        fingerprint=str(row["fingerprint"]),
        action=Action(row["action"]),
        provider=str(row["provider"]),
        model=str(row["model"]),
        variant=str(row["variant"]),
        credits=credits,
        why=_why(row),
        prompt=row.get("prompt") or request.get("prompt"),
        labels={str(key): str(value) for key, value in (row.get("labels") or {}).items()},
        output=str(row.get("output") or ""),
        price=_STATED.get(row.get("price", ""), ""),
        dropped=tuple(map(str, row.get("dropped") or ())),
        extra=json.dumps(row["extra"], ensure_ascii=False) if row.get("extra") else "",
        params={str(key): value for key, value in inner.items() if key not in ("prompt", "model")},
    )


def _why(row: Mapping[str, Any]) -> str:
    why, again = shared(str(row["reason"]), str(row["address"])), row.get("resend")
    return why if again is None else f"{why}; with consent it is sent again, for up to {int(again):,} credits"


def _total(provider: str, total: Mapping[str, Any], budget: Mapping[str, Any]) -> SavedTotal:
    amounts = {name: budget.get(name) for name in ("limit", "spent")}
    amounts |= {name: total[name] for name in ("expected", "maximum", "unpriced")}
    if any(value is not None and type(value) is not int for value in amounts.values()):
        raise TypeError("an amount is no integer")
    return SavedTotal(
        provider=provider,
        unit=str(total["unit"]),
        expected=amounts["expected"],
        maximum=amounts["maximum"],
        unpriced=amounts["unpriced"] or 0,
        budget=amounts["limit"],
        spent=amounts["spent"],
    )


def groups_of(jobs: Iterable[SavedJob]) -> list[SavedGroup]:
    """Return the jobs by action and reason, what costs most first."""
    found: dict[tuple[Action, str], list[SavedJob]] = {}
    for job in jobs:
        found.setdefault((job.action, job.why), []).append(job)
    groups = [SavedGroup(action=action, why=why, jobs=tuple(each)) for (action, why), each in found.items()]
    return sorted(groups, key=lambda group: (_FIRST.index(group.action), -sum(job.credits or 0 for job in group.jobs)))


def credits_words(jobs: Sequence[SavedJob]) -> str:
    """Return the sum of each provider's credits, and how many jobs have no known price."""
    sums: dict[str, int] = {}
    for job in jobs:
        sums[job.provider] = sums.get(job.provider, 0) + (job.credits or 0)
    parts = [f"{credits:,} credits of {provider}" for provider, credits in sums.items()]
    unpriced = sum(job.credits is None for job in jobs)
    return " and ".join(parts) + (f" and {count(unpriced, 'clip')} without a known price" if unpriced else "")
