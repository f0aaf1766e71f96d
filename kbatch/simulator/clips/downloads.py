"""Downloads at the clip host: whole or in part (RFC 9110 ranges), with the changes of faults."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace

from kbatch.simulator.exchange import Connection, Reply, SimulatedRequest
from kbatch.simulator.faults.responses import page

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_CUT_OFF_AT_MOST = 600


def deliver(reply: Reply, data: bytes, call: SimulatedRequest) -> Reply:
    """Return the answer to a GET or HEAD of `data`; `reply` has the media type and the fault's effect, if any."""
    match reply.effect:
        case "html":
            return replace(page(200, "Sign in to continue"), wait_s=reply.wait_s)
        case "empty":
            data = b""
        case "truncated":
            data = data[: len(data) - max(1, min(_CUT_OFF_AT_MOST, len(data) // 4))]
    answer = _part_of(reply, data, call) if reply.effect != "no-range" else _whole(reply, data, {})
    if reply.effect == "cut-download":
        return replace(answer, connection=Connection.CUT, sent=len(answer.body) // 2)
    return answer


def _whole(reply: Reply, data: bytes, more: Mapping[str, str]) -> Reply:
    return replace(reply, status=200, clip=None, body=data, headers={**reply.headers, **more})


def _part_of(reply: Reply, data: bytes, call: SimulatedRequest) -> Reply:
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    common = {"accept-ranges": "bytes", "etag": tag}
    bounds = _bounds(call.headers.get("range", ""), len(data))
    if bounds is None or call.headers.get("if-range", tag) != tag:
        return _whole(reply, data, common)
    first, last = bounds
    if first >= len(data):
        return Reply(status=416, headers={**common, "content-range": f"bytes */{len(data)}"}, wait_s=reply.wait_s)
    headers = {**reply.headers, **common, "content-range": f"bytes {first}-{last}/{len(data)}"}
    return replace(reply, status=206, clip=None, body=data[first : last + 1], headers=headers)


def _bounds(header: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte position; None for headers to ignore: no range, several, or a reversed one."""
    wanted = _RANGE.fullmatch(header.strip())
    if wanted is None:
        return None
    first, last = wanted.groups()
    if not first:
        if not last:
            return None
        return (max(0, size - int(last)), size - 1) if int(last) else (size, size)
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last), size - 1) if last else size - 1
