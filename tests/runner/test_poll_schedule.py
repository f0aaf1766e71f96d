"""The first of a kind finds out how long it takes, in virtual time; the others wait for it, no longer than usual."""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
import trio
from trio.testing import MockClock

from kbatch.runner.limits.polling.poll_schedule import PollSchedule, PollSchedules

USUAL_S = 135.0


class Kind:
    """Renders of one kind on a virtual clock: when each was asked for, and when it was noticed."""

    def __init__(self, usual_s: float = USUAL_S) -> None:
        self.schedule = PollSchedule(usual_s, 1.0)
        self.asked: dict[str, list[float]] = {}

    async def follow(self, name: str, takes_s: float, *, starts_s: float = 0.0, fails: bool = False) -> None:
        """Follow a render as `collect` does."""
        await anyio.sleep(starts_s)
        began, running_s = anyio.current_time(), 0.0
        with self.schedule.following(fresh=True) as leads:
            await self.schedule.first_poll(0.0, leads=leads)
            while (elapsed_s := anyio.current_time() - began) < takes_s:
                self.asked.setdefault(name, []).append(elapsed_s)
                running_s = elapsed_s
                await anyio.sleep(self.schedule.next_poll_after(elapsed_s, 0.0, leads=leads))
            self.asked.setdefault(name, []).append(elapsed_s)
            if not fails:
                self.schedule.ended(running_s=running_s, ended_s=elapsed_s)

    def run(self, *jobs: tuple[str, float, dict[str, float]]) -> dict[str, list[float]]:
        """Follow all at once; waiting takes no real time."""

        async def work() -> None:
            async with anyio.create_task_group() as tasks:
                for name, takes_s, more in jobs:
                    tasks.start_soon(lambda name=name, takes_s=takes_s, more=more: self.follow(name, takes_s, **more))
                    await anyio.lowlevel.checkpoint()

        trio.run(work, clock=MockClock(autojump_threshold=0))
        return self.asked


def test_renders_quicker_than_the_card_says_are_noticed() -> None:
    """The card says 135 s and they take 60: the first takes a few polls, the others are asked when it is time."""
    asked = Kind().run(("first", 60.0, {}), *((f"job {n}", 60.0, {"starts_s": float(n)}) for n in range(1, 20)))
    assert asked["first"][-1] <= 60.0 * 1.125
    assert len(asked["first"]) <= 5
    for name, times in asked.items():
        assert times[-1] <= 60.0 * 1.125, name
        assert len(times) <= 2 or name == "first"


def test_renders_as_the_card_says_cost_no_more_polls() -> None:
    """The others are asked once, a little after the first has ended."""
    asked = Kind().run(("first", 140.0, {}), *((f"job {n}", 140.0, {"starts_s": float(n)}) for n in range(10, 20)))
    assert all(times[-1] <= 140.0 * 1.05 for times in asked.values())
    assert sum(len(times) for name, times in asked.items() if name != "first") <= 20


def test_a_render_alone_is_asked_as_usual() -> None:
    """Nobody waits to know, so nobody asks sooner than the card says."""
    assert Kind().run(("only", 140.0, {}))["only"][0] == USUAL_S


@pytest.mark.parametrize("slow", [300.0, 3000.0])
def test_nobody_waits_for_a_slow_first_longer_than_usual(slow: float) -> None:
    """A first render that hangs holds no other one back."""
    asked = Kind().run(("first", slow, {}), ("other", 100.0, {"starts_s": 1.0}))
    assert asked["other"] == [USUAL_S]


def test_a_first_that_fails_lets_the_others_ask_as_usual() -> None:
    """It tells nothing of how long a render takes."""
    asked = Kind().run(("first", 50.0, {"fails": True}), ("other", 100.0, {"starts_s": 1.0}))
    assert asked["other"] == [USUAL_S]


def test_who_begins_later_knows_at_once() -> None:
    """What the first has found out holds for all that are accepted after it."""
    asked = Kind().run(("first", 60.0, {}), ("other", 60.0, {"starts_s": 1.0}), ("later", 60.0, {"starts_s": 200.0}))
    assert asked["later"][-1] <= 60.0 * 1.1
    assert len(asked["later"]) <= 2


def test_what_was_begun_earlier_tells_nobody_how_long_a_render_takes() -> None:
    """A purchase of an earlier run has no usual time of its card's, and its render began before anyone looked."""
    poll_schedules = PollSchedules()
    pending: Any = SimpleNamespace(
        provider="apiframe", model="kling-3.0", variant="pro", clip=None, typical_s=(60, 300)
    )
    earlier = poll_schedules.of(pending, 1.0, fresh=False)
    earlier.ended(running_s=1.0, ended_s=2.0)
    pending.typical_s = (20, 30)
    fresh = poll_schedules.of(pending, 1.0, fresh=True)
    assert fresh is poll_schedules.of(pending, 1.0, fresh=True)
    assert fresh is not earlier
    kind = Kind()
    kind.schedule = fresh
    assert kind.run(("only", 25.0, {}))["only"][0] == 20.0
