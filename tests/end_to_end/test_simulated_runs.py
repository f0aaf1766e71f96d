"""`kbatch run --simulate --faults`: a campaign rehearsed under faults, the same way each time for the same seed."""

import pytest

from tests.campaign_rig import Rig

BODY = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: shot, prompt: "take {{ n }}", matrix: {n: [n1, n2, n3, n4, n5, n6]}}
"""


def _failed(rig: Rig, name: str, seed: int) -> frozenset[str]:
    rig.fresh(name)
    rig.write(BODY)
    faults = rig.folder / "faults.yaml"
    faults.write_text("- {fault: fail, probability: 0.5}\n- {fault: lost-answer, match: n2, times: 1}\n")
    said = rig.run("--simulate", "--faults", str(faults), "--seed", str(seed))
    assert said.code in (0, 1)
    lockfile = rig.lockfile("campaign.sim.lock.json")
    states = {name: lockfile["renders"][job["fingerprint"]]["state"] for name, job in lockfile["jobs"].items()}
    assert set(states.values()) <= {"done", "failed"}
    return frozenset(name for name, state in states.items() if state == "failed")


def test_the_same_seed_rehearses_the_same_faults(rig: Rig) -> None:
    """Chance is a number on the command line: a rehearsal can be repeated, and another one tried."""
    first, again, other = (_failed(rig, name, seed) for name, seed in (("first", 1), ("again", 1), ("other", 2)))
    assert first == again
    assert first != other
    assert rig.charges() == [], "the simulator on the socket was never asked"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--faults", "faults.yaml"), "--faults needs --simulate"),
        (("--simulate", "--seed", "3"), "--seed needs --faults"),
        (("--simulate", "--faults", "no-such.yaml"), "`no-such.yaml` cannot be read"),
    ],
    ids=["faults-of-a-real-run", "seed-without-faults", "no-such-file"],
)
def test_words_that_do_not_belong_together(rig: Rig, args: tuple[str, ...], words: str) -> None:
    """Exit 2 before anything else."""
    rig.write(BODY)
    said = rig.run(*args)
    assert said.code == 2
    assert words in said.err
