"""The receipt of a purchase, as the lockfile stores it.

A receipt shows one attempt, the current one. Further paid attempts are in `also`, attempts that ended without a
purchase in `failed`, both latest first. Neither is ever removed, so that merging an old branch reverts nothing. Their
own lists are empty.

Secrets in URLs are not stored: query, fragment and user are removed from a string in `request` or `inputs` that is one
URL (an image), and from every URL in an error's message. A prompt that mentions a URL is stored unchanged.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import force_setattr

from kbatch.receipts.account import StoredAccount
from kbatch.receipts.lifecycle import State

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
    """In the provider's credits: `planned` is the quote, `reported` the charge that the provider reported.

    None is "unknown", never 0. `charged` is set only for a failed job that had been charged before: the refund is
    `charged` minus `reported`.
    """

    planned: int | None = None
    reported: int | None = None
    charged: int | None = None


class Media(Struct, frozen=True, kw_only=True, gc=False):
    """Properties of a clip: seconds, pixels, frames a second, audio track; None where its file does not state one."""

    duration: float | None = None
    width: int | None = None
    height: int | None = None
    fps: int | float | None = None
    audio: bool | None = None


class Output(Struct, frozen=True, kw_only=True, gc=False):
    """A clip on this disk: `path` relative to the manifest; `placed` is False while it is still a verified `.part`.

    `placed_at` is the time of the move to `path`: of two records the later one is valid.
    """

    path: str
    sha256: str = ""
    bytes: int = 0
    media: Media = Media()
    placed_at: str = ""
    placed: bool = True


class Receipt(Struct, frozen=True, kw_only=True):
    """The receipt of one fingerprint; `request` is the identity body, `inputs` are by parameter.

    `error` has `at` (submit, render, delivery), `reason` and `message`. `last_attempt` is the highest attempt begun.
    `address` (the last known), `key`, `body` and `provider_time` (of the send, by the provider's clock) come from the
    journal and are not in the lockfile; `account` is set when the provider reported it.
    """

    provider: str = ""
    model: str = ""
    variant: str | None = None
    state: ReceiptState
    origin: str = ""
    job_id: str | None = None
    attempt: int
    request: Mapping[str, Any] = {}
    inputs: Mapping[str, Mapping[str, Any]] = {}
    credits: Credits = Credits()
    submitted_at: str | None = None
    finished_at: str | None = None
    output: Output | None = None
    error: Mapping[str, Any] | None = None
    account: StoredAccount = None
    accepted_as_is: bool = False
    also: tuple["Receipt", ...] = ()
    failed: tuple["Receipt", ...] = ()
    last_attempt: int = 0
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


def media_of(data: Mapping[str, Any]) -> Media:
    """Return the media of an event or a lockfile; a whole frame rate is an int, so that it has one spelling."""
    duration, fps = data["duration"], data["fps"]
    return Media(
        duration=None if duration is None else float(duration),
        width=data["width"],
        height=data["height"],
        fps=int(fps) if isinstance(fps, float) and fps.is_integer() else fps,
        audio=data["audio"],
    )


def receipt_to_json(receipt: Receipt) -> dict[str, Any]:
    """Return the lockfile's JSON of a receipt; optional fields are left out when empty."""
    data = _attempt_to_json(receipt)
    if receipt.also:
        data["also"] = [_attempt_to_json(one) for one in receipt.also]
    if receipt.failed:
        data["failed"] = [_attempt_to_json(one) for one in receipt.failed]
    if receipt.last_attempt > receipt.attempt:
        data["last_attempt"] = receipt.last_attempt
    return data


def _attempt_to_json(receipt: Receipt) -> dict[str, Any]:
    credits = receipt.credits
    data: dict[str, Any] = {
        "provider": receipt.provider,
        "model": receipt.model,
        "variant": receipt.variant,
        "state": receipt.state.value,
        "origin": receipt.origin,
        "job_id": receipt.job_id,
        "attempt": receipt.attempt,
        "request": receipt.request,
        "inputs": receipt.inputs,
        "credits": {"planned": credits.planned, "reported": credits.reported},
        "submitted_at": receipt.submitted_at,
        "finished_at": receipt.finished_at,
        "output": _output_to_json(receipt.output),
        "error": receipt.error,
    }
    if credits.charged is not None:
        data["credits"]["charged"] = credits.charged
    if receipt.account is not None:
        data["account"] = receipt.account
    if receipt.accepted_as_is:
        data["accepted_as_is"] = True
    return data


def _output_to_json(output: Output | None) -> dict[str, Any] | None:
    if output is None or not output.placed or not output.sha256:
        return None
    media = output.media
    data: dict[str, Any] = {
        "path": output.path,
        "sha256": output.sha256,
        "bytes": output.bytes,
        "media": {
            "duration": media.duration,
            "width": media.width,
            "height": media.height,
            "fps": media.fps,
            "audio": media.audio,
        },
    }
    if output.placed_at:
        data["placed_at"] = output.placed_at
    return data


def attempt_from_json(data: Mapping[str, Any]) -> Receipt:
    """Return one attempt from validated lockfile JSON, without its lists."""
    output = data["output"]
    return Receipt(
        provider=data["provider"],
        model=data["model"],
        variant=data["variant"],
        state=ReceiptState(data["state"]),
        origin=data["origin"],
        job_id=data["job_id"],
        attempt=data["attempt"],
        request=data["request"],
        inputs=data["inputs"],
        credits=Credits(**data["credits"]),
        submitted_at=data["submitted_at"],
        finished_at=data["finished_at"],
        output=output and Output(**{**output, "media": media_of(output["media"])}),
        error=data["error"],
        account=data.get("account"),
        accepted_as_is=data.get("accepted_as_is", False),
    )


def describe_remaining_charge(credits: int | None) -> str:
    """Return in words what stays charged for a failed job, None when the provider did not report it.


    '15 credits stay charged'
    """
    if not credits:
        return "its charge was not told" if credits is None else "not charged"
    return f"{credits:,} {'credit stays' if credits == 1 else 'credits stay'} charged"
