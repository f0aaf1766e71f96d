"""A saved plan in words, as it was saved."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kbatch.planner.payers import Share
from kbatch.report.data.format import amount, one_line
from kbatch.report.data.sums import paid_by


def lines(document: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield a saved plan as it was saved, from its own words; whether it is stale shows when it is run.

    Whatever it says stands on one line each: a line break in it cannot make a line that the plan does not have.
    """
    bound = document["bound"]
    yield f"Saved plan {_flat(name)} for {_flat(document['manifest'])}"
    if "seal" not in document:
        yield "  saved by an earlier kbatch: it can be read, and to be run it must be saved anew"
    else:
        origins = ", ".join(f"{name} at {origin}" for name, origin in bound["origins"].items())
        yield f"  lockfile {_flat(bound['lockfile'])}; {_flat(origins)}; made {_flat(document['made_at'])}"
        if document.get("author"):
            yield f"  by {_flat(document['author'].get('name'))}"
    jobs = document["jobs"]
    longest = max((len(_flat(job["address"])) for job in jobs), default=0)
    for job in jobs:
        price = "?" if job["credits"] is None else f"{job['credits']:,}"
        stated = _STATED.get(job.get("price", ""), "")
        words = f"{_flat(job['model'])} {_flat(job['variant'])}  {price}{stated}  {_flat(job['reason'])}"
        yield f"  {_flat(job['action']):<9} {_flat(job['address']):<{longest}}  {words}"
        if job.get("labels"):
            yield f"            {_flat(', '.join(f'{key}={value}' for key, value in job['labels'].items()))}"
        if job.get("extra"):
            yield f"            extra, sent as written: {one_line(json.dumps(job['extra'], ensure_ascii=False), 200)}"
        if job.get("prompt"):
            yield f"            “{one_line(job['prompt'], 66)}”"
    for provider, total in document["totals"].items():
        unit = _flat(total["unit"])
        expected = amount(total["expected"], unit)
        yield f"  {_flat(provider)}  expected {expected}, maximum {amount(total['maximum'], unit)}"
        budget = (document.get("budget") or {}).get(provider) or {}
        if "limit" in budget and "spent" in budget:
            yield f"            budget {budget['limit']:,}, {budget['spent']:,} charged before"
        shares = (document.get("accounts") or {}).get(provider, {})
        if shares:
            yield f"            {_flat(paid_by({name: Share(**share) for name, share in shares.items()}))}"
    yield f"  {_flat(document['digest'])}"


_STATED = {"manifest": " (stated by the manifest)", "own-card": " (stated by a card of the user)"}


def _flat(text: object) -> str:
    return one_line(str(text), 2000)
