"""Keeps a plug-in's readers from harming a run: what raises, or returns something else, becomes the safest outcome.

The safest outcome of a submit is `Unknown`: an answer that cannot be read may be to a request that was paid.
"""

from collections.abc import Callable
from typing import Any, cast

from kbatch.providers.base import (
    Accepted,
    Balance,
    Failed,
    JobPage,
    Listed,
    NotAccepted,
    NotNow,
    Provider,
    Reason,
    Running,
    Succeeded,
    Unknown,
    Uploaded,
    Webhook,
)


def _refused(message: str) -> NotAccepted:
    return NotAccepted(reason=Reason.UNAVAILABLE, message=message)


def _not_now(message: str) -> NotNow:
    return NotNow(message=message)


def _unknown(message: str) -> Unknown:
    return Unknown(message=message)


_READERS: dict[str, tuple[tuple[type, ...], Callable[[str], Any]]] = {
    "read_submit": ((Accepted, NotAccepted, Unknown), _unknown),
    "read_poll": ((Running, Succeeded, Failed, NotNow), _not_now),
    "read_job": ((Listed, NotNow), _not_now),
    "read_upload": ((Uploaded, NotAccepted), _refused),
    "read_balance": ((Balance, NotAccepted), _refused),
    "read_jobs": ((JobPage, NotNow), _not_now),
    "read_webhook": ((Webhook, type(None)), lambda _message: None),
}


def guarded(provider: Provider, owner: str) -> Provider:
    """Return a provider whose readers never raise; `owner` is the package that a message names."""
    return cast(Provider, _Guarded(provider, owner))


class _Guarded:
    """All that a provider has, its `read_*` held to what they promise."""

    def __init__(self, provider: Provider, owner: str) -> None:
        self._provider, self._owner = provider, owner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        return self._reader(name, found) if name in _READERS else found

    def _reader(self, name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        kinds, safest = _READERS[name]

        def reader(*args: Any, **named: Any) -> Any:
            try:
                outcome = read(*args, **named)
            except Exception as error:  # whatever the code of another package raises
                return safest(f"`{name}` of the package {self._owner} raised {type(error).__name__}: {error}")
            if not isinstance(outcome, kinds):
                return safest(f"`{name}` of the package {self._owner} returned a {type(outcome).__name__}")
            if isinstance(outcome, NotAccepted) and named.get("first") is False:
                return safest(outcome.message)  # the first send may have been accepted all the same
            return outcome

        return reader
