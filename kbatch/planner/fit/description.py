"""Says what a set of edits changes, what each part saves and what it loses, in the order in which they are made."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from kbatch.errors import Bug
from kbatch.planner.fit.edits import Edit, applied
from kbatch.planner.fit.loss import lost_parameters
from kbatch.planner.fit.settings import Pricing, models_of
from kbatch.planner.fit.solve import EditSet
from kbatch.planner.jobs import Job
from kbatch.planner.written_values import as_written


class EditLine(Struct, frozen=True, kw_only=True):
    """One edit in words, the credits that it saves after those before it, and what is lost by it."""

    edit: str
    saves: int
    loses: str


def name_of(edits: EditSet) -> tuple[str, ...]:
    """Return the edits of a set in words, without pricing them."""
    if edits.profile is not None:
        return (f"--profile {edits.profile}",)
    return tuple(text for edit in edits.edits for text in (_setting(edit), _takes(edit), *_without(edit)) if text)


def lines_of(edits: EditSet, jobs: Sequence[Job], pricing: Pricing) -> tuple[EditLine, ...]:
    """Return a line for each edit of a set; the savings add up to those of the set."""
    return tuple(line for edit in edits.edits for line in _lines(edit, jobs, pricing))


def _lines(edit: Edit, jobs: Sequence[Job], pricing: Pricing) -> Iterator[EditLine]:
    unit = tuple(job for job in jobs if job.draft.shot in edit.shots)
    after, cost = unit, _sum(pricing, unit)
    if edit.model is not None or edit.params:
        made = pricing.jobs(applied(edit, [job.draft for job in unit], models_of(unit, pricing.catalog)))
        if made is None:
            raise Bug("an edit that was chosen makes no jobs")
        after = made
        now = _sum(pricing, after)
        yield EditLine(edit=_setting(edit), saves=cost - now, loses="; ".join(_losses(unit, after)))
        cost = now
    kept: tuple[Job, ...] = after
    if edit.takes is not None:
        kept = tuple(job for job in after if job.draft.take <= edit.takes)
        now = _sum(pricing, kept)
        yield EditLine(
            edit=_takes(edit), saves=cost - now, loses=f"{_count(len(after) - len(kept), 'further take')} not made"
        )
        cost = now
    for (axis, labels), text in zip(edit.without, _without(edit), strict=True):
        fewer = tuple(job for job in kept if dict(job.draft.axes).get(axis) not in labels)
        now = _sum(pricing, fewer)
        yield EditLine(edit=text, saves=cost - now, loses=f"{_count(len(kept) - len(fewer), 'clip')} not made")
        kept, cost = fewer, now


def _sum(pricing: Pricing, jobs: Sequence[Job]) -> int:
    costs = pricing.costs(jobs)
    if costs is None:
        raise Bug("an edit that was chosen has an unknown price")
    return sum(costs.values())


def _losses(before: Sequence[Job], after: Sequence[Job]) -> Iterator[str]:
    """Yield what clips lose by another setting, each loss with the number of clips."""
    losses: Counter[str] = Counter()
    for one, other in zip(before, after, strict=True):
        losses.update(_losses_of(one, other))
    for text, number in losses.items():
        yield f"{_count(number, 'clip')} {text}"


def _losses_of(before: Job, after: Job) -> Iterator[str]:
    if before.model != after.model:
        yield f"by {after.model} in place of {before.model}"
        for name in lost_parameters(before, after):
            yield f"without `{name}`"
    if before.clip.audio and not after.clip.audio:
        yield "without sound"
    if after.clip.duration_s < before.clip.duration_s:
        yield f"of {after.clip.duration_s} s in place of {before.clip.duration_s} s"
    if before.model == after.model:
        card = before.card
        for name in dict.fromkeys(part.parameter for part in card.pricing.variant):
            old, new = before.params.get(name), after.params.get(name)
            if name not in (card.duration, card.audio) and old != new:
                yield f"with `{name}` {new} in place of {old}"


def _shots(edit: Edit) -> str:
    return ", ".join(edit.shots)


def _setting(edit: Edit) -> str:
    words = [f"model: {edit.model}"] if edit.model is not None else []
    words += [f"{name}: {as_written(value)}" for name, value in edit.params]
    return f"{_shots(edit)}: {', '.join(words)}" if words else ""


def _takes(edit: Edit) -> str:
    return "" if edit.takes is None else f"{_shots(edit)}: takes: {edit.takes}"


def _without(edit: Edit) -> list[str]:
    return [f"{_shots(edit)}: without {axis}={', '.join(labels)}" for axis, labels in edit.without]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
