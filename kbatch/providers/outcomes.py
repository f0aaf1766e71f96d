"""From a reply to an outcome: which answers mean that nothing was bought stands here, once, for both APIs."""

from collections.abc import Mapping, Sequence

from kbatch.providers.base import Accepted, Answer, NoAnswer, NotAccepted, NotNow, Reason, Reply, SubmitOutcome, Unknown
from kbatch.providers.error_messages import harmless, message_of, refused_fields
from kbatch.providers.responses import retry_after

_GONE = (404, 410)
_KEPT = 300
REFUSALS: Mapping[int, Reason] = {
    400: Reason.INVALID,
    401: Reason.KEY,
    402: Reason.CREDITS,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    429: Reason.RATE,
}
"""The statuses that say of a first send that nothing was accepted."""


def sort_submit(
    reply: Reply, *, first: bool, ids: Sequence[str], credits: int | None, refused: Reason | None
) -> SubmitOutcome:
    """Sort the reply to a paying call: the one place that decides whether money may have been spent.

    `ids` are the job ids in a 2xx, of which there must be one; `refused` is the reason that the status gives; only a
    first send can be refused. What else a 2xx says is kept in the message: it may be all that leads to the job.
    """
    accepted = Accepted(job_id=ids[0], credits=credits) if len(ids) == 1 else None
    message = message_of(reply, "no job id in it")
    if isinstance(reply, NoAnswer):
        if first and not reply.maybe_sent:
            return NotAccepted(reason=Reason.NO_CONNECTION, message=message)
        return Unknown(message=message)
    if accepted is not None:
        return accepted
    wait = retry_after(reply.headers)
    if ids:
        message = harmless(f"HTTP {reply.status}: it names {len(ids)} job ids: {', '.join(ids)}")
    elif 200 <= reply.status < 300:
        message = harmless(f"{message}; it says: {reply.body[:_KEPT].decode('utf-8', 'replace')}")
    if first and refused is not None:
        fields = refused_fields(reply) if refused is Reason.INVALID else ()
        return NotAccepted(reason=refused, message=message, retry_after_s=wait, fields=fields)
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
    gone = isinstance(reply, Answer) and reply.status in _GONE
    return NotNow(message=message_of(reply, lack), retry_after_s=wait, stop=stop, gone=gone)
