"""What may be sent again: this user's own record, and the very request of the job, down to each picture's upload."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET, convert, to_builtins
from PIL import Image

from kbatch.models.body import publish
from kbatch.pipeline.load import load
from kbatch.planner.jobs import Job
from kbatch.receipts.event_data import Intended, Uploaded
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.receipts.fold import fold
from kbatch.runner.submit.resend_rules import own_records_of, resend_objection
from kbatch.runner.submit.submit import idempotency_key

AT = "2026-11-21T12:00:00.000Z"
NOW = datetime(2026, 11, 21, 13, 0, tzinfo=UTC)
URL = "https://cdn.example.com/a.png"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Return a job with a picture."""
    Image.new("RGB", (320, 320), "teal").save(tmp_path / "a.png")
    path = tmp_path / "campaign.yaml"
    text = "kbatch: 1\nname: a\nprovider: apiframe\nshots:\n"
    path.write_text(
        text + "  - {id: one, model: kling-2.6, prompt: a ridge, params: {start_image: a.png}}\n", encoding="utf-8"
    )
    return load(path).jobs[0]


def picture(job: Job) -> str:
    """Return the digest of the job's picture."""
    return job.inputs[0].token.removeprefix("sha256:")


def sent(job: Job, **changes: Any) -> Event:
    """Return the record of the job's send."""
    data = {
        "address": job.address,
        "provider": job.provider,
        "model": job.model,
        "variant": job.quote.variant,
        "origin": "loopback",
        "key": idempotency_key(job.fingerprint, 1),
        "credits": job.quote.credits,
        "request": dict(job.request),
        "inputs": {"start_image": {"sha256": picture(job)}},
        "body": publish(job.card, job.request, {job.inputs[0].token: URL}).decode(),
        "provider_time": AT[:19] + "Z",
        "account": None,
        **changes,
    }
    fact = Fact(fingerprint=job.fingerprint, attempt=1, data=convert(data, Intended))
    return stamp(fact, at=AT, run="r", sequence=2)


def uploaded(job: Job, **changes: Any) -> Event:
    """Return the record of the picture's upload."""
    data = {"provider": job.provider, "digest": picture(job), "url": URL, "expires_at": None, "origin": "loopback"}
    return stamp(Fact(data=Uploaded(**{**data, **changes})), at=AT, run="r", sequence=1)


def test_the_very_request_may_be_sent_again(job: Job) -> None:
    """Own record, own upload, within the time: nothing is against it; an upload of an older kbatch has no origin."""
    events = (uploaded(job), sent(job))
    receipt = fold(events)[job.fingerprint]
    assert resend_objection(job, receipt, own_records_of(events), NOW) is None
    old = uploaded(job, origin=UNSET)
    assert resend_objection(job, receipt, own_records_of((old, sent(job))), NOW) is None


BODIES: Mapping[str, Mapping[str, Any]] = {
    "another-prompt": {"body": '{"klingParams":{},"model":"kling-2.6","prompt":"another film"}'},
    "no-json": {"body": "{"},
    "no-object": {"body": "[]"},
    "no-body": {"body": None},
    "another-key": {"key": "kbatch-another"},
}


@pytest.mark.parametrize("changes", BODIES.values(), ids=BODIES)
def test_another_body_or_key_is_never_sent(job: Job, changes: Mapping[str, Any]) -> None:
    """Even this user's own record is no reason to send what the job's request does not give."""
    events = (uploaded(job), sent(job, **changes))
    said = resend_objection(job, fold(events)[job.fingerprint], own_records_of(events), NOW)
    assert said == "the body on record is not what this job's request gives"


def test_a_byte_more_is_another_body(job: Job) -> None:
    """The same JSON with a space is not the bytes that were sent under the key."""
    body = str(to_builtins(sent(job).data)["body"])
    events = (uploaded(job), sent(job, body=body.replace(":", ": ", 1)))
    assert resend_objection(job, fold(events)[job.fingerprint], own_records_of(events), NOW)


UPLOADS: Mapping[str, Mapping[str, Any]] = {
    "another-picture": {"digest": sha256(b"another").hexdigest()},
    "another-place": {"url": "https://cdn.example.com/b.png"},
    "another-provider": {"provider": "aimlapi"},
    "another-origin": {"origin": "simulator"},
}


@pytest.mark.parametrize("changes", UPLOADS.values(), ids=UPLOADS)
def test_a_picture_must_be_this_user_s_own_upload_of_it(job: Job, changes: Mapping[str, Any]) -> None:
    """A URL in the body stands for the picture only by an own upload of these bytes, there."""
    events = (uploaded(job, **changes), sent(job))
    assert resend_objection(job, fold(events)[job.fingerprint], own_records_of(events), NOW)


def test_without_an_own_record_nothing_is_sent(job: Job) -> None:
    """What others wrote of a send informs, and an own record of another moment or body does not vouch for it."""
    events = (uploaded(job), sent(job))
    receipt = fold(events)[job.fingerprint]
    words = "its record here was not made by this user on this machine"
    assert resend_objection(job, receipt, own_records_of(events[:1]), NOW) == words
    assert resend_objection(job, receipt, own_records_of((uploaded(job), sent(job, body="{}"))), NOW) == words
    assert resend_objection(job, receipt, own_records_of((uploaded(job), sent(job, provider_time=None))), NOW) == words
    assert resend_objection(job, receipt, own_records_of((uploaded(job), sent(job, endpoint="v2"))), NOW) == words


@pytest.mark.parametrize("hours", [20, 24, -1], ids=["twenty-hours", "a-day", "a-clock-of-the-past"])
def test_a_key_that_may_be_forgotten_is_not_offered(job: Job, hours: int) -> None:
    """The plan offers no send again that the run would not make."""
    events = (uploaded(job), sent(job))
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC) + timedelta(hours=hours)
    said = resend_objection(job, fold(events)[job.fingerprint], own_records_of(events), now)
    assert said == "its key is relied on for 20 hours only"
