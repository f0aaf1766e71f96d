"""Edits of shots that belong together, as a profile can write them: model, parameters, takes, labels left out."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kbatch.manifest.drafts import Draft
from kbatch.models.cards import Card, Catalog
from kbatch.models.pricing import values_of
from kbatch.planner.jobs import Job


class Edit(Struct, frozen=True, kw_only=True):
    """One way to make shots cheaper; `without` are the labels that are left out, by axis."""

    shots: tuple[str, ...]
    model: str | None = None
    params: tuple[tuple[str, Any], ...] = ()
    takes: int | None = None
    without: tuple[tuple[str, tuple[str, ...]], ...] = ()


def profile_shots(edits: Sequence[Edit], jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """Return the `shots` of a profile that makes these edits, each field only where a shot has something to change."""
    axes: dict[str, set[str]] = {}
    takes: dict[str, int] = {}
    for job in jobs:
        axes.setdefault(job.draft.shot, set()).update(axis for axis, _ in job.draft.axes)
        takes[job.draft.shot] = max(takes.get(job.draft.shot, 1), job.draft.take)
    written: dict[str, dict[str, Any]] = {}
    for edit in edits:
        for shot in edit.shots:
            written[shot] = override_over(written.get(shot, {}), _override(edit, axes[shot], takes[shot]))
    return {shot: override for shot, override in written.items() if override}


def override_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a shot's override over another one: parameters key by key, labels left out by both."""
    merged = {**below, **above}
    if "params" in below and "params" in above:
        merged["params"] = {**below["params"], **above["params"]}
    if "without" in below and "without" in above:
        merged["without"] = {
            axis: [*below["without"].get(axis, []), *above["without"].get(axis, [])]
            for axis in {**below["without"], **above["without"]}
        }
    return merged


def _override(edit: Edit, axes: set[str], takes: int) -> dict[str, Any]:
    override: dict[str, Any] = {} if edit.model is None else {"model": edit.model}
    if edit.params:
        override["params"] = dict(edit.params)
    if override:
        override["drop_unsupported"] = True
    if edit.takes is not None and edit.takes < takes:
        override["takes"] = edit.takes
    without = {axis: list(labels) for axis, labels in edit.without if axis in axes}
    if without:
        override["without"] = without
    return override


def settings_of(jobs: Sequence[Job], catalog: Catalog) -> Iterator[Edit]:
    """Yield every combination of model and priced parameters that these jobs may have, the fewest changes first.

    Another model is one of the same provider with a known price; it is offered where all jobs have one provider.
    """
    shots = tuple(dict.fromkeys(job.draft.shot for job in jobs))
    own = list({id(job.card): job.card for job in jobs}.values())
    found: list[tuple[str | None, tuple[tuple[str, Any], ...]]] = [(None, params) for params in _assignments(own)]
    providers = {job.provider for job in jobs}
    if len(providers) == 1:
        for card in catalog.cards:
            if card.provider in providers and card.pricing.table and [card] != own:
                found += [(card.model, params) for params in _assignments([card])]
    for model, params in sorted(found, key=lambda pair: (len(pair[1]) + (pair[0] is not None), pair[0] is not None)):
        yield Edit(shots=shots, model=model, params=params)


def _assignments(cards: Sequence[Card]) -> list[tuple[tuple[str, Any], ...]]:
    """Return every choice of values for the parameters that price these cards' clips; a parameter may stay as it is."""
    choices: dict[str, dict[Any, None]] = {}
    for card in cards:
        priced = [part.parameter for part in card.pricing.variant]
        if card.pricing.per == "second" and isinstance(card.duration, str):
            priced.append(card.duration)
        for name in priced:
            choices.setdefault(name, {}).update(dict.fromkeys(values_of(card, name)))
    rows = product(*([None, *((name, value) for value in values)] for name, values in choices.items()))
    return [tuple(pair for pair in row if pair is not None) for row in rows]


def applied(edit: Edit, drafts: Sequence[Draft], known: Mapping[str, frozenset[str]]) -> list[Draft]:
    """Return drafts with an edit's model and parameters; `known` are the parameters of each model by name.

    Drafts that share their parameters share the new ones too.
    """
    written, shared = dict(edit.params), dict[tuple[int, str], Mapping[str, Any]]()
    weaker: dict[frozenset[str], frozenset[str]] = {}
    edited = []
    for draft in drafts:
        model = edit.model or draft.model
        key = (id(draft.params), model)
        if key not in shared:
            taken = {name: value for name, value in written.items() if name in known.get(model, ())}
            shared[key] = {**draft.params, **taken}
        weak = weaker.setdefault(draft.default_only, draft.default_only - frozenset(written))
        edited.append(replace(draft, model=model, params=shared[key], default_only=weak, drop_unsupported=True))
    return edited
