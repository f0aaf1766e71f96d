"""Requests and replies between the server and the simulated world; nothing here depends on sockets.

A reply also says what happens to the connection, so that a world can simulate a lost answer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kbatch.simulator.clips.orders import ClipOrder

APIFRAME = "apiframe"
AIMLAPI = "aimlapi"
PROVIDERS = (APIFRAME, AIMLAPI)

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRequest:
    """One HTTP request; `path` is decoded, header names are lower case, `base` is the origin that was called.

    `query` has the last value of each name, `pairs` every one in order.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base: str = "http://127.0.0.1"
    pairs: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of a query's name, in order."""
        if self.pairs:
            return tuple(value for known, value in self.pairs if known == name)
        return (self.query[name],) if name in self.query else ()


class Connection(Enum):
    """What happens to the connection: kept, cut after `Reply.sent` bytes of the body, or held without an answer."""

    KEEP = "keep"
    CUT = "cut"
    HANG = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer; for `clip` the server makes the body, `effect` names the fault that changes this download.

    `sent` is None when nothing at all leaves before a cut, else how many bytes of the body do. `wait_s` passes before
    the answer, `drip_s` is spread over its body. `charged` says that the bill changed: it goes to disk first.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    clip: ClipOrder | None = None
    effect: str | None = None
    connection: Connection = Connection.KEEP
    sent: int | None = None
    wait_s: float = 0.0
    drip_s: float = 0.0
    charged: bool = False


def reply_json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a JSON answer, escaped to ASCII, since a prompt may hold a lone surrogate."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Reply(status=status, headers={"content-type": JSON_TYPE, **(headers or {})}, body=body)


def read_json(body: bytes) -> Any:
    """Return the document in `body`; ValueError for anything that RFC 8259 does not allow, `NaN` included."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
