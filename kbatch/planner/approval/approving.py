"""What an approval of a saved plan says of it, and the most that it lets a run spend."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import ValidationError, convert

from kbatch.errors import Refused, StateUnreadable
from kbatch.planner.actions import Action
from kbatch.planner.approval.saved_plan import SavedPlan
from kbatch.receipts.approvals.approval import ApprovedPlan

_SHOWN = ("fingerprint", "provider", "model", "variant", "credits")
SKEW = timedelta(minutes=5)
"""How far two machines' clocks may be apart: NTP keeps them within seconds, a time further ahead is a wrong clock."""


def approved_plan(saved: SavedPlan) -> ApprovedPlan:
    """Return what an approval records of a saved plan; StateUnreadable when the plan's form is wrong."""
    document = saved.document
    rows = zip(document["jobs"], document["bound"]["attempts"], strict=True)
    try:
        jobs = {
            job["address"]: {**{name: job[name] for name in _SHOWN}, "attempt": attempt}
            for job, attempt in rows
            if job["action"] == Action.RENDER
        }
        plan = {
            **{name: document[name] for name in ("manifest", "profile")},
            "made_at": document["made_at"] or None,
            "author": document.get("author"),
            "jobs": jobs,
            **{name: getattr(saved.claim, name) for name in ("maximum", "origins", "terms")},
        }
        return convert(plan, ApprovedPlan)
    except (ValidationError, KeyError, TypeError) as error:
        raise StateUnreadable(f"the plan is not as a saved plan should be: {error}") from error


def approved_maximum(saved: SavedPlan, ceilings: Mapping[str, int]) -> dict[str, int]:
    """Return the most that an approval lets each provider be paid; a plan without a known price needs a ceiling.

    Refused when the plan's maximum is above a ceiling: such an approval would cover no run.
    """
    if not saved.claim.fingerprints:
        hint = "a run that buys nothing needs no approval; `kbatch reconcile` settles sends of unknown outcome"
        raise Refused("nothing-to-approve", "the plan has no purchase", hint=hint)
    found = {}
    for provider, total in saved.document["totals"].items():
        maximum, ceiling = total["maximum"], ceilings.get(provider)
        if maximum is None and ceiling is None:
            message = f"{provider}: a price is not known, so the approval would have no maximum"
            raise Refused("no-ceiling", message, hint=f"--max-credits {provider}=N says how much may be spent")
        if maximum is not None and ceiling is not None and maximum > ceiling:
            message = f"{provider}: the plan's maximum is {maximum:,} {total['unit']}, --max-credits allows {ceiling:,}"
            raise Refused("over-ceiling", message, hint="`kbatch fit` finds what would make it fit")
        found[provider] = min(amount for amount in (maximum, ceiling) if amount is not None)
    return found


def check_age(made_at: str | None, now: datetime, most: timedelta) -> None:
    """Raise Refused when a plan is older than `most`, when its age is not known, or when it is from the future."""
    try:
        made = datetime.fromisoformat(made_at or "")
        age = now - made
    except (ValueError, TypeError):
        raise Refused("plan-too-old", "the plan does not say when it was made", hint="save it anew") from None
    if age > most:
        message = f"the plan was made at {made_at}, {span(age)} ago; --max-age allows {span(most)}"
        raise Refused("plan-too-old", message, hint="`kbatch plan --out FILE` saves it anew, at today's prices")
    if -age > SKEW:
        message = f"the plan says that it was made at {made_at}, which is {span(-age)} ahead of this machine's clock"
        raise Refused("clock-differs", message, hint="set the clock, or save the plan anew")


def span(time: timedelta) -> str:
    """Return a time in hours and minutes."""
    minutes = int(time.total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
