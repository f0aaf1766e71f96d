"""What an approval is about, as hashes: all that a plan says of what will be bought, and what it is bound to.

The same inputs give the same digest in every clone: nothing here is a time, an absolute path or what this disk holds.
The digest is made of the claim, which names the purchases, and of the hash of all terms, so that a claim alone proves
what a digest covers. A saved plan is read back into the same terms, so that what it shows is what its digest is of.
Reasons of jobs that cost nothing are no part of it: they say which files are here.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from kbatch.planner.actions import Action, PlanEntry
from kbatch.receipts.claims import Claim, Purchase
from kbatch.receipts.fold import next_attempt
from kbatch.receipts.receipt import Receipt

VERSION = 2
"""Of the terms below; a plan that was saved under an earlier one can be read and not run."""
SHOWN = (Action.RENDER, Action.UNKNOWN)
"""The actions of jobs whose reasons and prompts are agreed to: those that cost something, or may have."""


def claim_of_entries(
    terms: str, entries: Iterable[PlanEntry], pays: Mapping[str, tuple[int | None, str | None]]
) -> Claim:
    """Return what an approval of these entries covers: `pays` has maximum and origin by provider."""
    return Claim(
        fingerprints={
            entry.job.fingerprint: Purchase(attempt=next_attempt(entry.receipt), quote=entry.credits)
            for entry in entries
            if entry.buys
        },
        maximum={name: maximum for name, (maximum, _) in pays.items()},
        origins={name: origin for name, (_, origin) in pays.items()},
        terms=terms,
    )


def terms_of_plan(head: Mapping[str, Any], entries: Iterable[PlanEntry]) -> str:
    """Return the hash of all that a plan says: `head` is what is agreed to beside its jobs, JSON without floats."""
    return _digest({**head, "agreement": VERSION, "jobs": [_terms(entry) for entry in entries]})


def terms_of_document(document: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """Return the same of a saved plan, from what its jobs say; KeyError, TypeError or ValueError when it cannot."""
    bound = document["bound"]
    rows = zip(document["jobs"], bound["held"], bound["attempts"], strict=True)
    jobs = [_terms_of_row(row, held, attempt) for row, held, attempt in rows]
    return _digest({**head, "agreement": VERSION, "jobs": jobs})


def seal_of(document: Mapping[str, Any]) -> str:
    """Return the hash over a whole saved plan but for the seal itself: no byte that can be read changes unseen."""
    return _digest({name: value for name, value in document.items() if name != "seal"})


def _digest(agreed: Mapping[str, Any]) -> str:
    """Hash JSON as ASCII: a message in a receipt may hold half a surrogate pair, which no UTF-8 has."""
    text = json.dumps(agreed, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + sha256(text.encode("ascii")).hexdigest()


def _terms(entry: PlanEntry) -> list[Any]:
    job = entry.job
    told = [entry.reason, job.draft.prompt, job.dropped] if entry.action in SHOWN else []
    return [
        job.address,
        job.fingerprint,
        entry.action,
        job.provider,
        job.model,
        job.quote.variant,
        entry.credits,
        entry.held,
        job.quote.source,
        job.draft.output,
        attempt_of(entry),
        *told,
    ]


def _terms_of_row(row: Mapping[str, Any], held: Any, attempt: Any) -> list[Any]:
    told = [row["reason"], row["prompt"], row["dropped"]] if row["action"] in SHOWN else []
    return [
        row["address"],
        row["fingerprint"],
        row["action"],
        row["provider"],
        row["model"],
        row["variant"],
        row["credits"],
        held,
        row["price"],
        row["output"],
        attempt,
        *told,
    ]


def attempt_of(entry: PlanEntry) -> int | None:
    """Return which purchase of its request an entry is, None of one that buys nothing.

    One that was refused before it was accepted is tried again as the same; after a failure or a replacement it is the
    next.
    """
    return next_attempt(entry.receipt) if entry.buys else None


def state_of(receipt: Receipt | None) -> Any:
    """Return how a plan names what is on record of a request."""
    return None if receipt is None else (receipt.state, receipt.attempt, receipt.job_id)
