"""Apiframe's users and teams: jobs belong to a user, credits to a team, and the key names both.

A key `TEAM/USER` or `TEAM/USER/NAME` says whose it is: `red/ann/laptop` and `red/ann/ci` are two keys of one user,
`red/ben` is a colleague, who has the same credits and sees other jobs. Any other key is a user's own, in the team that
all of these share. A user called `admin…` is the team's admin, everyone else a member.
"""

import hashlib
from dataclasses import dataclass

SHARED_TEAM = "shared"
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The owner of a key: `user` and `team` are UUIDs, `prefix` is the start of the key, at most half of it."""

    user: str
    name: str
    team: str
    team_name: str
    key_id: str
    prefix: str
    admin: bool


def person_of(key: str) -> Person:
    """Return the owner of a key; the same in every world."""
    pieces = key.split("/")
    named = len(pieces) in (2, 3) and all(pieces)
    team, user = (pieces[0], pieces[1]) if named else (SHARED_TEAM, key)
    return Person(
        user=_uuid(f"user|{team}|{user}"),
        name=user if named else "someone",
        team=_uuid(f"team|{team}"),
        team_name=team,
        key_id=_uuid(f"key|{key}"),
        prefix=key[: min(_SHOWN, len(key) // 2)],
        admin=named and user.startswith("admin"),
    )


def _uuid(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
