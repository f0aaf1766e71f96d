"""What `kbatch spend` sums up over campaigns is what the bill says, whatever became of their runs."""

import shutil
from typing import Any

from tests.campaign_rig import Rig

HEAD = "defaults: {model: kling-2.5-turbo-pro, params: {duration: 5}}\nshots:\n"
ONE = (
    HEAD
    + """  - {id: hero, prompt: "a lighthouse in {{ city }}", labels: {market: eu}, matrix: {city: [oslo, rome]}}
  - {id: doomed, prompt: a harbour that fails, labels: {market: us}}
"""
)
OTHER = f"""{HEAD}  - {{id: again, prompt: a lighthouse in oslo, labels: {{market: asia}}}}
  - {{id: pier, prompt: a pier that is lost, labels: {{market: asia}}}}
"""


def spent(rig: Rig, *words: str) -> Any:
    """Return what the lockfiles of the rig's folder say."""
    said = rig.kbatch("spend", "--format", "json", *words, manifest=".")
    assert said.code == 0, said.err
    return said.json


def test_the_totals_are_those_of_the_bill(rig: Rig) -> None:
    """Refunds, further purchases, a copy of a lockfile, and a request that two campaigns share."""
    rig.open({"fault": "fail", "match": "fails"})
    rig.write(ONE)
    assert rig.run().code == 1
    assert rig.run("--replace", "hero[city=oslo]", "--only", "hero*").code == 0
    (rig.folder / "other").mkdir()
    rig.write(OTHER, name="other/other.yaml")
    assert rig.run().code == 0
    shutil.copytree(rig.folder, rig.folder / "clone", ignore=shutil.ignore_patterns("clone", "renders"))
    found = spent(rig, "--by", "label:market,campaign")
    bill = rig.bill()["totals"]["apiframe"]
    total = found["totals"]["apiframe"]
    assert (total["charged"], total["refunded"], total["held"]) == (bill["charged"], bill["refunded"], 0)
    assert total["refunded"] == 4
    assert total["jobs"] == len(rig.charges())
    for name in ("charged", "refunded", "held", "jobs", "planned", "unexplained"):
        assert sum(row[name] for row in found["rows"]) == total[name]
    assert {row["by"]["label:market"] for row in found["rows"]} >= {"eu", "us", "asia"}


def test_an_unknown_outcome_is_held_and_not_charged(rig: Rig) -> None:
    """On the API without a key a lost answer holds its quote until a person settles it."""
    rig.open({"fault": "lost-answer", "match": "lost", "times": 99})
    rig.write(
        "prices: {aimlapi/kling-video/v2.1/pro/image-to-video: {credits_per_second: 262500}}\n"
        "shots:\n  - {id: pier, model: kling-video/v2.1/pro/image-to-video, prompt: lost, params: {image_url: "
        '"https://example.com/a.png"}}\n',
        provider="aimlapi",
    )
    rig.run()
    total = spent(rig)["totals"]["aimlapi"]
    assert (total["charged"] + total["held"], total["jobs"]) == (1_312_500, 1)


def test_a_killed_first_run_counts_by_its_journal(rig: Rig) -> None:
    """Before a run has written its lockfile, its journal says what was bought."""
    rig.write(ONE)
    rig.run()
    state = rig.folder / ".kbatch"
    (rig.folder / "campaign.lock.json").unlink()
    (journal,) = (state / "history").glob("*.jsonl")
    (state / "campaign.journal.jsonl").unlink(missing_ok=True)
    journal.rename(state / "campaign.journal.jsonl")
    shutil.rmtree(state / "history")
    assert spent(rig)["totals"]["apiframe"]["charged"] == rig.bill()["totals"]["apiframe"]["charged"]
