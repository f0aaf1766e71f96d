"""What an AI/ML job was charged comes from the vendor's ledger where no answer named it, and is never guessed."""

import time

import pytest

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

PRICE = 1_312_500
BODY = f"""
{AIMLAPI_PRICE}
defaults: {{model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: one, prompt: a}}
  - {{id: two, prompt: b}}
"""


def reported(rig: Rig) -> list[int | None]:
    """Return the reported charges on record."""
    return [rig.receipt(name)["credits"]["reported"] for name in ("one", "two")]


@pytest.mark.parametrize("amounts", [(), ("entry-only-usd",)], ids=["credits", "dollars"])
def test_the_settlement_has_a_reported_figure(both: Rig, amounts: tuple[str, ...]) -> None:
    """Two jobs of which no answer named a cost: one question, and what was charged stands in report and lockfile."""
    both.open("no-usage", *amounts)
    both.write(BODY, provider="aimlapi")
    said = both.run()
    assert said.code == 0, said.err
    assert said.json["credits"]["aimlapi"] == {
        "planned": 2 * PRICE, "reported": 2 * PRICE, "refunded": 0, "unexplained": 0,
    }  # fmt: skip
    assert reported(both) == [PRICE, PRICE]
    assert both.bill()["requests"]["ledger"] == 1


def test_a_ledger_is_not_asked_for_what_is_known(rig: Rig) -> None:
    """Where the answers name the charge, nothing is asked."""
    rig.write(BODY, provider="aimlapi")
    assert rig.run().code == 0
    assert "ledger" not in rig.bill()["requests"]


def test_a_charge_above_the_quote_is_a_surprise(rig: Rig) -> None:
    """It is unexplained, exit 1, and the model's next jobs count as unpriced."""
    rig.open("no-usage", "entry-dearer")
    rig.write(BODY, provider="aimlapi")
    said = rig.run()
    assert said.code == 1, said.err
    assert said.json["credits"]["aimlapi"]["unexplained"] == 2 * PRICE
    assert reported(rig) == [2 * PRICE, 2 * PRICE]
    rig.write(BODY + "  - {id: three, prompt: c}\n", provider="aimlapi")
    [entry] = [job for job in rig.kbatch("plan", "--format", "json").json["jobs"] if job["address"] == "three"]
    assert entry["credits"] == 2 * PRICE


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("entry-never", "does not say yet what 2 jobs were charged"),
        ("entry-other-job", "does not say yet what 2 jobs were charged"),
        ("entry-twice", "has 2 entries about job"),
        ("entry-refunded", "has 2 entries about job"),
        ("ledger-malformed", "its ledger cannot be read"),
        ({"fault": "500", "at": "ledger"}, "its ledger cannot be read"),
        ({"fault": "cut", "at": "ledger"}, "its ledger cannot be read"),
    ],
    ids=str,
)
def test_what_the_ledger_does_not_say_is_not_guessed(rig: Rig, fault: object, words: str) -> None:
    """The charge stays unknown, which is said; the clips are there all the same."""
    rig.open("no-usage", fault)  # type: ignore[arg-type]
    rig.write(BODY, provider="aimlapi")
    said = rig.run()
    assert said.code == 0, said.err
    assert words in " ".join(said.err.split())
    assert reported(rig) == [None, None]
    assert len(rig.clips()) == 2


def test_a_late_entry_is_read_by_a_later_pull(rig: Rig) -> None:
    """An hour later the ledger has them."""
    later = [0.0]
    rig.open("no-usage", "entry-late", clock=lambda: time.time() + later[0])
    rig.write(BODY, provider="aimlapi")
    assert rig.run().code == 0
    assert reported(rig) == [None, None]
    later[0] = 3700.0
    said = rig.kbatch("pull")
    assert said.code == 0, said.err
    assert reported(rig) == [PRICE, PRICE]
