"""Completes drafts with their models' cards: the request, the price, the fingerprint; what is wrong becomes problems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kbatch.catalog.bodies import bind_frames, frame_token
from kbatch.catalog.cards import Card, Catalog
from kbatch.catalog.delivery import ExpectedClip, expected_clip, typical_s
from kbatch.catalog.identity import fingerprint
from kbatch.catalog.pricing import OwnPrice, Quote, quote
from kbatch.catalog.requests import Input, complete
from kbatch.manifest.chains import in_order, upstream_of
from kbatch.manifest.drafts import Draft, Frame
from kbatch.manifest.findings import Findings
from kbatch.manifest.pictures import Picture
from kbatch.problems import Complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A draft completed: nothing implied, priced, ready to send.

    `request` is the body with pictures as tokens, `inputs` what stands behind the tokens, `upstream` the jobs whose
    frames it needs, `clip` what must be delivered, `typical_s` the usual shortest and longest render time in seconds;
    `dropped` and `defaulted` name parameters.
    """

    draft: Draft
    card: Card
    request: Mapping[str, Any]
    inputs: tuple[Input, ...]
    quote: Quote
    fingerprint: str
    upstream: tuple[str, ...]
    dropped: tuple[str, ...]
    defaulted: tuple[str, ...]
    clip: ExpectedClip
    typical_s: tuple[int, int]

    @property
    def address(self) -> str:
        """The job's readable id."""
        return self.draft.address

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.draft.provider

    @property
    def model(self) -> str:
        """The model's name at its provider."""
        return self.draft.model


Pictures = Callable[[str], Picture | Complaint]


def complete_jobs(
    drafts: Sequence[Draft],
    catalog: Catalog,
    pictures: Pictures,
    prices: Mapping[str, OwnPrice],
    findings: Findings,
) -> tuple[Job, ...]:
    """Return the jobs of all drafts in their order; with errors in `findings` the tuple is not complete."""
    of = _jobs_of_shots(drafts)
    by_address = {draft.address: draft for draft in drafts}
    order = drafts
    if any(upstream_of(draft.params) for draft in drafts):
        addresses, _ = in_order({draft.address: upstream_of(draft.params) for draft in drafts})
        order = [by_address[address] for address in addresses]
    prints: dict[str, str] = {}
    jobs: dict[str, Job] = {}
    for draft in order:
        job = _complete(draft, catalog, pictures, prices, findings, of, prints)
        if job is not None:
            jobs[draft.address] = job
            prints[draft.address] = job.fingerprint
    return tuple(jobs[draft.address] for draft in drafts if draft.address in jobs)


def _jobs_of_shots(drafts: Sequence[Draft]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for draft in drafts:
        counts[draft.shot] = counts.get(draft.shot, 0) + 1
    return counts


def _complete(
    draft: Draft,
    catalog: Catalog,
    pictures: Pictures,
    prices: Mapping[str, OwnPrice],
    findings: Findings,
    of: Mapping[str, int],
    prints: Mapping[str, str],
) -> Job | None:
    card = catalog.find(draft.provider, draft.model)
    if card is None:
        complain(findings, draft, catalog.missing(draft.provider, draft.model), of[draft.shot])
        return None
    completed = complete(card, draft, pictures, drop_unsupported=draft.drop_unsupported)
    for complaint in completed.complaints:
        complain(findings, draft, complaint, of[draft.shot])
    upstream = tuple(dict.fromkeys(part.picture.address for part in completed.inputs if isinstance(part.picture, Frame)))
    request = completed.request
    if request is None or any(need not in prints for need in upstream):
        return None
    inputs = completed.inputs
    if upstream:
        tokens = {part.token: prints[part.picture.address] for part in inputs if isinstance(part.picture, Frame)}
        request = bind_frames(card, request, tokens)
        inputs = tuple(_bound(part, prints) for part in inputs)
    return Job(
        draft=draft,
        card=card,
        request=request,
        inputs=inputs,
        quote=quote(card, request, prices),
        fingerprint=fingerprint(draft.provider, draft.model, request, draft.take, card),
        upstream=upstream,
        dropped=completed.dropped,
        defaulted=completed.defaulted,
        clip=expected_clip(card, request),
        typical_s=typical_s(card, request),
    )


def _bound(part: Input, prints: Mapping[str, str]) -> Input:
    """Name a chained picture by its upstream's fingerprint, so that renaming a shot changes nothing."""
    if not isinstance(part.picture, Frame):
        return part
    return replace(part, token=frame_token(part.picture.which, prints[part.picture.address]))


def complain(findings: Findings, draft: Draft, complaint: Complaint, of: int) -> None:
    """Give a complaint its place: where the field was written, else the shot."""
    name = ".".join(str(step) for step in complaint.field[:2])
    origin = draft.origins.get(name)
    written = origin is not None and bool(origin.path)
    path = (*origin.path, *complaint.field[2:]) if origin is not None and written else draft.origins["shot"].path
    findings.say(
        complaint.code,
        path,
        complaint.message,
        hint=complaint.hint,
        on_key=complaint.on_key and written,
        severity=complaint.severity,
        jobs=(draft.address, of),
    )
