"""Webhooks that are due: what is to be sent where and when, and what became of it; sending them is not done here."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One POST; `last` is the one that decides a job's status."""

    job_id: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    last: bool = False


@dataclass(slots=True, kw_only=True)
class Outbox:
    """Deliveries by the moment when they are due, and the status of each job that has a webhook."""

    due: list[tuple[float, int, Delivery]] = field(default_factory=list)
    status: dict[str, str] = field(default_factory=dict)
    planned: int = 0


def plan(outbox: Outbox, at: float, delivery: Delivery) -> None:
    """Add a delivery; of those that are due at one moment the first that was planned goes first."""
    outbox.planned += 1
    heapq.heappush(outbox.due, (at, outbox.planned, delivery))


def take_due(outbox: Outbox, now: float) -> list[Delivery]:
    """Remove and return what is due."""
    found = []
    while outbox.due and outbox.due[0][0] <= now:
        found.append(heapq.heappop(outbox.due)[2])
    return found


def record(outbox: Outbox, delivery: Delivery, *, arrived: bool) -> None:
    """Keep what became of a delivery."""
    if delivery.last:
        outbox.status[delivery.job_id] = DELIVERED if arrived else FAILED


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine, the only place that a simulator sends anything to.

    >>> is_loopback("http://127.0.0.1:8080/hook"), is_loopback("https://hooks.example/"), is_loopback("http://127.1.evil/")
    (True, False, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
