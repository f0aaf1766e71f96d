"""Apiframe v2 (https://api.apiframe.ai), translated: requests from what kbatch wants, outcomes from what it answers.

Source: the vendor's model pages, OpenAPI and SDK. A purchase carries an `Idempotency-Key`, so it may be sent again;
credits are taken at submission and returned in full when a job fails.
"""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from kbatch.errors import Bug
from kbatch.models.fingerprint import canonical
from kbatch.providers.base import (
    Answer,
    Balance,
    Failed,
    File,
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
    Webhook,
)
from kbatch.providers.error_messages import describe, harmless, is_moderation
from kbatch.providers.outcomes import REFUSALS, not_accepted, not_now, sort_submit
from kbatch.providers.responses import encoded, first_url, identifier, inner, job_ids, read_object, succeeded, whole
from kbatch.receipts.account import Account, key_prefix

_JSON = {"Accept": "application/json"}
_LARGEST = 10**15


class Apiframe:
    """The provider `apiframe`; holds no state."""

    __slots__ = ()

    name = "apiframe"
    title = "Apiframe"
    unit = "credits"
    base_url = "https://api.apiframe.ai"
    key_variable = "APIFRAME_API_KEY"
    url_variable = "KBATCH_APIFRAME_URL"
    resend_within: timedelta | None = timedelta(hours=20)  # of the 24 h for which a key is documented to be known
    lists_jobs = True
    uploads = True
    concurrency = 8
    clips_kept: timedelta | None = timedelta(hours=24)  # the specification's default (read 2026-11-21)
    unknown_help = "`kbatch reconcile` asks Apiframe; what stays open, settle by Apiframe's list of jobs"
    per_minute: int | None = 500  # as its clients found (.github/PROVIDERS.md, read 2026-11-21)

    def authorization(self, key: str) -> tuple[str, str]:
        """Return `X-API-Key`; white space around a key, as a secret file may leave, is not part of it."""
        return ("X-API-Key", key.strip())

    def submit(self, body: bytes, *, idempotency_key: str) -> Request:
        """Return the paying call; without a usable key a resend could pay twice, so that is a bug."""
        if not re.fullmatch(r"[!-~]{1,255}", idempotency_key):
            raise Bug(f"not an idempotency key: {idempotency_key!r}")
        headers = {**_JSON, "Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        return Request(method="POST", path="/v2/videos/generate", headers=headers, content=body)

    def with_webhook(self, body: bytes, url: str) -> bytes:
        """Add `webhookUrl` and `webhookEvents`, which are delivery and no part of what is bought."""
        return canonical({**(read_object(body) or {}), "webhookEvents": ["completed", "failed"], "webhookUrl": url})

    def without_webhook(self, body: bytes) -> bytes:
        """Return the bytes of a body before `with_webhook`; all else is returned as it is."""
        asked = read_object(body) or {}
        if not isinstance(asked.get("webhookUrl"), str) or self.with_webhook(body, asked["webhookUrl"]) != body:
            return body
        return canonical({name: value for name, value in asked.items() if name not in ("webhookUrl", "webhookEvents")})

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Webhook | None:
        """Read `jobId` and the header `X-Webhook-Signature`; None without either."""
        job_id, signature = identifier((read_object(body) or {}).get("jobId")), headers.get("x-webhook-signature")
        return Webhook(job_id=job_id, signature=signature) if job_id and signature else None

    def read_submit(self, reply: Reply, *, first: bool) -> SubmitOutcome:
        """Read 202 `{"jobId", "status"}`; `id` and a replay's status 200 are tolerated."""
        told = succeeded(reply) or {}
        credits = whole(told.get("creditCost"))
        ids = job_ids(reply, "jobId", "id")
        return sort_submit(reply, first=first, ids=ids, credits=credits, refused=_refusal(reply))

    def poll(self, job_id: str) -> Request:
        """Return `GET /v2/jobs/{id}`."""
        return Request(method="GET", path=f"/v2/jobs/{encoded(job_id)}", headers=_JSON)

    def read_poll(self, reply: Reply) -> PollOutcome:
        """Read a job; a status that the documents do not name is still running."""
        told = succeeded(reply)
        if told is None or not isinstance(told.get("status"), str):
            return not_now(reply, _refusal(reply), "no status in it")
        return _outcome(told) or not_now(reply, None, "completed, but no clip is named")

    def read_job(self, reply: Reply) -> Listed | NotNow:
        """Read who a job is, its input included."""
        job = _listed(succeeded(reply))
        return job if job is not None else not_now(reply, _refusal(reply), "no job in it")

    def upload(self, name: str, media_type: str, data: bytes) -> Request:
        """Return the upload of one picture in the form field `file`, under a portable name."""
        portable = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[-100:] or "picture"
        file = File(field="file", name=portable, media_type=media_type, data=data)
        return Request(method="POST", path="/v2/uploads", headers=_JSON, file=file)

    def read_upload(self, reply: Reply) -> Uploaded | NotAccepted:
        """Read 201 `{"url", "expiresAt", …}`."""
        told = succeeded(reply) or {}
        url = first_url(told.get("url"))
        if url is None:
            return not_accepted(reply, _refusal(reply), "no URL in it")
        return Uploaded(url=url, expires_at=_text(told.get("expiresAt")))

    def balance(self) -> Request:
        """Return `GET /v2/me`."""
        return Request(method="GET", path="/v2/me", headers=_JSON)

    def read_balance(self, reply: Reply) -> Balance | NotAccepted:
        """Read `team.credits`, and whose key it is by ids: receipts go into git, a mail address must not."""
        told = succeeded(reply, exact=True)
        team = inner(told, "team")
        credits = inner(team, "credits")
        if isinstance(credits, bool) or not isinstance(credits, int | Decimal) or not -_LARGEST <= credits <= _LARGEST:
            return not_accepted(reply, _refusal(reply), "no credits in it")
        most = whole(inner(team, "maxConcurrentJobs"))
        return Balance(
            credits=math.floor(credits),
            account=_account(told),
            max_concurrent=most if most else None,
            role=_text(inner(told, "user", "role")),
        )

    def jobs(self, cursor: str | None) -> Request:
        """Return one page of a hundred jobs."""
        more = f"&cursor={encoded(cursor)}" if cursor is not None else ""
        return Request(method="GET", path=f"/v2/jobs?limit=100{more}", headers=_JSON)

    def team_job(self, job_id: str) -> Request:
        """Return the search for one job among the whole team's, which an admin's key may read."""
        return Request(method="GET", path=f"/v2/jobs?scope=team&search={encoded(job_id)}&limit=100", headers=_JSON)

    def ended_jobs(self, cursor: str | None, *, failed: bool) -> Request:
        """Return one page of a hundred jobs that have completed, or failed; by their creation, the newest first."""
        more = f"&cursor={encoded(cursor)}" if cursor is not None else ""
        status = "FAILED" if failed else "COMPLETED"
        return Request(method="GET", path=f"/v2/jobs?status={status}&limit=100{more}", headers=_JSON)

    def read_jobs(self, reply: Reply) -> JobPage | NotNow:
        """Read `{"jobs", "nextCursor", "hasMore"}`; entries that cannot be read are left out."""
        told = succeeded(reply)
        jobs = told.get("jobs") if told is not None else None
        if told is None or not isinstance(jobs, list):
            return not_now(reply, _refusal(reply), "no list of jobs in it")
        cursor = identifier(told.get("nextCursor")) if told.get("hasMore") is not False else None
        return JobPage(jobs=tuple(job for job in map(_listed_with_outcome, jobs) if job is not None), cursor=cursor)


APIFRAME = Apiframe()


def _refusal(reply: Reply) -> Reason | None:
    if not isinstance(reply, Answer):
        return None
    if reply.status == 503 and isinstance(inner(read_object(reply.body), "error"), str):
        return Reason.UNAVAILABLE
    return Reason.MODERATION if is_moderation(reply) else REFUSALS.get(reply.status)


def _outcome(told: dict[str, Any]) -> PollOutcome | None:
    """Return the state that a job or a list item shows; None without one, and for a completed job without a clip."""
    status, credits = told.get("status"), whole(told.get("creditCost"))
    if not isinstance(status, str):
        return None
    match status.upper():
        case "COMPLETED":
            url = first_url(told.get("result"), relative=True)
            expired = told.get("expired") is True
            return Succeeded(url=url or "", credits=credits, expired=expired) if url or expired else None
        case "FAILED" | "CANCELLED":
            words = describe(told.get("error")) or f"the job is {harmless(status).lower()}"
            return Failed(message=words, credits=credits)
        case _:
            progress = whole(told.get("progress"))
            return Running(progress=progress if progress is not None and progress <= 100 else None, credits=credits)


def _account(told: dict[str, Any] | None) -> Account | None:
    team, user = identifier(inner(told, "team", "id")), identifier(inner(told, "user", "id"))
    prefix = inner(told, "apiKey", "prefix")
    # A name for the key, and nothing that is not one: the field could hold anything.
    named = isinstance(prefix, str) and re.fullmatch(r"[!-~]{1,64}", prefix) is not None
    key = key_prefix(prefix) if named else None
    return Account(team=team, user=user, key=key) if team or user else None


def _listed(told: Any) -> Listed | None:
    job_id = identifier(inner(told, "id")) or identifier(inner(told, "jobId"))
    if job_id is None:
        return None
    asked = told.get("input")
    return Listed(
        job_id=job_id,
        model=_text(told.get("model")) or "",
        status=_text(told.get("status")) or "",
        created_at=_text(told.get("createdAt")),
        input=asked if isinstance(asked, dict) else None,
        credits=whole(told.get("creditCost")),
    )


def _listed_with_outcome(told: Any) -> Listed | None:
    job = _listed(told)
    return replace(job, outcome=_outcome(told)) if job is not None else None


def _text(value: Any) -> str | None:
    return harmless(value) or None if isinstance(value, str) else None
