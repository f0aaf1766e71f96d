"""What to do about a send whose outcome nobody knows, in words; it depends on whether the provider can be asked."""

_BY_HAND = "`--adopt ADDRESS=JOB_ID` or `--refused ADDRESS`"
_WAYS = {
    "apiframe": f"`kbatch reconcile` asks Apiframe; what stays open, settle by Apiframe's list of jobs with {_BY_HAND}",
    "aimlapi": (
        "AI/ML API has no list to ask: look for it in the usage on its dashboard, "
        f"then `kbatch reconcile` with {_BY_HAND}"
    ),
}


def way_out(provider: str) -> str:
    """Return where to look for a job that may have been bought, and how to settle it."""
    return _WAYS.get(provider, f"look for it at the provider, then `kbatch reconcile` with {_BY_HAND}")
