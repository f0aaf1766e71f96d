"""Makes jobs from drafts and model cards: request, price and fingerprint; complaints become problems with marks."""

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
from kbatch.models.extra import EXTRA
from kbatch.models.fingerprint import fingerprint
from kbatch.models.pricing import CostlyDefault, OwnPrice, Quote, costly_defaults, quote
from kbatch.models.request import Input, Prepared, check_prompt, prepare
from kbatch.receipts.receipt import without_queries


class Job(Struct, frozen=True, kw_only=True, gc=False):
    """A complete, priced job; `address` is its readable id.

    `params` are the body's parameters with images as tokens, `inputs` the images of these tokens, `upstream` the
    addresses of jobs whose frames it needs, `clip` the expected delivery, `typical_s` the usual shortest and longest
    render time in seconds. `dropped` and `defaulted` name parameters; `costly_defaults` are the defaulted ones with a
    cheaper value. Values that jobs have in common are one object in all of them.
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
    costly_defaults: tuple[CostlyDefault, ...]
    clip: ExpectedClip
    typical_s: tuple[int, int]

    @property
    def extra(self) -> Mapping[str, Any]:
        """The parameters under `extra`, which no document has, queries of URLs left out; empty for most jobs."""
        if EXTRA not in self.draft.params:
            return {}
        own = {name: value for name, value in self.params.items() if name not in self.card.parameters}
        return dict(without_queries(own))

    @property
    def request(self) -> dict[str, Any]:
        """The body that will be sent, images as tokens."""
        return body_of(self.card, self.draft.prompt, self.params)


ReadImage = Callable[[str], ImageSource | Complaint]


def complete_jobs(
    drafts: Sequence[Draft],
    catalog: Catalog,
    read_image: ReadImage,
    prices: Mapping[str, OwnPrice],
    findings: Findings,
) -> tuple[Job, ...]:
    """Return the jobs of all drafts in order; drafts with errors, which go to `findings`, have none."""
    of = Counter(draft.shot for draft in drafts)
    needs = {draft.address: upstream_of(draft.params) for draft in drafts} if _is_chained(drafts) else {}
    builder = _JobBuilder(
        catalog=catalog,
        read_image=read_image,
        prices=prices,
        findings=findings,
        of=of,
        awaited=frozenset(need for upstream in needs.values() for need in upstream),
    )
    if not builder.awaited:
        return tuple(job for job in map(builder.complete, drafts) if job is not None)
    by_address = {draft.address: draft for draft in drafts}
    known = {address: tuple(need for need in upstream if need in by_address) for address, upstream in needs.items()}
    jobs = {id(by_address[address]): builder.complete(by_address[address]) for address in in_order(known)[0]}
    made = (jobs[id(draft)] if id(draft) in jobs else builder.complete(draft) for draft in drafts)
    return tuple(job for job in made if job is not None)


def _is_chained(drafts: Sequence[Draft]) -> bool:
    """Whether any job needs another job's frame; parameters that jobs share are read once."""
    return any(map(upstream_of, {id(draft.params): draft.params for draft in drafts}.values()))


class _Terms(Struct, frozen=True, kw_only=True):
    """The facts about a request that do not depend on its prompt: price, expected clip and render time."""

    quote: Quote
    costly_defaults: tuple[CostlyDefault, ...]
    clip: ExpectedClip
    typical_s: tuple[int, int]

    @staticmethod
    def of(
        card: Card, request: Mapping[str, Any], defaulted: tuple[str, ...], prices: Mapping[str, OwnPrice]
    ) -> "_Terms":
        """Return the terms of a complete request."""
        cheaper_exists = costly_defaults(card, request) if defaulted else ()
        return _Terms(
            quote=quote(card, request, prices),
            costly_defaults=tuple(found for found in cheaper_exists if found.parameter in defaulted),
            clip=expected_clip(card, request),
            typical_s=typical_s(card, request),
        )


class _RequestKind(Struct, kw_only=True):
    """Requests that differ only in their prompt; terms and fingerprints are computed for the first valid one."""

    card: Card
    prepared: Prepared
    upstream: tuple[str, ...]
    terms: _Terms | None = None


class _JobBuilder(Struct, kw_only=True):
    """Makes the jobs of one manifest.

    `awaited` holds the addresses whose frames are needed, `fingerprints` those of them that are made. `kinds` caches
    prepared requests by value, `by_identity` the same by object identity, which is faster to look up.
    """

    catalog: Catalog
    read_image: ReadImage
    prices: Mapping[str, OwnPrice]
    findings: Findings
    of: Mapping[str, int]
    awaited: frozenset[str]
    fingerprints: dict[str, str] = field(default_factory=dict)
    kinds: dict[Any, _RequestKind] = field(default_factory=dict)
    by_identity: dict[Any, _RequestKind] = field(default_factory=dict)

    def complete(self, draft: Draft) -> Job | None:
        """Return the job of a draft, None after reporting its problems; its upstream jobs must be made already."""
        kind = self._kind(draft)
        if kind is None or not self._is_right(draft, kind):
            return None
        card, prepared = kind.card, kind.prepared
        params, inputs, upstream = prepared.values, prepared.inputs, kind.upstream
        if upstream:
            if any(need not in self.fingerprints for need in upstream):
                return None
            params, inputs = self._bind_frames(card, prepared)
        request = body_of(card, draft.prompt, params)
        if kind.terms is None:
            kind.terms = _Terms.of(card, request, prepared.defaulted, self.prices)
        terms, made = kind.terms, fingerprint(draft.provider, draft.model, request, draft.take, card)
        if draft.address in self.awaited:
            self.fingerprints[draft.address] = made
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
            costly_defaults=terms.costly_defaults,
            clip=terms.clip,
            typical_s=terms.typical_s,
        )

    def _is_right(self, draft: Draft, kind: _RequestKind) -> bool:
        """Report all complaints about a draft's request; return whether none of them is fatal."""
        complaints = (*check_prompt(kind.card, draft.prompt), *kind.prepared.complaints)
        if draft.faulty:
            complaints = tuple(complaint for complaint in complaints if not is_echo(kind.card, draft.faulty, complaint))
        for complaint in complaints:
            complain(self.findings, draft, complaint, self._of(draft))
        return not draft.faulty and not any(complaint.fatal for complaint in complaints)

    def _of(self, draft: Draft) -> int:
        """Return how many jobs a draft's shot has, 0 when that is not known."""
        return 0 if draft.partial else self.of[draft.shot]

    def _kind(self, draft: Draft) -> _RequestKind | None:
        """Return the kind of a draft's request, None after reporting that its model is unknown.

        The identity of `params` is a valid key, since drafts may share the object and all drafts stay alive.
        """
        if not draft.faulty.isdisjoint(("model", "provider", "when")):
            return None
        rest = (draft.provider, draft.model, draft.take, draft.drop_unsupported, draft.prompt is None)
        identity_key = (id(draft.params), id(draft.default_only), *rest)
        if identity_key in self.by_identity:
            return self.by_identity[identity_key]
        card = self.catalog.find(draft.provider, draft.model)
        if card is None:
            missing = self.catalog.explain_missing(draft.provider, draft.model)
            complain(self.findings, draft, missing, self._of(draft))
            return None
        upstream = upstream_of(draft.params)
        marks = tuple((name, _mark(value)) for name, value in draft.params.items())
        key = (draft.default_only, *rest, marks, draft.address if upstream else "")  # frame tokens differ by job
        if key not in self.kinds:
            prepared = prepare(card, draft, self.read_image, drop_unsupported=draft.drop_unsupported)
            self.kinds[key] = _RequestKind(card=card, prepared=prepared, upstream=upstream)
        kind = self.by_identity[identity_key] = self.kinds[key]
        return kind

    def _bind_frames(self, card: Card, prepared: Prepared) -> tuple[Mapping[str, Any], tuple[Input, ...]]:
        """Return parameters and inputs with each frame token bound to the fingerprint of its job."""
        tokens = {
            part.token: self.fingerprints[part.image.address]
            for part in prepared.inputs
            if isinstance(part.image, Frame)
        }
        request = bind_frames(card, body_of(card, None, prepared.values), tokens)
        return parameters_of(card, request), tuple(_bind_frames(part, self.fingerprints) for part in prepared.inputs)


def _mark(value: object) -> object:
    """Return a cache key for a parameter's value that distinguishes 5, 5.0 and true."""
    return (type(value), value if isinstance(value, str | int | None) else repr(value))


def _bind_frames(part: Input, fingerprints: Mapping[str, str]) -> Input:
    """Bind a frame's token to its upstream's fingerprint, so that renaming a shot changes no fingerprint."""
    if not isinstance(part.image, Frame):
        return part
    return replace(part, token=frame_token(part.image.which, fingerprints[part.image.address]))


def complain(findings: Findings, draft: Draft, complaint: Complaint, of: int) -> None:
    """Report a complaint at the path where its field was written, else at the shot."""
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
