"""Whether a request may have left when an HTTP library raises an error: one table for both of them.

Everything counts as sent but the classes below, of which no byte of the request can have left. They stand by name,
so that no library is loaded for the other's sake, and a class that a new release renames counts as sent. Few parent
classes are there: in aiohttp, a server that hangs up is a "connection error" like one that was never reached.
"""

NOT_SENT = frozenset(
    (
        "httpx.ConnectError", "httpx.ConnectTimeout", "httpx.PoolTimeout", "httpx.ProxyError",
        "httpx.UnsupportedProtocol", "httpx.InvalidURL",
        "aiohttp.ClientConnectorError", "aiohttp.ConnectionTimeoutError", "aiohttp.InvalidURL",
    )
)  # fmt: skip
"""Errors that are raised only before a connection stands, as library and class; what derives from one is as it is."""


def may_have_been_sent(error: Exception) -> bool:
    """Return False where an error's class, or one that it derives from, is in `NOT_SENT`; True for all else."""
    return not any(f"{kind.__module__.partition('.')[0]}.{kind.__name__}" in NOT_SENT for kind in type(error).__mro__)
