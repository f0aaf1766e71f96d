"""`fit` chooses the edits of least loss: held against every offered set, each of them really planned."""

from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kbatch.errors import Invalid
from kbatch.models.cards import Catalog
from kbatch.pipeline.fit import FitRequest, edited_text, fit
from kbatch.pipeline.load import LoadedManifest, LoadOptions, load, parse_manifest
from kbatch.pipeline.make_plan import make_plan
from kbatch.planner.fit.edits import Edit, settings_of
from kbatch.planner.fit.loss import loss_of
from kbatch.planner.fit.solve import EditSet
from kbatch.planner.fit.units import units_of
from kbatch.planner.jobs import Job
from kbatch.planner.selection import Selection
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.store import LoadedState
from tests.planner.conftest import receipt_of

MODELS = {
    "kling-2.5-turbo-pro": [{"duration": 10}, {"duration": 5}],
    "kling-2.6": [{"duration": 10}, {"duration": 5, "generate_audio": False}],
}
"""Two models, so that every set of edits can be planned; the cards of the others price by the same rules."""


@st.composite
def shots(draw: st.DrawFn, number: int, *, rich: bool) -> dict[str, Any]:
    """Draw a shot; a rich one has up to two takes, and may have an axis that its prompt may or may not use."""
    model = draw(st.sampled_from(sorted(MODELS)))
    shot: dict[str, Any] = {"id": f"s{number}", "model": model, "params": draw(st.sampled_from(MODELS[model]))}
    shot["prompt"] = draw(st.sampled_from(["one", f"shot {number}"]))
    if rich:
        shot["takes"] = draw(st.integers(1, 2))
        shot["matrix"] = {"city": ["oslo", "rome", "bern"][: draw(st.integers(1, 3))]}
        shot["prompt"] += draw(st.sampled_from([" in {{ city }}", ""]))
    return shot


@st.composite
def campaigns(draw: st.DrawFn) -> tuple[dict[str, Any], frozenset[int]]:
    """Draw a manifest of one rich shot or of two plain ones, and which of its jobs are bought already."""
    several = draw(st.booleans())
    found = [draw(shots(number, rich=not several)) for number in range(1 + several)]
    return {"kbatch": 1, "name": "c", "provider": "apiframe", "shots": found}, draw(st.frozensets(st.integers(0, 5)))


def cost_and_loss(loaded: LoadedManifest, found: LoadedState, edits: tuple[Edit, ...]) -> tuple[int, int] | None:
    """Return what the plan of an edited manifest costs, and what its jobs lose; None when it is not offered."""
    together = EditSet(cost=0, loss=0, edits=edits)
    text = edited_text(loaded, "fit", together, loaded.jobs)
    try:
        read = parse_manifest(text.encode(), "c.yaml", loaded.tree, LoadOptions(profile="fit"))
    except Invalid:
        return None
    after = {job.address: job for job in read.jobs}
    pairs = [(job, after.get(job.address)) for job in loaded.jobs]
    prices = [(one.quote.credits or 0, other.quote.credits or 0) for one, other in pairs if other is not None]
    if any(one < other for one, other in prices) or not after:
        return None
    edited = replace(loaded, document=read.document, settings=read.settings, jobs=read.jobs)
    expected = make_plan(edited, found, Selection()).plan.totals["apiframe"].expected
    assert expected is not None
    return expected, sum(loss_of(*pair) for pair in pairs)


def offered(unit: tuple[Job, ...], loaded: LoadedManifest) -> Iterator[Edit]:
    """Yield every edit of a unit: setting × takes × labels of an axis, those that share a purchase together."""
    labels = sorted({label for job in unit for _, label in job.draft.axes})
    most = max(job.draft.take for job in unit)
    leave = [()] + [some for size in range(1, len(labels)) for some in combinations(labels, size)]
    for setting, takes, some in product(settings_of(unit, loaded.catalog), [None, *range(1, most)], leave):
        yield replace(setting, takes=takes, without=(("city", some),) if some else ())


def is_whole(edit: Edit, unit: tuple[Job, ...], loaded: LoadedManifest) -> bool:
    """Whether an edit leaves out, with a label, every label that shares a purchase with it under its setting."""
    if not edit.without:
        return True
    text = edited_text(loaded, "fit", EditSet(cost=0, loss=0, edits=(replace(edit, without=()),)), loaded.jobs)
    try:
        read = parse_manifest(text.encode(), "c.yaml", loaded.tree, LoadOptions(profile="fit"))
    except Invalid:
        return False
    mine = [job for job in read.jobs if job.draft.shot in edit.shots]
    fixed = {job.fingerprint for job in mine if not job.draft.axes}
    sides: dict[str, set[bool]] = {}
    for job in mine:
        if job.draft.axes and job.fingerprint not in fixed:
            sides.setdefault(job.fingerprint, set()).add(job.draft.axes[0][1] in edit.without[0][1])
    return all(len(side) == 1 for side in sides.values())


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(campaigns(), st.integers(0, 100))
def test_no_offered_set_of_edits_fits_at_a_lower_loss(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[dict[str, Any], frozenset[int]], share: int
) -> None:
    """Every set is planned by brute force, on a lockfile where some jobs are bought; `fit` finds the best of them."""
    manifest, bought = drawn
    path: Path = tmp_path_factory.mktemp("fit") / "c.yaml"
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    loaded = load(path)
    few = [card for card in loaded.catalog.cards if card.model in MODELS]
    loaded = replace(loaded, catalog=Catalog(cards=tuple(few), by_key={card.key: card for card in few}))
    renders = {job.fingerprint: receipt_of(job) for number, job in enumerate(loaded.jobs) if number in bought}
    found = LoadedState(
        lockfile=Lockfile(manifest="c.yaml", jobs={}, renders=renders),
        notes=(),
        events=(),
        used_plans=frozenset(),
        newest="",
    )
    whole = make_plan(loaded, found, Selection()).plan.totals["apiframe"].expected
    assert whole is not None
    limit = whole * share // 100
    every = [
        priced
        for edits in product(
            *(
                [edit for edit in offered(unit, loaded) if is_whole(edit, unit, loaded)]
                for unit in units_of(loaded.jobs)
            )
        )
        if (priced := cost_and_loss(loaded, found, edits)) is not None
    ]
    fitting = [(loss, cost) for cost, loss in every if cost <= limit]
    (answer,) = fit(
        FitRequest(loaded=loaded, options=LoadOptions(), found=found, selection=Selection(), limits={"apiframe": limit})
    )
    assert answer.fits == bool(fitting)
    if fitting:
        assert (answer.chosen.loss, answer.after) == min(fitting)
    assert sum(line.saves for line in answer.lines) == answer.expected - answer.after
