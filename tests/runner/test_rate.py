"""A provider's rate: calls are spaced over a minute whoever makes them, on a clock that is a variable."""

from collections.abc import Callable
from typing import Any

import anyio
import trio
from trio.testing import MockClock

from kbatch.providers.base import Answer, Request
from kbatch.providers.http.client import Client
from kbatch.providers.registry import PACKAGED
from kbatch.runner.limits.concurrency import Slots
from kbatch.runner.limits.rate import POLLS_SHARE, Gcra, hold, rate_of, take_turn
from kbatch.runner.session import ProviderSession

_GET = Request(method="GET", path="/v2/me")
_MINUTE_S = 60.0


def on_a_free_clock(work: Callable[[], Any]) -> Any:
    """Run on trio with a clock that leaps to the next thing to do."""
    return trio.run(work, clock=MockClock(autojump_threshold=0))


def line_to(app: Any, per_minute: int | None) -> ProviderSession:
    """Return a line of Apiframe to an app in this process."""
    provider = PACKAGED["apiframe"]
    client = Client(provider.base_url, provider.authorization("any key"), app=app)
    return ProviderSession(
        provider=provider,
        client=client,
        slots=Slots(1),
        origin="simulator",
        rate=rate_of(per_minute),
        polls=rate_of(per_minute, share=POLLS_SHARE),
    )


class Server:
    """Answers everything and notes when; the first `refused` answers are 429 with a Retry-After."""

    def __init__(self, refused: int = 0, retry_after: str = "30") -> None:
        self.times: list[float] = []
        self._refused = refused
        self._retry_after = retry_after.encode()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Be an ASGI app."""
        self.times.append(anyio.current_time())
        status = 429 if len(self.times) <= self._refused else 200
        headers = [(b"retry-after", self._retry_after)] if status == 429 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


def test_no_minute_has_more_calls_than_the_provider_takes() -> None:
    """Of 1,200 polls that all want to go at once no window of a minute holds more than 500, and none is lost."""
    server = Server()

    async def work() -> None:
        line = line_to(server, 500)
        async with anyio.create_task_group() as tasks:
            for _ in range(1200):
                tasks.start_soon(_ask, line)

    on_a_free_clock(work)
    times = server.times
    assert len(times) == 1200
    assert all(later - earlier >= _MINUTE_S - 1e-6 for earlier, later in zip(times, times[500:], strict=False))
    assert times[-1] - times[0] < 4 * _MINUTE_S


def test_a_purchase_does_not_wait_behind_a_thousand_polls() -> None:
    """Polls leave a part of the rate free: what buys goes at once, and the minute still holds no more than it may."""
    server, waits = Server(), []

    async def buy(line: ProviderSession) -> None:
        for _ in range(30):
            await anyio.sleep(1.0)
            waits.append(line.turn())
            await anyio.sleep(waits[-1])
            server.times.append(anyio.current_time())

    async def work() -> None:
        line = line_to(server, 500)
        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(_ask, line)
            tasks.start_soon(buy, line)

    on_a_free_clock(work)
    times = sorted(server.times)
    assert len(times) == 1030
    assert max(waits) < 1.0
    assert all(later - earlier >= _MINUTE_S - 1e-6 for earlier, later in zip(times, times[500:], strict=False))


def test_few_calls_do_not_wait() -> None:
    """A run of some jobs never notices the rate."""
    server = Server()

    async def work() -> None:
        line = line_to(server, 500)
        for _ in range(20):
            await _ask(line)

    on_a_free_clock(work)
    assert server.times[-1] == server.times[0]


def test_a_provider_that_tells_no_rate_is_not_slowed() -> None:
    """Nobody has told one of AI/ML: nothing is made up."""
    assert PACKAGED["aimlapi"].per_minute is None
    server = Server()

    async def work() -> None:
        line = line_to(server, None)
        for _ in range(1000):
            await _ask(line)

    on_a_free_clock(work)
    assert server.times[-1] == server.times[0]


def test_after_a_429_nobody_asks_before_the_time_it_names() -> None:
    """One task is told to come back in 30 s, and the others wait too instead of being told the same."""
    server = Server(refused=1)

    async def work() -> None:
        line = line_to(server, 500)
        assert (await line.ask(_GET, timeout_s=5.0)).status == 429  # type: ignore[union-attr]
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(_ask, line)

    on_a_free_clock(work)
    assert all(time - server.times[0] >= 30.0 for time in server.times[1:])


async def _ask(line: ProviderSession) -> None:
    assert isinstance(await line.ask(_GET, timeout_s=5.0), Answer)


def test_what_is_held_goes_no_sooner_and_one_at_a_time() -> None:
    """With a burst of three and two seconds between calls, held for ten seconds: they go at 10, 12 and 14 seconds."""
    rate, waits = hold(Gcra(interval_s=2.0, burst=3), 10.0), []
    for _ in range(3):
        rate, wait_s = take_turn(rate, 0.0)
        waits.append(wait_s)
    assert waits == [10.0, 12.0, 14.0]
    assert hold(rate, 1.0) == rate, "a shorter wish takes nothing from a longer one"


def test_a_wait_that_was_asked_for_is_no_longer_in_a_rehearsal() -> None:
    """At a hundredth of the waits, 30 s of `Retry-After` are 30 s of a render's deadline, and not 3,000."""
    server = Server(refused=1)

    async def work() -> tuple[float, float]:
        line = line_to(server, 500)
        line.scale = 0.01
        began_s, held_s = anyio.current_time(), line.held_so_far_s
        await _ask(line)
        await anyio.sleep(10.0)
        within = line.since(began_s, held_s)
        await anyio.sleep(21.0)
        return within, line.since(began_s, held_s)

    within, after = on_a_free_clock(work)
    assert abs(within - 10.0) < 1e-6
    assert abs(after - (30.0 + 1.0 / 0.01)) < 1e-6
