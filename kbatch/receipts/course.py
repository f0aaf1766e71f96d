"""The usual course of a purchase: sent, accepted, charged, rendered, fetched, delivered, and what befalls its clip.

What it makes of these events is what joining makes of them (`attempts`), and a test holds it to that; but a receipt is
made when it is asked for, not with every event. Anything else is left to joining: a second attempt, a refusal, a
failure, an event of another job or of another send.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from kbatch.receipts.attempts import greater, join_outputs, larger, moment
from kbatch.receipts.events import Event
from kbatch.receipts.lifecycle import Kind, State
from kbatch.receipts.receipt import Credits, Receipt, ReceiptState
from kbatch.receipts.told import told_of_job

_STAGES: Mapping[Kind, State] = {
    Kind.REPORTED: State.ACCEPTED,
    Kind.RENDERED: State.SUCCEEDED,
    Kind.DOWNLOADED: State.DOWNLOADED,
    Kind.DELIVERED: State.DONE,
    Kind.DELIVERED_WRONG: State.DELIVERED_WRONG,
    Kind.MOVED: State.ACCEPTED,
    Kind.ACCEPTED_AS_IS: State.ACCEPTED,
}
"""How far each of these events says that its job has come."""


class Course:
    """The one job of a receipt, underway; it is for receipts of which `Course.of` gives one."""

    __slots__ = ("_as_is", "_error", "_finished_at", "_output", "_receipt", "_reported", "_stage", "_state")

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._stage = receipt.stage
        self._state = receipt.state
        self._reported = receipt.credits.reported
        self._finished_at = receipt.finished_at
        self._output = receipt.output
        self._error = receipt.error
        self._as_is = receipt.accepted_as_is

    @classmethod
    def of(cls, receipt: Receipt | None) -> Self | None:
        """Return the course of a receipt that is of one job only, which did not fail."""
        if receipt is None or receipt.job_id is None or receipt.state is ReceiptState.FAILED or not _alone(receipt):
            return None
        return cls(receipt)

    def take(self, event: Event) -> bool:
        """Go on by one event, or say that it is not of this course, which then stays where it is."""
        stage = _STAGES.get(event.kind)
        receipt = self._receipt
        if stage is None or event.attempt != receipt.attempt or event.data["job_id"] != receipt.job_id:
            return False
        told = told_of_job(event)
        if stage is self._stage:
            self._error = greater(self._error, told.get("error"))
        elif stage.rank > self._stage.rank:
            self._stage, self._state, self._error = stage, told["state"], told.get("error")
        if "credits" in told:
            self._reported = larger(self._reported, told["credits"].reported)
        if "finished_at" in told:
            ended = told["finished_at"]
            self._finished_at = ended if self._finished_at is None else min(self._finished_at, ended, key=moment)
        if "output" in told:
            self._output = join_outputs(self._output, told["output"])
            if self._stage is State.SUCCEEDED:
                self._stage = State.DOWNLOADED
        self._as_is |= "accepted_as_is" in told
        return True

    def receipt(self) -> Receipt:
        """Return what is known of the job now."""
        return replace(
            self._receipt,
            state=self._state,
            credits=Credits(planned=self._receipt.credits.planned, reported=self._reported),
            finished_at=self._finished_at,
            output=self._output,
            error=self._error,
            accepted_as_is=self._as_is,
        )


def accepted(send: Receipt, event: Event) -> Receipt | None:
    """Return the job that the only send of a receipt became; None where this event does not tell of that."""
    if event.kind is not Kind.ACCEPTED or send.job_id is not None or not _alone(send):
        return None
    if (event.attempt, event.data["sent_at"]) != (send.attempt, send.submitted_at):
        return None
    return Receipt(
        provider=send.provider,
        model=send.model,
        variant=send.variant or None,
        origin=send.origin,
        job_id=event.data["job_id"],
        attempt=send.attempt,
        request=send.request,
        inputs=send.inputs,
        credits=Credits(planned=send.credits.planned),
        address=send.address,
        key=send.key,
        body=send.body or None,
        provider_time=send.provider_time or None,
        **told_of_job(event),
    )


def _alone(receipt: Receipt) -> bool:
    return not receipt.also and not receipt.failed and receipt.last_attempt == receipt.attempt
