"""A replacement that is killed in the middle: the same command finishes it, and buys nothing twice."""

from tests.mortal import At, When, die
from tests.rehearsal import Rig, doubles

TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour}
"""


def test_a_crash_in_the_middle_of_a_replacement(rig: Rig) -> None:
    """Killed after any line of the journal, the same command finishes what was begun: each job is bought again once."""
    kills = 0
    while True:
        rig.fresh(f"at-{kills}", latency_s=0.0)
        rig.write(TWO)
        assert rig.run().code == 0
        if not die(rig, At.LINE, When.AFTER, kills + 1, "--replace", "*"):
            break
        kills += 1
        assert rig.run("--replace", "*").code == 0
        assert len(rig.charges()) == 4, f"killed after line {kills}"
        assert doubles(rig.charges()) == 0
    assert kills >= 14
    assert rig.run("--replace", "one").code == 0
    assert len(rig.charges()) == 5, "the next time is another time"


def test_a_job_that_was_never_bought_is_not_bought_twice_by_replace(rig: Rig) -> None:
    """`--replace` of a job that this very run bought first finishes it after a crash, and buys no second one."""
    rig.write(TWO)
    assert die(rig, At.LINE, When.AFTER, 12, "--replace", "*")
    assert rig.run("--replace", "*").code == 0
    assert len(rig.charges()) == 2
