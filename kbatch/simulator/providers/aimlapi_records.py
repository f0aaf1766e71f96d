"""What the AI/ML API keeps of requests: `GET /v2/logs`, a row for each, and `GET /v2/billing/transactions`, the ledger.

A row and a charge come some time after their job has ended; the log shows the rows of the key that asks, the ledger all
movements of the account. Source: the vendor's pages "Usage Logs" and "Account Balance" with their OpenAPI, read
2026-11-30. A key that begins with `mgmt` is a management key here, which alone may ask for another key's rows.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from kbatch.simulator.exchange import AIMLAPI, Reply, SimulatedRequest, reply_json
from kbatch.simulator.providers.fields import Complaint
from kbatch.simulator.providers.offers import AIMLAPI_CREDITS_PER_USD
from kbatch.simulator.state import DAY_S, ENDED_WITHOUT_A_CLIP, SimulatedJob, World, digest_of, stamp

LOGS, TRANSACTIONS = "/v2/logs", "/v2/billing/transactions"
LONGEST_WINDOW_S = 92 * DAY_S
_LAG_SHARE = 0.1
"""A row comes this share of a render's time after the job's end: the documents say "after", not how long after."""

_LATE_S = 3600.0
_TYPES = ("PAYMENT", "BONUS", "REFUND", "ADJUSTMENT", "MODEL_USAGE", "CREDITS_EXPIRED", "INIT")
_PERIOD = re.compile(r"([1-9][0-9]{0,5})([hd])", re.ASCII)

Row = dict[str, Any]


def logs(world: World, call: SimulatedRequest, now: float, key: str) -> Reply | list[Complaint]:
    """Show a page of a key's requests, newest first; what is wrong with the query when something is."""
    complaints: list[Complaint] = []
    start, end = _window(call, now, complaints)
    limit, offset = _page(call, complaints)
    statuses, models = call.values("status"), call.values("model")
    complaints += [("status", "Expected succeeded or failed") for one in statuses if one not in ("succeeded", "failed")]
    complaints += [("model", "Expected at most 50 values")] if len(models) > 50 else []
    if complaints:
        return complaints
    whose = call.query.get("key_prefix", key)
    rows = [
        row
        for at, asker, row in _rows(world, now)
        if start <= at <= end
        and (asker is None or asker.startswith(whose))
        and (not statuses or row["status"] in statuses)
        and (not models or row["model"] in models or row["model"].partition("/")[2] in models)
    ]
    rows.sort(key=lambda row: (row["created"], row["inference_id"]), reverse=True)
    more = offset + limit < len(rows)
    pagination = {"limit": limit, "offset": offset, "total": len(rows), "has_more": more}
    return reply_json(200, {"data": rows[offset : offset + limit], "pagination": pagination})


def may_read(call: SimulatedRequest, key: str) -> bool:
    """Whether a key may ask for the rows of the key that the query names; each may ask for its own."""
    return key.startswith((call.query.get("key_prefix", ""), "mgmt"))


def transactions(world: World, call: SimulatedRequest, now: float) -> Reply | list[Complaint]:
    """Show a page of the account's movements, newest first; what is wrong with the query when something is."""
    complaints: list[Complaint] = []
    start, end = (_moment(call, name, complaints, offset=True) for name in ("from", "to"))
    limit, _ = _page(call, complaints)
    direction, kind, cursor = (call.query.get(name) for name in ("direction", "type", "cursor"))
    complaints += [("direction", "Expected TOPUP or CHARGE")] if direction not in (None, "TOPUP", "CHARGE") else []
    complaints += [("type", f"Expected one of {', '.join(_TYPES)}")] if kind not in (None, *_TYPES) else []
    entries = sorted(_entries(world, now), key=lambda row: (row["created_at"], row["reference_id"] or ""), reverse=True)
    begin = 0
    if cursor is not None:
        known = {_cursor(row): place for place, row in enumerate(entries)}
        complaints += [("cursor", "Invalid cursor")] if cursor not in known else []
        begin = known.get(cursor, 0) + 1
    if complaints:
        return complaints
    found = [
        row
        for row in entries[begin:]
        if direction in (None, row["direction"])
        and kind in (None, row["type"])
        and (start is None or row["created_at"] >= stamp(start))
        and (end is None or row["created_at"] < stamp(end))
    ]
    more = len(found) > limit
    pagination = {"next_cursor": _cursor(found[limit - 1]) if more else None, "has_more": more}
    return reply_json(200, {"data": found[:limit], "pagination": pagination})


def bend(effect: str, reply: Reply) -> Reply:
    """Return a page of either list in a form that no document has."""
    document = json.loads(reply.body)
    if effect in ("log-malformed", "ledger-malformed"):
        document["data"] = {str(place): row for place, row in enumerate(document["data"])}
    elif effect == "log-without-ids":
        document["data"] = [{**row, "inference_id": None} for row in document["data"]]
    elif effect == "log-endless":
        document["pagination"]["has_more"] = True
    return reply_json(200, document)


EFFECTS = frozenset({"log-malformed", "log-without-ids", "log-endless", "ledger-malformed"})
"""The faults of these pages; `JOB_EFFECTS` in `aimlapi` are those of single rows."""


def _rows(world: World, now: float) -> Iterator[tuple[float, str | None, Row]]:
    """Yield each row with its time and the key whose request it is, None for a row that every key is shown."""
    for job_id in world.order[AIMLAPI]:
        job = world.jobs[job_id]
        if not _is_recorded(world, job, now, "row"):
            continue
        asker = None if "row-of-every-key" in job.job_faults else job.asker
        row = _row(job)
        if "row-other-model" in job.job_faults:
            row["model"] = "kling-video/v1/standard/text-to-video"
        if "row-other-job" in job.job_faults:
            row["inference_id"] = digest_of(job.id)[:21]
        if "row-early" in job.job_faults:
            row["created"] = stamp(job.created_at - DAY_S)
        yield job.created_at, asker, row
        if "row-twice" in job.job_faults:
            yield job.created_at, asker, {**row, "inference_id": digest_of(job.id)[:21]}


def _row(job: SimulatedJob) -> Row:
    failed = job.end in ENDED_WITHOUT_A_CLIP
    credits = 0 if failed else job.credits
    return {
        "created": stamp(job.created_at),
        "status": "failed" if failed else "succeeded",
        "origin": "api",
        "model": job.model,
        "cost": _amount(credits),
        "tokens": {"input": 0, "output": 0, "total": 0},
        "request_id": f"req-{digest_of(job.id)[:12]}",
        "inference_id": job.id,
        "client_request_id": job.trace,
    }


def _entries(world: World, now: float) -> Iterator[Row]:
    for job_id in world.order[AIMLAPI]:
        job = world.jobs[job_id]
        if job.end in ENDED_WITHOUT_A_CLIP or not _is_recorded(world, job, now, "entry"):
            continue
        charge = _entry(job, job.credits * (2 if "entry-dearer" in job.job_faults else 1))
        if "entry-other-job" in job.job_faults:
            charge["reference_id"] = digest_of(job.id)[:21]
        if "entry-only-usd" in job.job_faults:
            del charge["amount"]["credits"]
        yield charge
        if "entry-twice" in job.job_faults:
            yield charge
        if "entry-refunded" in job.job_faults:
            yield {**charge, "direction": "TOPUP", "type": "REFUND"}


def _entry(job: SimulatedJob, credits: int) -> Row:
    return {
        "created_at": stamp(job.ends_at),
        "direction": "CHARGE",
        "type": "MODEL_USAGE",
        "amount": _amount(credits),
        "model": job.model,
        "reference_id": job.id,
    }


def _amount(credits: int) -> Row:
    return {"usd": credits / AIMLAPI_CREDITS_PER_USD, "credits": credits}


def _is_recorded(world: World, job: SimulatedJob, now: float, where: str) -> bool:
    if f"{where}-never" in job.job_faults:
        return False
    late = _LATE_S if f"{where}-late" in job.job_faults else _LAG_SHARE * world.terms.latency_s
    return now >= job.ends_at + late


def _cursor(row: Row) -> str:
    inside = json.dumps({"v": 1, "c": row["created_at"], "r": row["reference_id"], "t": row["type"]})
    return base64.urlsafe_b64encode(inside.encode()).decode().rstrip("=")


# what a query may say


def _window(call: SimulatedRequest, now: float, complaints: list[Complaint]) -> tuple[float, float]:
    """Return start and end of the window in seconds; `period` or both `start` and `end` say it, never both."""
    period = call.query.get("period")
    start, end = (_moment(call, name, complaints, offset=False) for name in ("start", "end"))
    if period is not None and "start" not in call.query and "end" not in call.query:
        found = _PERIOD.fullmatch(period)
        if found is not None:
            start, end = now - int(found[1]) * (3600 if found[2] == "h" else DAY_S), now
    elif period is not None:
        start = None
    if start is None or end is None:
        complaints.append(("period", "Provide either period (such as 24h or 7d) or both start and end"))
        return now, now
    if end < start:
        complaints.append(("end", "Must not be earlier than start"))
    if end - start > LONGEST_WINDOW_S:
        complaints.append(("start", "The window must not exceed 92 days"))
    return start, end


def _moment(call: SimulatedRequest, name: str, complaints: list[Complaint], *, offset: bool) -> float | None:
    """Return an ISO date of the query as seconds; without an offset it is UTC, or refused where one is needed."""
    text = call.query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and offset:
            raise ValueError
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        complaints.append((name, "Invalid date"))
        return None


def _page(call: SimulatedRequest, complaints: list[Complaint]) -> tuple[int, int]:
    found: Mapping[str, str] = {"limit": call.query.get("limit", "50"), "offset": call.query.get("offset", "0")}
    if not re.fullmatch(r"[1-9][0-9]?|100", found["limit"], re.ASCII):
        complaints.append(("limit", "Number must be from 1 to 100"))
        return 50, 0
    if not re.fullmatch(r"[0-9]{1,9}", found["offset"], re.ASCII):
        complaints.append(("offset", "Number must be at least 0"))
        return 50, 0
    return int(found["limit"]), int(found["offset"])
