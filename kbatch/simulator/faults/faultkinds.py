"""The catalogue of faults: names, targets, moments and effects.

The names come from the two providers' documents and from reported losses. `responses` and `clips.downloads` carry
faults out; `selection` decides when they occur.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kbatch.simulator.exchange import AIMLAPI, APIFRAME


class FaultTarget(StrEnum):
    """The kinds of request that a fault can affect."""

    SUBMIT = "submit"
    POLL = "poll"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    LIST = "list"
    MODELS = "models"
    ACCOUNT = "account"
    LOG = "log"
    LEDGER = "ledger"
    WEBHOOK = "webhook"


class FaultMoment(StrEnum):
    """When a fault acts: instead of the request, on its check, after it, as a delay, or on the job's outcome."""

    BEFORE = "before"
    CHECK = "check"
    AFTER = "after"
    DELAY = "delay"
    OF_JOB = "fate"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One fault of the catalogue: its `effect`, and the requests that it can affect, the usual one first."""

    effect: str
    targets: tuple[FaultTarget, ...]
    moment: FaultMoment
    help: str
    provider: str | None = None


_STATUSES = {
    "400": "refused as invalid",
    "401": "the key is refused",
    "402": "credits do not suffice (Apiframe's way)",
    "403": "the key may not do this (for AI/ML not the one about credits: that is `no-credits`)",
    "404": "not found",
    "409": "the idempotency key was used with another body",
    "429": "too many requests; Apiframe adds Retry-After in seconds",
    "500": "an outage, JSON body",
    "502": "an outage, HTML body",
    "503": "an outage, the documented JSON body",
    "504": "an outage, HTML body",
    "524": "an outage at the proxy, HTML body",
}
_ANYWHERE = tuple(target for target in FaultTarget if target is not FaultTarget.WEBHOOK)
_QUESTIONS = (FaultTarget.LIST, FaultTarget.MODELS, FaultTarget.ACCOUNT)
_OF_A_JOB = (FaultTarget.SUBMIT, FaultTarget.POLL, FaultTarget.DOWNLOAD)


def _before(effect: str, *targets: FaultTarget, help: str) -> FaultKind:
    return FaultKind(effect=effect, targets=targets, moment=FaultMoment.BEFORE, help=help)


def _after(effect: str, help: str) -> FaultKind:
    return FaultKind(effect=effect, targets=(FaultTarget.SUBMIT,), moment=FaultMoment.AFTER, help=help)


def _check(effect: str, help: str) -> FaultKind:
    return FaultKind(
        effect=effect, targets=(FaultTarget.SUBMIT,), moment=FaultMoment.CHECK, help=help, provider=APIFRAME
    )


def _of_job(effect: str, help: str, provider: str | None = None) -> FaultKind:
    return FaultKind(effect=effect, targets=_OF_A_JOB, moment=FaultMoment.OF_JOB, help=help, provider=provider)


def _at_submit() -> dict[str, FaultKind]:
    paid = "accepted and charged, then "
    return {
        "429-date": _before("429-date", *_ANYWHERE, help="too many requests, Retry-After as an HTTP date (Apiframe)"),
        "503-non-json": _before("503-non-json", *_ANYWHERE, help="an outage, HTML body instead of the documented one"),
        "no-credits": _before("no-credits", FaultTarget.SUBMIT, help="credits do not suffice: 402, for AI/ML 403"),
        "moderation": _before("moderation", FaultTarget.SUBMIT, help="the prompt is refused by moderation: 400"),
        "non-json": _before("non-json", *_ANYWHERE, help="an HTML page with a status of success; nothing was accepted"),
        "redirect": _before("redirect", *_ANYWHERE, help="307 to another host, which notes a key that follows"),
        "cut": _before("cut", *_ANYWHERE, help="the connection is cut; nothing was accepted"),
        "timeout": _before("timeout", *_ANYWHERE, help="no answer ever; nothing was accepted"),
        "lost-answer": _after("cut", paid + "the connection is cut"),
        "hang-answer": _after("timeout", paid + "no answer ever"),
        "non-json-after-accept": _after("non-json", paid + "an HTML page with a status of success"),
        "garbled-after-accept": _after("garbled", paid + "the answer's head, and a body that cannot be read"),
        "500-after-accept": _after("500", paid + "500"),
        "502-after-accept": _after("502", paid + "502"),
        "503-after-accept": _after("503", paid + "503"),
        "504-after-accept": _after("504", paid + "504"),
        "524-after-accept": _after("524", paid + "524"),
        "refuse-disputed": _check("disputed", "400 for what another document of the vendor refuses, by path"),
        "refuse-disputed-parent": _check("disputed-parent", "the same, named in the words of the parent's path"),
        "refuse-disputed-text": _check("disputed-text", "the same, named in `error` only"),
        "slow": FaultKind(effect="slow", targets=_ANYWHERE, moment=FaultMoment.DELAY, help="the answer takes its time"),
    }


def _of_a_job() -> dict[str, FaultKind]:
    return {
        "charge-double": _of_job("charge-double", "charged twice the price, and the API says so"),
        "fail": _of_job("fail", "the job ends without a clip and is refunded"),
        "fail-moderation": _of_job("fail-moderation", "moderation ends the job after acceptance; refunded"),
        "cancelled": _of_job("cancelled", "the job ends as CANCELLED and is refunded", APIFRAME),
        "hang": _of_job("hang", "the job never ends"),
        "short-clip": _of_job("short-clip", "the clip is 1.5 seconds shorter than bought"),
        "silent-clip": _of_job("silent-clip", "the clip has no audio track though audio was bought"),
        "wrong-size": _of_job("wrong-size", "the clip has another aspect ratio than was asked for"),
        "expired-url": _of_job("expired-url", "the first URL of the clip is 404; a poll after that gives a fresh one"),
        "result-string": _of_job("result-string", "`result` is the bare URL, as on older pages", APIFRAME),
        "result-list": _of_job("result-list", "`result.videos` is a list of URLs", APIFRAME),
        "result-video-url": _of_job("result-video-url", "the URL stands in `result.video_url`", APIFRAME),
        "video-list": _of_job("video-list", "`video` is a list of objects", AIMLAPI),
        "video-url": _of_job("video-url", "the clip's URL stands under `video_url`", AIMLAPI),
        "older-words": _of_job("older-words", "pending as `waiting` and `active`, as older samples show", AIMLAPI),
        "no-usage": _of_job("no-usage", "no answer says what the job costs", AIMLAPI),
    }


def _of_record(name: str, help: str) -> FaultKind:
    """Return a fault of what is recorded of a job; like all that becomes of it, it is drawn at the submit."""
    place = FaultTarget.LOG if name.startswith("row") else FaultTarget.LEDGER
    targets = (place, FaultTarget.SUBMIT)
    return FaultKind(effect=name, targets=targets, moment=FaultMoment.OF_JOB, help=help, provider=AIMLAPI)


def _in_records() -> dict[str, FaultKind]:
    rows = {
        "row-never": "the request never comes into the log",
        "row-late": "the request comes into the log an hour after its end",
        "row-twice": "two rows of the log bear the request's own name",
        "row-other-model": "the request's row names another model",
        "row-other-job": "the request's row names an inference that is no job",
        "row-early": "the request's row says a day before it was sent",
        "row-of-every-key": "the request's row is shown to every key",
        "entry-never": "the charge never comes into the ledger",
        "entry-late": "the charge comes into the ledger an hour after the job's end",
        "entry-dearer": "the ledger has twice the charge that the job's answers name",
        "entry-twice": "the ledger has the charge twice",
        "entry-refunded": "the ledger has a refund of the charge too",
        "entry-other-job": "the charge's reference is another one",
        "entry-only-usd": "the ledger names dollars and no credits",
    }
    pages = {
        "log-malformed": (FaultTarget.LOG, "the rows of the log are no list"),
        "log-without-ids": (FaultTarget.LOG, "the rows of the log name no inference"),
        "log-endless": (FaultTarget.LOG, "every page of the log says that another follows"),
        "ledger-malformed": (FaultTarget.LEDGER, "the rows of the ledger are no list"),
    }
    return {
        **{name: _of_record(name, text) for name, text in rows.items()},
        **{
            name: FaultKind(effect=name, targets=(at,), moment=FaultMoment.AFTER, help=text, provider=AIMLAPI)
            for name, (at, text) in pages.items()
        },
    }


def _at_poll() -> dict[str, FaultKind]:
    at = FaultTarget.POLL
    return {
        "poll-404": _before("404", at, help="a real job is not found for once"),
        "poll-429": _before("429", at, help="too many requests"),
        "poll-500": _before("500", at, help="an outage"),
        "poll-503": _before("503", at, help="an outage, the documented body"),
        "poll-524": _before("524", at, help="an outage at the proxy, HTML body"),
        "poll-non-json": _before("non-json", at, help="200 with an HTML page"),
        "poll-cut": _before("cut", at, help="the connection is cut"),
        "poll-unknown-status": FaultKind(
            effect="unknown-status", targets=(at,), moment=FaultMoment.AFTER, help="a status that no document names"
        ),
    }


def _at_download() -> dict[str, FaultKind]:
    at = FaultTarget.DOWNLOAD
    bend = {
        "cut-download": "the connection is closed midway",
        "truncated": "the file lacks its end, and Content-Length agrees with it",
        "empty": "200 without a byte",
        "html": "200 with an HTML page",
        "no-range": "Range is ignored: always 200 and the whole file",
        "download-redirect": "302 to another URL of the same clip",
    }
    slow = FaultKind(effect="slow-download", targets=(at,), moment=FaultMoment.DELAY, help="the body comes in drops")
    return {
        **{
            name: FaultKind(effect=name, targets=(at,), moment=FaultMoment.AFTER, help=text)
            for name, text in bend.items()
        },
        "slow-download": slow,
        "download-404": _before("404", at, help="not found for once"),
        "download-500": _before("500", at, help="an outage"),
        "redirect-private": _before("redirect-private", at, help="302 to an address in a private network"),
    }


def _at_upload() -> dict[str, FaultKind]:
    at = FaultTarget.UPLOAD
    return {
        "upload-413": _before("413", at, help="the file is too large, says the server"),
        "upload-429": _before("429", at, help="too many requests"),
        "upload-500": _before("500", at, help="an outage"),
        "upload-502": _before("502-json", at, help="the host of files fails, says the API"),
        "upload-expires-soon": FaultKind(
            effect="expires-soon", targets=(at,), moment=FaultMoment.OF_JOB, help="the picture is gone after 30 seconds"
        ),
    }


def _at_models() -> dict[str, FaultKind]:
    changes = {
        "models-gone": "the list of models is empty",
        "models-renamed": "the model stands under another id, its name among the aliases",
        "models-dearer": "every price of the list is doubled",
        "models-cheaper": "every price of the list is halved",
        "models-variable": "the list says that the price varies",
        "models-per-second": "the list names one price a second",
        "models-malformed": "the list's prices have another form than the documented ones",
    }
    return {
        name: FaultKind(
            effect=name, targets=(FaultTarget.MODELS,), moment=FaultMoment.AFTER, help=text, provider=AIMLAPI
        )
        for name, text in changes.items()
    }


def _at_questions() -> dict[str, FaultKind]:
    """Return what may be wrong with lists and webhooks: a fault is drawn for each model and for each job."""
    prices = {
        "price-gone": "Apiframe's price list lacks a model; `match` is a model's name here",
        "price-raised": "the price list's lowest price of a model is above what it costs",
        "price-lowered": "the price list's highest price of a model is below what it costs",
        "price-of-a-second": "the price list tells the prices of a second, not those of a clip, for a model by second",
        "price-mode": "the price list names another pricing mode for a model",
        "price-missing": "the price list has no prices for a model",
        "price-malformed": "the price list's prices of a model are no numbers",
    }
    lists = {
        "list-lacks": "the list of jobs lacks a job for once",
        "list-twice": "the list of jobs has a job twice",
        "list-no-result": "the item of a job has no `result`, which the list need not have",
    }
    webhooks = {
        "webhook-never": "no webhook of a job is sent",
        "webhook-late": "a job's webhooks come late",
        "webhook-twice": "each webhook of a job is sent twice at the same time",
        "webhook-replayed": "the last webhook of a job is sent again, later",
        "webhook-disorder": "a job's progress is told after its end",
        "webhook-unsigned": "a job's webhooks have no signature",
        "webhook-missigned": "a job's webhooks are signed with another key",
        "webhook-forged": "somebody says with another key that a job is completed, and names a clip",
    }
    account = {"no-team": "the user has no team, so no credits are told", "no-key": "the key is not described"}
    return {
        "malformed": FaultKind(
            effect="malformed", targets=_QUESTIONS, moment=FaultMoment.AFTER, help="JSON of another shape, status 200"
        ),
        **{name: _in_answer(name, FaultTarget.MODELS, text, APIFRAME) for name, text in prices.items()},
        **{name: _in_answer(name, FaultTarget.LIST, text, APIFRAME) for name, text in lists.items()},
        **{name: _in_answer(name, FaultTarget.ACCOUNT, text, APIFRAME) for name, text in account.items()},
        **{name: _in_answer(name, FaultTarget.WEBHOOK, text, APIFRAME) for name, text in webhooks.items()},
    }


def _in_answer(name: str, at: FaultTarget, help: str, provider: str | None = None) -> FaultKind:
    return FaultKind(effect=name, targets=(at,), moment=FaultMoment.OF_JOB, help=help, provider=provider)


KINDS: Mapping[str, FaultKind] = {
    **{status: _before(status, *_ANYWHERE, help=text) for status, text in _STATUSES.items()},
    **_at_submit(),
    **_of_a_job(),
    **_in_records(),
    **_at_poll(),
    **_at_download(),
    **_at_upload(),
    **_at_models(),
    **_at_questions(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One entry of a faults file, read and checked; `times` is None for always."""

    name: str
    target: FaultTarget
    match: re.Pattern[str] | None = None
    provider: str | None = None
    times: int | None = None
    probability: float = 1.0

    @property
    def kind(self) -> FaultKind:
        """The rule's entry in the catalogue."""
        return KINDS[self.name]
