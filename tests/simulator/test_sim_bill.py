"""The bill: what was charged and refunded, in its contracted shape."""

import json
from typing import Any

import pytest
from simulator_calls import (
    APIFRAME_KEY,
    START,
    aimlapi_submit,
    apiframe_poll,
    apiframe_submit,
    bill_of,
    call,
    clip_url,
    document,
    download,
    job_id,
    new,
    poll,
    submit,
    upload,
)

from kbatch.simulator import bill
from kbatch.simulator.faults.selection import rule


def test_an_empty_bill_has_every_key() -> None:
    """The shape is whole before anything happened."""
    none = {"charged": 0, "refunded": 0}
    assert bill_of(new()) == {
        "charges": [],
        "totals": {"apiframe": none, "aimlapi": none},
        "requests": {"submit": 0, "poll": 0, "download": 0, "upload": 0},
        "warnings": [],
    }


def test_a_charge_has_the_contracted_fields() -> None:
    """Exactly the fields of the contract, for both providers."""
    world = new()
    first = job_id(apiframe_submit(world, key="k1"))
    second = job_id(aimlapi_submit(world, now=START + 1))
    at = "2026-05-28T20:26:40.000Z"
    line = {
        "job_id": first,
        "provider": "apiframe",
        "model": "kling-2.6",
        "variant": "5s",
        "credits": 15,
        "refunded": 0,
    }
    assert bill_of(world)["charges"][0] == {**line, "idempotency_key": "k1", "at": at}
    assert bill_of(world)["charges"][1]["job_id"] == second
    assert bill_of(world)["charges"][1]["at"] == "2026-05-28T20:26:41.000Z"


def test_the_charge_is_there_before_the_answer() -> None:
    """The world that returns the acceptance already holds the charge, and says that it must be written first."""
    world = new()
    reply = apiframe_submit(world)
    assert reply.charged
    assert len(world.bill.charges) == 1
    assert not apiframe_poll(world, job_id(reply)).charged


@pytest.mark.parametrize("provider", ["apiframe", "aimlapi"])
def test_a_failed_job_is_refunded_in_full_when_it_fails(provider: str) -> None:
    """Not a moment before its end; then charged and refunded are equal, once, however often it is asked for."""
    world = new("fail", latency_s=60)
    job = job_id(submit(world, provider))
    before = bill_of(world, now=START + 59)["totals"][provider]
    assert before["refunded"] == 0
    for _ in range(2):
        assert poll(world, provider, job, now=START + 60).status == 200
        totals = bill_of(world, now=START + 60)["totals"][provider]
        assert totals["refunded"] == totals["charged"] == before["charged"] > 0


def test_a_refund_needs_no_poll() -> None:
    """Time alone refunds: the balance is whole again although nobody asked for the job."""
    world = new("fail", latency_s=60, credits={"apiframe": 15})
    apiframe_submit(world)
    team = document(call(world, "GET", "/v2/me", headers=APIFRAME_KEY, now=START + 60))["team"]
    assert team["credits"] == 15


def test_a_second_refund_changes_nothing() -> None:
    """A job gets its charge back once."""
    account = bill.Bill()
    bill.charge(account, bill.BilledCharge(job_id="a", provider="apiframe", model="m", variant="v", credits=7))
    for _ in range(2):
        bill.refund(account, "a")
    assert (account.refunded["apiframe"], account.charges["a"].refunded) == (7, 7)


def test_totals_are_the_sum_of_the_charges() -> None:
    """Whatever happened, totals and lines agree, and balance plus what stays charged is what there was."""
    world = new(rule("fail", match="[2-4]"), rule("charge-double", match="[4-5]"), credits={"apiframe": 1000})
    for number in range(8):
        apiframe_submit(world, prompt=f"shot {number}")
    found = bill_of(world)
    charged = sum(line["credits"] for line in found["charges"])
    refunded = sum(line["refunded"] for line in found["charges"])
    assert found["totals"]["apiframe"] == {"charged": charged, "refunded": refunded}
    assert (charged, refunded) == (8 * 15 + 2 * 15, 3 * 15 + 15)
    team = document(call(world, "GET", "/v2/me", headers=APIFRAME_KEY))["team"]
    assert team["credits"] == 1000 - charged + refunded


def test_requests_are_counted_by_kind() -> None:
    """Refused ones too."""
    world = new()
    job = job_id(apiframe_submit(world))
    apiframe_submit(world, model="nothing")
    call(world, "POST", "/v2/videos/generate")
    url = clip_url(apiframe_poll(world, job))
    download(world, url)
    upload(world)
    call(world, "GET", "/v2/me", headers=APIFRAME_KEY)
    call(world, "GET", "/v2/jobs", headers=APIFRAME_KEY)
    call(world, "GET", "/v2/models")
    assert bill_of(world)["requests"] == {
        **dict.fromkeys(("poll", "download", "upload", "list", "models", "account"), 1),
        "submit": 3,
    }


@pytest.mark.parametrize("header", ["x-api-key", "authorization", "cookie", "proxy-authorization"])
def test_a_key_at_the_clip_host_is_refused_and_noted(header: str) -> None:
    """A clip, a picture and a foreign host answer 400 to any key or cookie, and the bill warns."""
    world = new()
    clip = clip_url(apiframe_poll(world, job_id(apiframe_submit(world))))
    image = document(upload(world))["url"].removeprefix("http://127.0.0.1")
    for path in (clip, image, "/__elsewhere/v2/videos/generate"):
        assert call(world, "GET", path, headers={header: "secret"}).status == 400
    assert bill_of(world)["warnings"] == [{"keys_leaked": 3, "header": header}]
    assert "secret" not in json.dumps(bill_of(world))


def test_the_text_of_the_bill_is_the_document_of_the_bill() -> None:
    """What is written line by line is the same JSON as the whole, after charges and refunds."""
    world = new(rule("fail", times=2))
    for number in range(5):
        apiframe_submit(world, prompt=f"shot {number}", key=f'"{number}"')
    bill_of(world)

    def whole(value: Any) -> Any:
        return json.loads(json.dumps(value))

    assert json.loads(bill.as_text(world.bill)) == whole(bill.as_document(world.bill))
    assert [line["refunded"] for line in bill_of(world)["charges"]] == [15, 15, 0, 0, 0]
