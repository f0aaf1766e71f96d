"""Plans for tests of reports: a manifest's text becomes jobs, with receipts as a run would have left them."""

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from kbatch.pipeline.load import LoadedManifest, LoadOptions, load
from kbatch.planner.actions import ActionOptions, RecordedState
from kbatch.planner.decisions import decide
from kbatch.planner.jobs import Job
from kbatch.planner.plan import Basis, Plan, build_plan
from kbatch.planner.summary import summarize
from kbatch.providers.registry import way_out
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import NO_MEDIA, Credits, Output, Receipt, ReceiptState
from kbatch.report.data.review import Review

HEAD = "kbatch: 1\nname: solstice\nprovider: apiframe\n"
CITIES = """\
defaults: {model: kling-2.6, params: {duration: 5}}
budget: {max_credits: {apiframe: 600}}
rates: {apiframe: {usd_per_credit: 0.01}}
shots:
  - id: hero
    labels: {market: eu}
    prompt: "a ridge above {{ city }}, slow dolly in"
    matrix: {city: [Lisbon, Oslo]}
    takes: 2
    params: {generate_audio: false}
  - id: card
    model: kling-3.0
    prompt: a card on slate
    params: {duration: 6, mode: standard}
"""


def loaded(folder: Path, body: str = CITIES) -> LoadedManifest:
    """Return a loaded manifest of this body."""
    path = folder / "campaign.yaml"
    path.write_text(HEAD + body, encoding="utf-8")
    return load(path, LoadOptions())


def receipt_of(job: Job, state: ReceiptState = ReceiptState.DONE, **changes: object) -> Receipt:
    """Return the receipt that a run leaves of a job."""
    quote = job.quote.credits
    media = replace(NO_MEDIA, duration=5.0, width=16, height=9)
    output = Output(path=job.draft.output, sha256="ab" * 32, bytes=10, media=media)
    made = Receipt(
        provider=job.provider,
        model=job.model,
        variant=job.quote.variant,
        state=state,
        origin="https://api.apiframe.ai",
        job_id=f"job-{job.fingerprint[:8]}",
        attempt=1,
        request=job.request,
        credits=Credits(planned=quote, reported=quote),
        submitted_at="2026-11-21T09:00:00.000Z",
        finished_at="2026-11-21T09:01:00.000Z",
        output=output,
        address=job.address,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def plan_of(manifest: LoadedManifest, renders: Mapping[str, Receipt]) -> Plan:
    """Return the plan of all jobs; every output is on the disk, and every address was what its receipt says."""
    recorded = RecordedState(
        renders=renders,
        addresses={receipt.address: key for key, receipt in renders.items()},
        sizes={receipt.output.path: receipt.output.bytes for receipt in renders.values() if receipt.output},
        way_out=way_out,
    )
    known = frozenset(job.fingerprint for job in manifest.jobs)
    basis = Basis(manifest="campaign.yaml", settings=manifest.settings, known=known, inputs=manifest.inputs)
    return build_plan(basis, decide(manifest.jobs, recorded, ActionOptions()), renders)


def lockfile_of(manifest: LoadedManifest, renders: Mapping[str, Receipt]) -> Lockfile:
    """Return the lockfile in which each job of the manifest refers to its receipt."""
    jobs = {
        job.address: IndexEntry(fingerprint=job.fingerprint, path=job.draft.output)
        for job in manifest.jobs
        if job.fingerprint in renders
    }
    return Lockfile(manifest="campaign.yaml", jobs=jobs, renders=renders)


def review_of(plan: Plan, **changes: object) -> Review:
    """Return what a reviewer is shown of a plan."""
    summary = summarize(plan, {"apiframe": 8, "aimlapi": 4}, [entry.job for entry in plan.entries])
    return Review(**{"plan": plan, "summary": summary, "name": "campaign.yaml", **changes})  # type: ignore[arg-type]
