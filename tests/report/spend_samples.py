"""Lockfiles for the tests of what was spent: every kind of purchase, of two months, providers, markets and people."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from kbatch.receipts.lockfile.lockfile import Lockfile, serialize
from kbatch.receipts.receipt import Credits, Purchase, Receipt, ReceiptError, ReceiptState

MARKETS = {"hero": "eu", "wide": "us"}
_ERROR = ReceiptError(at="submit", reason=None, message="cut off")


def bought(address: str = "hero[city=oslo]", **changes: Any) -> Receipt:
    """Return the receipt of a purchase of 15 credits that was delivered."""
    shot = address.partition("[")[0]
    made = Receipt(
        provider="apiframe",
        model="kling-2.6",
        variant="5s",
        state=ReceiptState.SUBMITTED,
        origin="https://api.apiframe.ai",
        job_id=f"job-{address}",
        attempt=1,
        credits=Credits(planned=15, reported=15),
        submitted_at="2026-11-21T10:00:00.000Z",
        purchase=Purchase(
            address=address,
            labels={"market": MARKETS[shot]} if shot in MARKETS else {},
            axes={"city": "oslo"},
            campaign="solstice",
            run="20261121T100000Z-1",
            actor="ada",
        ),
    )
    return replace(made, **changes)


def failed(address: str, planned: int | None, charged: int | None, reported: int | None, **changes: Any) -> Receipt:
    """Return the receipt of a job that failed after its acceptance."""
    credits = Credits(planned=planned, charged=charged, reported=reported)
    return bought(address, state=ReceiptState.FAILED, error=_ERROR, credits=credits, **changes)


def unknown(address: str, planned: int | None, **changes: Any) -> Receipt:
    """Return the receipt of a send whose outcome is unknown."""
    held = Credits(planned=planned)
    return bought(address, state=ReceiptState.UNKNOWN, job_id=None, credits=held, error=_ERROR, **changes)


def refused(address: str) -> Receipt:
    """Return the receipt of a send that was refused."""
    return bought(
        address, state=ReceiptState.FAILED, job_id=None, error=_ERROR, credits=Credits(planned=15, reported=0)
    )


ON_AIMLAPI = {
    "provider": "aimlapi",
    "model": "kling-video/v2.1/pro/image-to-video",
    "variant": None,
    "origin": "https://api.aimlapi.com",
}
SOLSTICE = {
    "a" * 64: bought(),
    "b" * 64: bought(
        "wide",
        credits=Credits(planned=15, reported=30),
        submitted_at="2026-10-31T23:59:59.999Z",
        attempt=2,
        also=(bought("wide", job_id="job-wide-1", submitted_at="2026-10-01T00:00:00Z"),),
        failed=(failed("wide", 15, 15, 0, job_id="job-wide-0", attempt=1, submitted_at="2026-09-30T00:00:00Z"),),
    ),
    "c" * 64: failed("hero[city=rome]", 15, 15, 5, submitted_at="2026-11-30T23:59:59Z"),
    "d" * 64: unknown("plain", 25, submitted_at="2026-12-01T00:00:00Z"),
    "e" * 64: refused("plain"),
    "f" * 64: bought(purchase=None, job_id="old", credits=Credits(planned=7)),
}
SPRING = {
    "a" * 64: bought(),
    "1" * 64: bought("hero", **ON_AIMLAPI, job_id="gen-1", credits=Credits(planned=None, reported=1_312_500)),
    "2" * 64: bought("=cmd|'/c calc'!A1", **ON_AIMLAPI, job_id="gen-2", credits=Credits()),
    "3" * 64: unknown("plain", None, **ON_AIMLAPI),
}


def write(folder: Path, name: str, renders: dict[str, Receipt]) -> Path:
    """Write a lockfile with these receipts."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(serialize(Lockfile(manifest=f"{name.partition('.')[0]}.yaml", renders=renders)))
    return path
