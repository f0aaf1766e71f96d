"""Warnings about cards that may be wrong: disputed parameters, and what no document of the vendor has.

One warning for each model and dispute, at the first place where the manifest writes the parameter; one for each model
where only defaults send what is disputed; one for each model whose card says what is unconfirmed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from kbatch.errors import Hit, Problem, Severity
from kbatch.manifest.yaml.document import Document
from kbatch.models.rules import Dispute
from kbatch.planner.jobs import Job

DISPUTED = "disputed-parameter"
UNCONFIRMED = "unconfirmed-card"
MEANINGS: Mapping[str, str] = {
    DISPUTED: "a document of the vendor refuses a parameter of the model's card; `--first 1` tries it with one job",
    UNCONFIRMED: "a model's card holds what no document of the vendor confirms; `--first 1` tries it with one job",
}

_Kind = tuple[str, tuple[Dispute, ...], bool]
"""A model, its dispute, and whether the manifest writes the parameter."""


def warn_disputed(jobs: Sequence[Job], document: Document) -> Iterator[Problem]:
    """Yield the warnings in order of the first job that each concerns."""
    if not any(card.disputed for card in {id(job.card): job.card for job in jobs}.values()):
        return
    kinds: dict[tuple[int, int], tuple[_Kind, ...]] = {}  # jobs of one kind share their parameters and origins
    groups: dict[_Kind, list[Job]] = defaultdict(list)
    for job in jobs:
        key = id(job.params), id(job.defaulted)
        if key not in kinds:
            kinds[key] = tuple(_kinds(job))
        for kind in kinds[key]:
            groups[kind].append(job)
    of = Counter(job.card.key for job in jobs)
    for (model, disputes, written), group in groups.items():
        first = group[0]
        name = f"params.{disputes[0].parameter}" if written else "model"
        origin = first.draft.origins.get(name) or first.draft.origins["shot"]
        names = ", ".join(f"`{dispute.parameter}`" for dispute in disputes)
        sent = "" if written else f"; sent by default: {names}"
        yield Problem(
            code=DISPUTED,
            message=f"{'; '.join(dispute.what for dispute in disputes)} (read {disputes[0].read}){sent}",
            mark=document.mark(origin.path, key=written),
            hint=f"`--first 1` tries it with one job; if that is refused, {disputes[0].instead}",
            severity=Severity.WARNING,
            jobs=Hit(hit=len(group), of=of[model], first=first.address),
        )


def warn_unconfirmed(jobs: Sequence[Job], document: Document) -> Iterator[Problem]:
    """Yield one warning for each model whose card says what no document of the vendor confirms."""
    for card in dict.fromkeys(job.card for job in jobs if job.card.unconfirmed):
        mine = [job for job in jobs if job.card is card]
        origin = mine[0].draft.origins.get("model") or mine[0].draft.origins["shot"]
        yield Problem(
            code=UNCONFIRMED,
            message=f"not confirmed by the vendor for `{card.model}`: {'; '.join(card.unconfirmed)}",
            mark=document.mark(origin.path),
            hint="`--first 1` tries it with one job",
            severity=Severity.WARNING,
            jobs=Hit(hit=len(mine), of=len(jobs), first=mine[0].address),
        )


def _kinds(job: Job) -> Iterator[_Kind]:
    sent = [dispute for dispute in job.card.disputed if dispute.concerns(job.params)]
    for dispute in sent:
        if dispute.parameter not in job.defaulted:
            yield job.card.key, (dispute,), True
    by_default = tuple(dispute for dispute in sent if dispute.parameter in job.defaulted)
    if by_default:
        yield job.card.key, by_default, False
