"""What the simulator's answers hold, as JSON Schema: the second half of its OpenAPI document.

Written by hand and not made from the code that answers, so that a fuzzer that compares the two can find a difference.
"""

from collections.abc import Mapping
from typing import Any

Shape = Mapping[str, Any]

TEXT: Shape = {"type": "string"}
WHOLE: Shape = {"type": "integer", "minimum": 0}
MOMENT: Shape = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
URL: Shape = {"type": "string", "pattern": "^https?://"}
UUID: Shape = {"type": "string", "format": "uuid"}


def closed(**properties: Shape) -> Shape:
    """Return an object with exactly these properties, all of them there."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def or_null(shape: Shape) -> Shape:
    """Return the same, or null."""
    return {"anyOf": [shape, {"type": "null"}]}


def listed(shape: Shape) -> Shape:
    """Return a list of these."""
    return {"type": "array", "items": shape}


# Apiframe

APIFRAME_ERROR = closed(error=TEXT)
APIFRAME_INVALID: Shape = {
    "type": "object",
    "properties": {"error": TEXT, "details": {"type": "object", "additionalProperties": listed(TEXT)}},
    "required": ["error"],
    "additionalProperties": False,
}
APIFRAME_BROKE = closed(error=TEXT, creditsRequired=WHOLE, creditsAvailable={"type": "integer"})
_STATUS: Shape = {"type": "string", "enum": ["QUEUED", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED"]}
ACCEPTED = closed(jobId=UUID, status=_STATUS)
_WEBHOOK: Shape = {"enum": ["pending", "delivered", "failed", None]}
_JOB: dict[str, Shape] = {
    "id": UUID,
    "status": _STATUS,
    "model": TEXT,
    "progress": or_null({"type": "integer", "minimum": 0, "maximum": 100}),
    "result": or_null({"anyOf": [closed(videoUrl=URL), closed(video_url=URL), closed(videos=listed(URL)), URL]}),
    "error": or_null(TEXT),
    "creditCost": or_null({"type": "integer"}),
    "webhookStatus": _WEBHOOK,
    "createdAt": MOMENT,
    "completedAt": or_null(MOMENT),
    "expired": {"type": "boolean"},
}
FULL_JOB = closed(**_JOB, input={"type": "object"})
_EVENT: dict[str, Shape] = {
    **{name: _JOB[name] for name in ("status", "progress", "result", "model", "creditCost", "completedAt")},
    "jobId": UUID,
}
WEBHOOK: Shape = {
    "oneOf": [
        closed(event={"enum": ["progress", "completed"]}, **_EVENT),
        closed(event={"const": "failed"}, **_EVENT, error=TEXT),
    ]
}
_PAGE: dict[str, Shape] = {"jobs": listed(closed(**_JOB)), "nextCursor": or_null(TEXT), "hasMore": {"type": "boolean"}}
JOBS: Shape = {"anyOf": [closed(**_PAGE), closed(**_PAGE, models=listed(TEXT))]}
_TEAM = {"id": UUID, "name": TEXT, "credits": WHOLE, "plan": TEXT, "customerId": or_null(TEXT)}
ACCOUNT = closed(
    user=closed(id=UUID, email={"type": "string", "format": "email"}, role={"enum": ["ADMIN", "MEMBER", "OWNER"]}),
    team=or_null(closed(**_TEAM, maxConcurrentJobs=WHOLE)),
    apiKey=or_null(closed(id=UUID, name=TEXT, prefix=TEXT)),
)
_MODEL: dict[str, Shape] = {
    "id": TEXT,
    "label": TEXT,
    "modality": {"enum": ["image", "video", "music"]},
    "description": TEXT,
    "costMin": {"type": "number"},
    "costMax": {"type": "number"},
    "pricingMode": {"enum": ["flat", "per-second", "per-output"]},
}
MODELS = closed(models=listed(closed(**_MODEL)))
UPLOADED = closed(
    id=UUID, url=URL, kind={"enum": ["image", "video", "audio"]}, contentType=TEXT, byteSize=WHOLE, expiresAt=MOMENT
)

# AI/ML

_INNER: Shape = closed(name=TEXT, message=TEXT, data={})
AIMLAPI_ERROR = closed(title=TEXT, status=WHOLE, message=TEXT, instance=TEXT, timestamp=MOMENT, error=_INNER)
AIMLAPI_OLD_ERROR = closed(message=TEXT, path=TEXT, requestId=TEXT, statusCode=WHOLE, timestamp=MOMENT)
_META = closed(usage=closed(credits_used=WHOLE, usd_spent={"type": "number", "minimum": 0}))
GENERATION: Shape = {
    "type": "object",
    "properties": {"id": TEXT, "status": {"const": "queued"}, "meta": _META},
    "required": ["id", "status"],
    "additionalProperties": False,
}
_VIDEO: Shape = {
    "type": "object",
    "properties": {"url": URL, "content_type": TEXT, "file_name": TEXT},
    "required": ["url"],
    "additionalProperties": False,
}
GENERATED: Shape = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "status": {"enum": ["queued", "generating", "completed", "error"]},
        "video": {"anyOf": [_VIDEO, listed(_VIDEO), {"type": "null"}]},
        "error": or_null({"anyOf": [closed(name=TEXT, message=TEXT), closed(detail=listed({"type": "object"}))]}),
        "meta": _META,
        "video_url": URL,
    },
    "required": ["id", "status", "video", "error"],
    "additionalProperties": False,
}
_VARIANT = closed(when={"type": "object"}, price={"type": "number"}, unit=TEXT, per=WHOLE)
_PRICES = closed(kind={"const": "variants"}, currency=TEXT, dimensions=listed(TEXT), variants=listed(_VARIANT))
_CATALOGUED: Shape = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "aliases": or_null(listed(TEXT)),
        "type": TEXT,
        "info": closed(name=TEXT, developer=TEXT),
        "tags": listed(TEXT),
        "pricing": or_null(_PRICES),
        "modalities": or_null({"type": "object"}),
        "capabilities": or_null(listed(TEXT)),
    },
    "required": ["id", "type", "info", "tags"],
    "additionalProperties": False,
}
CATALOGUE = closed(object={"const": "list"}, data=listed(_CATALOGUED))
_COST = closed(usd={"type": "number"}, credits=WHOLE)
_LOGGED = closed(
    created=MOMENT,
    status={"enum": ["succeeded", "failed"]},
    origin={"enum": ["api", "playground"]},
    model=TEXT,
    cost=_COST,
    tokens=closed(input=WHOLE, output=WHOLE, total=WHOLE),
    request_id=or_null(TEXT),
    inference_id=TEXT,
    client_request_id=or_null(TEXT),
)
LOGS = closed(
    data=listed(_LOGGED), pagination=closed(limit=WHOLE, offset=WHOLE, total=WHOLE, has_more={"type": "boolean"})
)
ENTRY_TYPES = ["PAYMENT", "BONUS", "REFUND", "ADJUSTMENT", "MODEL_USAGE", "CREDITS_EXPIRED", "INIT"]
_ENTRY = closed(
    created_at=MOMENT,
    direction={"enum": ["TOPUP", "CHARGE"]},
    type={"enum": ENTRY_TYPES},
    amount=_COST,
    model=or_null(TEXT),
    reference_id=or_null(TEXT),
)
LEDGER = closed(data=listed(_ENTRY), pagination=closed(next_cursor=or_null(TEXT), has_more={"type": "boolean"}))
BALANCE = closed(current_balance={"type": "number"}, currency={"const": "USD"})

# the simulator's own

_TOTAL = closed(charged=WHOLE, refunded=WHOLE)
_CHARGE = closed(
    job_id=TEXT,
    provider={"enum": ["apiframe", "aimlapi"]},
    model=TEXT,
    variant=TEXT,
    credits=WHOLE,
    refunded=WHOLE,
    idempotency_key=or_null(TEXT),
    at=MOMENT,
)
BILL = closed(
    charges=listed(_CHARGE),
    totals=closed(apiframe=_TOTAL, aimlapi=_TOTAL),
    requests={"type": "object", "additionalProperties": WHOLE, "required": ["submit", "poll", "download", "upload"]},
    warnings=listed(closed(keys_leaked=WHOLE, header=TEXT)),
)
