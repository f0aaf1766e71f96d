"""State of the simulated world: its terms, jobs and credits, and their changes with time.

Nothing here reads a clock, a disk or a random number: time is the argument `now` (seconds, UTC epoch), randomness
comes from a seed. The state is changed in place, since a copy per request would cost as much as all its jobs.
"""

import hashlib
import heapq
import math
from bisect import insort
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from kbatch.simulator.bill import Bill, refund
from kbatch.simulator.clips.orders import ClipOrder
from kbatch.simulator.exchange import Reply, SimulatedRequest
from kbatch.simulator.faults.selection import FaultCounts, FaultRule, FaultTarget
from kbatch.simulator.providers.offers import OFFERS, Offer, with_own
from kbatch.simulator.webhooks import Outbox

DAY_S = 86_400.0
QUEUED_SHARE = 0.1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KeyScope(StrEnum):
    """Whose something is: a team's, a user's, or one API key's."""

    TEAM = "team"
    USER = "user"
    KEY = "key"


class SignatureKey(StrEnum):
    """What signs a webhook: the bytes of the API key's SHA-256, or their hex text."""

    RAW = "raw"
    HEX = "hex"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldTerms:
    """How this world behaves: times in seconds, None for no limit.

    `credits` is what accounts start with that have not the usual ones: by provider, or `provider/team` for one team.
    `people` gives API keys the name that says whose they are (`accounts`). `retention_s` is how long a clip stays (24 h
    is the default in Apiframe's specification). `key_scope` is within what an idempotency key is one, `rate_scope`
    within what calls are counted: no document tells either. `offers` are models beside the documented ones, or in
    their place; a `lenient` world lets parameters pass that no document has.
    """

    seed: int = 0
    latency_s: float = 0.0
    retention_s: float = DAY_S
    upload_lives_s: float = 3600.0
    credits: Mapping[str, int] = field(default_factory=dict)
    concurrency: int | None = None
    rate_per_minute: int | None = None
    retry_after_s: int = 1
    slow_s: float = 2.0
    key_scope: KeyScope = KeyScope.USER
    rate_scope: KeyScope = KeyScope.TEAM
    people: Mapping[str, str] = field(default_factory=dict)
    webhook_key: SignatureKey = SignatureKey.RAW
    faults: tuple[FaultRule, ...] = ()
    offers: tuple[Offer, ...] = ()
    lenient: bool = False


class Phase(StrEnum):
    """Phase of a job, independent of the providers' status names."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED_WITHOUT_A_CLIP = frozenset({Phase.FAILED, Phase.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedJob:
    """One accepted purchase; `ends_at` is infinite for a job that hangs, `input` what the caller sent.

    `owner` is the user who alone sees it, empty where everyone does; `purse` is whose credits it costs.
    `asker` is the key that bought it, `trace` its own name for the request, `path` the one that it is polled on (any,
    where empty).
    """

    id: str
    number: int
    provider: str
    model: str
    variant: str
    prompt: str
    input: Mapping[str, Any]
    credits: int
    created_at: float
    ends_at: float
    end: Phase
    error: str | None
    job_faults: frozenset[str]
    clip: ClipOrder
    owner: str = ""
    team: str = ""
    purse: str = ""
    asker: str = ""
    trace: str | None = None
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """What an idempotency key bought, with a digest of the body it was used with."""

    job_id: str
    digest: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that the world serves until `expires_at`."""

    id: str
    name: str
    media_type: str
    data: bytes
    expires_at: float


@dataclass(slots=True, kw_only=True)
class World:
    """All that the simulator remembers, of `providers` by name; `order` lists a provider's job ids as they came.

    `listed` has their places in order of moment and id; sums of credits and running jobs are by `purse`.
    `expired_urls` counts the clip URLs of a job that were found expired, `due` is a heap of when jobs end.
    """

    providers: Mapping[str, "SimulatedProvider"]
    terms: WorldTerms = field(default_factory=WorldTerms)
    offers: Mapping[tuple[str, str], Offer] = field(default_factory=lambda: OFFERS)
    bill: Bill = field(default_factory=Bill)
    fault_counts: FaultCounts = field(default_factory=FaultCounts)
    jobs: dict[str, SimulatedJob] = field(default_factory=dict)
    order: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    listed: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, KeyUse] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    expired_urls: dict[str, int] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    images: dict[bytes, bytes] = field(default_factory=dict)
    takes: dict[ClipOrder, int] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    held: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    running: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    due: list[tuple[float, int, str]] = field(default_factory=list)
    outbox: Outbox = field(default_factory=Outbox)
    calls: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))


Handle = Callable[[World, SimulatedRequest, float], Reply]
"""Answers a request at a moment (seconds since the epoch): only the world changes, in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path: whether it needs a key, and where faults may hit it."""

    handle: Handle
    keyed: bool = True
    target: FaultTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedProvider:
    """One pretended API: all that the simulator knows of it.

    `credits` is what an account starts with. `endpoints` are by path and method; a path that ends in `/` stands for all
    below it, and all are served below `prefix`. `refuse_key` answers a key that is missing or unknown, `job_at` finds
    the job that a poll is about. `holds`: a price is held until a job ends, else it is charged at once. `job_id` makes
    an id of a digest, the job's number and its model. `restore_job` makes the job of a body bought in an earlier world.
    `rate_owner` says whose rate a call counts against; without it there is one rate for all.
    `too_many` (with the seconds to wait) and `fault` (with the fault's effect) answer in the API's own form, else a
    plain one is used. `bend` changes a true answer as a fault of the provider's own wants.
    """

    name: str
    credits: int
    endpoints: Mapping[str, Mapping[str, Endpoint]]
    refuse_key: Callable[[SimulatedRequest, float], Reply | None]
    job_at: Callable[[World, SimulatedRequest], SimulatedJob | None]
    prefix: str = ""
    holds: bool = False
    accepted: int = 202
    job_id: Callable[[str, int, str], str] | None = None
    restore_job: Callable[[World, Mapping[str, Any], float], SimulatedJob | None] | None = None
    rate_owner: Callable[[World, SimulatedRequest], str] | None = None
    too_many: Callable[[World, SimulatedRequest, int, float], Reply] | None = None
    fault: Callable[[str, World, SimulatedRequest, FaultTarget, float], Reply] | None = None
    bend: Callable[[str, SimulatedRequest, Reply], Reply] | None = None


def new_world(terms: WorldTerms, providers: Iterable[SimulatedProvider]) -> World:
    """Return a world of these providers in which nothing has happened yet."""
    world = World(
        providers={one.name: one for one in providers},
        terms=terms,
        fault_counts=FaultCounts(seed=terms.seed),
        offers=with_own(terms.offers, lenient=terms.lenient),
    )
    for name in world.providers:
        world.bill.charged[name] = world.bill.refunded[name] = 0
    return world


def end_due_jobs(world: World, now: float) -> None:
    """End the jobs that are due: a failed one is refunded, a completed one's hold becomes a charge."""
    while world.due and world.due[0][0] <= now:
        job = world.jobs[heapq.heappop(world.due)[2]]
        account, holds = purse(job.provider, job.purse), world.providers[job.provider].holds
        world.running[account] -= 1
        if holds:
            world.held[account] -= job.credits
        if job.end in ENDED_WITHOUT_A_CLIP:
            refund(world.bill, job.id)
            if not holds:
                world.spent[account] -= job.credits
        elif holds:
            world.spent[account] += job.credits


def add_job(world: World, job: SimulatedJob) -> None:
    """Make a job part of the world."""
    world.jobs[job.id] = job
    world.order[job.provider].append(job.id)
    insort(world.listed[job.provider], list_place(job))


def list_place(job: SimulatedJob) -> tuple[int, str]:
    """Return the place of a job among others: its moment in milliseconds, then its id."""
    return math.floor(job.created_at * 1000), job.id


def purse(provider: str, team: str = "") -> str:
    """Return the name under which credits and running jobs are summed: a provider, or one of its teams."""
    return f"{provider}/{team}" if team else provider


def balance(world: World, provider: str, team: str = "") -> int:
    """Return the credits of an account as its balance endpoint reports them; held credits still count."""
    account, credits = purse(provider, team), world.terms.credits
    start = credits.get(account, credits.get(provider, world.providers[provider].credits))
    return start - world.spent[account]


def available(world: World, provider: str, team: str = "") -> int:
    """Return the credits that a new purchase may use."""
    return balance(world, provider, team) - world.held[purse(provider, team)]


def phase(world: World, job: SimulatedJob, now: float) -> tuple[Phase, int]:
    """Return a job's phase and progress in percent: queued for a tenth of the latency, then rising to 99."""
    if now >= job.ends_at:
        return job.end, 100
    latency = world.terms.latency_s
    share = (now - job.created_at) / latency if latency > 0 else 1.0
    if share < QUEUED_SHARE:
        return Phase.QUEUED, 0
    return Phase.RUNNING, max(1, min(99, int(100 * (share - QUEUED_SHARE) / (1 - QUEUED_SHARE))))


def expired(world: World, job: SimulatedJob, now: float) -> bool:
    """Return whether the retention time of a completed job's clip is over."""
    return now >= job.ends_at + world.terms.retention_s


def clip_token(world: World, job: SimulatedJob) -> str:
    """Return the unguessable name of a job's clip; a new one after the first has expired (`expired-url`)."""
    turn = world.expired_urls.get(job.id, 0)
    token = digest_of(f"{world.terms.seed}|clip|{job.id}|{turn}")[:40]
    world.tokens[token] = job.id
    return token


def is_expired_url(world: World, job: SimulatedJob, token: str) -> bool:
    """Return whether a token is the first, expired one of an `expired-url` job, and retire it."""
    if "expired-url" not in job.job_faults or token != digest_of(f"{world.terms.seed}|clip|{job.id}|0")[:40]:
        return False
    world.expired_urls[job.id] = 1
    return True


def shared_image(world: World, data: bytes) -> bytes:
    """Return the world's single copy of these bytes, which all jobs share."""
    return world.images.setdefault(hashlib.sha256(data).digest(), data)


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text in hex; lone surrogates are allowed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def stamp(now: float) -> str:
    """Return an instant in UTC, ISO 8601 with milliseconds."""
    instant = _EPOCH + timedelta(milliseconds=math.floor(now * 1000))
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
