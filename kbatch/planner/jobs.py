"""Completes drafts with their models' cards: request, price, fingerprint; what is wrong becomes problems."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from kbatch.errors import Complaint
from kbatch.manifest.chains import in_order, upstream_of
from kbatch.manifest.drafts import Draft, Frame
from kbatch.manifest.findings import Findings
from kbatch.manifest.images import ImageSource
from kbatch.models.body import bind_frames, body_of, frame_token, parameters_of
from kbatch.models.cards import Card, Catalog
from kbatch.models.echoes import is_echo
from kbatch.models.expected_clip import ExpectedClip, expected_clip, typical_s
from kbatch.models.fingerprint import Prints, fingerprint
from kbatch.models.pricing import DearerDefault, OwnPrice, Quote, dearer_defaults, quote
from kbatch.models.request import Input, Prepared, check_prompt, prepare


class Job(Struct, frozen=True, kw_only=True, gc=False):
    """A draft completed: nothing implied, priced, ready to send; its readable id is its `address`.

    `params` are those of the body with pictures as tokens, `inputs` what stands behind the tokens, `upstream` the jobs
    whose frames it needs, `clip` what must be delivered, `typical_s` the usual shortest and longest render time in
    seconds; `dropped` and `defaulted` name parameters, `dearer` those of the defaulted for which another value is
    cheaper. What jobs share is one object in all of them.
    """

    address: str
    provider: str
    model: str
    draft: Draft
    card: Card
    params: Mapping[str, Any]
    inputs: tuple[Input, ...]
    quote: Quote
    fingerprint: str
    upstream: tuple[str, ...]
    dropped: tuple[str, ...]
    defaulted: tuple[str, ...]
    dearer: tuple[DearerDefault, ...]
    clip: ExpectedClip
    typical_s: tuple[int, int]

    @property
    def request(self) -> dict[str, Any]:
        """The body that will be sent, pictures as tokens."""
        return body_of(self.card, self.draft.prompt, self.params)


Pictures = Callable[[str], ImageSource | Complaint]


def complete_jobs(
    drafts: Sequence[Draft],
    catalog: Catalog,
    pictures: Pictures,
    prices: Mapping[str, OwnPrice],
    findings: Findings,
) -> tuple[Job, ...]:
    """Return the jobs of all drafts in their order; with errors in `findings` the tuple is not complete."""
    of = Counter(draft.shot for draft in drafts)
    needs = {draft.address: upstream_of(draft.params) for draft in drafts} if _is_chained(drafts) else {}
    making = _Making(
        catalog=catalog,
        pictures=pictures,
        prices=prices,
        findings=findings,
        of=of,
        awaited=frozenset(need for upstream in needs.values() for need in upstream),
    )
    if not making.awaited:
        return tuple(job for job in map(making.complete, drafts) if job is not None)
    by_address = {draft.address: draft for draft in drafts}
    known = {address: tuple(need for need in upstream if need in by_address) for address, upstream in needs.items()}
    jobs = {id(by_address[address]): making.complete(by_address[address]) for address in in_order(known)[0]}
    made = (jobs[id(draft)] if id(draft) in jobs else making.complete(draft) for draft in drafts)
    return tuple(job for job in made if job is not None)


def _is_chained(drafts: Sequence[Draft]) -> bool:
    """Whether a job needs another's frame; the jobs of a shot may share their parameters."""
    return any(map(upstream_of, {id(draft.params): draft.params for draft in drafts}.values()))


class _Terms(Struct, frozen=True, kw_only=True):
    """What a request's price and delivery follow from, which its prompt does not change."""

    quote: Quote
    dearer: tuple[DearerDefault, ...]
    clip: ExpectedClip
    typical_s: tuple[int, int]

    @staticmethod
    def of(
        card: Card, request: Mapping[str, Any], defaulted: tuple[str, ...], prices: Mapping[str, OwnPrice]
    ) -> "_Terms":
        """Return the terms of a complete request."""
        dearer = dearer_defaults(card, request) if defaulted else ()
        return _Terms(
            quote=quote(card, request, prices),
            dearer=tuple(found for found in dearer if found.parameter in defaulted),
            clip=expected_clip(card, request),
            typical_s=typical_s(card, request),
        )


class _Kind(Struct, kw_only=True):
    """Requests that differ in their prompt only; terms and fingerprints are made for the first one that is right."""

    card: Card
    prepared: Prepared
    upstream: tuple[str, ...]
    terms: _Terms | None = None
    prints: Prints | None = None


class _Making(Struct, kw_only=True):
    """What the jobs of one manifest share while they are made.

    `awaited` are the addresses whose frames are needed, `prints` their fingerprints so far. `kinds` has what was made
    of drafts that are alike, and `met` the same by what is known at a look.
    """

    catalog: Catalog
    pictures: Pictures
    prices: Mapping[str, OwnPrice]
    findings: Findings
    of: Mapping[str, int]
    awaited: frozenset[str]
    prints: dict[str, str] = field(default_factory=dict)
    kinds: dict[Any, _Kind] = field(default_factory=dict)
    met: dict[Any, _Kind] = field(default_factory=dict)

    def complete(self, draft: Draft) -> Job | None:
        """Return the job of a draft whose upstream jobs were made before; None once its problems are said."""
        kind = self._kind(draft)
        if kind is None or not self._is_right(draft, kind):
            return None
        card, prepared = kind.card, kind.prepared
        params, inputs, upstream = prepared.values, prepared.inputs, kind.upstream
        if upstream:
            if any(need not in self.prints for need in upstream):
                return None
            params, inputs = self._bound(card, prepared)
        if kind.terms is None:
            request = body_of(card, draft.prompt, params)
            kind.terms = _Terms.of(card, request, prepared.defaulted, self.prices)
        terms, made = kind.terms, self._print(draft, kind, params)
        if draft.address in self.awaited:
            self.prints[draft.address] = made
        return Job(
            address=draft.address,
            provider=draft.provider,
            model=draft.model,
            draft=draft,
            card=card,
            params=params,
            inputs=inputs,
            quote=terms.quote,
            fingerprint=made,
            upstream=upstream,
            dropped=prepared.dropped,
            defaulted=prepared.defaulted,
            dearer=terms.dearer,
            clip=terms.clip,
            typical_s=terms.typical_s,
        )

    def _is_right(self, draft: Draft, kind: _Kind) -> bool:
        """Whether nothing fatal is wrong with a draft's request; whatever is wrong with it is said."""
        complaints = (*check_prompt(kind.card, draft.prompt), *kind.prepared.complaints)
        if draft.faulty:
            complaints = tuple(complaint for complaint in complaints if not is_echo(kind.card, draft.faulty, complaint))
        for complaint in complaints:
            complain(self.findings, draft, complaint, self._of(draft))
        return not draft.faulty and not any(complaint.fatal for complaint in complaints)

    def _of(self, draft: Draft) -> int:
        """Return how many jobs a draft's shot has, 0 when that is not known."""
        return 0 if draft.partial else self.of[draft.shot]

    def _kind(self, draft: Draft) -> _Kind | None:
        """Return the kind of a draft's request, None when its model is not known, which is said.

        Drafts of one shot may share their parameters, and all of them live on: they are told apart by identity first.
        """
        if not draft.faulty.isdisjoint(("model", "provider", "when")):
            return None
        rest = (draft.provider, draft.model, draft.take, draft.drop_unsupported, draft.prompt is None)
        look = (id(draft.params), id(draft.weak), *rest)
        if look in self.met:
            return self.met[look]
        card = self.catalog.find(draft.provider, draft.model)
        if card is None:
            missing = self.catalog.missing(draft.provider, draft.model)
            complain(self.findings, draft, missing, self._of(draft))
            return None
        upstream = upstream_of(draft.params)
        marks = tuple((name, _mark(value)) for name, value in draft.params.items())
        key = (draft.weak, *rest, marks, draft.address if upstream else "")  # a frame is of one job only
        if key not in self.kinds:
            prepared = prepare(card, draft, self.pictures, drop_unsupported=draft.drop_unsupported)
            self.kinds[key] = _Kind(card=card, prepared=prepared, upstream=upstream)
        kind = self.met[look] = self.kinds[key]
        return kind

    def _bound(self, card: Card, prepared: Prepared) -> tuple[Mapping[str, Any], tuple[Input, ...]]:
        """Return parameters and inputs with each frame named by the fingerprint of its job."""
        tokens = {
            part.token: self.prints[part.picture.address] for part in prepared.inputs if isinstance(part.picture, Frame)
        }
        request = bind_frames(card, body_of(card, None, prepared.values), tokens)
        return parameters_of(card, request), tuple(_bound(part, self.prints) for part in prepared.inputs)

    def _print(self, draft: Draft, kind: _Kind, params: Mapping[str, Any]) -> str:
        card, prompt = kind.card, draft.prompt
        if prompt is not None and kind.prints is not None:
            return kind.prints.of(prompt)
        request = body_of(card, prompt, params)
        if prompt is None or kind.upstream:
            return fingerprint(draft.provider, draft.model, request, draft.take, card)
        kind.prints = Prints(draft.provider, draft.model, request, draft.take, card)
        return kind.prints.of(prompt)


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
