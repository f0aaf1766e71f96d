"""The user's secret key, which distinguishes state written here from state that came with a checkout.

The key is 32 random bytes, created once, readable by this user only, in the user's state folder and never in a project.
A CI system that carries `.kbatch/` from job to job passes one key to all jobs by `KBATCH_STATE_KEY`. A key file that
others can read, or that is a link, is ignored: a checkout could have brought it.

Any program that runs as this user can read the key.
"""

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from secrets import token_bytes

from msgspec import Struct

from kbatch.errors import Invalid, Problem
from kbatch.storage.private_file import read_or_make_private, read_private

VARIABLE = "KBATCH_STATE_KEY"
_BYTES = 32


class StateKey(Struct, frozen=True, kw_only=True):
    """A key's bytes; `trouble` says why it could not be stored and is lost with this process."""

    secret: bytes
    trouble: str = ""

    def __repr__(self) -> str:
        return f"StateKey(trouble={self.trouble!r})"


def find_key(environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the existing key, None without one; writes nothing. Invalid for a bad variable."""
    given = _given(environment)
    if given is not None:
        return given
    path = key_path(environment)
    try:
        return read_private(path, size=_BYTES) if path else None
    except OSError:
        return None


def make_key(environment: Mapping[str, str] = os.environ) -> StateKey:
    """Return the key, created if there was none; a key that cannot be stored lasts for this process."""
    given = _given(environment)
    if given is not None:
        return StateKey(secret=given)
    path = key_path(environment)
    if path is None:
        return StateKey(secret=_of_this_process(), trouble="this user has no home folder")
    try:
        return StateKey(secret=read_or_make_private(path, token_bytes(_BYTES)))
    except OSError as error:
        return StateKey(secret=_of_this_process(), trouble=f"{path}: {error.strerror or error}")


def key_path(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the path of the key in the system's folder for user state; None without a home."""
    chosen = environment.get("XDG_STATE_HOME", "")
    if chosen and Path(chosen).is_absolute():
        return Path(chosen) / "kbatch" / "state.key"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "kbatch" / "state.key"
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "kbatch" / "state.key"
    return home / ".local" / "state" / "kbatch" / "state.key"


def _given(environment: Mapping[str, str]) -> bytes | None:
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        key = bytes.fromhex(text) if text.isalnum() else b""
    except ValueError:
        key = b""
    if len(key) < _BYTES:  # its text is not repeated: it is a secret
        message = f"{VARIABLE} is no key: it needs at least {2 * _BYTES} hexadecimal digits"
        raise Invalid([Problem(code="state-key", message=message, hint="`openssl rand -hex 32` makes one")])
    return key


@lru_cache(maxsize=1)
def _of_this_process() -> bytes:
    return token_bytes(_BYTES)
