"""The jobs of a plan as two plans can be compared by them, from a plan at hand or from one that was saved."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from kbatch.errors import StateUnreadable
from kbatch.planner.actions import Action, PlanEntry
from kbatch.receipts.receipt import without_queries


class Side(Struct, frozen=True, kw_only=True):
    """A job in one plan; `credits` is what it would be bought for, `request` None where the plan does not tell it."""

    address: str
    fingerprint: str
    action: Action
    provider: str
    model: str
    variant: str
    credits: int | None
    reason: str
    output: str | None
    request: Mapping[str, Any] | None

    @property
    def shot(self) -> str:
        """The id of its shot."""
        return self.address.partition("[")[0].partition("@")[0]


def sides_of(entries: Iterable[PlanEntry]) -> tuple[Side, ...]:
    """Return the jobs of a plan's entries."""
    return tuple(
        Side(
            address=entry.address,
            fingerprint=entry.job.fingerprint,
            action=entry.action,
            provider=entry.job.provider,
            model=entry.job.model,
            variant=entry.job.quote.variant,
            credits=entry.credits,
            reason=entry.reason,
            output=entry.job.draft.output,
            request=without_queries(entry.job.request),
        )
        for entry in entries
    )


def sides_of_saved(document: Mapping[str, Any]) -> tuple[Side, ...]:
    """Return the jobs of a plan that was saved or listed as JSON; StateUnreadable where it is not as one should be."""
    try:
        return tuple(_sides_of_saved(document))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateUnreadable(f"the plan to compare with is not as a plan should be: {error!r}") from error


def _sides_of_saved(document: Mapping[str, Any]) -> Iterator[Side]:
    requests = document.get("bound", {}).get("requests", {})
    for job in document["jobs"]:
        yield Side(
            address=job["address"],
            fingerprint=job["fingerprint"],
            action=Action(job["action"]),
            provider=job["provider"],
            model=job["model"],
            variant=job["variant"],
            credits=job["credits"],
            reason=job["reason"],
            output=job.get("output"),
            request=requests.get(job["fingerprint"]),
        )
