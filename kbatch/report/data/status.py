"""Status from the recorded state alone: bought, running, owed, unknown, expiring, and the charges."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kbatch.planner.charges import charged
from kbatch.providers.registry import clips_kept, log_asked_until, way_out
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState, describe_remaining_charge
from kbatch.report.claims.claim_text import open_claims

_STATE_WORDS = {state.value: state.label for state in ReceiptState}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """Status of one job in words; `attention` when the user has to act.

    Of an unknown send `client_request_id` is its name in the provider's log, which is asked until `asked_until`.
    """

    address: str
    state: str
    provider: str
    credits: int | None
    words: str
    attention: bool
    client_request_id: str | None = None
    asked_until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The rows of jobs and orphans, counts by state, and credits charged by provider."""

    rows: tuple[StatusRow, ...]
    counts: Mapping[str, int]
    charged: Mapping[str, int]
    held: Mapping[str, int]
    claimed_back: Mapping[str, int | None]


def read_status(
    jobs: Sequence[tuple[str, str]], renders: Mapping[str, Receipt], here: frozenset[str], now: datetime
) -> Status:
    """Return the status of (address, fingerprint) pairs; `here` are the output paths that exist on this disk."""
    rows: list[StatusRow] = []
    named: set[str] = set()
    for address, fingerprint in jobs:
        receipt = renders.get(fingerprint)
        named.add(fingerprint)
        rows.append(_row(address, receipt, here, now) if receipt else _not_bought(address))
    for fingerprint, receipt in sorted(renders.items()):
        if fingerprint not in named:
            row = _row(receipt.address or fingerprint[:12], receipt, here, now)
            rows.append(StatusRow(**{**_fields(row), "words": f"no job refers to it; {row.words}"}))
    held: Counter[str] = Counter()
    for one in (record for receipt in renders.values() for record in records_of(receipt)):
        if one.state is ReceiptState.UNKNOWN:
            held[one.provider] += one.credits.planned or 0
    counts = Counter(row.state for row in rows)
    return Status(
        rows=tuple(rows),
        counts=dict(counts),
        charged=charged(renders),
        held=dict(held),
        claimed_back=open_claims(renders),
    )


def _fields(row: StatusRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in StatusRow.__slots__}


def _not_bought(address: str) -> StatusRow:
    return StatusRow(
        address=address, state="not-bought", provider="", credits=None, words="not bought", attention=False
    )


def _row(address: str, receipt: Receipt, here: frozenset[str], now: datetime) -> StatusRow:
    words, attention = _words(receipt, here, now)
    credits = receipt.credits.planned if receipt.credits.reported is None else receipt.credits.reported
    lived_with = receipt.state is ReceiptState.DELIVERED_WRONG and receipt.accepted_as_is
    return StatusRow(
        address=address,
        state=ReceiptState.DONE.value if lived_with else receipt.state.value,
        provider=receipt.provider,
        credits=credits,
        words=words,
        attention=attention,
        client_request_id=receipt.client_request_id if receipt.state is ReceiptState.UNKNOWN else None,
        asked_until=log_asked_until(receipt),
    )


def _words(receipt: Receipt, here: frozenset[str], now: datetime) -> tuple[str, bool]:
    said = receipt.error_message
    match receipt.state:
        case ReceiptState.SUBMITTED:
            return f"rendering as {receipt.job_id} since {_day(receipt.submitted_at)}; `kbatch pull` collects it", True
        case ReceiptState.RENDERED:
            return f"rendered, its clip is owed; {_expiry(receipt, now)}`kbatch pull` fetches it", True
        case ReceiptState.UNKNOWN:
            named = f" as {receipt.client_request_id}" if receipt.client_request_id else ""
            sent = f"sent {_day(receipt.submitted_at)}{named}, outcome unknown ({said or 'cut off'})"
            until = log_asked_until(receipt)
            sent += f"; its log is asked until {until}" if until else ""
            return f"{sent}; {way_out(receipt.provider)}", True
        case ReceiptState.FAILED:
            return f"failed, {describe_remaining_charge(receipt.credits.reported)}: {said}", False
        case ReceiptState.DELIVERED_WRONG:
            if receipt.accepted_as_is:
                return f"accepted as it is: {said}", False
            return f"delivered otherwise than bought: {said}", True
        case ReceiptState.DONE:
            path = receipt.output.path if receipt.output else ""
            if path in here:
                return path, False
            return f"bought; {path} is not here, `kbatch pull` fetches it", False


def _day(moment: str | None) -> str:
    return (moment or "?")[:16].replace("T", " ")


def _expiry(receipt: Receipt, now: datetime) -> str:
    kept = clips_kept(receipt.provider)
    if receipt.finished_at is None or kept is None:
        return ""
    left = datetime.fromisoformat(receipt.finished_at) + kept - now
    hours = int(left.total_seconds() // 3600)
    return f"its link may expire in {hours} h; " if hours > 0 else "its link may have expired; "


def as_json(status: Status) -> dict[str, Any]:
    """Return the status as plain JSON."""
    return {
        "jobs": [_fields(row) for row in status.rows],
        "counts": dict(status.counts),
        "charged": dict(status.charged),
        "held": dict(status.held),
        "claimed_back": dict(status.claimed_back),
    }


def lines(status: Status) -> Iterator[str]:
    """Yield the status for a person: what needs attention first."""
    width = max((len(row.address) for row in status.rows), default=0)
    for row in sorted(status.rows, key=lambda row: not row.attention):
        state = _STATE_WORDS.get(row.state, row.state)
        yield f"{'!' if row.attention else ' '} {state:<15} {row.address:<{width}}  {row.words}"
    for provider in sorted({*status.charged, *status.held}):
        held = status.held.get(provider, 0)
        more = f", {held:,} held by unknown outcomes" if held else ""
        if provider in status.claimed_back:
            asked = status.claimed_back[provider]
            more += f", {'unknown credits' if asked is None else f'{asked:,}'} claimed back (`kbatch claim --list`)"
        yield f"  {provider}: {status.charged.get(provider, 0):,} credits charged{more}"
