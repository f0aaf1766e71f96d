"""Jobs in the form in which two plans are compared, from a plan in memory or a saved one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from kbatch.errors import StateUnreadable
from kbatch.planner.actions import Action, PlanEntry
from kbatch.receipts.receipt import without_queries


class ComparedJob(Struct, frozen=True, kw_only=True):
    """A job of one plan; `credits` is the price of its purchase, `request` is None where the plan does not hold it."""

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


def compared_jobs(entries: Iterable[PlanEntry]) -> tuple[ComparedJob, ...]:
    """Return the jobs of a plan's entries."""
    return tuple(
        ComparedJob(
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


def compared_jobs_of_saved(document: Mapping[str, Any]) -> tuple[ComparedJob, ...]:
    """Return the jobs of a saved plan or of a plan's JSON; StateUnreadable when its form is wrong."""
    try:
        return tuple(_read_saved(document))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateUnreadable(f"the plan to compare with is not as a plan should be: {error!r}") from error


def _read_saved(document: Mapping[str, Any]) -> Iterator[ComparedJob]:
    requests = document.get("bound", {}).get("requests", {})
    for job in document["jobs"]:
        yield ComparedJob(
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
