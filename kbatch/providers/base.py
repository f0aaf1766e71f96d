"""The interface of a provider: request values, answer values and outcomes.

A provider translates and never acts: it sees no socket, clock, file or key. Whether money may have been spent is
decided here in three kinds of submit outcome: `Accepted`, `NotAccepted` (only the answer to a first send can say so)
and `Unknown` (everything else).

To add a provider from a package of your own, write a class with the members of `Provider`, put a model card for each
of its models into a folder (`kbatch schema model-card` is their form, `<model>.json` their name), and let an entry
point name both:

    # pyproject.toml                        # acme_kbatch/__init__.py
    [project.entry-points."kbatch.providers"]   from importlib.resources import files
    acme = "acme_kbatch:PLUGIN"                 from kbatch.providers.base import Plugin
                                                PLUGIN = Plugin(provider=Acme(), cards=files(__name__) / "cards")

The rest is derived: the manifest takes `provider: acme`, `-j acme=2`, `--max-credits acme=10` and `budget`; plan,
models, doctor and messages know it. `kbatch.providers.outcomes` has the rules by which answers become outcomes; use
them. With a `simulator` (a `SimulatedProvider` of `kbatch.simulator.state`) `--simulate` plays the provider too.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct, field

from kbatch.receipts.account import Account


class File(Struct, frozen=True, kw_only=True):
    """A file that travels as the one part of a `multipart/form-data` body, in the form field `field`."""

    field: str
    name: str
    media_type: str
    data: bytes


class Request(Struct, frozen=True, kw_only=True):
    """One API call without base URL and key: `path` is encoded and begins with `/`; `content` is sent byte for byte.

    A `file` is sent in its place; the transport makes the multipart body and its Content-Type.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    file: File | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """An HTTP answer read to its end; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class NoAnswer(Struct, frozen=True, kw_only=True):
    """A call without a whole answer; `maybe_sent` is False only when no byte of the request can have left."""

    message: str
    maybe_sent: bool


Reply = Answer | NoAnswer


class Reason(StrEnum):
    """Why a provider did not accept; the values are stable in receipts and reports."""

    INVALID = "invalid"
    MODERATION = "moderation"
    KEY = "key"
    CREDITS = "credits"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    RATE = "rate"
    UNAVAILABLE = "unavailable"
    NO_CONNECTION = "no-connection"


# outcomes of a submit


class Accepted(Struct, frozen=True, kw_only=True):
    """The provider accepted the job: its id, and the charge when the answer reports one."""

    job_id: str
    credits: int | None = None


class NotAccepted(Struct, frozen=True, kw_only=True):
    """Nothing was charged; `retry_after_s` is the `Retry-After` of the answer, None without one.

    `fields` are the paths of the fields that a refused request should not have had as they were (`klingParams.mode`).
    """

    reason: Reason
    message: str
    retry_after_s: float | None = None
    fields: tuple[str, ...] = ()


class Unknown(Struct, frozen=True, kw_only=True):
    """Sent, and it is unknown whether it was accepted; `exists`: the answer says that the key is in use (409)."""

    message: str
    exists: bool = False
    retry_after_s: float | None = None


SubmitOutcome = Accepted | NotAccepted | Unknown

# outcomes of a poll


class Running(Struct, frozen=True, kw_only=True):
    """Not ended yet; `progress` in percent and `credits` where the provider reports them."""

    progress: int | None = None
    credits: int | None = None


class Succeeded(Struct, frozen=True, kw_only=True):
    """The clip was rendered: its URL, empty only when the provider says `expired` and names none."""

    url: str
    credits: int | None = None
    expired: bool = False


class Failed(Struct, frozen=True, kw_only=True):
    """Ended without a clip; `credits` is what stays charged, where reported (0 after a refund)."""

    message: str
    credits: int | None = None


class NotNow(Struct, frozen=True, kw_only=True):
    """The poll gave no state of the job and may be repeated; `stop`: the key was refused, so a repeat is useless.

    `gone` when the provider says that it has no such job, `strange` when the answer is about another one.
    """

    message: str
    retry_after_s: float | None = None
    stop: Reason | None = None
    gone: bool = False
    strange: bool = False


PollOutcome = Running | Succeeded | Failed | NotNow


class Uploaded(Struct, frozen=True, kw_only=True):
    """An uploaded image: its URL and its expiry as ISO 8601."""

    url: str
    expires_at: str | None = None


class Balance(Struct, frozen=True, kw_only=True):
    """The balance in the provider's credits, rounded down; the account and its user's role where reported."""

    credits: int
    account: Account | None = None
    max_concurrent: int | None = None
    role: str | None = None


class Listed(Struct, frozen=True, kw_only=True):
    """One job of the provider's list; `input` is set only when the job was requested by its id.

    `outcome` is the state as a poll of this job would give it; None where the list does not tell enough for one.
    """

    job_id: str
    model: str
    status: str
    created_at: str | None = None
    input: Mapping[str, Any] | None = None
    credits: int | None = None
    outcome: PollOutcome | None = None


class JobPage(Struct, frozen=True, kw_only=True):
    """One page of the provider's job list, newest first; `cursor` is None on the last one."""

    jobs: tuple[Listed, ...]
    cursor: str | None = None


class Webhook(Struct, frozen=True, kw_only=True):
    """A delivery: the job that it names, and its signature, which is not checked yet."""

    job_id: str
    signature: str


class Provider(Protocol):
    """One paid API, translated: all that kbatch knows of it; `read_*` never raise for anything that a server may send.

    `name` is what manifests write, `title` what people read, `unit` what prices count. `key_variable` and
    `url_variable` are the environment's names of the key and of another base URL. `resend_within` is how long after a
    send the same body may be sent again under its idempotency key without being paid twice; None where it never may.
    `lists_jobs` says that there is a list of jobs, `uploads` that pictures can be published (else they travel as data
    URIs). `concurrency` is how many jobs run at once when nothing is said, `per_minute` how many calls are taken in a
    minute, `clips_kept` how long a finished clip can be fetched; None where that is not known. `unknown_help` says
    where a person looks for a job that may have been bought; the flags that settle it are added: "… with `--adopt …`".

    A provider that shows a whole team's jobs to some keys may also have `team_job(job_id)`, the call whose answer
    `read_jobs` reads; its items have an `outcome`.

    A provider whose list items have an `outcome` may also have `ended_jobs(cursor, *, failed)`, the call for one page
    of the jobs that have completed, or failed, newest first: then many jobs are polled by it at once.

    A provider with several endpoints has `endpoints`, their names, the one of receipts that name none first, and
    `at_endpoint(name)`, the provider whose submits and polls use that one. A model's card chooses; a job that was begun
    at one is polled there. The names are those of `kbatch.receipts.shapes.Endpoint`.

    A provider that sends webhooks has `with_webhook(body, url)`, the body of a submit that asks for them, its inverse
    `without_webhook(body)`, and `read_webhook(headers, body)`, which returns a `Webhook`, or None for anything else.
    """

    name: str
    title: str
    unit: str
    base_url: str
    key_variable: str
    url_variable: str
    resend_within: timedelta | None
    lists_jobs: bool
    uploads: bool
    concurrency: int
    per_minute: int | None
    clips_kept: timedelta | None
    unknown_help: str

    def authorization(self, key: str) -> tuple[str, str]:
        """Return header name and value that carry the key."""

    def submit(self, body: bytes, *, idempotency_key: str) -> Request:
        """Return the paying call for exactly these bytes."""

    def read_submit(self, reply: Reply, *, first: bool) -> SubmitOutcome:
        """Sort a reply into the three kinds; `first` is False for a resend, which can only be accepted or unknown."""

    def poll(self, job_id: str) -> Request:
        """Return the call that asks for one job."""

    def read_poll(self, reply: Reply) -> PollOutcome:
        """Read a job's state; what cannot be read is `NotNow`."""

    def read_job(self, reply: Reply) -> Listed | NotNow:
        """Read who a job is (id, model, input) for adoption and reconciliation."""

    def upload(self, name: str, media_type: str, data: bytes) -> Request:
        """Return the call that publishes a picture; only where `uploads` is True."""

    def read_upload(self, reply: Reply) -> Uploaded | NotAccepted:
        """Read the picture's URL; an upload costs nothing, so every failure is `NotAccepted`."""

    def balance(self) -> Request:
        """Return the call that asks for the balance."""

    def read_balance(self, reply: Reply) -> Balance | NotAccepted:
        """Read the balance in the provider's credits."""

    def jobs(self, cursor: str | None) -> Request:
        """Return the call for one page of the job list; only where `lists_jobs` is True."""

    def read_jobs(self, reply: Reply) -> JobPage | NotNow:
        """Read one page of the job list."""


class Plugin(Struct, frozen=True, kw_only=True):
    """What the entry point of another package names: a provider, the folder of its model cards, and its simulation.

    `cards` is a `Path` or a folder of `importlib.resources`; `simulator` returns the
    `kbatch.simulator.state.SimulatedProvider` that plays it, and is called only for `--simulate`.
    """

    provider: Provider
    cards: Any
    simulator: Callable[[], Any] | None = None
