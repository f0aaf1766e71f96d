"""What would fit, beside a refusal for a ceiling: the best three sets of edits, and the command that finds them all."""

from collections.abc import Mapping, Sequence
from typing import Any

from kbatch.cli.options import read_selection
from kbatch.cli.session import load_options
from kbatch.errors import KbatchError
from kbatch.pipeline.load import LoadedManifest
from kbatch.planner.ceilings import ExceededCeiling
from kbatch.planner.plan import Plan
from kbatch.receipts.store import LoadedState

_MOST_JOBS = 1_000
"""Jobs for which the edits are found within a second, so that a refusal does not wait for them."""


def offers(
    over: Sequence[ExceededCeiling], plan: Plan, loaded: LoadedManifest, found: LoadedState, flags: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return sentences about what would fit below the ceilings that a plan exceeds, with the command for the rest.

    Nothing is offered for a ceiling of single jobs, for a plan with an unknown price, or where flags choose purchases
    that no edit changes: those bought again, those that failed, the first few.
    """
    chosen = read_selection(flags)
    if chosen.replace or chosen.failed or chosen.first is not None:
        return ()
    limits: dict[str, int] = {}
    for each in over:
        total = plan.totals[each.provider]
        if each.of_a_job or total.unpriced:
            continue
        limit = total.known + total.held - (each.wanted - each.ceiling)
        limits[each.provider] = min(limit, limits.get(each.provider, limit))
    if not limits:
        return ()
    words = " ".join(f"--max-credits {name}={limit}" for name, limit in limits.items())
    command = f"`kbatch fit {loaded.path.as_posix()} {words}` finds edits that fit"
    return (*_best(limits, loaded, found, flags), command) if len(plan.entries) <= _MOST_JOBS else (command,)


def _best(
    limits: Mapping[str, int], loaded: LoadedManifest, found: LoadedState, flags: Mapping[str, Any]
) -> tuple[str, ...]:
    from kbatch.pipeline.fit import FitRequest, fit  # noqa: PLC0415 - only where a plan is refused
    from kbatch.report.text.fit_text import offers as sentences  # noqa: PLC0415

    request = FitRequest(
        loaded=loaded, options=load_options(flags), found=found, selection=read_selection(flags), limits=limits
    )
    try:
        return tuple(f"would fit: {each}" for each in sentences(fit(request)))
    except KbatchError:  # an offer is a courtesy: a refusal stays a refusal where edits cannot be priced
        return ()
