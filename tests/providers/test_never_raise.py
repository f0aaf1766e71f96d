"""Whatever a server sends: no reader raises, and only an acceptance is taken for one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbatch.providers.base import Accepted, Answer, NoAnswer, NotAccepted, Reply
from kbatch.providers.registry import PACKAGED

NAMES = """
    id jobId status COMPLETED completed error FAILED result videoUrl video url jobs https://h/x team credits creditCost
    meta usage credits_used currency USD message current_balance data kind details detail loc msg path input expired
    nextCursor hasMore
"""
WORDS = st.sampled_from(NAMES.split())
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5))
OBJECTS = st.dictionaries(WORDS, JSON, max_size=6)
BODIES = st.binary(max_size=40) | JSON.map(lambda told: json.dumps(told).encode()) | OBJECTS.map(
    lambda told: json.dumps(told).encode()
)  # fmt: skip
DATES = st.text(max_size=30) | st.from_regex(r"\A\w{3}, \d{1,3} \w{3} \d{1,5} \d\d:\d\d:\d\d [-+A-Z0-9]{1,6}\Z")
HEADERS = st.fixed_dictionaries({}, optional={"retry-after": DATES, "date": DATES})
STATUSES = st.sampled_from([200, 201, 202, 204, 302, 400, 401, 402, 403, 404, 409, 429, 500, 503]) | st.integers(
    100, 999
)
ANSWERS = st.builds(Answer, status=STATUSES, headers=HEADERS, body=BODIES)
REPLIES = ANSWERS | st.builds(NoAnswer, message=st.text(max_size=20), maybe_sent=st.booleans())


@pytest.mark.parametrize("provider", PACKAGED.values(), ids=PACKAGED)
@settings(deadline=None)
@given(reply=REPLIES)
def test_no_reader_raises_and_messages_are_harmless(provider, reply: Reply):
    """Every reader returns an outcome for any status, header and body; its message is printable and short."""
    for read in (
        provider.read_poll,
        provider.read_job,
        provider.read_upload,
        provider.read_balance,
        provider.read_jobs,
    ):
        outcome = read(reply)
        message = getattr(outcome, "message", "")
        assert len(message) <= 500
        assert message.isprintable()


@pytest.mark.parametrize("provider", PACKAGED.values(), ids=PACKAGED)
@settings(deadline=None)
@given(reply=REPLIES, first=st.booleans())
def test_only_an_acceptance_is_accepted_and_only_a_first_send_refused(provider, reply: Reply, first: bool):
    """Accepted needs a 2xx that names the job; not accepted needs a first send and a listed answer."""
    outcome = provider.read_submit(reply, first=first)
    names_a_job = False
    if isinstance(reply, Answer) and 200 <= reply.status < 300:
        try:
            told = json.loads(reply.body)
        except ValueError:
            told = None
        names_a_job = isinstance(told, dict) and bool({"id", "jobId"} & set(told))
    if isinstance(outcome, Accepted):
        assert names_a_job
    if isinstance(outcome, NotAccepted):
        assert first
        if isinstance(reply, NoAnswer):
            assert not reply.maybe_sent
        else:
            assert reply.status in {400, 401, 402, 403, 404, 429} | ({503} if provider.resend_within else set())


@pytest.mark.parametrize("provider", PACKAGED.values(), ids=PACKAGED)
@settings(deadline=None)
@given(status=st.integers(200, 299), job_id=st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=80))
def test_an_acceptance_is_never_missed(provider, status, job_id):
    """A 2xx with a readable id is accepted under that very id, whatever stands beside it."""
    body = json.dumps({"id": job_id, "error": "x", "meta": None}).encode()
    outcome = provider.read_submit(Answer(status=status, body=body), first=False)
    assert outcome == Accepted(job_id=job_id)


def test_each_provider_is_registered_under_its_own_name():
    """The registry's keys are the names that manifests use."""
    assert {name: provider.name for name, provider in PACKAGED.items()} == {
        "apiframe": "apiframe",
        "aimlapi": "aimlapi",
    }
