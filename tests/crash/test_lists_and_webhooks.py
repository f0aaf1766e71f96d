"""Killed between a list or a webhook and the journal: what either has said is asked for again, and bought once."""

import socket
from itertools import count

import pytest

from kbatch.runner.limits.polling import list_polling
from tests.campaign_rig import Rig, use_backend
from tests.crash.scenario import begin
from tests.crash_points import At, When

_BODY = """
defaults: {model: kling-2.5-turbo-pro}
shots: [{id: job, prompt: "job {{ n }}", matrix: {n: [1, 2]}}]
"""
_PRICE = 2 * 4


def _webhooks() -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return ["--webhook-url", f"http://127.0.0.1:{port}/hooks", "--webhook-port", str(port)]


def test_what_lists_and_webhooks_say_survives_no_kill_and_costs_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after each line of the journal, every job polled by list, and finished with webhooks to another port."""
    monkeypatch.setattr(list_polling, "MANY", 1)
    for number in count(1):
        use_backend(monkeypatch, ("asyncio", "trio")[number % 2])
        scenario = begin(rig, f"moment-{number}", _BODY, {"apiframe": _PRICE})
        struck = scenario.die(At.LINE, When.AFTER, number, *_webhooks())
        if struck:
            scenario.finish(*_webhooks())
        scenario.expect(len(rig.clips()) == 2, "clips are missing")
        scenario.expect(rig.kbatch("plan", "--check").code == 0, "something is left to buy")
        assert scenario.tally().sound, scenario.tally()
        if not struck:
            assert number > 10
            return
