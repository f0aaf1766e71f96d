"""From a reply to an outcome: which answers mean that nothing was bought stands here, once, for both APIs."""

from collections.abc import Mapping

from kbatch.providers.answers import retry_after
from kbatch.providers.base import Accepted, Answer, NoAnswer, NotAccepted, NotNow, Reason, Reply, SubmitOutcome, Unknown
from kbatch.providers.messages import message_of

REFUSALS: Mapping[int, Reason] = {
    400: Reason.INVALID,
    401: Reason.KEY,
    402: Reason.CREDITS,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    429: Reason.RATE,
}
"""The statuses that say of a first send that nothing was accepted."""


def sort_submit(reply: Reply, *, first: bool, accepted: Accepted | None, refused: Reason | None) -> SubmitOutcome:
    """Sort the reply to a paying call: the one place that decides whether money may have been spent.

    `accepted` is what a 2xx says, `refused` the reason that the status gives; only a first send can be refused.
    """
    message = message_of(reply, "no job id in it")
    if isinstance(reply, NoAnswer):
        if first and not reply.maybe_sent:
            return NotAccepted(reason=Reason.NO_CONNECTION, message=message)
        return Unknown(message=message)
    if accepted is not None:
        return accepted
    wait = retry_after(reply.headers)
    if first and refused is not None:
        return NotAccepted(reason=refused, message=message, retry_after_s=wait)
    return Unknown(message=message, exists=reply.status == 409, retry_after_s=wait)


def not_accepted(reply: Reply, refused: Reason | None, lack: str = "") -> NotAccepted:
    """Return the failure of a call that costs nothing; what no status explains is `unavailable`."""
    if isinstance(reply, NoAnswer):
        return NotAccepted(reason=Reason.NO_CONNECTION, message=message_of(reply))
    reason = refused or Reason.UNAVAILABLE
    return NotAccepted(reason=reason, message=message_of(reply, lack), retry_after_s=retry_after(reply.headers))


def not_now(reply: Reply, refused: Reason | None, lack: str = "") -> NotNow:
    """Return the failure of a poll; only a refused key makes asking again useless."""
    stop = refused if refused in (Reason.KEY, Reason.FORBIDDEN) else None
    wait = retry_after(reply.headers) if isinstance(reply, Answer) else None
    return NotNow(message=message_of(reply, lack), retry_after_s=wait, stop=stop)
