"""The digest of a plan: a hash of all that it shows of its purchases and of the inputs that it is bound to.

The same inputs give the same digest in every clone: no time, absolute path or state of this disk is part of it. The
digest covers the claim, which names the purchases, and the hash of all terms, so that a claim alone proves what a
digest covers. A saved plan is read back into the same terms, so that its digest covers exactly what it shows. Reasons
of jobs that cost nothing are left out, since they depend on the files of this disk.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from kbatch.planner.actions import Action, PlanEntry
from kbatch.receipts.claims import Claim
from kbatch.receipts.event_data import CoveredPurchase
from kbatch.receipts.fold import next_attempt
from kbatch.receipts.receipt import Receipt

VERSION = 2
"""Version of the terms; a plan saved under an earlier version can be read but not run."""
SHOWN = (Action.RENDER, Action.UNKNOWN)
"""Actions whose reasons and prompts are part of the digest: those that cost something, or may have."""


def claim_of_entries(
    terms: str, entries: Iterable[PlanEntry], pays: Mapping[str, tuple[int | None, str | None]]
) -> Claim:
    """Return the claim of these entries' purchases; `pays` is maximum credits and paid host by provider."""
    return Claim(
        fingerprints={
            entry.job.fingerprint: CoveredPurchase(attempt=next_attempt(entry.receipt), quote=entry.credits)
            for entry in entries
            if entry.buys
        },
        maximum={name: maximum for name, (maximum, _) in pays.items()},
        origins={name: origin for name, (_, origin) in pays.items()},
        terms=terms,
        accounts={},
    )


def terms_of_plan(head: Mapping[str, Any], entries: Iterable[PlanEntry]) -> str:
    """Return the hash of all that a plan shows; `head` is the part beside its jobs, JSON without floats."""
    return _digest({**head, "agreement": VERSION, "jobs": [_terms(entry) for entry in entries]})


def terms_of_document(document: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """Return the same hash of a saved plan; KeyError, TypeError or ValueError when its form is wrong."""
    bound = document["bound"]
    rows = zip(document["jobs"], bound["held"], bound["attempts"], strict=True)
    jobs = [_terms_of_row(row, held, attempt) for row, held, attempt in rows]
    return _digest({**head, "agreement": VERSION, "jobs": jobs})


def seal_of(document: Mapping[str, Any]) -> str:
    """Return the hash of a whole saved plan except its seal, which detects any change of its content."""
    return _digest({name: value for name, value in document.items() if name != "seal"})


def _digest(agreed: Mapping[str, Any]) -> str:
    """Hash JSON as ASCII: a message in a receipt may hold a lone surrogate, which UTF-8 cannot encode."""
    text = json.dumps(agreed, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + sha256(text.encode("ascii")).hexdigest()


def _terms(entry: PlanEntry) -> list[Any]:
    job = entry.job
    extra = [job.extra] if job.extra else []
    shown = [entry.reason, job.draft.prompt, job.dropped, *extra] if entry.action in SHOWN else []
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
        *shown,
    ]


def _terms_of_row(row: Mapping[str, Any], held: Any, attempt: Any) -> list[Any]:
    extra = [row["extra"]] if "extra" in row else []
    shown = [row["reason"], row["prompt"], row["dropped"], *extra] if row["action"] in SHOWN else []
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
        *shown,
    ]


def attempt_of(entry: PlanEntry) -> int | None:
    """Return the attempt number of an entry's purchase, None when it buys nothing.

    A request that the provider refused keeps its number; after a failure or replacement the number is the next.
    """
    return next_attempt(entry.receipt) if entry.buys else None


def state_of(receipt: Receipt | None) -> Any:
    """Return the recorded state of a request as the digest covers it: state, attempt and job id."""
    return None if receipt is None else (receipt.state, receipt.attempt, receipt.job_id)
