"""HTTP responses of faults: statuses with each provider's own bodies, pages that are not JSON, cut connections.

`selection` decides when a fault occurs; `clips.downloads` changes the bytes of a download.
"""

import json
from dataclasses import replace
from email.utils import formatdate
from urllib.parse import urlsplit

from kbatch.simulator.exchange import Connection, Reply, SimulatedRequest, reply_json
from kbatch.simulator.faults.selection import FaultEvent, FaultTarget
from kbatch.simulator.state import World

PRIVATE_URL = "http://10.0.0.1/clip.mp4"
UNKNOWN_STATUS = "HIBERNATING"

TEXTS = {
    "400": "Invalid request",
    "402": "Insufficient credits",
    "403": "Access denied: the API key is inactive or lacks permission",
    "404": "Not found",
    "409": "Idempotency-Key was already used with a different request body",
    "413": "File too large",
    "429": "Too many requests",
    "500": "Internal server error",
    "502": "Bad gateway",
    "503": "Service temporarily unavailable",
    "504": "Gateway timeout",
    "524": "A timeout occurred",
    "moderation": "Content moderation: the prompt violates the content policy",
}
_PAGES = {
    "502": "502 Bad Gateway",
    "503-non-json": "503 Service Temporarily Unavailable",
    "504": "504 Gateway Time-out",
    "524": "524: A timeout occurred",
}
_STATUS = {"no-credits": "402", "moderation": "400"}
_SUCCESS = {**dict.fromkeys(FaultTarget, 200), FaultTarget.UPLOAD: 201}


def fault_response(effect: str, world: World, call: SimulatedRequest, event: FaultEvent, now: float) -> Reply:
    """Return the reply of a fault in place of the true one; `effect` is a name of the catalogue."""
    target = event.target
    if effect == "cut":
        return Reply(status=0, connection=Connection.CUT)
    if effect == "timeout":
        return Reply(status=0, connection=Connection.HANG)
    if effect == "redirect":
        return Reply(status=307, headers={"location": other_host_url(call)})
    if effect == "redirect-private":
        return Reply(status=302, headers={"location": PRIVATE_URL})
    if effect == "non-json":
        accepted = world.providers[event.provider].accepted
        return page(accepted if target is FaultTarget.SUBMIT else _SUCCESS[target], "One moment, please")
    if effect in _PAGES:
        return page(int(effect[:3]), _PAGES[effect])
    if target is FaultTarget.DOWNLOAD:
        return _plain(effect, world, now)
    return _in_its_form(effect, world, call, event, now)


def garbled(reply: Reply) -> Reply:
    """Return the true answer's head with half of its body."""
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def unknown_status(reply: Reply) -> Reply:
    """Return a poll's reply with an undocumented status and without a result."""
    document = json.loads(reply.body)
    blank = {name: None for name in ("result", "video", "completedAt") if name in document}
    return replace(reply, body=reply_json(200, {**document, "status": UNKNOWN_STATUS, **blank}).body)


def malformed(reply: Reply) -> Reply:
    """Return an answer whose fields are all there, each as a text of its value."""
    document = json.loads(reply.body)
    return replace(reply, body=reply_json(200, {name: json.dumps(value) for name, value in document.items()}).body)


def page(status: int, text: str) -> Reply:
    """Return an HTML page in place of JSON or a clip."""
    body = f"<!DOCTYPE html><html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>\n"
    return Reply(status=status, headers={"content-type": "text/html; charset=utf-8"}, body=body.encode())


def other_host_url(call: SimulatedRequest) -> str:
    """Return the same path under this server's other host name, where a forwarded key is recorded as a leak."""
    parts = urlsplit(call.base)
    host = "localhost" if parts.hostname == "127.0.0.1" else "127.0.0.1"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}/__elsewhere{call.path}"


def _in_its_form(effect: str, world: World, call: SimulatedRequest, event: FaultEvent, now: float) -> Reply:
    own = world.providers[event.provider].fault
    if own is not None:
        return own(effect, world, call, event.target, now)
    status = _STATUS.get(effect) or effect[:3]
    headers = {"retry-after": str(world.terms.retry_after_s)} if status == "429" else {}
    headers |= {"retry-after": later(world, now)} if effect == "429-date" else {}
    words = TEXTS.get(effect) or TEXTS.get(status, "Unauthorized")
    return reply_json(int(status), {"error": words}, headers)


def _plain(effect: str, world: World, now: float) -> Reply:
    status = effect[:3]
    headers = {"content-type": "text/plain; charset=utf-8"}
    if status == "429":
        headers["retry-after"] = later(world, now) if effect == "429-date" else str(world.terms.retry_after_s)
    text = TEXTS.get(status, "Unauthorized")
    return Reply(status=int(status), headers=headers, body=text.encode())


def later(world: World, now: float) -> str:
    """Return the time of the next allowed request, as an HTTP date."""
    return formatdate(now + world.terms.retry_after_s, usegmt=True)
