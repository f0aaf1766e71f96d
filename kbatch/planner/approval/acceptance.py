"""Acceptance of a clip as it is: one that differs from what was bought, or whose upstream was bought again.

Nothing else can be accepted: an unpaid job has no clip, and a correct clip needs no acceptance.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from kbatch.errors import Invalid, Problem, Refused, did_you_mean
from kbatch.planner.actions import PlanEntry
from kbatch.receipts.receipt import Receipt, ReceiptState


class Acceptance(Struct, frozen=True, kw_only=True):
    """A purchase that is kept as it is; `why` is the cause of its reminder, `before` says it was accepted earlier."""

    address: str
    fingerprint: str
    attempt: int
    job_id: str
    why: str
    before: bool = False


def accept(
    addresses: Iterable[str], entries: Sequence[PlanEntry], renders: Mapping[str, Receipt]
) -> tuple[Acceptance, ...]:
    """Return the acceptances at these addresses, each purchase once.

    Invalid for an address without a job; Refused when a job needs no acceptance, or when all were accepted before.
    """
    known = {receipt.address: key for key, receipt in renders.items() if receipt.address}
    known |= {entry.address: entry.job.fingerprint for entry in entries}
    words = list(dict.fromkeys(addresses))
    unknown = [word for word in words if word not in known]
    if unknown:
        raise Invalid(_unknown(word, known) for word in unknown)
    reminded = {entry.job.fingerprint for entry in entries if entry.reminder}
    found: dict[str, Acceptance] = {}
    for word in words:
        key = known[word]
        found.setdefault(key, _accept(word, key, renders.get(key), stale=key in reminded))
    if all(acceptance.before for acceptance in found.values()):
        raise Refused("nothing-to-accept", f"{_listed(words)}: accepted before, no reminder is left")
    return tuple(found.values())


def _unknown(word: str, known: Mapping[str, str]) -> Problem:
    return Problem(code="no-such-job", message=f"`{word}` names no job", hint=did_you_mean(word, known))


def _accept(address: str, key: str, receipt: Receipt | None, *, stale: bool) -> Acceptance:
    if receipt is None or receipt.job_id is None:
        raise Refused("nothing-to-accept", f"`{address}` is not bought, so there is nothing to accept")
    wrong = receipt.state is ReceiptState.DELIVERED_WRONG
    if not (wrong or stale or receipt.accepted_as_is):
        message = f"`{address}` is {receipt.state.label}, there is nothing to accept"
        hint = "only what was delivered-wrong or is stale can be accepted: `kbatch status` and `kbatch plan` show both"
        raise Refused("nothing-to-accept", message, hint=hint)
    said = receipt.error_message
    return Acceptance(
        address=address,
        fingerprint=key,
        attempt=receipt.attempt,
        job_id=receipt.job_id,
        why=f"delivered otherwise than bought: {said}" if wrong else "stale: its upstream was bought anew",
        before=receipt.accepted_as_is,
    )


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
