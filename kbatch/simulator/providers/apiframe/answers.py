"""What Apiframe's endpoints share: its error envelope, the words for a job's phases, and whose key a call has."""

from collections.abc import Mapping
from typing import Any

from kbatch.simulator.exchange import Reply, SimulatedRequest, reply_json
from kbatch.simulator.providers.accounts import Person, person_of
from kbatch.simulator.providers.fields import Complaint
from kbatch.simulator.state import KeyScope, Phase, World

STATUSES = ("QUEUED", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED")
WORDS = dict(zip(Phase, STATUSES, strict=True))


def error(status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    """Return an error in Apiframe's envelope."""
    return reply_json(status, {"error": message, **more}, headers)


def invalid(complaints: list[Complaint]) -> Reply:
    """Return the 400 that lists all complaints with their paths."""
    details: dict[str, list[str]] = {}
    for path, message in complaints:
        details.setdefault(path, []).append(message)
    return error(400, "Validation failed", details=details)


def too_many(world: World, message: str, wait_s: int | None = None) -> Reply:
    """Return the 429, whose Retry-After is in seconds."""
    seconds = world.terms.retry_after_s if wait_s is None else wait_s
    return error(429, message, {"retry-after": str(seconds)})


def refuse_key(call: SimulatedRequest, now: float) -> Reply | None:
    """Return the 401 of a missing or unknown key, the 403 of an inactive one.

    A key `invalid` or `bad…` stands for an unknown one, `inactive…` for an inactive one.
    """
    key = key_of(call)
    if not key:
        return error(401, "API key is required")
    if key == "invalid" or key.startswith("bad"):
        return error(401, "Invalid API key")
    return error(403, "API key is inactive") if key.startswith("inactive") else None


def caller(world: World, call: SimulatedRequest) -> Person:
    """Return the owner of the request's key."""
    return person_of(key_of(call), world.terms.people)


def key_of(call: SimulatedRequest) -> str:
    """Return the API key of a request."""
    return call.headers.get("x-api-key", "").strip()


def owner_within(scope: KeyScope, person: Person) -> str:
    """Return the id of the team, user or key that a thing of this scope belongs to."""
    return {KeyScope.TEAM: person.team, KeyScope.USER: person.user, KeyScope.KEY: person.key_id}[scope]


def rate_owner(world: World, call: SimulatedRequest) -> str:
    """Return whose rate a call counts against."""
    return owner_within(world.terms.rate_scope, caller(world, call))
