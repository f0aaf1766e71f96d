"""Acme Clips: `POST /clips`, `GET /clips/{id}`, `GET /account`; no list of jobs, no uploads, nothing is sent twice."""

from datetime import timedelta

from kbatch.errors import Bug
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
from kbatch.providers.error_messages import describe
from kbatch.providers.outcomes import REFUSALS, not_accepted, not_now, sort_submit
from kbatch.providers.responses import encoded, first_url, identifier, job_ids, succeeded, whole


class Acme:
    """The provider `acme`."""

    name = "acme"
    title = "Acme Clips"
    unit = "credits"
    base_url = "https://api.acme.example"
    key_variable = "ACME_API_KEY"
    url_variable = "KBATCH_ACME_URL"
    resend_within: timedelta | None = None
    lists_jobs = False
    uploads = False
    concurrency = 3
    per_minute: int | None = None
    clips_kept: timedelta | None = timedelta(hours=2)
    unknown_help = "ask the help desk of Acme, then `kbatch reconcile`"

    def authorization(self, key: str) -> tuple[str, str]:
        """Return the header `X-Acme-Key`."""
        return ("X-Acme-Key", key.strip())

    def submit(self, body: bytes, *, idempotency_key: str) -> Request:
        """Return the paying call."""
        return Request(method="POST", path="/clips", headers={"Content-Type": "application/json"}, content=body)

    def read_submit(self, reply: Reply, *, first: bool) -> SubmitOutcome:
        """Read `{"id", "price"}`."""
        price = whole((succeeded(reply) or {}).get("price"))
        return sort_submit(reply, first=first, ids=job_ids(reply, "id"), credits=price, refused=_refusal(reply))

    def poll(self, job_id: str) -> Request:
        """Return `GET /clips/{id}`."""
        return Request(method="GET", path=f"/clips/{encoded(job_id)}")

    def read_poll(self, reply: Reply) -> PollOutcome:
        """Read `{"state", "url", "price"}`."""
        told = succeeded(reply)
        if told is None:
            return not_now(reply, _refusal(reply))
        price, url = whole(told.get("price")), first_url(told.get("url"))
        if told.get("state") == "failed":
            return Failed(message=describe(told.get("error")) or "it failed", credits=0)
        return Succeeded(url=url, credits=price) if url else Running(credits=price)

    def read_job(self, reply: Reply) -> Listed | NotNow:
        """Read who a job is."""
        told = succeeded(reply) or {}
        job_id = identifier(told.get("id"))
        if job_id is None:
            return not_now(reply, _refusal(reply), "no job in it")
        return Listed(job_id=job_id, model="", status=str(told.get("state")))

    def upload(self, name: str, media_type: str, data: bytes) -> Request:
        """Raise: there are no uploads."""
        raise Bug("Acme has no uploads")

    def read_upload(self, reply: Reply) -> Uploaded | NotAccepted:
        """Refuse: there are no uploads."""
        return NotAccepted(reason=Reason.INVALID, message="Acme has no uploads")

    def balance(self) -> Request:
        """Return `GET /account`."""
        return Request(method="GET", path="/account")

    def read_balance(self, reply: Reply) -> Balance | NotAccepted:
        """Read `{"credits"}`."""
        credits = whole((succeeded(reply) or {}).get("credits"))
        return not_accepted(reply, _refusal(reply)) if credits is None else Balance(credits=credits)

    def jobs(self, cursor: str | None) -> Request:
        """Raise: there is no list of jobs."""
        raise Bug("Acme has no list of jobs")

    def read_jobs(self, reply: Reply) -> JobPage | NotNow:
        """Refuse: there is no list of jobs."""
        return NotNow(message="Acme has no list of jobs")


ACME = Acme()


def _refusal(reply: Reply) -> Reason | None:
    return REFUSALS.get(reply.status) if isinstance(reply, Answer) else None
