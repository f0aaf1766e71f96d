"""Envelopes over runs of many manifests: the bill never passes them, whoever is killed and whatever runs at once."""

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

import kbatch
from kbatch.errors import Refused
from kbatch.planner.budgets.envelopes import Wish
from kbatch.planner.ceilings import Ceilings
from kbatch.receipts.receipt import Purchase
from kbatch.runner.limits.budgets import alerts
from kbatch.runner.limits.budgets.alerts import Alerts
from kbatch.runner.limits.budgets.budget_state import BudgetState, read_budgets
from kbatch.runner.limits.budgets.run_budgets import RunBudgets
from kbatch.runner.limits.credit_reservations import CreditReservations
from tests.campaign_rig import Rig
from tests.crash_points import At, When, die

MANIFEST = """defaults: {{model: kling-2.5-turbo-pro, params: {{duration: 5}}}}
output: {{dir: "{name}"}}
shots:
  - {{id: shot, prompt: "{name} {{{{ n }}}}", labels: {{market: eu}}, matrix: {{n: [n1, n2, n3]}}}}
"""
PRICE = 12
"""Credits of one manifest: three clips of 4."""


def envelope(credits: int, **changes: Any) -> dict[str, Any]:
    """Return an envelope of a market's month."""
    return {
        "name": "eu",
        "period": "month",
        "match": {"label": {"market": "eu"}},
        "max_credits": {"apiframe": credits},
        **changes,
    }


def write(rig: Rig, *envelopes: Mapping[str, Any], names: tuple[str, ...] = ("one", "two")) -> Path:
    """Write manifests, and a file of budgets that the environment names."""
    for name in reversed(names):
        rig.write(MANIFEST.format(name=name), name=f"{name}.yaml")
    path = rig.folder / "budgets.yaml"
    path.write_text(json.dumps(envelopes), encoding="utf-8")
    rig.monkeypatch.setenv("KBATCH_BUDGETS", str(path))
    return path


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """Return the name of an event loop."""
    return str(request.param)


def charged(rig: Rig) -> int:
    """Return what the bill says was charged and kept."""
    return sum(line["credits"] - line["refunded"] for line in rig.charges("apiframe"))


def run(rig: Rig, name: str, *words: str) -> Any:
    """Run one of the manifests with consent."""
    rig.name = f"{name}.yaml"
    return rig.run(*words)


def test_a_second_manifest_finds_what_the_first_has_left(rig: Rig) -> None:
    """Plan and run refuse it with all figures, exit 3, and send nothing; what fits goes on."""
    write(rig, envelope(PRICE + 5))
    assert run(rig, "one").code == 0
    words = f"envelope `eu` ({datetime.now(UTC):%Y-%m}): apiframe: 12 used, 0 held, 12 wanted, 5 left of 17"
    for said in (rig.kbatch("plan", manifest="two.yaml"), run(rig, "two")):
        assert said.code == 3
        assert f"refused[over-envelope]: {words}" in said.err
    shown = rig.kbatch("plan", "--format", "json", manifest="two.yaml").json["envelopes"]
    assert [(one["used"], one["wanted"], one["left"]) for one in shown] == [(12, 12, 5)]
    assert (
        "12 used, 0 held, 12 wanted, 5 left of 17"
        in rig.kbatch("plan", "--format", "markdown", manifest="two.yaml").out
    )
    assert charged(rig) == 12
    assert run(rig, "two", "--first", "1").code == 0
    assert charged(rig) == 16
    assert run(rig, "two", "--first", "1").code == 3


def test_what_an_envelope_does_not_cover_is_not_bounded(rig: Rig) -> None:
    """Another market, campaign or person is not its business."""
    write(rig, envelope(0, match={"label": {"market": "us"}}), envelope(0, name="b", match={"actor": "somebody else"}))
    assert run(rig, "one").code == 0


def test_two_runs_at_once_never_pass_an_envelope_together(backend: str, rig: Rig) -> None:
    """Each has room alone, both have not: one is refused before it sends, and the bill stays within."""
    write(rig, envelope(2 * PRICE - 1))
    ends: list[str] = []

    async def one(name: str) -> None:
        campaign = kbatch.load(rig.folder / f"{name}.yaml")
        proposal = kbatch.plan(campaign)
        try:
            outcome = await kbatch.run(proposal, consent=proposal.plan.digest)
            ends.append(f"{int(outcome.exit_code)}")
        except Refused as refused:
            ends.append(refused.code)

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, "one")
            tasks.start_soon(one, "two")

    anyio.run(both, backend=backend)
    assert sorted(ends) == ["0", "over-envelope"]
    assert charged(rig) == PRICE


@pytest.mark.parametrize(
    ("at", "when", "number"),
    [
        pytest.param(At.REPLACE, When.BEFORE, 1, id="before-the-reservation"),
        pytest.param(At.REPLACE, When.AFTER, 1, id="after-the-reservation"),
        pytest.param(At.LINE, When.BEFORE, 2, id="before-an-intention"),
        pytest.param(At.LINE, When.AFTER, 2, id="after-an-intention"),
        pytest.param(At.ANSWER, When.AFTER, 2, id="before-an-answer"),
        pytest.param(At.LINE, When.AFTER, 5, id="after-an-acceptance"),
        pytest.param(At.LINE, When.HALF, 6, id="in-a-line"),
    ],
)
def test_a_killed_run_counts_by_its_journal(both: Rig, at: At, when: When, number: int) -> None:
    """Its reservation becomes what it has sent: the next run has the rest, and never more than the envelope."""
    write(both, envelope(PRICE + 4))
    both.name = "one.yaml"
    assert die(both, at, when, number)
    before = charged(both)
    second = run(both, "two")
    assert second.code in (0, 3)
    assert charged(both) <= PRICE + 4
    if second.code == 3:
        assert before > 4 or "held" in second.err
    run(both, "one")
    run(both, "two")
    assert charged(both) <= PRICE + 4
    assert not list((both.folder / ".kbatch" / "budgets.yaml.budgets").glob("*.json"))


def test_an_unknown_outcome_holds_its_quote(rig: Rig) -> None:
    """On the API without a key it may have been paid, so its credits are not spent a second time."""
    model = "kling-video/v2.1/pro/image-to-video"
    body = (
        f"prices: {{aimlapi/{model}: {{credits_per_second: 10}}}}\n"
        f"shots:\n  - {{id: NAME, model: {model}, prompt: NAME, params: {{image_url: 'https://example.com/a.png'}}}}\n"
    )
    write(rig, envelope(0, match={}, max_credits={"aimlapi": 99}), names=())
    rig.open({"fault": "lost-answer", "match": "one", "times": 99}, {"fault": "log-malformed", "times": 99})
    for name in ("one", "two"):
        rig.write(body.replace("NAME", name), provider="aimlapi", name=f"{name}.yaml")
    assert run(rig, "one").code == 4
    second = run(rig, "two")
    assert second.code == 3
    assert "0 used, 50 held, 50 wanted, 49 left of 99" in second.err
    assert len(rig.charges("aimlapi")) == 1


def test_a_charge_above_the_quote_takes_from_what_is_left(rig: Rig) -> None:
    """What was reserved is all that a run may spend: a double charge leaves room for less."""
    write(rig, envelope(PRICE), names=("one",))
    rig.open({"fault": "charge-double", "times": 1})
    assert run(rig, "one").code == 1
    assert charged(rig) <= PRICE + 4


def test_a_run_outside_the_budgets_lockfiles_is_refused(rig: Rig) -> None:
    """What it buys would not be counted next time."""
    path = write(rig, envelope(100))
    (rig.folder / "team").mkdir()
    path = path.rename(rig.folder / "team" / "budgets.yaml")
    said = rig.kbatch("run", "--yes", "--budgets", str(path), manifest="one.yaml")
    assert said.code == 3
    assert "refused[outside-budgets]" in said.err
    path.write_text(json.dumps([envelope(100, paths=[".."])]), encoding="utf-8")
    assert rig.kbatch("run", "--yes", "--budgets", str(path), manifest="one.yaml").code == 0
    path.write_text(json.dumps([envelope(100, paths=["../gone"])]), encoding="utf-8")
    assert rig.kbatch("plan", "--budgets", str(path), manifest="one.yaml").code == 2


def test_what_cannot_be_read_is_not_empty(rig: Rig) -> None:
    """A lockfile of the envelope that is damaged, and a file of budgets that is none, end the run before it sends."""
    path = write(rig, envelope(100))
    (rig.folder / "three.lock.json").write_text('{"lockfile_version": 1', encoding="utf-8")
    assert run(rig, "one").code == 2
    (rig.folder / "three.lock.json").unlink()
    path.unlink()
    assert run(rig, "one").code == 2
    assert charged(rig) == 0


def test_a_manifest_names_no_budgets(rig: Rig) -> None:
    """It may come from a stranger, who must not choose what bounds him, nor a command of this user."""
    rig.write(f"budgets: mine.yaml\n{MANIFEST.format(name='one')}")
    said = rig.kbatch("check")
    assert said.code == 2
    assert "unknown field `budgets`" in said.out


# thresholds


def script(rig: Rig, name: str, body: str) -> str:
    """Write a program and return the command that calls it."""
    path = rig.folder / name
    path.write_text(f"import json, os, sys, time\n{body}\n", encoding="utf-8")
    return f"{sys.executable} {path}"


def test_a_threshold_calls_its_command_once(both: Rig) -> None:
    """With JSON on stdin and no key in its environment, when so much is used; not again in a later run."""
    told = both.folder / "told.jsonl"
    body = (
        f"open({str(told)!r}, 'a').write(json.dumps([json.load(sys.stdin), sys.argv[1:], sorted(os.environ)]) + '\\n')"
    )
    command = script(both, "tell.py", body) + " 'a b' '$(touch x); y'"
    write(both, envelope(4 * PRICE, at={"25%": command, "50%": command, "100%": command}))
    assert run(both, "one").code == 0
    assert run(both, "two", "--first", "1").code == 0
    assert run(both, "two").code == 0
    lines = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    assert [line[0]["percent"] for line in lines] == [25, 50]
    document, words, names = lines[0]
    assert (document["envelope"], document["provider"], document["max_credits"]) == ("eu", "apiframe", 48)
    assert document["used"] + document["held"] >= 12
    assert words == ["a b", "$(touch x); y"]
    assert not [name for name in names if "API_KEY" in name or "STATE_KEY" in name]
    assert not (both.folder / "x").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("sys.exit(3)", "ended with 3", id="it-fails"),
        pytest.param("sys.stdin.close(); sys.exit(0)", "are used or held", id="it-reads-nothing"),
        pytest.param("time.sleep(60)", "was stopped after", id="it-hangs"),
        pytest.param(None, "cannot be called", id="it-is-not-there"),
    ],
)
def test_a_command_that_fails_is_said_and_stops_nothing(rig: Rig, body: str | None, said: str) -> None:
    """The run ends as it would have, and the command is not called again."""
    rig.monkeypatch.setattr(alerts, "_LONGEST_S", 0.5)
    command = script(rig, "tell.py", body) if body else str(rig.folder / "gone")
    write(rig, envelope(PRICE, at={"100%": command}), names=("one",))
    ended = run(rig, "one")
    assert ended.code == 0, ended.err
    assert said in ended.err
    assert charged(rig) == PRICE


# reservations


def state(path: Path, lockfile: str, newest: str = "") -> BudgetState:
    """Return the envelopes as a run of this lockfile sees them."""
    return BudgetState(read_budgets(path), path.parent / lockfile, simulated=False, newest=newest)


def wishes(number: int, first: int = 0) -> list[Wish]:
    """Return purchases of 4 credits each."""
    about = Purchase(address="x", labels={"market": "eu"}, campaign="c", run="")
    return [
        Wish(fingerprint=f"fp{index}", provider="apiframe", credits=4, about=about)
        for index in range(first, first + number)
    ]


def test_a_living_reservation_counts_and_a_dead_one_does_not(rig: Rig) -> None:
    """The lock of the operating system says who lives, not the record."""
    path = write(rig, envelope(20), names=())
    one, two = state(path, "one.lock.json"), state(path, "two.lock.json")
    made = one.reserve(wishes(3), "2026-11", "run-1")
    with pytest.raises(Refused, match="12 reserved by other runs, 12 wanted, 8 left of 20"):
        two.reserve(wishes(3), "2026-11", "run-2")
    two.release(two.reserve(wishes(2), "2026-11", "run-3"))
    two.release(two.reserve(wishes(3), "2026-12", "run-4"))
    made.held.release()  # as the system does when its process is killed
    two.release(two.reserve(wishes(5), "2026-11", "run-5"))
    assert [file.name for file in (path.parent / ".kbatch" / "budgets.yaml.budgets").iterdir()] == ["lock"]


def test_another_month_is_reserved_when_it_turns(backend: str, rig: Rig) -> None:
    """What is not sent yet is reserved in the new month, beside what stands there; what has no room is not sent."""
    path = write(rig, envelope(12), envelope(20, name="all", period=None), names=())
    reservations = CreditReservations(Ceilings(run={}, budget={}, job={}), {}, {})
    of = state(path, "one.lock.json")
    told = Alerts(read_budgets(path), os.environ, print, simulated=False)
    mine = RunBudgets(of, wishes(3), "run-1", reservations, told)
    last = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)

    async def turn() -> None:
        await mine.begin(last)
        assert await mine.admit(lambda: {"fp0"}, last) is None
        assert reservations.reserve("apiframe", "fp0", 4)
        assert await mine.admit(lambda: {"fp0"}, last + timedelta(seconds=1)) is None
        assert not mine.holds("2026-11-30T23:59:59.999Z")
        assert mine.holds("2026-12-01T00:00:00Z")
        with pytest.raises(
            Refused, match=r"envelope `eu` \(2026-12\).*8 reserved by other runs, 8 wanted, 4 left of 12"
        ):
            await anyio.to_thread.run_sync(state(path, "two.lock.json").reserve, wishes(2, 5), "2026-12", "run-2")
        assert reservations.reserve("apiframe", "fp1", 4)
        assert reservations.reserve("apiframe", "fp2", 4)
        assert not reservations.reserve("apiframe", "fp2", 8)
        assert reservations.why_not("apiframe", "fp2", 8) == "the envelope `all` is reached"
        await anyio.to_thread.run_sync(mine.release)

    anyio.run(turn, backend=backend)


def test_a_time_in_the_future_chooses_no_month(rig: Rig) -> None:
    """A lockfile from elsewhere could move purchases out of every month's envelope."""
    path = write(rig, envelope(12), names=())
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert state(path, "x.lock.json", "2026-12-01T11:59:59Z").month(now) == "2026-12"
    assert state(path, "x.lock.json", "2026-01-01T00:00:00Z").month(now) == "2026-11"
    with pytest.raises(Refused, match="in the future"):
        state(path, "x.lock.json", "2026-12-01T12:00:01Z").month(now)


def test_a_simulation_has_envelopes_of_its_own(rig: Rig) -> None:
    """What is pretended takes nothing of what is paid, and alarms no one."""
    write(rig, envelope(PRICE, at={"50%": script(rig, "tell.py", "open('told', 'w')")}))
    said = run(rig, "one", "--simulate")
    assert said.code == 0, said.err
    assert "is not called in a simulation" in said.err
    assert not (rig.folder / "told").exists()
    assert run(rig, "two", "--simulate").code == 3
    assert run(rig, "two").code == 0
    assert charged(rig) == PRICE
