"""The simulator's bill: charges and refunds of each job, and the number of requests of each kind.

The bill, not the client's records, decides in a test what was paid. An AI/ML amount is billed when it is held and
refunded in full when the job fails, so that the arithmetic is the same for all providers.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

REQUESTS = ("submit", "poll", "download", "upload")


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledCharge:
    """One job's line: `credits` and `refunded` in the provider's own unit, `at` in UTC (ISO 8601)."""

    job_id: str
    provider: str
    model: str
    variant: str
    credits: int
    refunded: int = 0
    idempotency_key: str | None = None
    at: str = ""


@dataclass(slots=True, kw_only=True)
class Bill:
    """The account so far; `version` grows with every change, `paid_version` with every change of money."""

    charges: dict[str, BilledCharge] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    refunded: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    requests: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REQUESTS, 0))
    leaks: dict[str, int] = field(default_factory=dict)
    version: int = 0
    paid_version: int = 0


def charge(bill: Bill, line: BilledCharge) -> None:
    """Add a job's charge to the bill."""
    bill.charged[line.provider] += line.credits
    _put(bill, line)


def refund(bill: Bill, job_id: str) -> None:
    """Refund a job's whole charge; a second call changes nothing."""
    line = bill.charges[job_id]
    if line.refunded:
        return
    bill.refunded[line.provider] += line.credits
    _put(bill, replace(line, refunded=line.credits))


def count(bill: Bill, request: str) -> None:
    """Count a request by kind; those that cost nothing and are seldom asked are listed once they were."""
    bill.requests[request] = bill.requests.get(request, 0) + 1
    bill.version += 1


def warn_of_leak(bill: Bill, header: str) -> None:
    """Record that a key or cookie was sent to a host that must not receive one."""
    bill.leaks[header] = bill.leaks.get(header, 0) + 1
    bill.version += 1


def as_document(bill: Bill) -> Mapping[str, Any]:
    """Return the bill in its contracted shape, with `warnings`: a list that is empty unless a key leaked."""
    return {"charges": [asdict(line) for line in bill.charges.values()], **_rest(bill)}


def as_text(bill: Bill) -> str:
    """Return the same as JSON text; unchanged lines are cached, so that thousands of jobs stay cheap."""
    rest = json.dumps(_rest(bill))
    return '{"charges": [\n' + ",\n".join(bill.lines.values()) + "\n], " + rest[1:] + "\n"


def _put(bill: Bill, line: BilledCharge) -> None:
    bill.charges[line.job_id] = line
    bill.lines[line.job_id] = json.dumps(asdict(line))
    bill.version += 1
    bill.paid_version += 1


def _rest(bill: Bill) -> dict[str, Any]:
    warnings = [{"keys_leaked": times, "header": header} for header, times in bill.leaks.items()]
    totals = {name: {"charged": bill.charged[name], "refunded": bill.refunded[name]} for name in bill.charged}
    return {"totals": totals, "requests": dict(bill.requests), "warnings": warnings}
