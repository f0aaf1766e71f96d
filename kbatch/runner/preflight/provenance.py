"""Who buys, and from which commit: what receipts remember of a run beside its manifest; never a secret."""

import os
from collections.abc import Mapping
from pathlib import Path

from kbatch.errors import Invalid
from kbatch.receipts.approvals.approval import Person
from kbatch.storage.git.git_program import ask

_CI_ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BITBUCKET_STEP_TRIGGERER_UUID", "CIRCLE_USERNAME")
"""Where GitHub, GitLab, Bitbucket and CircleCI name who started a job."""
_LONGEST = 200


def actor_of(environment: Mapping[str, str], folder: Path) -> str | None:
    """Return the CI's actor, else git's `user.name` or `user.email`; None where none is known."""
    named = (_text(environment.get(name, "")) for name in _CI_ACTORS)
    asked = (_git(folder, "config", "--get", name) for name in ("user.name", "user.email"))
    return next((name for name in named if name), None) or next((name for name in asked if name), None)


def person_of(environment: Mapping[str, str], folder: Path) -> Person | None:
    """Return `actor_of` with git's `user.email`, which in a CI job is a robot's; None where neither is known."""
    name = actor_of(environment, folder)
    by_ci = any(_text(environment.get(variable, "")) for variable in _CI_ACTORS)
    email = None if by_ci else _git(folder, "config", "--get", "user.email")
    return Person(name=name, email=email) if name else None


def commit_of_folder(folder: Path) -> str | None:
    """Return the id of the checked-out commit, with `-dirty` when a tracked file was changed; None in no repository."""
    if not any(os.path.lexists(place / ".git") for place in (folder, *folder.resolve().parents)):
        return None
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *words: str) -> str | None:
    try:
        said = ask(folder, *words)
    except Invalid:
        return None
    return _text(said.out.decode("utf-8", "replace")) or None if said.code == 0 else None


def _text(found: str) -> str:
    """Return one line of printable text, since it is shown in reports."""
    return "".join(letter for letter in found.strip() if letter.isprintable())[:_LONGEST]
