"""Trouble in the middle of a run: refusals, no more credits, prices that surprise; what runs is still collected."""

import pytest

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

FIVE = """
run: {concurrency: 2}
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: shot, prompt: "take {{ n }}", matrix: {n: [n1, n2, n3, n4, n5]}}
"""
OTHER = f"""
{AIMLAPI_PRICE}
run: {{concurrency: 2}}
defaults: {{model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: shot, prompt: "take {{{{ n }}}}", matrix: {{n: [n1, n2, n3, n4, n5]}}}}
"""


@pytest.mark.parametrize(
    ("body", "provider", "fault"),
    [
        pytest.param(FIVE, "apiframe", "401", id="apiframe-401"),
        pytest.param(FIVE, "apiframe", "402", id="apiframe-402"),
        pytest.param(FIVE, "apiframe", "403", id="apiframe-403"),
        pytest.param(OTHER, "aimlapi", "401", id="aimlapi-401"),
        pytest.param(OTHER, "aimlapi", "no-credits", id="aimlapi-403-out-of-credits"),
    ],
)
def test_a_provider_that_stops_the_run(either: Rig, body: str, provider: str, fault: str) -> None:
    """After a refused key or the end of the credits nothing more is submitted, what runs is collected: exit 5."""
    either.open({"fault": fault, "at": "submit", "match": "n3"})
    either.write(body, provider=provider)
    said = either.run()
    assert said.code == 5, said.err
    counts = said.json["counts"]
    assert counts["done"] == len(either.charges()) < 5
    assert counts["failed"] == 1
    assert counts["done"] + counts["failed"] + counts.get("skipped", 0) == 5
    assert either.bill()["requests"]["submit"] == counts["done"] + 1
    either.faults()
    assert either.run().code == 0
    assert len(either.charges()) == 5


def test_moderation_ends_one_job(both: Rig) -> None:
    """A refused prompt ends its own job, is not sent again unchanged, and `--failed` tries it again."""
    both.open({"fault": "moderation", "match": "n3"})
    both.write(FIVE)
    said = both.run()
    assert said.code == 1
    assert (said.json["counts"]["done"], said.json["counts"]["failed"]) == (4, 1)
    again = both.run()
    assert again.code == 1
    assert again.json["counts"]["blocked"] == 1
    assert both.bill()["requests"]["submit"] == 5
    both.faults()
    assert both.run("--failed").code == 0
    assert len(both.charges()) == 5


@pytest.mark.parametrize(("fault", "times"), [("429", 1), ("429-date", 1), ("503", 2)])
def test_too_many_requests_and_outages_are_waited_for(rig: Rig, fault: str, times: int) -> None:
    """A documented refusal is tried again after the time that the provider asks for, and is bought once."""
    rig.open({"fault": fault, "at": "submit", "times": times})
    rig.write(FIVE)
    said = rig.run()
    assert said.code == 0, said.err
    assert len(rig.charges()) == 5
    assert rig.bill()["requests"]["submit"] == 5 + times


def test_a_charge_above_the_quote_stops_the_model(both: Rig) -> None:
    """The first surprise is the only one: nothing more of the model is bought, exit 1; the next run wants a price."""
    both.open("charge-double")
    both.write(FIVE)
    said = both.run()
    assert said.code == 1
    assert [line["credits"] for line in both.charges()] == [8]
    assert "charged 8" in said.err
    assert said.json["credits"]["apiframe"] == {"planned": 4, "reported": 8, "refunded": 0, "unexplained": 4}
    (charge,) = said.json["jobs"]
    address = charge.pop("address")
    assert f"{address}: planned 4, reported 8, unexplained 4 apiframe credits" in said.err
    assert both.receipt(address)["credits"] == {"planned": 4, "reported": 8}
    assert charge == {
        "provider": "apiframe", "job_id": both.receipt(address)["job_id"],
        "planned": 4, "reported": 8, "refunded": 0, "unexplained": 4,
    }  # fmt: skip
    assert said.json["counts"]["done"] == 1
    assert both.kbatch("status", "--format", "json").json["charged"] == {"apiframe": 8}
    again = both.run()
    assert again.code == 3
    assert "unpriced" in again.err
    both.write(FIVE + "prices: {apiframe/kling-2.5-turbo-pro: {credits: 8}}\n")
    assert both.run().code == 0
    assert [line["credits"] for line in both.charges()] == [8] * 5


def test_a_charge_below_the_quote_is_a_difference_too(rig: Rig) -> None:
    """It stops nothing, and it is shown and makes exit 1: somebody's idea of the price is wrong."""
    rig.write("shots:\n  - {id: cheap, model: kling-2.5-turbo-pro, prompt: a}\n")
    app = rig.stage.app

    async def cheaper(scope, receive, send):
        async def told(message):
            body = message.get("body", b"").replace(b'"creditCost":4', b'"creditCost":3')
            await send({**message, "body": body} if "body" in message else message)

        await app(scope, receive, told)

    rig.stage.app = cheaper
    said = rig.run()
    assert said.code == 1
    assert said.json["credits"]["apiframe"] == {"planned": 4, "reported": 3, "refunded": 0, "unexplained": -1}
    assert "cheap: planned 4, reported 3, unexplained -1 apiframe credits" in said.err
    assert rig.states() == {"cheap": "done"}


def test_other_models_go_on_after_a_surprise(rig: Rig) -> None:
    """A surprise stops its own model only."""
    rig.open({"fault": "charge-double", "match": "dear"})
    rig.write("shots:\n"
              "  - {id: dear, model: kling-3.0, prompt: \"dear {{ n }}\", matrix: {n: [1, 2]}, params: {duration: 3}}\n"
              "  - {id: dear-silent, model: kling-3.0, prompt: dear, params: {duration: 15, generate_audio: false}}\n"
              "  - {id: fair, model: kling-2.1, prompt: \"fair {{ n }}\", matrix: {n: [n1, n2]}}\n")  # fmt: skip
    assert rig.run("-j", "1").code == 1
    assert sorted(line["model"] for line in rig.charges()) == ["kling-2.1", "kling-2.1", "kling-3.0"]


def test_a_ceiling_is_held_when_charges_surprise(rig: Rig) -> None:
    """A charge above its quote counts against the ceiling at once: what would pass it then is not bought."""
    rig.open({"fault": "charge-double", "match": "dear"})
    rig.write("shots:\n"
              "  - {id: fair, model: kling-3.0, prompt: fair,"
              " params: {duration: 3, mode: standard, generate_audio: false}}\n"
              "  - {id: dear, model: kling-2.5-turbo-pro, prompt: dear}\n")  # fmt: skip
    said = rig.run("-j", "1", "--max-credits", "16")
    assert said.code == 1
    assert [line["credits"] for line in rig.charges()] == [8]
    assert "the ceiling is reached" in said.err


def test_a_ceiling_is_held_when_a_charge_is_only_told_at_the_end(rig: Rig) -> None:
    """The place that an ended render leaves is free once its charge is counted, and not before."""
    rig.open({"fault": "charge-double", "match": "dear"})
    rig.write("shots:\n"
              "  - {id: fair, model: kling-3.0, prompt: fair,"
              " params: {duration: 3, mode: standard, generate_audio: false}}\n"
              "  - {id: dear, model: kling-2.5-turbo-pro, prompt: dear}\n")  # fmt: skip
    app = rig.stage.app

    async def silent(scope, receive, send):
        async def told(message):
            body = message.get("body", b"")
            early = b"COMPLETED" not in body
            await send({**message, "body": body.replace(b"creditCost", b"creditKost")} if body and early else message)

        await app(scope, receive, told)

    rig.stage.app = silent
    said = rig.run("-j", "1", "--max-credits", "16")
    assert said.code == 1
    assert [line["credits"] for line in rig.charges()] == [8]
    assert "the ceiling is reached" in said.err


@pytest.mark.parametrize("fault", ["fail", "400"])
def test_what_was_not_charged_is_free_again(rig: Rig, fault: str) -> None:
    """A refund or a refusal gives its reservation back: beside a charge that surprises, another job still fits."""
    rig.open({"fault": fault, "match": "gone"}, {"fault": "charge-double", "match": "dear"})
    rig.write("shots:\n"
              "  - {id: gone, model: kling-2.6, prompt: gone, params: {generate_audio: false}}\n"
              "  - {id: dear, model: kling-2.5-turbo-pro, prompt: dear}\n"
              "  - {id: last, model: kling-3.0, prompt: last,"
              " params: {duration: 3, mode: standard, generate_audio: false}}\n")  # fmt: skip
    said = rig.run("-j", "1", "--max-credits", str(15 + 4 + 9))
    assert said.code == 1
    assert said.json["counts"] == {**said.json["counts"], "done": 2, "failed": 1}
    assert rig.bill()["requests"]["submit"] == 3
    totals = rig.bill()["totals"]["apiframe"]
    assert totals["charged"] - totals["refunded"] == 8 + 9


def test_what_unknown_sends_hold_bounds_a_run_to_its_end(rig: Rig) -> None:
    """Nobody knows whether an earlier send was charged: beside a charge that surprises, its credits are not free."""
    lost = "shots:\n  - {id: lost, model: kling-2.5-turbo-pro, prompt: lost}\n"
    rig.open({"fault": "cut", "at": "submit", "match": "lost"}, {"fault": "charge-double", "match": "dear"})
    rig.write(lost)
    assert rig.run().code == 4
    rig.write(lost +
              "  - {id: fair, model: kling-3.0, prompt: fair,"
              " params: {duration: 3, mode: standard, generate_audio: false}}\n"
              "  - {id: dear, model: kling-2.5-turbo-pro, prompt: dear}\n")  # fmt: skip
    said = rig.run("-j", "1", "--max-credits", str(4 + 9 + 4))
    assert said.code == 4
    assert [line["credits"] for line in rig.charges()] == [8]
    assert "the ceiling is reached" in said.err


@pytest.mark.parametrize("fault", ["fail", "fail-moderation", "cancelled"])
def test_a_failed_render_is_refunded_and_bought_anew(either: Rig, fault: str) -> None:
    """A job that fails costs nothing; the next run buys a second attempt under a new key."""
    either.open({"fault": fault, "match": "n3", "times": 1})
    either.write(FIVE)
    said = either.run()
    assert said.code == 1
    assert said.json["credits"]["apiframe"] == {"planned": 20, "reported": 16, "refunded": 4, "unexplained": 0}
    refunded = {one["address"]: (one["reported"], one["refunded"]) for one in said.json["jobs"]}
    assert refunded == {f"shot[n=n{n}]": (0, 4) if n == 3 else (4, 0) for n in range(1, 6)}
    again = either.run()
    assert again.code == 0, again.err
    assert again.json["counts"]["done"] == 1
    assert either.receipt("shot[n=n3]")["attempt"] == 2
    totals = either.bill()["totals"]["apiframe"]
    assert totals == {"charged": 24, "refunded": 4}
    assert len({line["idempotency_key"] for line in either.charges()}) == 6


def test_failures_bound_what_is_submitted(rig: Rig) -> None:
    """`--fail-fast` submits nothing more after the first failure."""
    rig.open("fail")
    rig.write(FIVE)
    said = rig.run("--fail-fast", "-j", "1")
    assert said.code == 1
    assert said.json["counts"]["failed"] == 1
    assert len(rig.charges()) == 1


def test_a_job_that_needs_a_failed_one_is_blocked(rig: Rig) -> None:
    """A chain ends where it breaks: what needs the frame of a failed job is blocked, and costs nothing."""
    rig.open({"fault": "fail", "match": "begins"})
    rig.write(
        "defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: first, prompt: it begins}\n"
        "  - id: second\n    prompt: on it goes\n    params: {start_image: \"{{ last_frame('first') }}\"}\n"
    )
    said = rig.run()
    assert said.code == 1
    assert (said.json["counts"]["failed"], said.json["counts"]["blocked"]) == (1, 1)
    assert rig.bill()["requests"]["submit"] == 1
