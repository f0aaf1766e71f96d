"""What a unit's jobs become under each cheaper setting of their models, with costs as the plan has them."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from kbatch.errors import Bug
from kbatch.manifest.drafts import Draft
from kbatch.manifest.findings import Findings
from kbatch.manifest.yaml.document import Document
from kbatch.models.cards import Catalog
from kbatch.models.pricing import OwnPrice
from kbatch.models.published.price_list import Lists
from kbatch.planner.actions import ActionOptions, RecordedState
from kbatch.planner.decisions import decide
from kbatch.planner.fit.edits import Edit, applied, settings_of
from kbatch.planner.fit.loss import loss_of
from kbatch.planner.jobs import Job, ReadImage, complete_jobs
from kbatch.planner.live_prices import with_live_quotes


class Pricing(Struct, frozen=True, kw_only=True):
    """What pricing an edit by planning it needs: the cards, the manifest's own prices, the pictures, the receipts,
    and the public price lists where they were asked."""

    document: Document
    catalog: Catalog
    read_image: ReadImage
    prices: Mapping[str, OwnPrice]
    recorded: RecordedState
    provider: str
    lists: Lists | None = None

    def jobs(self, drafts: Sequence[Draft]) -> tuple[Job, ...] | None:
        """Return the jobs of drafts, None when one of them is wrong."""
        findings = Findings(self.document)
        made = complete_jobs(drafts, self.catalog, self.read_image, self.prices, findings)
        if len(made) < len(drafts) or findings.fatal:
            return None
        return made if self.lists is None else tuple(with_live_quotes(made, self.lists))

    def costs(self, jobs: Sequence[Job]) -> dict[str, int] | None:
        """Return what each fingerprint would be charged at this provider, None where a price is unknown."""
        costs: dict[str, int] = {}
        for entry in decide(jobs, self.recorded, ActionOptions()):
            if not entry.buys or entry.job.provider != self.provider:
                continue
            if entry.credits is None:
                return None
            if entry.shared_with is None:
                costs[entry.job.fingerprint] = entry.credits
        return costs


class Setting(Struct, frozen=True, kw_only=True):
    """A unit's jobs under one setting, each with what it was and the points it loses; `costs` by fingerprint."""

    edit: Edit
    before: tuple[Job, ...]
    after: tuple[Job, ...]
    losses: tuple[int, ...]
    costs: Mapping[str, int]


def cheaper_settings(unit: tuple[Job, ...], pricing: Pricing) -> Iterator[Setting]:
    """Yield the unit as it is, and as each cheaper setting makes it; no job's price rises under any of them."""
    costs = pricing.costs(unit)
    if costs is None:
        raise Bug("a unit with an unknown price has no settings")
    shots = tuple(dict.fromkeys(job.draft.shot for job in unit))
    yield Setting(edit=Edit(shots=shots), before=unit, after=unit, losses=(0,) * len(unit), costs=costs)
    drafts, known = [job.draft for job in unit], models_of(unit, pricing.catalog)
    seen = {_look(unit)}
    for edit in _worth_trying(unit, pricing, known):
        jobs = pricing.jobs(applied(edit, drafts, known))
        if jobs is None or not _is_cheaper(unit, jobs) or _look(jobs) in seen:
            continue
        seen.add(_look(jobs))
        costs = pricing.costs(jobs)
        if costs is not None:
            yield Setting(edit=edit, before=unit, after=jobs, losses=_losses(unit, jobs), costs=costs)


def models_of(unit: Sequence[Job], catalog: Catalog) -> dict[str, frozenset[str]]:
    """Return the parameters of each model of the providers that these jobs use."""
    providers = {job.provider for job in unit}
    return {card.model: frozenset(card.parameters) for card in catalog.cards if card.provider in providers}


def _worth_trying(unit: tuple[Job, ...], pricing: Pricing, known: Mapping[str, frozenset[str]]) -> Iterator[Edit]:
    """Yield the settings that are cheaper for one job of each kind, so that few are made for all jobs.

    Where nothing was bought and each job has a prompt of its own, every job costs what its kind does: a setting that
    is nowhere better than another one is then left out.
    """
    if any(job.upstream for job in unit):
        yield from settings_of(unit, pricing.catalog)
        return
    kinds = tuple({(id(job.params), job.model, job.draft.take): job for job in unit}.values())
    alone = not pricing.recorded.renders and len({(job.draft.prompt, job.draft.take) for job in unit}) == len(unit)
    kept: list[tuple[int, ...]] = []
    for edit in sorted(settings_of(unit, pricing.catalog), key=lambda edit: edit.model is not None):
        few = pricing.jobs(applied(edit, [job.draft for job in kinds], known))
        if few is None or not _is_cheaper(kinds, few):
            continue
        found = (*(job.quote.credits or 0 for job in few), *_losses(kinds, few))
        if alone and any(all(one <= other for one, other in zip(better, found, strict=True)) for better in kept):
            continue
        kept.append(found)
        yield edit


def _losses(before: Sequence[Job], after: Sequence[Job]) -> tuple[int, ...]:
    """Return the points that each job loses; jobs of one kind are compared once."""
    known: dict[tuple[int, int, str, str], int] = {}
    losses = []
    for one, other in zip(before, after, strict=True):
        key = (id(one.params), id(other.params), one.model, other.model)
        if key not in known:
            known[key] = loss_of(one, other)
        losses.append(known[key])
    return tuple(losses)


def _look(jobs: Sequence[Job]) -> tuple[str, ...]:
    return tuple(job.fingerprint for job in jobs)


def _is_cheaper(before: Sequence[Job], after: Sequence[Job]) -> bool:
    """Whether no job's price rises and one falls."""
    pairs = [(one.quote.credits, other.quote.credits) for one, other in zip(before, after, strict=True)]
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    return len(known) == len(pairs) and all(one >= other for one, other in known) and any(a > b for a, b in known)
