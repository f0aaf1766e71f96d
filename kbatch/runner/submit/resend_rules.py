"""Whether an unknown send may be sent again, and why not.

A resend may be a purchase. Its body must equal the request of a job of this manifest byte for byte, with images that
this user uploaded for it, and its record must bear this user's seal (`receipts/journal/seals`). A send that came with a
checkout is searched for at the provider and never sent again.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET, Struct

from kbatch.manifest.drafts import Frame
from kbatch.manifest.images import InlineImage, LocalImage, RemoteImage
from kbatch.manifest.places import put_at, value_at
from kbatch.models.body import body_of, parameters_of, publish
from kbatch.models.fingerprint import canonical
from kbatch.models.request import Input
from kbatch.planner.jobs import Job
from kbatch.providers.registry import provider_of
from kbatch.receipts.event_data import Intended, Uploaded
from kbatch.receipts.events import Event
from kbatch.receipts.receipt import Receipt, without_queries
from kbatch.runner.preflight.clip_paths import is_of_another_request
from kbatch.runner.submit.resolve_unknown import within_window
from kbatch.runner.submit.submit import idempotency_key

_Send = tuple[str | None, int | None, str]
_AS_SENT = ("origin", "endpoint", "key", "body", "provider_time", "account")


class OwnRecords(Struct, frozen=True, kw_only=True):
    """This user's own events: data of sends by fingerprint, attempt and time, and of uploads."""

    sends: Mapping[_Send, Intended]
    uploads: tuple[Uploaded, ...]

    def uploaded(self, url: object, digest: str, receipt: Receipt) -> bool:
        """Whether an image was uploaded to this URL, for the receipt's provider and origin."""
        return any(
            (one.url, one.digest, one.provider) == (url, digest, receipt.provider)
            and one.origin in (UNSET, receipt.origin)
            for one in self.uploads
        )


def own_records_of(events: Iterable[Event]) -> OwnRecords:
    """Return the records of events, all of which the caller has verified as this user's own."""
    known = tuple(events)
    return OwnRecords(
        sends={(one.fingerprint, one.attempt, one.at): data for one in known if isinstance(data := one.data, Intended)},
        uploads=tuple(data for one in known if isinstance(data := one.data, Uploaded)),
    )


def resend_objection(job: Job, receipt: Receipt, own: OwnRecords, now: datetime) -> str | None:
    """Return why an unknown send of a job is not sent again, None when it may be, with consent.

    `now` is this machine's time, which saves a request; the provider's own clock decides before the send.
    """
    sent = own.sends.get((job.fingerprint, receipt.attempt, receipt.submitted_at or ""))
    if sent is None or any((getattr(sent, name) or None) != (getattr(receipt, name) or None) for name in _AS_SENT):
        return "its record here was not made by this user on this machine"
    if receipt.key != idempotency_key(job.fingerprint, receipt.attempt) or not _is_request(job, receipt, own):
        return "the body on record is not what this job's request gives"
    window = provider_of(job.provider).resend_within or timedelta()
    if not within_window(receipt.submitted_at, now, window):
        return f"its key is relied on for {window.total_seconds() / 3600:g} hours only"
    return None


def is_of_another(job: Job, receipt: Receipt) -> bool:
    """Whether the record of a send is of another request than the job's, URLs of images aside.

    A search by such a record could claim another purchase's job.
    """
    try:
        if is_of_another_request(job, receipt):
            return True
        if receipt.body is None:
            return False
        body = json.loads(receipt.body)
        params: Mapping[str, Any] = parameters_of(job.card, body)
        for part in job.inputs:
            if not isinstance(part.image, RemoteImage):
                params = put_at({part.place[0]: None, **params}, part.place, part.token)
        sent = {**body_of(job.card, body.get("prompt"), params), "model": body["model"]}
        return canonical(without_queries(sent)) != canonical(receipt.request)
    except (ValueError, TypeError, LookupError, AttributeError):
        return True


def _is_request(job: Job, receipt: Receipt, own: OwnRecords) -> bool:
    """Whether the recorded body equals, byte for byte, the job's request with images that were uploaded for it."""
    try:
        given = parameters_of(job.card, json.loads(receipt.body or "null"))
        values: dict[str, str] = {}
        for part in job.inputs:
            digest = _digest_of(part, receipt)
            if digest is None:
                continue
            url = value_at(given, part.place)
            if not own.uploaded(url, digest, receipt):
                return False
            values[part.token] = url
    except (ValueError, TypeError, LookupError, AttributeError):
        return False
    return publish(job.card, job.request, values) == _without_webhook(job, (receipt.body or "").encode())


def _without_webhook(job: Job, body: bytes) -> bytes:
    """Return the bytes of a body that are the purchase; where a webhook of it goes is this user's own record."""
    strip: Callable[[bytes], bytes] | None = getattr(provider_of(job.provider), "without_webhook", None)
    return body if strip is None else strip(body)


def _digest_of(part: Input, receipt: Receipt) -> str | None:
    """Return the digest of an uploaded image, None for a remote URL, which is sent as it is."""
    match part.image:
        case LocalImage(digest=digest) | InlineImage(digest=digest):
            return digest
        case Frame():
            used = receipt.inputs[part.parameter]
            if part.token != f"frame:{used['frame']}:{used['fingerprint']}":
                raise ValueError("the frame of another clip")
            return str(used["sha256"])
        case _:
            return None
