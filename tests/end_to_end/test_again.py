"""Buying again happens on purpose only, and once."""

import pytest

from tests.campaign_rig import Rig

TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour}
"""


def test_replace_buys_once_and_keeps_the_old_clip(both: Rig) -> None:
    """`--replace` buys a second attempt under a new key; the earlier one stays in the receipt, its clip in `.kept/`."""
    both.write(TWO)
    assert both.run().code == 0
    old = both.clips()["renders/one.mp4"]
    said = both.run("--replace", "one")
    assert said.code == 0
    assert len(both.charges()) == 3
    receipt = both.receipt("one")
    assert (receipt["attempt"], [earlier["attempt"] for earlier in receipt["also"]]) == (2, [1])
    assert both.clips()[f"renders/.kept/{old}.mp4"] == old
    assert both.run().json["counts"]["reused"] == 2
    assert both.run("--replace", "one").code == 0
    assert len(both.charges()) == 4


def test_a_failed_replacement_keeps_what_was_there(rig: Rig) -> None:
    """When the new attempt fails the earlier clip stays in its place, and stays the job's."""
    rig.write(TWO)
    assert rig.run().code == 0
    before = rig.clips()
    rig.faults("fail")
    assert rig.run("--replace", "one").code == 1
    assert rig.clips() == before
    assert rig.states() == {"one": "done", "two": "done"}
    assert rig.run().json["counts"]["reused"] == 2


@pytest.mark.parametrize(("fault", "match"), [("402", "harbour"), ("charge-double", "lighthouse")])
def test_a_replacement_that_was_stopped_goes_on(rig: Rig, fault: str, match: str) -> None:
    """What a stop left out is bought when the same command comes again; what was replaced already is not."""
    rig.write(TWO)
    assert rig.run().code == 0
    rig.faults({"fault": fault, "match": match, "times": 1})
    assert rig.run("--replace", "*", "-j", "1").code in (1, 5)
    rig.faults()
    again = rig.run("--replace", "*", "-j", "1", "--allow-unpriced", "1")
    assert again.code in (0, 1), again.err
    assert len(rig.charges()) == 4
    assert sorted(rig.receipt(name)["attempt"] for name in ("one", "two")) == [2, 2]
