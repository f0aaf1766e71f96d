"""What an animatic shows: each job of a selection in manifest order, with its words, and where its pictures come from.

Credits are what the provider reported or the plan quotes; they add up per provider, and a purchase that several jobs
share counts once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kbatch.planner.jobs import Job
from kbatch.receipts.receipt import Output, Receipt, ReceiptState
from kbatch.report.data.format import amount, harmless, short_model

SIMULATOR = "simulator"


class Tone(StrEnum):
    """How a cut stands, which its tag shows by a colour too."""

    BOUGHT = "bought"
    SIMULATED = "simulated"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmCut:
    """One job on the screen: its words, its seconds, and its clip on this disk, None where it has to be simulated.

    `size` is the clip's width and height where they are known, else None.
    """

    job: Job
    tone: Tone
    tag: str
    seconds: float
    credits: str
    total: str
    clip: Output | None

    @property
    def address(self) -> str:
        """The job's readable id, without control characters."""
        return harmless(self.job.address)

    @property
    def prompt(self) -> str:
        """The job's prompt as it was rendered, without control characters."""
        return harmless(self.job.draft.prompt or "")

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the clip where they are known."""
        media = self.clip.media if self.clip else None
        return (media.width, media.height) if media and media.width and media.height else None

    @property
    def model(self) -> str:
        """Model and variant."""
        return f"{short_model(self.job.model)} {self.job.quote.variant}".strip()


def cut_list(jobs: Sequence[Job], renders: Mapping[str, Receipt], sizes: Mapping[str, int]) -> tuple[FilmCut, ...]:
    """Return the cuts of jobs in their order; `sizes` are the bytes of the output files that are on this disk."""
    return tuple(_cuts(jobs, renders, sizes))


def _cuts(jobs: Sequence[Job], renders: Mapping[str, Receipt], sizes: Mapping[str, int]) -> Iterator[FilmCut]:
    totals: dict[str, int] = {}
    unpriced: dict[str, int] = {}
    first: dict[str, str] = {}
    for job in jobs:
        receipt = renders.get(job.fingerprint)
        shared = first.setdefault(job.fingerprint, job.address)
        credits = _credits(job, receipt)
        totals.setdefault(job.provider, 0)
        if shared != job.address:
            said = f"as {harmless(shared)}"
        else:
            said = amount(credits, job.quote.unit)
            totals[job.provider] += credits or 0
            unpriced[job.provider] = unpriced.get(job.provider, 0) + (credits is None)
        clip = _clip(receipt, sizes)
        tone, tag = _standing(receipt, clip)
        yield FilmCut(
            job=job,
            tone=tone,
            tag=tag,
            seconds=_seconds(job, clip),
            credits=said,
            total=" · ".join(_total(name, total, unpriced.get(name, 0)) for name, total in totals.items()),
            clip=clip,
        )


def _credits(job: Job, receipt: Receipt | None) -> int | None:
    if receipt is not None and receipt.state is not ReceiptState.FAILED and receipt.credits.reported is not None:
        return receipt.credits.reported
    return job.quote.credits


def _total(provider: str, credits: int, unpriced: int) -> str:
    known = f"{provider} {credits:,}"
    return f"{known} and {unpriced} unpriced" if unpriced else known


def _clip(receipt: Receipt | None, sizes: Mapping[str, int]) -> Output | None:
    clip = receipt.output if receipt is not None else None
    return clip if clip is not None and clip.placed and sizes.get(clip.path) == clip.bytes else None


def _seconds(job: Job, clip: Output | None) -> float:
    duration = clip.media.duration if clip is not None else None
    return duration or float(job.clip.duration_s)


def _standing(receipt: Receipt | None, clip: Output | None) -> tuple[Tone, str]:
    if receipt is None:
        return Tone.SIMULATED, "not bought"
    pretended = receipt.origin == SIMULATOR
    match receipt.state:
        case ReceiptState.DELIVERED_WRONG if clip is not None:
            return Tone.WRONG, "delivered wrong"
        case ReceiptState.DONE if clip is not None:
            return (Tone.SIMULATED, "simulated") if pretended else (Tone.BOUGHT, "bought")
        case ReceiptState.DONE | ReceiptState.DELIVERED_WRONG:
            return Tone.SIMULATED, "bought, not here"
        case ReceiptState.SUBMITTED:
            return Tone.SIMULATED, "still rendering"
        case ReceiptState.RENDERED:
            return Tone.SIMULATED, "rendered, not fetched"
        case ReceiptState.UNKNOWN:
            return Tone.SIMULATED, "outcome unknown"
        case _:
            return Tone.SIMULATED, "failed last time"
