"""Progress events of a run: one value for the live display, plain text and tests."""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct


class EventKind(StrEnum):
    """The kind of a progress event."""

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
    """One event of a job (`address`) or of the run (None); `progress` is in percent, `credits` a quote or a charge."""

    moment: EventKind
    address: str | None = None
    text: str = ""
    credits: int | None = None
    provider: str | None = None
    progress: int | None = None


OnProgress = Callable[[ProgressEvent], None]
EventT = TypeVar("EventT")


def safely(on_progress: Callable[[EventT], None]) -> Callable[[EventT], None]:
    """Return a callback that suppresses output errors, so that a closed terminal or a full log cannot end a run.

    Python raises ValueError for a closed stream and for a character that the stream cannot encode.
    """

    def call(event: EventT) -> None:
        with suppress(OSError, ValueError):
            on_progress(event)

    return call


def ignore(_event: object) -> None:
    """Discard an event: the default callback."""
