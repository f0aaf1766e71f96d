"""Completes drafts with their models' cards: request, price, fingerprint; what is wrong becomes problems."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kbatch.catalog.bodies import bind_frames, frame_token
from kbatch.catalog.cards import Card, Catalog
from kbatch.catalog.delivery import ExpectedClip, expected_clip, typical_s
from kbatch.catalog.identity import Prints, fingerprint
from kbatch.catalog.pricing import DearerDefault, OwnPrice, Quote, dearer_defaults, quote
from kbatch.catalog.requests import Completed, Input, Prepared, prepare, with_prompt
from kbatch.manifest.chains import in_order, upstream_of
from kbatch.manifest.drafts import Draft, Frame
from kbatch.manifest.findings import Findings
from kbatch.manifest.pictures import Picture
from kbatch.problems import Complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A draft completed: nothing implied, priced, ready to send; its readable id is its `address`.

    `request` is the body with pictures as tokens, `inputs` what stands behind the tokens, `upstream` the jobs whose
    frames it needs, `clip` what must be delivered, `typical_s` the usual shortest and longest render time in seconds;
    `dropped` and `defaulted` name parameters, `dearer` those of the defaulted for which another value is cheaper. What
    jobs share is one object in all of them.
    """

    address: str
    provider: str
    model: str
    draft: Draft
    card: Card
    request: Mapping[str, Any]
    inputs: tuple[Input, ...]
    quote: Quote
    fingerprint: str
    upstream: tuple[str, ...]
    dropped: tuple[str, ...]
    defaulted: tuple[str, ...]
    dearer: tuple[DearerDefault, ...]
    clip: ExpectedClip
    typical_s: tuple[int, int]


Pictures = Callable[[str], Picture | Complaint]


def complete_jobs(
    drafts: Sequence[Draft],
    catalog: Catalog,
    pictures: Pictures,
    prices: Mapping[str, OwnPrice],
    findings: Findings,
) -> tuple[Job, ...]:
    """Return the jobs of all drafts in their order; with errors in `findings` the tuple is not complete."""
    of = Counter(draft.shot for draft in drafts)
    making = _Making(catalog=catalog, pictures=pictures, prices=prices, findings=findings, of=of)
    order: Sequence[Draft] = drafts
    if any(upstream_of(params) for params in {id(draft.params): draft.params for draft in drafts}.values()):
        by_address = {draft.address: draft for draft in drafts}
        needs = {
            draft.address: tuple(need for need in upstream_of(draft.params) if need in by_address) for draft in drafts
        }
        addresses, _ = in_order(needs)
        order = [by_address[address] for address in addresses]
    jobs: dict[str, Job] = {}
    for draft in order:
        job = making.complete(draft)
        if job is not None:
            jobs[draft.address] = job
    return tuple(jobs[draft.address] for draft in drafts if draft.address in jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What a request's price and delivery follow from, which its prompt does not change."""

    quote: Quote
    dearer: tuple[DearerDefault, ...]
    clip: ExpectedClip
    typical_s: tuple[int, int]

    @staticmethod
    def of(card: Card, completed: Completed, prices: Mapping[str, OwnPrice]) -> "_Terms":
        """Return the terms of a complete request."""
        request = completed.request or {}
        dearer = dearer_defaults(card, request) if completed.defaulted else ()
        return _Terms(
            quote=quote(card, request, prices),
            dearer=tuple(found for found in dearer if found.parameter in completed.defaulted),
            clip=expected_clip(card, request),
            typical_s=typical_s(card, request),
        )


@dataclass(slots=True, kw_only=True)
class _Kind:
    """Requests that differ in their prompt only; terms and fingerprints are made for the first one that is right."""

    prepared: Prepared
    terms: _Terms | None = None
    prints: Prints | None = None


@dataclass(slots=True, kw_only=True)
class _Making:
    """What the jobs of one manifest share while they are made; `prints` are the fingerprints so far, by address."""

    catalog: Catalog
    pictures: Pictures
    prices: Mapping[str, OwnPrice]
    findings: Findings
    of: Mapping[str, int]
    prints: dict[str, str] = field(default_factory=dict)
    kinds: dict[Any, _Kind] = field(default_factory=dict)
    looked: dict[int, "_Looked"] = field(default_factory=dict)

    def complete(self, draft: Draft) -> Job | None:
        """Return the job of a draft whose upstream jobs were made before; None once its problems are said."""
        card = self.catalog.find(draft.provider, draft.model)
        if card is None:
            missing = self.catalog.missing(draft.provider, draft.model)
            complain(self.findings, draft, missing, self.of[draft.shot])
            return None
        looked = self._look(draft)
        kind = self._kind(card, draft, looked)
        completed = with_prompt(card, kind.prepared, draft.prompt)
        for complaint in completed.complaints:
            complain(self.findings, draft, complaint, self.of[draft.shot])
        upstream = looked.upstream
        request, inputs = completed.request, completed.inputs
        if request is None or any(need not in self.prints for need in upstream):
            return None
        if upstream:
            tokens = {
                part.token: self.prints[part.picture.address] for part in inputs if isinstance(part.picture, Frame)
            }
            request = bind_frames(card, request, tokens)
            inputs = tuple(_bound(part, self.prints) for part in inputs)
        terms = kind.terms = kind.terms or _Terms.of(card, completed, self.prices)
        return Job(
            address=draft.address,
            provider=draft.provider,
            model=draft.model,
            draft=draft,
            card=card,
            request=request,
            inputs=inputs,
            quote=terms.quote,
            fingerprint=self._print(card, draft, request, kind),
            upstream=upstream,
            dropped=completed.dropped,
            defaulted=completed.defaulted,
            dearer=terms.dearer,
            clip=terms.clip,
            typical_s=terms.typical_s,
        )

    def _look(self, draft: Draft) -> "_Looked":
        """Return what a draft's parameters say; drafts of one shot may share them, and all of them live on."""
        looked = self.looked.get(id(draft.params))
        if looked is None:
            marks = tuple((name, _mark(value)) for name, value in draft.params.items())
            looked = self.looked[id(draft.params)] = _Looked(upstream=upstream_of(draft.params), marks=marks)
        return looked

    def _kind(self, card: Card, draft: Draft, looked: "_Looked") -> _Kind:
        """Return the kind of a draft's request; a draft with a frame is of a kind of its own."""
        if looked.upstream:
            return _Kind(prepared=prepare(card, draft, self.pictures, drop_unsupported=draft.drop_unsupported))
        key = (card.key, draft.weak, draft.drop_unsupported, draft.take, draft.prompt is None, looked.marks)
        kind = self.kinds.get(key)
        if kind is None:
            prepared = prepare(card, draft, self.pictures, drop_unsupported=draft.drop_unsupported)
            kind = self.kinds[key] = _Kind(prepared=prepared)
        return kind

    def _print(self, card: Card, draft: Draft, request: Mapping[str, Any], kind: _Kind) -> str:
        if draft.prompt is None or self.looked[id(draft.params)].upstream:
            made = fingerprint(draft.provider, draft.model, request, draft.take, card)
        else:
            kind.prints = kind.prints or Prints(draft.provider, draft.model, request, draft.take, card)
            made = kind.prints.of(draft.prompt)
        self.prints[draft.address] = made
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What parameters say at a look: the jobs whose frames they need, and what tells them from others."""

    upstream: tuple[str, ...]
    marks: tuple[Any, ...]


def _mark(value: object) -> object:
    """Return what tells parameters' values apart, 5 from 5.0 and from true."""
    return (type(value), value if isinstance(value, str | int | None) else repr(value))


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
