"""What was bought keeps its market, its person and its commit in every later sum."""

import json
from collections import Counter

import pytest

from tests.campaign_rig import Rig

TWO = """defaults: {model: kling-2.5-turbo-pro, params: {duration: 5}}
shots:
  - {id: here, prompt: "a lighthouse in {{ city }}", labels: {market: eu}, matrix: {city: [oslo, rome]}}
  - {id: there, prompt: a harbour, labels: {market: us}}
"""
CHANGES = {
    "dropped": TWO.replace("[oslo, rome]", "[oslo]"),
    "edited": TWO.replace("a harbour", "a port"),
    "relabelled": TWO.replace("market: us", "market: asia"),
    "renamed": TWO.replace("id: there", "id: elsewhere"),
}


def spent(rig: Rig) -> Counter[str]:
    """Return what was spent by market, as `report` has it; a row without one counts under its address."""
    document = rig.kbatch("report", "--format", "json").json
    sums: Counter[str] = Counter()
    for row in document["jobs"]:
        sums[row["labels"].get("market", row["address"])] += row["spent"] or 0
    return +sums


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_manifest_moves_no_credit_to_another_market(rig: Rig, change: str) -> None:
    """A job that was dropped, edited, relabelled or renamed stays in the market for which it was bought."""
    rig.write(TWO)
    assert rig.run().code == 0
    before = spent(rig)
    assert set(before) == {"eu", "us"}
    rig.write(CHANGES[change])
    assert spent(rig) == before


def test_a_receipt_remembers_who_and_where(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, labels, axes, campaign, run and the CI's actor are in the lockfile; nothing of it in the fingerprint."""
    monkeypatch.setenv("GITHUB_ACTOR", "ada\x1b[1m")
    rig.write(TWO)
    assert rig.run().code == 0
    known = {one["purchase"]["address"]: one["purchase"] for one in rig.lockfile()["renders"].values()}
    assert set(known) == {"here[city=oslo]", "here[city=rome]", "there"}
    one = known["here[city=rome]"]
    assert (one["labels"], one["axes"], one["campaign"]) == ({"market": "eu"}, {"city": "rome"}, "rehearsal")
    assert one["actor"] == "ada[1m"
    assert one["run"]
    assert "afk" not in json.dumps(known)
