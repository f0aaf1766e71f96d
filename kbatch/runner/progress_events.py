"""What a run tells while it goes on: one value for the live display, plain lines and tests alike."""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct


class EventKind(StrEnum):
    """What happened to a job, or to the run."""

    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    RENDERING = "rendering"
    RENDERED = "rendered"
    DOWNLOADING = "downloading"
    DONE = "done"
    MOVED = "moved"
    DELIVERED_WRONG = "delivered-wrong"
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    OWED = "owed"
    SKIPPED = "skipped"
    WAITING = "waiting"
    NOTE = "note"


class ProgressEvent(Struct, frozen=True, kw_only=True):
    """One moment of a job (`address`) or of the run (None), in words; `credits` where money is concerned."""

    moment: EventKind
    address: str | None = None
    text: str = ""
    credits: int | None = None
    provider: str | None = None
    progress: int | None = None


OnProgress = Callable[[ProgressEvent], None]
EventT = TypeVar("EventT")


def safely(on_progress: Callable[[EventT], None]) -> Callable[[EventT], None]:
    """Return a teller that cannot end a run: what is paid matters more than a closed terminal or a full log.

    A ValueError is what Python makes of a stream that is closed, or that cannot write a letter.
    """

    def told(what: EventT) -> None:
        with suppress(OSError, ValueError):
            on_progress(what)

    return told


def ignore(_told: object) -> None:
    """Take what is told and do nothing: nobody watches."""
