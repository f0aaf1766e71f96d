"""Runs in virtual time: kbatch's own scheduler, submits and polls against the simulator, with the rate kept.

The clock leaps to the next thing to do, so the seconds are those of the provider and of kbatch's waits, and nothing of
this machine is in them. Clips are not downloaded, which is no call of the API; the journal is in memory.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import anyio
import trio
from trio.testing import MockClock

from kbatch.api import load, plan
from kbatch.planner.approval.consent import ConfirmedPlan, ConsentMethod, ConsentTerms
from kbatch.planner.ceilings import Ceilings
from kbatch.providers.apiframe import Apiframe
from kbatch.providers.http.client import Client
from kbatch.providers.registry import PACKAGED
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.runner.accounts.sessions import Sessions
from kbatch.runner.collect.poll import Rendered
from kbatch.runner.context import Run, RunOptions
from kbatch.runner.limits.concurrency import Slots
from kbatch.runner.limits.credit_reservations import CreditReservations
from kbatch.runner.limits.rate import POLLS_SHARE, rate_of
from kbatch.runner.limits.unpriced import Unpriced
from kbatch.runner.scheduler import work
from kbatch.runner.session import ProviderSession
from kbatch.runner.shutdown import Shutdown
from kbatch.simulator.server import SimulatorSettings, build_app
from kbatch.simulator.state import SimulatedJob
from kbatch.storage import Folder

BEGAN = datetime(2026, 11, 30, tzinfo=UTC)
Change = Callable[[str, dict[str, Any]], dict[str, Any] | int]


def now() -> datetime:
    """Return the virtual time of day."""
    return BEGAN + timedelta(seconds=anyio.current_time() - _zero())


def _zero() -> float:
    return float(_started.get("at", 0.0))


_started: dict[str, float] = {}


class MemoryJournal:
    """Stamps facts and keeps them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def record(self, *facts: Fact) -> list[Event]:
        """Return the facts as events of this moment."""
        at = now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        stamped = [stamp(fact, at=at, run="virtual", sequence=len(self.events) + n) for n, fact in enumerate(facts)]
        self.events += stamped
        return stamped


@dataclass
class Calls:
    """An app around the simulator's that counts calls by kind, and when each was made.

    `changed` may change an answer: it is given the path with its query and the JSON, and returns the JSON to send, or a
    number for an error of that status.
    """

    app: Any
    changed: Change | None = None
    before_submit: Callable[[], None] = lambda: None
    seen: list[tuple[float, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Note the call, then answer."""
        query = scope["query_string"].decode()
        path = scope["path"] + (f"?{query}" if query else "")
        kind = "submit" if scope["method"] == "POST" else "list" if path.startswith("/v2/jobs?") else "poll"
        self.seen.append((anyio.current_time() - _zero(), kind))
        if kind == "submit":
            self.before_submit()
        if self.changed is None:
            await self.app(scope, receive, send)
            return
        sent: list[Any] = []

        async def keep(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, keep)
        told = json.loads(b"".join(message.get("body", b"") for message in sent))
        answer = self.changed(path, told)
        status = sent[0]["status"]
        if isinstance(answer, int):
            status, answer = answer, {"error": "not now"}
        headers = [pair for pair in sent[0]["headers"] if pair[0] == b"date"]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def count(self, kind: str | None = None) -> int:
        """Return how many calls of a kind were made, all by default."""
        return sum(kind in (None, each) for _, each in self.seen)


class _Single(Apiframe):
    """Apiframe without the list of ended jobs."""

    ended_jobs = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a virtual run came to: seconds until the last clip was noticed, the calls, the run and its simulator."""

    seconds: float
    calls: Calls
    run: Run
    world: Any
    noticed: Mapping[str, float]

    @property
    def per_job(self) -> float:
        """Calls a job, its submit included."""
        return self.calls.count() / len(self.run.confirmed.plan.entries)

    @property
    def late(self) -> list[float]:
        """How late each finished clip was noticed, as a share of its render."""
        jobs: list[SimulatedJob] = list(self.world.jobs.values())
        ends = {job.id: (job.ends_at - BEGAN.timestamp(), job.ends_at - job.created_at) for job in jobs}
        return [(at - ends[job_id][0]) / ends[job_id][1] for job_id, at in self.noticed.items() if job_id in ends]


@dataclass(kw_only=True)
class VirtualRun:
    """A campaign at a number of places; `scale` multiplies kbatch's waits and not the rate, None is no rate.

    Renders take `render_s`, or what `lengths` draws for each.
    """

    folder: Path
    jobs: int
    places: int
    render_s: float
    scale: float = 1.0
    per_minute: int | None = 500
    changed: Change | None = None
    lists: bool = True
    lengths: Callable[[random.Random], float] | None = None

    def finish(self) -> Finished:
        """Run it to its end on trio's clock that leaps."""
        return cast(Finished, trio.run(self._finish, clock=MockClock(autojump_threshold=0)))

    async def _finish(self) -> Finished:
        _started["at"] = anyio.current_time()
        began = BEGAN.timestamp() - anyio.current_time()
        settings = SimulatorSettings(
            latency_s=self.render_s,
            clips=False,
            clock=lambda: began + anyio.current_time(),
            credits={"apiframe": 10**9},
        )
        simulator = build_app(settings)
        world = simulator.state.world
        dice = random.Random(1)

        def draw() -> None:
            if self.lengths is not None:
                object.__setattr__(world.terms, "latency_s", self.lengths(dice))

        calls = Calls(simulator, self.changed, draw)
        provider: Any = PACKAGED["apiframe"] if self.lists else _Single()
        async with Client(provider.base_url, provider.authorization("any key"), app=calls) as client:
            session = ProviderSession(
                provider=provider,
                client=client,
                slots=Slots(self.places),
                origin="simulator",
                scale=self.scale,
                rate=rate_of(self.per_minute),
                polls=rate_of(self.per_minute, share=POLLS_SHARE),
            )
            await session.ask_balance()
            run = self._run(session)
            noticed: dict[str, float] = {}

            async def finish(_run: Run, _session: Any, pending: Any, ended: Any) -> None:
                if isinstance(ended, Rendered):
                    await run.record(*ended.facts)
                noticed[run.receipt(pending).job_id or ""] = anyio.current_time() - _zero()

            with (
                patch("kbatch.runner.submit.render_job.finish_job", finish),
                patch("kbatch.runner.collect.finish.finish_job", finish),
            ):
                await work(run)
        return Finished(seconds=max(noticed.values(), default=0.0), calls=calls, run=run, world=world, noticed=noticed)

    def _run(self, session: ProviderSession) -> Run:
        manifest = self.folder / "campaign.yaml"
        matrix = f'shots: [{{id: job, prompt: "job {{{{ n }}}}", matrix: {{n: "{{{{ range({self.jobs}) }}}}"}}}}]\n'
        params = "{duration: 5, mode: standard, generate_audio: false}"
        head = f"kbatch: 1\nname: virtual\nprovider: apiframe\ndefaults: {{model: kling-3.0, params: {params}}}\n"
        manifest.write_text(head + matrix, encoding="utf-8")
        terms = ConsentTerms(ceilings=Ceilings(run={"apiframe": 10**9}, budget={}, job={}))
        confirmed = ConfirmedPlan(plan=plan(load(manifest)).plan, terms=terms, method=ConsentMethod.YES)
        reservations = CreditReservations(terms.ceilings, {}, {})
        return Run(
            confirmed=confirmed,
            folder=self.folder,
            tree=Folder.of(manifest),
            journal=cast(Any, MemoryJournal()),
            renders={},
            sessions=Sessions(by_provider={"apiframe": {"default": session}}),
            reservations=reservations,
            unpriced=Unpriced(reservations, {}),
            options=RunOptions(),
            on_progress=lambda _event: None,
            shutdown=Shutdown(),
            on_event=lambda _event: None,
        )
