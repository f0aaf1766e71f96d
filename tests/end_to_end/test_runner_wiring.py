"""What one changed line between the runner's parts would break unseen: judged by the bill, the requests and the disk.

The parts have tables of their own. Here a run over HTTP shows that they are joined: that a wait which a provider asks
for is waited, that a charge is asked for until it is known, that a refusal slows a run down, and the like.
"""

import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import Request, urlopen

import pytest

from kbatch import storage
from kbatch.runner.context import RunOptions
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, KEYS, Rig

THREE = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: shot, matrix: {n: [n1, n2, n3]}, prompt: "a boat {{ n }}"}
"""
SUBMIT, POLL = ("POST", "/v2/videos/generate"), ("GET", "/v2/jobs/")


@dataclass
class Wire:
    """What passed between a run and the simulator: each request with its time, its status and the answer's JSON.

    `instead` may answer a request in the simulator's place, by a status and headers; `before` looks at each first.
    """

    instead: Callable[[str, str], tuple[int, Mapping[str, str]] | None] = lambda _method, _path: None
    before: Callable[[str, str], Awaitable[None]] | None = None
    calls: list[tuple[float, str, str, int]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def times(self, kind: tuple[str, str], status: int | None = None) -> list[float]:
        """Return when requests of a kind came, those with one status only."""
        return [at for at, method, path, said in self.calls if _is(kind, method, path) and status in (None, said)]


def _is(kind: tuple[str, str], method: str, path: str) -> bool:
    return method == kind[0] and path.startswith(kind[1])


@contextmanager
def tapped(rig: Rig, wire: Wire) -> Iterator[Wire]:
    """Let all requests of a run pass through `wire`."""
    app = rig.stage.app
    assert app is not None

    async def between(scope: Any, receive: Any, send: Any) -> None:
        method, path, body, status = scope["method"], scope["path"], bytearray(), 0
        at = time.monotonic()

        async def passing(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            body.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                wire.calls.append((at, method, path, status))
                wire.bodies.append(_json(bytes(body)))
            await send(message)

        if wire.before is not None:
            await wire.before(method, path)
        answer = wire.instead(method, path)
        if answer is None:
            await app(scope, receive, passing)
            return
        headers = [(name.encode(), text.encode()) for name, text in answer[1].items()]
        await passing({"type": "http.response.start", "status": answer[0], "headers": headers})
        await passing({"type": "http.response.body", "body": b'{"error": "slow down"}'})

    rig.stage.app = between
    try:
        yield wire
    finally:
        rig.stage.app = app


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def once(
    kind: tuple[str, str], status: int, headers: Mapping[str, str], *, number: int = 1
) -> Callable[[str, str], Any]:
    """Return an `instead` that answers one request of a kind: the first, or another by its number."""
    left = [number]

    def instead(method: str, path: str) -> tuple[int, Mapping[str, str]] | None:
        left[0] -= _is(kind, method, path)
        if left[0] or not _is(kind, method, path):
            return None
        return status, headers

    return instead


@pytest.mark.parametrize(("number", "status"), [(1, 503), (2, 429), (2, 503)], ids=["charge", "limit", "outage"])
def test_a_poll_that_is_asked_to_wait_waits(either: Rig, number: int, status: int) -> None:
    """`Retry-After: 1` on the first poll, which asks for the charge, or a later one: the next comes no sooner."""
    either.open(latency_s=0.3)
    either.write(THREE.replace("n1, n2, n3", "n1"))
    with tapped(either, Wire(instead=once(POLL, status, {"retry-after": "1"}, number=number))) as wire:
        assert either.run().code == 0
    (refused,) = wire.times(POLL, status)
    assert min(at for at in wire.times(POLL) if at > refused) - refused >= 0.95


def test_a_limit_that_one_poll_meets_holds_for_all_jobs(rig: Rig) -> None:
    """After a 429 with `Retry-After: 1` nothing at all is sent to that API for a second, by no job of the run."""
    rig.open(latency_s=0.3)
    rig.write(THREE)
    accepted = [0]

    def after_the_third(method: str, path: str) -> tuple[int, Mapping[str, str]] | None:
        accepted[0] += _is(SUBMIT, method, path)
        if accepted[0] < 3 or not _is(POLL, method, path):
            return None
        accepted[0] = -99
        return 429, {"retry-after": "1"}

    with tapped(rig, Wire(instead=after_the_third)) as wire:
        assert rig.run().code == 0
    (refused,) = wire.times(POLL, 429)
    meanwhile = [at for at in wire.times(POLL) if refused < at < refused + 0.95]
    assert len(meanwhile) <= 2, "of the two other jobs one poll each may have been on its way"


@pytest.mark.parametrize("times", [1, 3])
def test_a_charge_is_asked_for_until_it_is_known(either: Rig, times: int) -> None:
    """Answers that fail right after the acceptance hide a doubled charge for a moment: only the first job pays it."""
    either.open({"fault": "charge-double"}, {"fault": "poll-500", "times": times})
    either.write(THREE)
    said = either.run()
    assert said.code == 1, said.err
    assert [line["credits"] for line in either.charges()] == [8]
    assert either.bill()["requests"]["submit"] == 1


def test_a_refusal_for_too_many_requests_halves_what_runs_at_once(either: Rig) -> None:
    """Eight at once, a 429 for the first: those that have begun go on, the ninth is sent when four or fewer run.

    The simulator's time goes on by requests: eight purchases are made before the first of them ends, one after the
    other.
    """
    began, wire = time.time(), Wire(instead=once(SUBMIT, 429, {"retry-after": "0"}))

    def clock() -> float:
        submits = len(wire.times(SUBMIT))
        return began + submits + 0.05 * (len(wire.times(POLL)) if submits > 8 else 0)

    _wait_for_renders_longer(either)
    either.open(latency_s=20.0, clock=clock)
    either.write(THREE.replace("[n1, n2, n3]", "[" + ", ".join(f"n{n}" for n in range(14)) + "]"))
    with tapped(either, wire):
        assert either.run("-j", "8").code == 0
    running, most = set(), []
    for (_, method, path, status), body in zip(wire.calls, wire.bodies, strict=True):
        if _is(SUBMIT, method, path) and status == 202:
            running.add(body["jobId"])
            most.append(len(running))
        elif _is(POLL, method, path) and status == 200 and body["status"] == "COMPLETED":
            running.discard(body["id"])
    assert len(most) == 14
    assert most[:8] == list(range(1, 9))
    assert max(most[8:12]) <= 6, "four after the halving, and at most two more for eleven acceptances"


def _wait_for_renders_longer(rig: Rig) -> None:
    """Let no render of a rehearsal be given up: its hour is shorter than a second here."""
    rig.monkeypatch.setattr("kbatch.cli.run_plan.RunOptions", partial(RunOptions, render_deadline_s=1e6))


def test_a_job_is_found_behind_the_first_page_of_the_list(rig: Rig) -> None:
    """A lost purchase with 130 later ones of the same account above it is found, and not bought again."""
    rig.open({"fault": "lost-answer", "match": "the one", "times": 1})
    rig.write("shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: the one}\n")

    def no_clock_and_no_list(method: str, path: str) -> tuple[int, Mapping[str, str]] | None:
        return (500, {}) if (method, path) == ("GET", "/v2/jobs") or (path == "/v2/me" and wire.calls) else None

    wire = Wire()
    wire.instead = no_clock_and_no_list
    with tapped(rig, wire):
        assert rig.run().code == 4
    (lost,) = rig.world.jobs
    request = rig.receipt("one")["request"]
    for number in range(130):
        _buy(rig, {**request, "prompt": f"a colleague's {number}"})
    with tapped(rig, Wire(instead=lambda _method, path: (500, {}) if path == "/v2/me" else None)) as wire:
        said = rig.kbatch("reconcile")
    assert said.code == 0, said.err
    assert len(wire.times(("GET", "/v2/jobs"))) > 1
    assert rig.receipt("one")["job_id"] == lost
    assert [line["credits"] for line in rig.charges() if line["idempotency_key"]] == [4]
    assert rig.states() == {"one": "done"}


def _buy(rig: Rig, body: Mapping[str, Any]) -> None:
    asked = Request(
        f"{rig.stage.url}/v2/videos/generate",
        data=json.dumps(body).encode(),
        headers={"X-API-Key": KEYS["APIFRAME_API_KEY"]},
    )
    with urlopen(asked) as answer:
        answer.read()


def test_a_long_run_shows_in_the_lockfile_before_it_ends(either: Rig) -> None:
    """While a render goes on the lockfile is written now and then: a review sees what is bought already."""
    either.monkeypatch.setattr("kbatch.runner.execute._CHECKPOINT_S", 0.01)
    _wait_for_renders_longer(either)
    either.open(latency_s=0.0)
    either.write(THREE.replace("n1, n2, n3", "n1"))
    seen: list[dict[str, str]] = []

    def rendering_until_it_is_seen(method: str, path: str) -> tuple[int, Mapping[str, str]] | None:
        if not _is(POLL, method, path) or len(wire.calls) > 1000:
            return None
        if either.has_lockfile():
            seen.append(either.states())
        return None if {"shot[n=n1]": "submitted"} in seen else (503, {})

    wire = Wire()
    wire.instead = rendering_until_it_is_seen
    with tapped(either, wire):
        assert either.run().code == 0
    assert {"shot[n=n1]": "submitted"} in seen
    assert either.states() == {"shot[n=n1]": "done"}


TWO = THREE.replace("n1, n2, n3", "n1, n2")
ELSEWHERE = TWO + 'output: {dir: renders, name: "new/{{ slug }}.mp4"}\n'
PLACEHOLDER = b"a colleague's placeholder"


@pytest.mark.parametrize(
    ("body", "targets"),
    [(TWO, "shot-n-n{}.mp4"), (ELSEWHERE, "new/shot-n-n{}.mp4")],
    ids=["by-deliveries", "by-moves"],
)
def test_two_files_that_are_moved_aside_at_once_do_not_meet(either: Rig, body: str, targets: str) -> None:
    """Files of the same bytes stand at two targets, and the disk is slow: both are kept as one, and both jobs end."""
    renders = either.folder / "renders"
    if body == ELSEWHERE:
        either.write(TWO)
        assert either.run().code == 0
    for number in (1, 2):
        target = renders / targets.format(number)
        target.parent.mkdir(exist_ok=True, parents=True)
        target.write_bytes(PLACEHOLDER)
    either.monkeypatch.setattr(storage, "move", SlowMoves(lambda target: ".kept" in target.parts))
    either.write(body)
    said = either.run()
    assert said.code == 0, said.err
    clips = either.clips()
    assert set(either.states().values()) == {"done"}
    assert all(clips[one["path"]] == one["sha256"] for one in _outputs(either))
    assert [path.read_bytes() for path in renders.glob(".kept/*.mp4")] == [PLACEHOLDER]


def test_a_clip_is_not_delivered_to_a_place_that_is_just_being_left(either: Rig) -> None:
    """One clip moves from where the next is delivered, on a slow disk: both end at their places, nothing is refused."""
    head = "defaults: {model: kling-2.5-turbo-pro}\noutput: {dir: renders, name: '{{ shot.id }}.mp4'}\nshots:\n"
    either.open(latency_s=0.0)
    either.write(head + "  - {id: first, prompt: a}\n")
    assert either.run().code == 0
    slow = SlowMoves(lambda target: target.name in ("first.mp4", "second.mp4"))
    either.monkeypatch.setattr(storage, "move", slow)
    either.write(head + "  - {id: second, prompt: a}\n  - {id: first, prompt: b}\n")
    said = either.run()
    assert said.code == 0, said.err
    clips = either.clips()
    assert sorted(one["path"] for one in _outputs(either)) == ["renders/first.mp4", "renders/second.mp4"]
    assert all(clips[one["path"]] == one["sha256"] for one in _outputs(either))


def _outputs(rig: Rig) -> list[dict[str, Any]]:
    return [receipt["output"] for receipt in rig.lockfile()["renders"].values()]


class SlowMoves:
    """A disk on which the first of some moves takes half a second, or a moment longer than the next takes to begin."""

    def __init__(self, slow: Callable[[Path], bool]) -> None:
        self._move = storage.move
        self._slow = slow
        self._begun = 0
        self._next = Event()

    def __call__(self, source: Path, target: Path) -> None:
        """Move, as slowly as that."""
        if self._slow(target):
            self._begun += 1
            if self._begun > 1:
                self._next.set()
            elif self._next.wait(0.5):
                time.sleep(0.05)
        self._move(source, target)


OTHER = f"""
{AIMLAPI_PRICE}
defaults: {{model: {AIMLAPI}, params: {{image_url: "https://example.com/a.png"}}}}
shots:
  - {{id: one, prompt: a}}
  - {{id: two, prompt: b}}
"""
PRICE = 5 * 262_500


@pytest.mark.parametrize(("balance", "code"), [(2 * PRICE, 4), (2 * PRICE - 1, 3)], ids=["enough", "one-too-few"])
def test_what_is_held_counts_when_the_balance_is_checked(rig: Rig, balance: int, code: int) -> None:
    """An unknown send may still be charged: the account must hold its quote beside that of the new job, or exit 3."""
    rig.open({"fault": "cut", "at": "submit", "match": "a", "times": 1})
    rig.write(OTHER, provider="aimlapi")
    assert rig.run("--only", "one").code == 4
    object.__setattr__(rig.world.terms, "credits", {**rig.world.terms.credits, "aimlapi": balance})
    said = rig.run()
    assert said.code == code, said.err
    assert ("the plan's maximum is" in said.err) == (code == 3)
    assert len(rig.charges()) == (1 if code == 4 else 0)
    assert rig.bill()["requests"]["submit"] == (2 if code == 4 else 1)
