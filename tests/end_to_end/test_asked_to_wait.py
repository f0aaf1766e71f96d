"""`Retry-After: 86400` ends what it concerns, at once and with the time it names; a later command goes on."""

import pytest

from tests.campaign_rig import Rig

BODY = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: shot, matrix: {n: [n1, n2, n3]}, prompt: "a boat {{ n }}"}
"""
PICTURE = """
shots:
  - {id: still, model: kling-2.1, prompt: a table, params: {start_image: table.png}}
"""


@pytest.mark.parametrize("fault", ["429", "429-date"])
@pytest.mark.parametrize(
    ("at", "charges", "state"),
    [("submit", 0, "failed"), ("poll", 1, "submitted"), ("download", 3, "rendered"), ("upload", 0, None)],
)
def test_a_day_is_not_slept_through(either: Rig, fault: str, at: str, charges: int, state: str | None) -> None:
    """On a submit, a poll, a download and an upload: exit 1, owed or not bought, and the line says until when."""
    either.picture("table.png")
    either.open({"fault": fault, "at": at}, retry_after_s=86400)
    either.write(PICTURE if at == "upload" else BODY)
    said = either.run()
    assert said.code == 1, said.err
    assert "to wait until " in said.err
    assert len(either.charges()) == charges
    if state is not None:
        assert set(either.states().values()) <= {state, "submitted"}
    assert said.json["counts"]["owed"] == charges
    either.faults()
    assert either.run().code == 0
    assert len(either.charges()) == max(charges, 1 if at == "upload" else 3)


def test_a_balance_that_is_not_told_for_a_day(either: Rig) -> None:
    """Nothing is sent, exit 5, and the message says until when; `doctor` says it too."""
    either.write(BODY)
    app = either.stage.app
    assert app is not None

    async def busy(scope, receive, send):  # type: ignore[no-untyped-def]
        if scope["path"] != "/v2/me":
            return await app(scope, receive, send)
        await send({"type": "http.response.start", "status": 429, "headers": [(b"retry-after", b"86400")]})
        return await send({"type": "http.response.body", "body": b'{"error": "slow down"}'})

    either.stage.app = busy
    said = either.run()
    assert said.code == 5
    assert "until " in said.err
    assert either.charges() == []


def test_a_pull_does_not_outlast_what_holds_it_back(either: Rig) -> None:
    """Without `--wait` a job that is held back for five minutes is owed at once, and the next `pull` collects it."""
    either.write(BODY)
    either.open({"fault": "429", "at": "poll"}, retry_after_s=86400)
    assert either.run().code == 1
    either.faults({"fault": "429", "at": "poll", "times": 1})
    object.__setattr__(either.world.terms, "retry_after_s", 300)
    said = either.kbatch("pull")
    assert said.code == 1
    assert "until " in said.err
    either.faults()
    last = either.kbatch("pull")
    assert last.code == 0, last.err
    assert either.states() == {"shot[n=n1]": "done"}
