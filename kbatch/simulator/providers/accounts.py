"""Apiframe's users and teams: jobs belong to a user, credits to a team, and the key names both.

A name `TEAM/USER` or `TEAM/USER/NAME` says whose a key is: `red/ann/laptop` and `red/ann/ci` are two keys of one user,
`red/ben` is a colleague, who has the same credits and sees other jobs. Such a name is itself a key; a world may also
give a name to any other key. What has no name is a user's own key, in the team that all of these share. A user called
`admin…` is an admin of the team, `owner…` its owner, everyone else a member.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

SHARED_TEAM = "shared"
_SHOWN = 12
_NOBODY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The owner of a key: `user` and `team` are UUIDs, `prefix` is the start of the key, at most half of it.

    `purse` names the team's credits, empty for those of the shared team.
    """

    user: str
    name: str
    team: str
    team_name: str
    purse: str
    key_id: str
    key_name: str
    prefix: str
    role: str

    @property
    def admin(self) -> bool:
        """Whether this user may see the whole team's jobs."""
        return self.role != "MEMBER"


def person_of(key: str, people: Mapping[str, str] = _NOBODY) -> Person:
    """Return the owner of a key; `people` are the names of keys, the same everywhere in a world.

    >>> person_of("afk_12345678", {"afk_12345678": "red/admin/ci"}).role
    'ADMIN'
    """
    pieces = people.get(key, key).split("/")
    named = len(pieces) in (2, 3) and all(pieces)
    team, user = (pieces[0], pieces[1]) if named else (SHARED_TEAM, key)
    return Person(
        user=_uuid(f"user|{team}|{user}"),
        name=user if named else "someone",
        team=_uuid(f"team|{team}"),
        team_name=team,
        purse=team if named and team != SHARED_TEAM else "",
        key_id=_uuid(f"key|{key}"),
        key_name=pieces[2] if named and len(pieces) == 3 else "default",
        prefix=key[: min(_SHOWN, len(key) // 2)],
        role=_role(user) if named else "MEMBER",
    )


def _role(user: str) -> str:
    return next((role for role in ("ADMIN", "OWNER") if user.upper().startswith(role)), "MEMBER")


def _uuid(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
