"""Finds the edits that make a manifest's plan fit a number of credits, and proves them by planning them."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Bug, Invalid, Problem, Refused
from kbatch.manifest.added_profile import add_profile
from kbatch.manifest.faulty import mapping_of
from kbatch.manifest.layers import chosen_of
from kbatch.models.pricing import read_prices
from kbatch.pipeline.load import LoadedManifest, LoadOptions, parse_manifest, picture_reader, read_manifest_bytes
from kbatch.pipeline.make_plan import Planned, make_plan, recorded_state
from kbatch.planner.ceilings import read_limits
from kbatch.planner.fit.answer import Fit
from kbatch.planner.fit.description import EditLine, lines_of, name_of
from kbatch.planner.fit.edits import override_over, profile_shots
from kbatch.planner.fit.loss import loss_of
from kbatch.planner.fit.settings import Pricing
from kbatch.planner.fit.solve import EditSet, best, frontier_of, with_profiles
from kbatch.planner.jobs import Job
from kbatch.planner.live_prices import with_live_quotes
from kbatch.planner.selection import Selection
from kbatch.providers.registry import NAMES
from kbatch.receipts.store import LoadedState

_SHOWN = 25
"""Points of a frontier that are listed: more are no help in choosing."""


class FitRequest(Struct, frozen=True, kw_only=True):
    """What is to fit: a loaded manifest with the options it was loaded by, its state, the selected jobs, the credits by
    provider."""

    loaded: LoadedManifest
    options: LoadOptions
    found: LoadedState
    selection: Selection
    limits: Mapping[str, int]


def fit(request: FitRequest) -> tuple[Fit, ...]:
    """Return how each provider with a limit fits; Refused when a price is unknown, as no sum could be trusted."""
    planned = make_plan(request.loaded, request.found, request.selection)
    for provider in request.limits:
        if provider not in planned.plan.totals:
            hint = f"these jobs use {' and '.join(planned.plan.providers) or 'no provider'}"
            message = f"`--max-credits` names {provider}, which no selected job uses"
            raise Invalid([Problem(code="unused-provider", message=message, hint=hint)])
        total = planned.plan.totals.get(provider)
        if total is not None and total.expected is None:
            message = f"{provider}: {total.unpriced:,} jobs have no known price, so nothing can be said to fit"
            raise Refused("unpriced", message, hint="state their price under `prices`, or leave them out")
    return tuple(
        _fit(request, planned, provider, limit)
        for provider, limit in request.limits.items()
        if provider in planned.plan.totals
    )


def _fit(request: FitRequest, planned: Planned, provider: str, limit: int) -> Fit:
    total, jobs = planned.plan.totals[provider], tuple(entry.job for entry in planned.plan.entries)
    pricing = _pricing(request, planned, provider)
    frontier = with_profiles(frontier_of(jobs, pricing), _profiles(request, jobs, provider))
    expected = frontier[0].cost
    if total.expected != expected:
        raise Bug(f"the plan says {total.expected} {total.unit}, the frontier begins at {expected}")
    chosen = best(frontier, limit - total.held)
    done = chosen or frontier[-1]
    after = _cost_after(request, done, jobs, provider)
    if after != done.cost:
        raise Bug(f"the chosen edits plan to {after} {total.unit}, not to {done.cost}")
    return Fit(
        provider=provider,
        unit=total.unit,
        expected=expected,
        wanted=limit,
        held=total.held,
        fits=chosen is not None,
        chosen=done,
        lines=_lines(done, jobs, pricing, expected),
        after=after,
        frontier=_thinned(frontier, done),
    )


def _pricing(request: FitRequest, planned: Planned, provider: str) -> Pricing:
    loaded = request.loaded
    return Pricing(
        document=loaded.document,
        catalog=loaded.catalog,
        read_image=picture_reader(loaded.tree),
        prices=read_prices(loaded.catalog, loaded.settings.prices)[0],
        recorded=recorded_state(loaded, request.found, planned.look),
        provider=provider,
        lists=loaded.lists,
    )


def _lines(done: EditSet, jobs: tuple[Job, ...], pricing: Pricing, expected: int) -> tuple[EditLine, ...]:
    if done.profile is None:
        return lines_of(done, jobs, pricing)
    return (EditLine(edit=name_of(done)[0], saves=expected - done.cost, loses=f"{done.loss:,} points in all"),)


def _profiles(request: FitRequest, jobs: tuple[Job, ...], provider: str) -> list[EditSet]:
    """Return what each other profile of the manifest costs and loses as a whole; one that is wrong is left out."""
    names = mapping_of(request.loaded.document.value.get("profiles"))
    found = []
    for name in names:
        if name == request.loaded.settings.profile:
            continue
        try:
            planned = _planned_under(request, None, name, jobs)
        except Invalid:
            continue
        total = planned.plan.totals.get(provider)
        cost = 0 if total is None else total.expected
        if cost is None:
            continue
        after = {entry.address: entry.job for entry in planned.plan.entries}
        lost = sum(loss_of(job, after.get(job.address)) for job in jobs)
        found.append(EditSet(cost=cost, loss=lost, edits=(), profile=name))
    return found


def _cost_after(request: FitRequest, done: EditSet, jobs: tuple[Job, ...], provider: str) -> int | None:
    """Return what the plan costs with the edits made, by the text that would be written."""
    if done.profile is not None:
        planned = _planned_under(request, None, done.profile, jobs)
    elif done.edits:
        name = unused_name(request.loaded, "fit")
        planned = _planned_under(request, edited_text(request.loaded, name, done, jobs), name, jobs)
    else:
        planned = make_plan(request.loaded, request.found, request.selection)
    total = planned.plan.totals.get(provider)
    return 0 if total is None else total.expected


def edited_manifest(request: FitRequest, fits: Sequence[Fit], name: str) -> tuple[str, str]:
    """Return the manifest's text, and the text with the chosen edits of all providers as a profile.

    Invalid when the name is taken. `fit` has planned the same text, so that it plans as promised.
    """
    loaded = request.loaded
    if name in mapping_of(loaded.document.value.get("profiles")):
        mark = loaded.document.mark(("profiles", name), key=True)
        raise Invalid([Problem(code="profile-taken", message=f"there is a profile `{name}` already", mark=mark)])
    text = read_manifest_bytes(loaded.path).decode()
    edits = tuple(edit for one in fits for edit in one.chosen.edits)
    if not edits:
        return text, text
    jobs = tuple(entry.job for entry in make_plan(loaded, request.found, request.selection).plan.entries)
    together = EditSet(cost=0, loss=0, edits=edits)
    return text, edited_text(loaded, name, together, jobs)


def limits_of(loaded: LoadedManifest, words: Sequence[str]) -> dict[str, int]:
    """Return the credits by provider that `--max-credits` words say; Invalid when they say none for these jobs."""
    used = tuple(dict.fromkeys(job.provider for job in loaded.jobs))
    limits, problems = read_limits(used, words, NAMES)
    if problems:
        raise Invalid(problems)
    return limits


def unused_name(loaded: LoadedManifest, name: str) -> str:
    """Return a profile's name that the manifest does not have: `fit`, `fit-2`, and so on."""
    taken = mapping_of(loaded.document.value.get("profiles"))
    return next(one for one in (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))) if one not in taken)


def edited_text(loaded: LoadedManifest, name: str, done: EditSet, jobs: tuple[Job, ...]) -> str:
    """Return the manifest's text with a profile that makes the edits, over the chosen profile where there is one."""
    base = chosen_of(loaded.document.value, loaded.settings.profile)
    shots = {**mapping_of(base.get("shots"))}
    for shot, override in profile_shots(done.edits, jobs).items():
        shots[shot] = override_over(mapping_of(shots.get(shot)), override)
    text = read_manifest_bytes(loaded.path).decode()
    return add_profile(text, loaded.document, name, {**base, "shots": shots})


def _planned_under(request: FitRequest, text: str | None, profile: str, jobs: tuple[Job, ...]) -> Planned:
    """Return the plan of the manifest's text (None: as it is) under a profile, of those of these jobs that it has."""
    loaded = request.loaded
    addresses = {job.address for job in jobs}
    data = read_manifest_bytes(loaded.path) if text is None else text.encode()
    read = parse_manifest(data, str(loaded.path), loaded.tree, replace(request.options, profile=profile))
    kept = tuple(job for job in read.jobs if job.address in addresses)
    kept = kept if loaded.lists is None else tuple(with_live_quotes(kept, loaded.lists))
    edited = replace(loaded, document=read.document, settings=read.settings, jobs=kept, catalog=read.catalog)
    return make_plan(edited, request.found, Selection())


def _thinned(frontier: tuple[EditSet, ...], done: EditSet) -> tuple[EditSet, ...]:
    """Return the frontier down to the chosen set and two steps on, thinned evenly where it is long; both ends stay."""
    kept = list(frontier[: frontier.index(done) + 3])
    if len(kept) <= _SHOWN:
        return tuple(kept)
    head, tail = kept[:-3], kept[-3:]
    step = (len(head) - 1) / (_SHOWN - len(tail) - 1)
    return (*(head[round(number * step)] for number in range(_SHOWN - len(tail))), *tail)
