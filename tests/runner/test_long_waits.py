"""A server that asks to be left alone for longer than kbatch waits, on a clock that is a variable."""

from datetime import datetime
from pathlib import Path

import anyio
import pytest

from kbatch.providers.base import Balance, NotAccepted
from kbatch.runner.download.fetch import FetchTerms, NotFetched, fetch
from kbatch.runner.limits.retry import LONGEST_REFUSAL_S, LONGEST_WAIT_S
from kbatch.runner.limits.waits import asked_for, until
from kbatch.runner.preflight.account import ask_balance
from kbatch.storage import PartFile
from tests.runner.test_rate import _GET, Server, line_to, on_a_free_clock

NOON = datetime.fromisoformat("2026-11-30T12:00:00+00:00")


@pytest.mark.parametrize(
    ("wait_s", "said"),
    [
        (30.0, "until 12:00:30 (30 s)"),
        (600.0, "until 12:10:00 (10 min)"),
        (43_000.0, "until 23:56:40 (12 h)"),
        (50_000.0, "until 2026-12-01 01:53 UTC (14 h)"),
        (86_400.0, "until 2026-12-01 12:00 UTC (24 h or longer)"),
    ],
)
def test_a_wait_is_said_with_its_end(wait_s: float, said: str) -> None:
    """The time of day, with the date where that is another one, and how long it is."""
    assert until(wait_s, NOON) == said


def test_a_wait_that_is_not_waited_out_says_so() -> None:
    """With the bound that it is beyond."""
    assert asked_for("Apiframe", 600.0, NOON) == "Apiframe asks to wait until 12:10:00 (10 min)"
    assert asked_for("Apiframe", 601.0, NOON).endswith(", longer than the 10 min that kbatch waits")


@pytest.mark.parametrize("asked", ["601", "86400"])
def test_a_long_wish_ends_asking_at_once(asked: str) -> None:
    """Nobody sleeps, nobody asks again in this run's time, and every further call has the same answer."""
    server, said = Server(refused=1, retry_after=asked), []

    async def work() -> None:
        line = line_to(server, 500)
        line.on_wait = said.append
        began = anyio.current_time()
        for _ in range(3):
            reply = await line.ask(_GET, timeout_s=5.0)
            assert reply.status == 429  # type: ignore[union-attr]
        assert anyio.current_time() - began < 60.0
        if asked == "601":
            assert "until" in line.closed_reason
            await anyio.sleep(601.0)
            assert (await line.ask(_GET, timeout_s=5.0)).status == 200  # type: ignore[union-attr]

    on_a_free_clock(work)
    assert len(server.times) == (2 if asked == "601" else 1)
    assert len(said) == 1


def test_the_balance_is_not_waited_for_a_day() -> None:
    """`/v2/me` with `Retry-After: 86400` ends the preflight, and the message says until when."""
    server = Server(refused=99, retry_after="86400")

    async def work() -> Balance | NotAccepted:
        began = anyio.current_time()
        answer = await ask_balance(line_to(server, 500))
        assert anyio.current_time() - began < 60.0
        return answer

    answer = on_a_free_clock(work)
    assert isinstance(answer, NotAccepted)
    assert "until" in answer.message
    assert len(server.times) == 1


def test_refusals_one_after_the_other_end() -> None:
    """Thirty waits that are each borne would be five hours: after half an hour of them nothing more is submitted."""

    async def work() -> float:
        line = line_to(Server(), 500)
        began = anyio.current_time()
        while not line.closed_reason:
            line.note_refusal(LONGEST_WAIT_S, "HTTP 429: slow down")
            await anyio.sleep(LONGEST_WAIT_S)
        assert "30 min" in line.closed_reason
        assert "slow down" in line.closed_reason
        return anyio.current_time() - began

    assert on_a_free_clock(work) <= LONGEST_REFUSAL_S + LONGEST_WAIT_S


def test_an_acceptance_in_between_begins_anew() -> None:
    """A provider that takes a job now and then has not refused all purchases."""

    async def work() -> None:
        line = line_to(Server(), 500)
        for _ in range(10):
            line.note_refusal(LONGEST_WAIT_S, "HTTP 429: slow down")
            await anyio.sleep(LONGEST_WAIT_S)
            line.refusing_since_s = None
        assert not line.closed_reason

    on_a_free_clock(work)


@pytest.mark.parametrize(("asked", "waits"), [("86400", False), ("60", True)])
def test_a_clips_host_is_waited_for_so_long_and_no_longer(tmp_path: Path, asked: str, waits: bool) -> None:
    """A download waits a minute and says until when; a day it does not wait, and says so."""
    server, said = Server(refused=1 if waits else 99, retry_after=asked), []

    async def work() -> NotFetched:
        client = line_to(server, 500).client
        terms = FetchTerms(on_wait=said.append, attempts=2, jitter=lambda: 0.0)
        part = PartFile(tmp_path / "a.mp4")
        fetched = await fetch(client, "https://clips.example/a.mp4", part, terms)
        part.close()
        assert isinstance(fetched, NotFetched)
        return fetched

    fetched = on_a_free_clock(work)
    if waits:
        assert server.times[1] - server.times[0] >= 60.0
        assert "until" in said[0]
    else:
        assert len(server.times) == 1
        assert "until" in fetched.message
