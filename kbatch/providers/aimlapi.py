"""The AI/ML API (https://api.aimlapi.com), translated: requests from what kbatch wants, outcomes from what it answers.

Source: the vendor's model page and OpenAPI, and public clients for the error bodies. There is no idempotency key, no
list, no upload and no cancel: a purchase is sent once, ever. What became of it is read from the request log.

Two endpoints take purchases; bodies and answers are the same. No document says that one knows the jobs of the other.
"""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from kbatch.errors import Bug
from kbatch.providers.aimlapi_records import CREDITS_PER_USD, RECORDS
from kbatch.providers.base import (
    Answer,
    Balance,
    Failed,
    JobPage,
    Listed,
    NotAccepted,
    NotNow,
    PollOutcome,
    Reason,
    Reply,
    Request,
    Running,
    SubmitOutcome,
    Succeeded,
    Uploaded,
)
from kbatch.providers.error_messages import describe, harmless, is_moderation
from kbatch.providers.outcomes import REFUSALS, not_accepted, not_now, sort_submit
from kbatch.providers.responses import encoded, first_url, identifier, inner, job_ids, read_object, succeeded, whole
from kbatch.receipts.shapes import Endpoint

_PATHS: Mapping[Endpoint, str] = {"legacy": "/v2/generate/video/kling/generation", "v2": "/v2/video/generations"}
_JSON = {"Accept": "application/json"}
_OUT_OF_CREDITS = {"err_insufficent_credits", "err_insufficient_credits"}


class Aimlapi:
    """The provider `aimlapi` at one of its endpoints; holds no other state."""

    __slots__ = ("_path",)

    name = "aimlapi"
    title = "AI/ML API"
    unit = "credits"
    base_url = "https://api.aimlapi.com"
    key_variable = "AIMLAPI_API_KEY"
    url_variable = "KBATCH_AIMLAPI_URL"
    resend_within: timedelta | None = None
    lists_jobs = False
    uploads = False
    concurrency = 4
    clips_kept: timedelta | None = None
    unknown_help = (
        "each run, `kbatch pull` and `kbatch reconcile` look for it in AI/ML API's request log; else look for it in "
        "the usage on its dashboard, then `kbatch reconcile`"
    )
    records = RECORDS
    per_minute: int | None = None
    endpoints = tuple(_PATHS)

    def __init__(self, endpoint: Endpoint = "legacy") -> None:
        self._path = _PATHS[endpoint]

    def at_endpoint(self, name: Endpoint) -> "Aimlapi":
        """Return the provider whose submits and polls use this endpoint."""
        return Aimlapi(name)

    def authorization(self, key: str) -> tuple[str, str]:
        """Return the bearer header; white space around a key, as a secret file may leave, is not part of it."""
        return ("Authorization", f"Bearer {key.strip()}")

    def submit(self, body: bytes, *, idempotency_key: str) -> Request:
        """Return the paying call; the key is its name in the request log, this API does not heed it otherwise."""
        headers = {**_JSON, "Content-Type": "application/json"}
        if re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", idempotency_key):  # any other is dropped there in silence
            headers["X-Client-Request-Id"] = idempotency_key
        return Request(method="POST", path=self._path, headers=headers, content=body)

    def read_submit(self, reply: Reply, *, first: bool) -> SubmitOutcome:
        """Read `{"id", "status", "meta"}` with 200 or 201; `meta` may be missing.

        Where the body of a 2xx has no id that can be used, or several, the header `x-inference-id` has it.
        """
        told = succeeded(reply) or {}
        ids = job_ids(reply, "id", "generation_id")
        if len(ids) != 1 and isinstance(reply, Answer) and 200 <= reply.status < 300 and not _complains(told):
            named = identifier(reply.headers.get("x-inference-id"))
            ids = (named,) if named is not None and (not ids or named in ids) else ids
        return sort_submit(reply, first=first, ids=ids, credits=_credits(told, reply), refused=_refusal(reply))

    def poll(self, job_id: str) -> Request:
        """Return `GET …?generation_id=`; ids hold `:` and `/` too."""
        return Request(method="GET", path=f"{self._path}?generation_id={encoded(job_id)}", headers=_JSON)

    def read_poll(self, reply: Reply) -> PollOutcome:
        """Read a generation; a status that the documents do not name is still running, a 404 may pass."""
        told = succeeded(reply)
        status = told.get("status") if told is not None else None
        if told is None or not isinstance(status, str):
            return not_now(reply, _refusal(reply), "no status in it")
        match status.lower():
            case "completed":
                url = first_url([told.get("video"), told.get("video_url")], relative=True)
                if url is None:
                    return not_now(reply, None, "completed, but no clip is named")
                return Succeeded(url=url, credits=_credits(told, reply))
            case "error":
                words = describe(told.get("error")) or "the generation ended with an error"
                return Failed(message=words, credits=_credits(told))
            case _:
                return Running(credits=_credits(told))

    def read_job(self, reply: Reply) -> Listed | NotNow:
        """Read who a generation is: the answer names no model and no input."""
        told = succeeded(reply) or {}
        job_id, status, model = identifier(told.get("id")), told.get("status"), told.get("model")
        if job_id is None or not isinstance(status, str):
            return not_now(reply, _refusal(reply), "no generation in it")
        name = harmless(model) if isinstance(model, str) else ""
        return Listed(job_id=job_id, model=name, status=harmless(status), credits=_credits(told))

    def upload(self, name: str, media_type: str, data: bytes) -> Request:
        """Raise: this API has no uploads, pictures travel as base64 in the body."""
        raise Bug("the AI/ML API has no uploads")

    def read_upload(self, reply: Reply) -> Uploaded | NotAccepted:
        """Refuse: this API has no uploads."""
        return NotAccepted(reason=Reason.INVALID, message="the AI/ML API has no uploads")

    def balance(self) -> Request:
        """Return `GET /v2/billing`."""
        return Request(method="GET", path="/v2/billing", headers=_JSON)

    def read_balance(self, reply: Reply) -> Balance | NotAccepted:
        """Read `{"current_balance", "currency": "USD"}` into credits, rounded down; another currency is not read."""
        told = succeeded(reply, exact=True)
        usd = _amount(inner(told, "current_balance"))
        if usd is None or inner(told, "currency") != "USD":
            return not_accepted(reply, _refusal(reply), "no balance in USD in it")
        return Balance(credits=math.floor(usd * CREDITS_PER_USD))

    def jobs(self, cursor: str | None) -> Request:
        """Raise: this API has no list of jobs."""
        raise Bug("the AI/ML API has no list of jobs")

    def read_jobs(self, reply: Reply) -> JobPage | NotNow:
        """Refuse: this API has no list of jobs."""
        return NotNow(message="the AI/ML API has no list of jobs")


AIMLAPI = Aimlapi()


def _complains(told: dict[str, Any]) -> bool:
    return bool(told.get("error") or told.get("message"))


def _refusal(reply: Reply) -> Reason | None:
    if not isinstance(reply, Answer):
        return None
    if reply.status == 403:
        told = read_object(reply.body)
        kinds = (inner(told, "error", "data", "kind"), inner(told, "error", "kind"), inner(told, "data", "kind"))
        if any(isinstance(kind, str) and kind in _OUT_OF_CREDITS for kind in kinds):
            return Reason.CREDITS
    return Reason.MODERATION if is_moderation(reply) else REFUSALS.get(reply.status)


def _credits(told: dict[str, Any], reply: Reply | None = None) -> int | None:
    """Return the charge that a body names, else the one of the answer's header."""
    named = whole(inner(told, "meta", "usage", "credits_used"))
    header = reply.headers.get("x-aimlapi-credits-used", "") if isinstance(reply, Answer) else ""
    return int(header) if named is None and re.fullmatch(r"[0-9]{1,15}", header) else named


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,30})?", value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not -(10**9) <= value <= 10**9:
        return None
    # Twelve decimals keep the product within the 28 digits of the arithmetic: nothing is rounded up on the way.
    return Decimal(value).quantize(Decimal("1E-12"), rounding=ROUND_FLOOR)
