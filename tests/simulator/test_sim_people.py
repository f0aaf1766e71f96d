"""Whose keys: Apiframe's jobs belong to a user, its credits to a team, and no document tells whose a key is."""

import re
from typing import Any

import pytest
from simulator_calls import START, call, document, new

from kbatch.simulator.exchange import Reply
from kbatch.simulator.providers.accounts import person_of
from kbatch.simulator.state import KeyScope, World

BODY = b'{"model": "kling-2.5-turbo-pro", "prompt": "a fox", "klingParams": {"duration": 5}}'
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ask(world: World, key: str, path: str, **query: str) -> Reply:
    """Return the reply to a question with this key."""
    return call(world, "GET", path, headers={"x-api-key": key}, query=query)


def buy(world: World, key: str, again: str = "k1") -> str:
    """Return the job that this key buys under an idempotency key."""
    headers = {"x-api-key": key, "idempotency-key": again}
    return str(document(call(world, "POST", "/v2/videos/generate", headers=headers, body=BODY, now=START))["jobId"])


def listed(world: World, key: str, **query: str) -> list[str]:
    """Return the jobs that a key is shown."""
    return [job["id"] for job in document(ask(world, key, "/v2/jobs", **query))["jobs"]]


def me(world: World, key: str) -> dict[str, Any]:
    """Return who the key belongs to."""
    return dict(document(ask(world, key, "/v2/me")))


def test_a_key_belongs_to_a_user_of_a_team() -> None:
    """Ids are UUIDs; a user may have several keys, a colleague has the same team; of a key half is shown at most."""
    world = new()
    laptop, ci, ben = me(world, "red/ann/laptop"), me(world, "red/ann/ci"), me(world, "red/ben")
    assert laptop["user"] == ci["user"]
    assert laptop["apiKey"]["id"] != ci["apiKey"]["id"]
    assert ben["team"] == ci["team"]
    assert ben["user"]["id"] != ci["user"]["id"]
    assert me(world, "blue/ann")["user"]["id"] != ci["user"]["id"]
    assert me(world, "any key")["team"]["id"] == me(world, "another")["team"]["id"] != ci["team"]["id"]
    for told in (laptop["user"]["id"], laptop["team"]["id"], laptop["apiKey"]["id"]):
        assert UUID.fullmatch(told)
    assert (laptop["user"]["role"], me(world, "red/admin")["user"]["role"]) == ("MEMBER", "ADMIN")
    assert me(world, "red/owner-eve")["user"]["role"] == "OWNER"
    assert (laptop["team"]["name"], laptop["apiKey"]["name"]) == ("red", "laptop")
    assert (person_of("red/ann/laptop").prefix, person_of("abc").prefix) == ("red/ann", "a")


def test_each_user_sees_their_own_jobs() -> None:
    """A colleague's job is 404 and in no list but an admin's of the team; any key of the buyer shows it."""
    world = new()
    job = buy(world, "red/ann/laptop")
    assert ask(world, "red/ann/ci", f"/v2/jobs/{job}").status == 200
    assert ask(world, "red/ben", f"/v2/jobs/{job}").status == 404
    assert (listed(world, "red/ann/ci"), listed(world, "red/ben")) == ([job], [])
    assert ask(world, "red/ben", "/v2/jobs", scope="team").status == 403
    assert listed(world, "red/admin", scope="team") == [job]
    assert ask(world, "red/ben", "/v2/jobs", scope="all").status == 400


@pytest.mark.parametrize(
    ("scope", "same"),
    [(KeyScope.TEAM, {"ci", "ben"}), (KeyScope.USER, {"ci"}), (KeyScope.KEY, set())],
)
def test_within_what_an_idempotency_key_is_one(scope: KeyScope, same: set[str]) -> None:
    """One purchase for a team, for a user, or for one key alone: the terms decide."""
    world = new(key_scope=scope)
    first = buy(world, "red/ann/laptop")
    assert buy(world, "red/ann/laptop") == first
    assert {name for name, key in (("ci", "red/ann/ci"), ("ben", "red/ben")) if buy(world, key) == first} == same


def test_a_world_says_whose_any_key_is() -> None:
    """Keys that look like the vendor's own are given to users; no key is shown whole."""
    names = {"afk_0123456789abcdef": "red/ann/ci", "afk_fedcba9876543210": "red/admin"}
    world = new(people=names)
    job = buy(world, "afk_0123456789abcdef")
    assert listed(world, "red/ann/laptop") == listed(world, "afk_fedcba9876543210", scope="team") == [job]
    told = me(world, "afk_0123456789abcdef")
    assert (told["apiKey"]["name"], told["apiKey"]["prefix"]) == ("ci", "afk_012345")
    assert told["user"]["id"] == me(world, "red/ann")["user"]["id"]


def credits_of(world: World, key: str) -> int:
    """Return the balance that a key is shown."""
    return int(me(world, key)["team"]["credits"])


def test_credits_belong_to_a_team() -> None:
    """Colleagues spend from one purse, other teams from others; what fails comes back to the purse it came from."""
    world = new("fail", credits={"apiframe": 100, "apiframe/red": 8}, latency_s=10)
    buy(world, "red/ann")
    buy(world, "red/ben", again="k2")
    assert (credits_of(world, "red/ann"), credits_of(world, "blue/ann"), credits_of(world, "plain")) == (0, 100, 100)
    headers = {"x-api-key": "red/admin"}
    refused = call(world, "POST", "/v2/videos/generate", headers=headers, body=BODY)
    assert (refused.status, document(refused)["creditsAvailable"]) == (402, 0)
    assert document(call(world, "GET", "/v2/me", headers=headers, now=START + 10))["team"]["credits"] == 8


def test_a_team_has_its_own_places_for_running_jobs() -> None:
    """More jobs at once than a team may have are 429 for it, not for another team."""
    world = new(concurrency=1, latency_s=10)
    answers = [
        call(world, "POST", "/v2/videos/generate", headers={"x-api-key": key}, body=BODY).status
        for key in ("red/ann", "red/ben", "blue/ann")
    ]
    assert answers == [202, 429, 202]


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [
        (KeyScope.TEAM, [200, 429, 429, 200]),
        (KeyScope.USER, [200, 429, 200, 200]),
        (KeyScope.KEY, [200, 200, 200, 200]),
    ],
)
def test_within_what_calls_are_counted(scope: KeyScope, statuses: list[int]) -> None:
    """One call a minute for a team, a user or a key: the terms decide."""
    world = new(rate_per_minute=1, rate_scope=scope)
    keys = ("red/ann/laptop", "red/ann/ci", "red/ben", "blue/ann")
    assert [ask(world, key, "/v2/me").status for key in keys] == statuses


def test_an_inactive_key_is_403() -> None:
    """Known, and without permission."""
    assert ask(new(), "inactive-1", "/v2/me").status == 403
