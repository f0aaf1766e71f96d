"""Explanation of one job: its exact request, the origin of every value, its price, fingerprint and next action."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from kbatch.errors import Invalid, Mark, Problem, did_you_mean
from kbatch.manifest.drafts import Frame
from kbatch.manifest.images import InlineImage, LocalImage, RemoteImage
from kbatch.models.fingerprint import PREFIX, canonical, identity_of
from kbatch.models.pricing import OWN_CARD, CostlyDefault
from kbatch.planner.actions import PlanEntry
from kbatch.planner.jobs import Job
from kbatch.providers.endpoints import endpoint_for
from kbatch.providers.registry import provider_of
from kbatch.receipts.receipt import Receipt
from kbatch.report.data.format import count
from kbatch.report.data.value_origins import Texts, Use, Value, dropped_of, values_of

OUTSIDE = (
    "address, shot id, axes and labels as such",
    "output name and folder",
    "order, comments and layout of the manifest",
    "prices, budget and concurrency",
)
"""Parts that are not in a fingerprint, so that changing them buys nothing."""

_MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An image of the request: its token in the body, its source, and the value that is sent in place of the token."""

    parameter: str
    token: str
    words: str
    sent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The content of `kbatch explain`; `request` is the body as it will be sent, but for picture tokens.

    `endpoint` is where it is sent, None where the provider has only one.
    """

    entry: PlanEntry
    request: Mapping[str, Any]
    pictures: tuple[Shown, ...]
    values: tuple[Value, ...]
    dropped: tuple[Value, ...]
    price: tuple[str, ...]
    price_mark: Mark | None
    savings: tuple[CostlyDefault, ...]
    identity: Mapping[str, Any]
    upstream: tuple[PlanEntry, ...]
    receipt: Receipt | None
    endpoint: str | None


def find_job(jobs: Sequence[Job], wanted: str) -> Job:
    """Return the job with an address, or the only one of a shot; Invalid names the nearest one, or all of the shot."""
    by_address = {job.address: job for job in jobs}
    if wanted in by_address:
        return by_address[wanted]
    shot = wanted.partition("@")[0].partition("[")[0]
    of_shot = [job.address for job in jobs if job.draft.shot == shot]
    if wanted != shot or not of_shot:
        hint = did_you_mean(wanted, of_shot or dict.fromkeys(job.draft.shot for job in jobs))
        message = f"there is no job `{wanted}`"
        raise Invalid([Problem(code="no-such-job", message=message, hint=hint or "`kbatch plan` lists all addresses")])
    if len(of_shot) > 1:
        more = (f"… and {len(of_shot) - _MOST_LISTED:,} more",) if len(of_shot) > _MOST_LISTED else ()
        listed = ", ".join((*of_shot[:_MOST_LISTED], *more))
        message = f"`{wanted}` has {count(len(of_shot), 'job')}"
        raise Invalid([Problem(code="ambiguous-address", message=message, hint=f"name one of them: {listed}")])
    return by_address[of_shot[0]]


def explain(entry: PlanEntry, entries: Mapping[str, PlanEntry], texts: Texts, receipt: Receipt | None) -> Explanation:
    """Return the explanation of a plan's entry; `entries` is the whole plan by address, `receipt` what is on record."""
    job = entry.job
    price, price_mark = _price(job, texts)
    return Explanation(
        entry=entry,
        request=json.loads(canonical(job.request)),
        pictures=tuple(_picture(job, part.parameter, part.token, part.image) for part in job.inputs),
        values=values_of(job, texts),
        dropped=dropped_of(job, texts),
        price=price,
        price_mark=price_mark,
        savings=job.costly_defaults,
        identity=identity_of(job.provider, job.model, job.request, job.draft.take, job.card),
        upstream=tuple(entries[address] for address in job.upstream),
        receipt=receipt,
        endpoint=endpoint_for(provider_of(job.provider), job.card),
    )


def _picture(job: Job, parameter: str, token: str, picture: Any) -> Shown:
    inline = "a data: URI with its bytes in Base64"
    match picture:
        case RemoteImage(url=url):
            words, sent = "a URL, which the provider fetches", url
        case InlineImage(media_type=media_type, data=data):
            words, sent = f"a data: URI, {media_type}, {len(data) * 3 // 4:,} bytes", inline
        case LocalImage():
            size = f"{picture.width} × {picture.height} px, {picture.size:,} bytes"
            words = f"{picture.path}, {picture.media_type}, {size}"
            sent = "the URL of its upload" if provider_of(job.provider).uploads else inline
        case Frame(which=which, address=address):
            words, sent = f"the {which} frame of {address}", "the URL of the frame's upload"
        case _:
            assert_never(picture)
    return Shown(parameter=parameter, token=token, words=words, sent=sent)


def _price(job: Job, texts: Texts) -> tuple[tuple[str, ...], Mark | None]:
    quote, source = job.quote, job.card.pricing.source
    variant = f"variant {quote.variant}"
    if quote.source == "manifest":
        profile = texts.document.value.get("profiles", {}).get(texts.profile, {}) if texts.profile else {}
        base = ("profiles", texts.profile or "") if job.card.key in profile.get("prices", {}) else ()
        lowered = ("lower than the card's: a run needs --trust-prices",) if quote.lowers else ()
        if quote.unlisted:
            lowered = ("only the manifest states it: a run needs --trust-prices, or approval of its plan",)
        mark = texts.document.mark((*base, "prices", job.card.key), key=True)
        return (f"{quote.working}, {variant}", *lowered), mark
    cited = f": “{source.title}”, {source.publisher}, read {source.read}" if source is not None else ""
    named = f"your card {job.card.file}" if job.card.file else f"the card {job.card.key}"
    return (f"{quote.working}, {variant}", f"from {named}{cited}", *_trust_of_card(job)), None


def _trust_of_card(job: Job) -> Iterator[str]:
    quote, card = job.quote, job.card
    if card.replaces is not None:
        yield "it stands in the place of the packaged card"
    if quote.source == OWN_CARD and quote.lowers:
        yield f"lower than the packaged card's {quote.listed or 0:,}: a run needs --trust-prices"
    elif quote.source == OWN_CARD and quote.unlisted:
        yield "only this card states it: a run needs --trust-prices, or approval of its plan"


# JSON


def as_json(explained: Explanation) -> dict[str, Any]:
    """Return the explanation in the form of `explain --format json`; places are file, line and column, or null."""
    entry, job = explained.entry, explained.entry.job
    draft, quote, receipt = job.draft, job.quote, explained.receipt
    return {
        "address": job.address,
        "shot": draft.shot,
        "take": draft.take,
        "axes": dict(draft.axes),
        "labels": dict(draft.labels),
        "provider": job.provider,
        "model": job.model,
        "action": entry.action.value,
        "reason": entry.words,
        "credits": entry.credits,
        "held": entry.held,
        "shares": entry.shared_with,
        "endpoint": explained.endpoint,
        "request": explained.request,
        "pictures": [
            {"parameter": one.parameter, "token": one.token, "picture": one.words, "sent": one.sent}
            for one in explained.pictures
        ],
        "values": [_value(value) for value in explained.values],
        "dropped": [_value(value) for value in explained.dropped],
        "quote": {
            "credits": quote.credits,
            "unit": quote.unit,
            "variant": quote.variant,
            "working": quote.working,
            "source": quote.source,
            "place": _place(explained.price_mark),
            "dearer_defaults": [
                {"parameter": one.parameter, "default": one.default, "cheaper": one.cheaper, "saves": one.saves}
                for one in explained.savings
            ],
        },
        "fingerprint": {
            "sha256": job.fingerprint,
            "prefix": PREFIX.decode(),
            "inside": json.loads(canonical(explained.identity)),
            "outside": list(OUTSIDE),
        },
        "clip": {"duration": job.clip.duration_s, "audio": job.clip.audio},
        "output": draft.output,
        "upstream": [
            {"address": up.address, "action": up.action.value, "reason": up.reason, "fingerprint": up.job.fingerprint}
            for up in explained.upstream
        ],
        "receipt": None if receipt is None else {"state": receipt.state.value, "job_id": receipt.job_id},
    }


def _value(value: Value) -> dict[str, Any]:
    return {
        "name": value.name,
        "value": value.value,
        "from": value.what,
        "place": _place(value.mark),
        "file": value.file,
        "template": value.template,
        "uses": [_use(use) for use in value.uses],
    }


def _use(use: Use) -> dict[str, Any]:
    return {"name": use.name, "value": use.value, "from": use.what, "place": _place(use.mark)}


def _place(mark: Mark | None) -> dict[str, Any] | None:
    return None if mark is None else {"file": mark.file, "line": mark.line, "column": mark.column}
