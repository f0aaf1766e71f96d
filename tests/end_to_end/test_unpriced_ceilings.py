"""A ceiling holds where nobody knows the price: jobs go one at a time until a charge is known, and stop below it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.campaign_rig import AIMLAPI, Rig

EIGHT = f"""
run: {{concurrency: {{aimlapi: 4}}}}
shots:
  - id: shot
    provider: aimlapi
    model: {AIMLAPI}
    prompt: "{{{{ n }}}}"
    matrix: {{n: [n1, n2, n3, n4, n5, n6, n7, n8]}}
    params: {{image_url: "https://example.com/a.png"}}
"""
PRICED = f"prices: {{aimlapi/{AIMLAPI}: {{credits: 1}}}}\n"


def paid(rig: Rig) -> list[int]:
    """Return what the bill says of each job."""
    return [line["credits"] for line in rig.charges("aimlapi")]


Meta = Callable[[dict[str, Any]], dict[str, Any]]


def without_meta(rig: Rig) -> None:
    """Let no answer have a charge, and the ledger no entry yet, as the API may."""
    telling(rig, lambda told: {key: value for key, value in told.items() if key != "meta"})


def telling(rig: Rig, change: Meta) -> None:
    """Let each answer that has a charge be changed on its way; the ledger has no entry yet."""
    app = rig.stage.app
    assert app is not None

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[Message] = []

        async def take(message: Message) -> None:
            parts.append(message)

        await app(scope, receive, take)
        body = b"".join(part.get("body", b"") for part in parts if part["type"] == "http.response.body")
        if b'"meta"' in body:
            body = json.dumps(change(json.loads(body))).encode()
        if scope["path"] == "/v2/billing/transactions":
            body = json.dumps({"data": [], "pagination": {"next_cursor": None, "has_more": False}}).encode()
        headers = [pair for pair in parts[0]["headers"] if not pair[0].lower().startswith((b"x-aimlapi", b"content-l"))]
        length = (b"content-length", str(len(body)).encode())
        await send({**parts[0], "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    rig.stage.app = silent


def test_a_ceiling_over_unpriced_jobs_is_not_passed(both: Rig) -> None:
    """Eight jobs of a price that nobody stated, and credits for two of them: two are bought, whatever runs at once."""
    both.write(EIGHT)
    one = 1_312_500
    said = both.run("--allow-unpriced", "8", "--max-credits", f"aimlapi={2 * one + 5}")
    assert said.code == 1, said.err
    assert paid(both) == [one, one]
    assert "the ceiling is reached" in said.err


def test_a_charge_that_is_never_told_stops_what_comes_after(both: Rig) -> None:
    """One job's charge is not told by its end: nothing can be proven any more, so nothing more is bought."""
    both.write(EIGHT)
    without_meta(both)
    said = both.run("--allow-unpriced", "8", "--max-credits", "aimlapi=1500000")
    assert said.code == 1, said.err
    assert len(paid(both)) == 1
    assert "is not told, so the ceiling cannot be held" in said.err


@pytest.mark.parametrize("early", [0, 1, 1_000])
def test_a_charge_that_grows_until_the_end_passes_no_ceiling(both: Rig, early: int) -> None:
    """What is said before a render has ended is not what it costs: a ceiling for two jobs is not spent on more."""
    both.write(EIGHT)

    def late(told: dict[str, Any]) -> dict[str, Any]:
        done = told["status"] == "completed"
        return told if done else {**told, "meta": {"usage": {"credits_used": early, "usd_spent": 0}}}

    telling(both, late)
    said = both.run("--allow-unpriced", "8", "--max-credits", "aimlapi=2625005")
    assert said.code == 1, said.err
    assert paid(both) == [1_312_500, 1_312_500]


def test_an_untold_charge_counts_against_the_budget_of_the_next_run(rig: Rig) -> None:
    """It is unknown and not 0: a budget cannot be held, exit 3 before anything is sent, and a stated price ends it."""
    rig.write("budget: {max_credits: {aimlapi: 3000000}}\n" + EIGHT)
    without_meta(rig)
    assert rig.run("--allow-unpriced", "8").code == 1
    again = rig.run("--allow-unpriced", "8")
    assert again.code == 3
    assert "untold-charges" in again.err
    assert len(paid(rig)) == 1


def test_what_receipts_were_charged_is_reserved_from_the_first_job_on(rig: Rig) -> None:
    """With a charge on record no job goes alone, and none is bought that a ceiling has no room for."""
    rig.write(EIGHT)
    assert rig.run("--only", "*n1*", "--allow-unpriced", "1").code == 0
    said = rig.run("--allow-unpriced", "7", "--max-credits", "aimlapi=1312499")
    assert said.code == 1
    assert len(paid(rig)) == 1


def test_a_price_that_a_manifest_invents_needs_trust(rig: Rig) -> None:
    """Eight credits in the plan and ten million on the bill: refused, unless someone trusts the figure."""
    rig.trusting = False
    rig.write(PRICED + EIGHT)
    without_meta(rig)
    said = rig.run("--max-credits", "100")
    assert said.code == 3
    assert "price-invented" in said.err
    assert paid(rig) == []


def test_an_invented_price_can_be_rehearsed(rig: Rig) -> None:
    """Nothing is paid in a rehearsal, so it needs no trust; a lowered price is refused there too."""
    rig.trusting = False
    rig.write(PRICED + EIGHT)
    assert rig.run("--simulate", "--first", "1").json["counts"]["done"] == 1
    lowered = "prices: {apiframe/kling-2.5-turbo-pro: {credits: 1}}\n"
    rig.write(lowered + "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a}\n")
    assert rig.run("--simulate").code == 3
    assert rig.bill()["charges"] == []


def test_an_invented_price_is_never_below_a_charge_that_is_known(rig: Rig) -> None:
    """Once a receipt tells what the model costs, that is the figure: for the plan, the ceiling, and without a flag."""
    rig.trusting = False
    rig.write(EIGHT)
    assert rig.run("--only", "*n1*", "--allow-unpriced", "1").code == 0
    rig.write(PRICED + EIGHT)
    plan = rig.kbatch("plan", "--format", "json").json
    assert plan["totals"]["aimlapi"]["maximum"] == 7 * 1_312_500
    assert rig.run("--max-credits", "100").code == 3
    assert len(paid(rig)) == 1


def test_a_trusted_price_counts_no_less_than_what_is_known_of_its_model(rig: Rig) -> None:
    """Ten seconds for one credit, trusted, where five were charged a million: a ceiling of 100 has no room for it."""
    rig.write(EIGHT)
    assert rig.run("--only", "*n1*", "--allow-unpriced", "1").code == 0
    rig.write(PRICED + EIGHT.replace("params: {", "params: {duration: 10, "))
    said = rig.run("--max-credits", "100")
    assert said.code == 1
    assert "the ceiling is reached" in said.err
    assert len(paid(rig)) == 1


def test_a_variant_that_surprised_reserves_what_it_was_charged(both: Rig) -> None:
    """Apiframe charged 8 for 4, so its price is unknown: under a ceiling of 20 two more are bought, for 8 each."""
    both.open("charge-double")
    both.write("""
run: {concurrency: 4}
shots:
  - {id: shot, model: kling-2.5-turbo-pro, prompt: "{{ n }}", matrix: {n: [n1, n2, n3, n4, n5]}}
""")
    assert both.run().code == 1
    assert [line["credits"] for line in both.charges()] == [8]
    said = both.run("--allow-unpriced", "4", "--max-credits", "20")
    assert said.code == 1, said.err
    assert [line["credits"] for line in both.charges()] == [8, 8, 8]


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_every_form_of_the_plan_says_whose_price_it_is(rig: Rig, form: str) -> None:
    """A reviewer sees that only the manifest states the price, in whatever form the plan is read."""
    rig.write(PRICED + EIGHT)
    said = rig.kbatch("plan", "--format", form)
    if form == "json":
        assert {job["price"] for job in said.json["jobs"]} == {"manifest"}
    else:
        assert "only the manifest states" in said.out
