"""Words for an unknown send, and for how a person resolves it."""

OUTCOME_UNKNOWN = "its outcome is unknown"
"""A request was sent, and it is not known whether the provider accepted it."""

_BY_HAND = "`--adopt ADDRESS=JOB_ID` or `--refused ADDRESS`"
_ANYWHERE = "look for it at the provider, then `kbatch reconcile`"


def how_to_resolve(provider_help: str | None) -> str:
    """Return where to look for a job that may have been bought (a provider's own words), and the flags that settle it.

    >>> settle_by_hand(None)
    'look for it at the provider, then `kbatch reconcile` with `--adopt ADDRESS=JOB_ID` or `--refused ADDRESS`'
    """
    return f"{provider_help or _ANYWHERE} with {_BY_HAND}"
