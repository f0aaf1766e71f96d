"""The accounts of one provider by the environment: `APIFRAME_API_KEY` is `default`, `APIFRAME_API_KEY_BOB` is `bob`."""

import re
from collections.abc import Mapping
from hashlib import sha256

from kbatch.planner.payers import DEFAULT
from kbatch.providers.base import Provider

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_DIGITS = 12  # 48 bits: two keys of one user never share them, and nothing of a key can be found from them


def is_account_name(name: str) -> bool:
    """Whether the environment can have a key of this name: lower case letters, digits, `_`."""
    return _NAME.fullmatch(name) is not None


def key_variable_of(provider: Provider, account: str) -> str:
    """Return the variable that holds an account's key.

    >>> from kbatch.providers.apiframe import APIFRAME
    >>> key_variable_of(APIFRAME, "bob"), key_variable_of(APIFRAME, "default")
    ('APIFRAME_API_KEY_BOB', 'APIFRAME_API_KEY')
    """
    return provider.key_variable if account == DEFAULT else f"{provider.key_variable}_{account.upper()}"


def key_of(provider: Provider, account: str, environment: Mapping[str, str]) -> str:
    """Return an account's key; empty without one."""
    return environment.get(key_variable_of(provider, account), "").strip()


def accounts_in(provider: Provider, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the accounts whose keys the environment has, the default one first, then by name."""
    prefix = f"{provider.key_variable}_"
    ends = (name.removeprefix(prefix) for name in environment if name.startswith(prefix))
    named = {end.lower() for end in ends if end == end.upper() and is_account_name(end.lower())} - {DEFAULT}
    return tuple(name for name in (DEFAULT, *sorted(named)) if key_of(provider, name, environment))


def key_digest(key: str) -> str:
    """Return a name for a key whose provider gives it none: the beginning of a hash, from which no key can be found."""
    return f"sha256:{sha256(b'kbatch account key:' + key.encode()).hexdigest()[:_DIGITS]}"
