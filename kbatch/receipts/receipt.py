"""The receipt of a purchase, as the lockfile stores it.

A receipt shows one attempt, the current one. Further paid attempts are in `also`, attempts that ended without a
purchase in `failed`, both latest first. Neither is ever removed, so that merging an old branch reverts nothing. Their
own lists are empty.

Secrets in URLs are not stored: query, fragment and user are removed from a string in `request` or `inputs` that is one
URL (an image), and from every URL in an error's message. A prompt that mentions a URL is stored unchanged.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import force_setattr, replace

from kbatch.receipts.account import StoredAccount
from kbatch.receipts.lifecycle import State
from kbatch.receipts.refunds.refund_claim import RefundClaim, refund_of
from kbatch.receipts.shapes import Amount, Count, Endpoint, Number

OUTCOME_UNKNOWN = "its outcome is unknown"
"""A request was sent, and it is not known whether the provider accepted it."""

_BY_HAND = "`--adopt ADDRESS=JOB_ID` or `--refused ADDRESS`"
_ANYWHERE = "look for it at the provider, then `kbatch reconcile`"
_URL = re.compile(r"(https?://)(?:[^\s/?#@]*@)?([^\s?#]*)[?#]?\S*", re.IGNORECASE)


class ReceiptState(StrEnum):
    """The state of a receipt in the lockfile; `failed` includes refused submits."""

    SUBMITTED = "submitted"
    RENDERED = "rendered"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DELIVERED_WRONG = "delivered-wrong"

    @property
    def label(self) -> str:
        """The state in messages and reports: a paid job without its clip is `owed`."""
        return "owed" if self in (ReceiptState.SUBMITTED, ReceiptState.RENDERED) else self.value


RECEIPT_STATE_OF: Mapping[State, ReceiptState] = {
    State.INTENDED: ReceiptState.UNKNOWN,
    State.UNKNOWN: ReceiptState.UNKNOWN,
    State.REFUSED: ReceiptState.FAILED,
    State.ACCEPTED: ReceiptState.SUBMITTED,
    State.FAILED: ReceiptState.FAILED,
    State.SUCCEEDED: ReceiptState.RENDERED,
    State.DOWNLOADED: ReceiptState.RENDERED,
    State.DELIVERED_WRONG: ReceiptState.DELIVERED_WRONG,
    State.DONE: ReceiptState.DONE,
}
"""The lockfile's state for each state of an attempt; `planned` has no receipt."""


class Credits(Struct, frozen=True, kw_only=True, gc=False):
    """In the provider's credits; null is "unknown", never 0."""

    planned: Annotated[Amount | None, Meta(description="The quote; null: no known price")] = None
    reported: Annotated[
        Amount | None, Meta(description="The charge by the provider's report; 0 after a refund, null: not reported")
    ] = None
    charged: Annotated[
        Amount | None, Meta(description="Of a failed job: the earlier charge; the refund is this minus `reported`")
    ] = None


class Media(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Properties of a clip; null where its file does not state one."""

    duration: Annotated[Number | None, Meta(description="Seconds")]
    width: Annotated[Amount | None, Meta(description="Pixels")]
    height: Annotated[Amount | None, Meta(description="Pixels")]
    fps: Annotated[Number | None, Meta(description="Frames a second")]
    audio: Annotated[bool | None, Meta(description="Whether there is an audio track")]

    def in_one_spelling(self) -> "Media":
        """Return these media with seconds as a float and a whole frame rate as an int."""
        duration, fps = self.duration, self.fps
        return replace(
            self,
            duration=None if duration is None else float(duration),
            fps=int(fps) if isinstance(fps, float) and fps.is_integer() else fps,
        )


NO_MEDIA = Media(duration=None, width=None, height=None, fps=None, audio=None)


class Output(Struct, frozen=True, kw_only=True, gc=False):
    """A clip on this disk; `placed` is False while it is still a verified `.part`."""

    path: Annotated[str, Meta(description="Relative to the manifest")]
    sha256: Annotated[str, Meta(description="SHA-256 of the file, in hex")] = ""
    bytes: Annotated[Amount, Meta(description="Size of the file")] = 0
    media: Media = NO_MEDIA
    placed_at: Annotated[str, Meta(description="When it came to `path`: of two records the later one is valid")] = ""
    placed: bool = True


class ReceiptError(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a purchase failed, is unknown or was delivered wrong."""

    at: Annotated[Literal["submit", "render", "delivery"], Meta(description="Where it went wrong")]
    reason: Annotated[str | None, Meta(description="A stable word: `moderation`, `credits`, `delivered-wrong` …")]
    message: Annotated[str, Meta(description="What the provider or kbatch said, without the query of any URL")]


class Purchase(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """For what, where and by whom it was bought: set once when it is sent, outside the fingerprint."""

    address: Annotated[str, Meta(description="The address of the job")]
    labels: Annotated[Mapping[str, str], Meta(description="Its labels")] = {}
    axes: Annotated[Mapping[str, str], Meta(description="The label of its value of each axis")] = {}
    campaign: Annotated[str, Meta(description="The name of the manifest")]
    profile: Annotated[str | None, Meta(description="The profile, if any")] = None
    run: Annotated[str, Meta(description="The id of the run")]
    actor: Annotated[str | None, Meta(description="Who ran it: the CI's actor, else git's user")] = None
    commit: Annotated[
        str | None, Meta(description="The commit of the manifest's folder; `-dirty` when tracked files were changed")
    ] = None
    approval: Annotated[str | None, Meta(description="The digest of the approval, if any")] = None


class Receipt(Struct, frozen=True, kw_only=True):
    """The receipt of one fingerprint.

    `address` (the last known), `key`, `body` and `provider_time` (of the send, by the provider's clock) come from the
    journal and are not in the lockfile; `account` is set when the provider reported it.
    """

    provider: Annotated[
        str, Meta(description="Which API; empty only when nothing but later events of the purchase is known")
    ] = ""
    model: Annotated[str, Meta(description="The provider's name of the model")] = ""
    variant: Annotated[str | None, Meta(description="The price variant, such as `pro-audio`")] = None
    state: Annotated[
        ReceiptState,
        Meta(description="`failed` includes refused submits (without a job id); `unknown` was sent, outcome unknown"),
    ]
    origin: Annotated[
        str, Meta(description="`https://host`, `loopback` or `simulator`; a receipt is used for its own origin only")
    ] = ""
    job_id: Annotated[str | None, Meta(description="The provider's id of the job, once it is accepted")] = None
    attempt: Annotated[Count, Meta(description="Which purchase of this fingerprint it is, from 1")]
    request: Annotated[
        Mapping[str, Any],
        Meta(description="The request as it is hashed into the fingerprint, without the query of any URL"),
    ] = {}
    inputs: Annotated[
        Mapping[str, Mapping[str, Any]],
        Meta(description="Sources of chained and uploaded images, by parameter: digest, upstream fingerprint, job id"),
    ] = {}
    credits: Credits = Credits()
    submitted_at: Annotated[str | None, Meta(description="When it was sent")] = None
    finished_at: Annotated[
        str | None, Meta(description="When the render was seen to have ended, or the refusal came")
    ] = None
    output: Annotated[Output | None, Meta(description="The clip on disk; null until it is at its place")] = None
    error: ReceiptError | None = None
    account: StoredAccount = None
    client_request_id: Annotated[
        str | None, Meta(description="The name of the request in the provider's log, where it has one")
    ] = None
    endpoint: Endpoint | None = None
    purchase: Purchase | None = None
    accepted_as_is: Annotated[
        bool, Meta(description="`kbatch accept` ended the reminder that this is wrong or stale")
    ] = False
    refund_claim: Annotated[
        RefundClaim | None, Meta(description="What `kbatch claim` asked back for it, and what came back")
    ] = None
    also: Annotated[
        tuple["Receipt", ...],
        Meta(description="Further paid renders of this fingerprint (a merge, `--replace`), the latest first"),
    ] = ()
    failed: Annotated[
        tuple["Receipt", ...],
        Meta(description="Attempts that ended without a purchase and are not the shown one, the latest first"),
    ] = ()
    last_attempt: Annotated[int, Meta(description="The highest attempt begun, where it is not the shown one")] = 0
    address: str = ""
    key: str = ""
    body: str | None = None
    provider_time: str | None = None

    def __post_init__(self) -> None:
        if self.last_attempt < self.attempt:
            force_setattr(self, "last_attempt", self.attempt)

    def __repr__(self) -> str:
        fields = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "body")
        return f"Receipt({', '.join(fields)})"

    @property
    def error_message(self) -> str:
        """What was said of its error; empty without one."""
        return self.error.message if self.error else ""

    @property
    def charge(self) -> int | None:
        """What it was charged before a claimed refund: as reported, else its quote; None when unknown.

        A failure costs what was reported after it, an unknown outcome nothing yet.
        """
        if self.state is ReceiptState.UNKNOWN:
            return 0
        if self.state is ReceiptState.FAILED:
            return self.credits.reported or 0
        return self.credits.planned if self.credits.reported is None else self.credits.reported

    @property
    def net_charge(self) -> int | None:
        """What it was charged after all refunds, never below 0; None when unknown."""
        return None if self.charge is None else max(0, self.charge - refund_of(self.refund_claim))

    @property
    def stage(self) -> State:
        """The state in terms of `lifecycle`, which distinguishes more than the lockfile."""
        match self.state:
            case ReceiptState.UNKNOWN:
                return State.UNKNOWN if self.error else State.INTENDED
            case ReceiptState.FAILED:
                return State.FAILED if self.job_id else State.REFUSED
            case ReceiptState.RENDERED:
                return State.DOWNLOADED if self.output else State.SUCCEEDED
            case ReceiptState.SUBMITTED:
                return State.ACCEPTED
            case ReceiptState.DELIVERED_WRONG:
                return State.DELIVERED_WRONG
            case ReceiptState.DONE:
                return State.DONE


def set_address(receipt: Receipt, address: str) -> None:
    """Set the address of a receipt in place; only for one that was just read, since copying each costs more time."""
    force_setattr(receipt, "address", address)


def without_queries(value: Any) -> Any:
    """Return a JSON value in which every string that is one URL has lost query, fragment and user."""
    if isinstance(value, str):
        return _URL.sub(r"\1\2", value) if _URL.fullmatch(value) else value
    if isinstance(value, Mapping):
        return {name: without_queries(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_queries(item) for item in value]
    return value


def without_queries_within(message: str) -> str:
    """Return a message in which every URL has lost query, fragment and user."""
    return _URL.sub(r"\1\2", message)


def describe_remaining_charge(credits: int | None) -> str:
    """Return in words what stays charged for a failed job, None when the provider did not report it.


    '15 credits stay charged'
    """
    if not credits:
        return "its charge was not told" if credits is None else "not charged"
    return f"{credits:,} {'credit stays' if credits == 1 else 'credits stay'} charged"


def how_to_resolve(provider_help: str | None) -> str:
    """Return where to look for a job that may have been bought (a provider's own words), and the flags that settle it.

    >>> how_to_resolve(None)
    'look for it at the provider, then `kbatch reconcile` with `--adopt ADDRESS=JOB_ID` or `--refused ADDRESS`'
    """
    return f"{provider_help or _ANYWHERE} with {_BY_HAND}"


def asked_until(sent_at: str | None, kept: timedelta | None) -> str | None:
    """Return the day until which a log that keeps rows for `kept` is asked for a send; None without a log.

    >>> asked_until("2026-11-30T12:00:00Z", timedelta(days=92))
    '2027-03-02'
    """
    if sent_at is None or kept is None:
        return None
    return (datetime.fromisoformat(sent_at) + kept).date().isoformat()
