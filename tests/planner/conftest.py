"""Plans for tests: jobs of a manifest's text, and receipts as a run would have left them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from kbatch.pipeline.load import LoadedManifest, LoadOptions, load
from kbatch.planner.actions import ActionOptions, PlanEntry, RecordedState
from kbatch.planner.decisions import decide
from kbatch.planner.jobs import Job
from kbatch.planner.plan import Basis, Plan, build_plan
from kbatch.providers.registry import way_out
from kbatch.receipts.receipt import Credits, Media, Output, Receipt, ReceiptState

Campaign = Callable[..., LoadedManifest]


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    """Return a function that loads a manifest from the text of its body."""

    def make(body: str, **options: object) -> LoadedManifest:
        path = tmp_path / "campaign.yaml"
        path.write_text(f"kbatch: 1\nname: test\nprovider: apiframe\n{body}", encoding="utf-8")
        return load(path, LoadOptions(**options))  # type: ignore[arg-type]

    return make


def receipt_of(job: Job, state: ReceiptState = ReceiptState.DONE, **changes: object) -> Receipt:
    """Return the receipt that a run leaves of a job."""
    quote = job.quote.credits
    known = state not in (ReceiptState.UNKNOWN, ReceiptState.FAILED)
    output = Output(
        path=job.draft.output,
        sha256="0" * 64,
        bytes=10,
        media=Media(duration=5.0, width=16, height=9, fps=24, audio=False),
        placed_at="2026-11-21T10:00:00.000Z",
    )
    made = Receipt(
        provider=job.provider,
        model=job.model,
        variant=job.quote.variant,
        state=state,
        origin="loopback",
        job_id=f"job-{job.fingerprint[:8]}" if known else None,
        attempt=1,
        request=job.request,
        credits=Credits(planned=quote, reported=quote if known else None),
        submitted_at="2026-11-21T09:00:00.000Z",
        output=output if state in (ReceiptState.DONE, ReceiptState.DELIVERED_WRONG) else None,
        address=job.address,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def entries_of(
    loaded: LoadedManifest, renders: dict[str, Receipt] | None = None, options: ActionOptions | None = None
) -> tuple[PlanEntry, ...]:
    """Return the decided entries of all jobs; every output is on the disk."""
    receipts = renders or {}
    sizes = {receipt.output.path: receipt.output.bytes for receipt in receipts.values() if receipt.output}
    addresses = {receipt.address: key for key, receipt in receipts.items()}
    recorded = RecordedState(renders=receipts, addresses=addresses, sizes=sizes, way_out=way_out)
    return decide(loaded.jobs, recorded, options or ActionOptions())


def plan_of(
    loaded: LoadedManifest, renders: dict[str, Receipt] | None = None, options: ActionOptions | None = None
) -> Plan:
    """Return the plan of all jobs."""
    known = frozenset(job.fingerprint for job in loaded.jobs)
    basis = Basis(manifest="campaign.yaml", settings=loaded.settings, known=known, inputs=loaded.inputs)
    return build_plan(basis, entries_of(loaded, renders, options), renders or {})
