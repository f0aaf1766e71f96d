"""What a run does with each job: its action, price and reason, and the recorded state that they are decided from."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

from msgspec import Struct, field

from kbatch.planner.jobs import Job
from kbatch.receipts.receipt import Output, Receipt, how_to_resolve


class Action(StrEnum):
    """What a run does with a job."""

    RENDER = "render"
    REUSE = "reuse"
    POLL = "poll"
    DOWNLOAD = "download"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"


class PlanEntry(Struct, frozen=True, kw_only=True, gc=False):
    """A job in a plan: `credits` is what it may cost now (None: unknown price), `held` what an unknown outcome holds.

    `shared_with` is the address of an earlier job with the same request, which is bought once for both. `replaces`
    says that a paid render is bought again on purpose, `reminder` that the user should look at a clip that is paid.
    `receipt` is the recorded purchase of the request. `invented` says that only the manifest states a price: the card
    has none and no receipt has a charge. `resend` says that an unknown send may be sent again from here, which is a
    purchase of what it holds; `objection` says why it may not; `mistaken` that its record is of another request, so
    that it is not searched for. These three depend on this machine, so the plan's digest leaves them out.
    """

    job: Job
    action: Action
    credits: int | None
    reason: str
    held: int | None = 0
    shared_with: str | None = None
    replaces: bool = False
    reminder: bool = False
    receipt: Receipt | None = None
    invented: bool = False
    resend: bool = False
    objection: str = ""
    mistaken: bool = False

    @property
    def words(self) -> str:
        """The reason; for an unknown send also whether it may be sent again, and at what cost."""
        if self.resend:
            cost = "for a price that is not known" if self.held is None else f"for up to {self.held:,} credits"
            return f"{self.reason}; with consent it is sent again under its key, {cost}"
        return f"{self.reason}; not sent again: {self.objection}" if self.objection else self.reason

    @property
    def address(self) -> str:
        """The job's readable id, such as `hero[city=oslo]`."""
        return self.job.address

    @property
    def buys(self) -> bool:
        """Whether this entry is a purchase."""
        return self.action is Action.RENDER


class OutputSizes(Protocol):
    """Sizes of the output files in bytes, by path."""

    def get(self, path: str, /) -> int | None:
        """Return the size of an output, None when the file is absent."""


class FingerprintsByAddress(Protocol):
    """Fingerprints by the job address that last referred to them."""

    def get(self, address: str, /) -> str | None:
        """Return the fingerprint of an address, None for a new address."""


def _is_trusted(_output: Output) -> bool:
    return False


def _at_any_provider(_provider: str) -> str:
    return how_to_resolve(None)


class RecordedState(Struct, frozen=True, kw_only=True):
    """Recorded state: receipts by fingerprint, fingerprints by job address, sizes of output files.

    `altered` says whether a file that has the size of its receipt nevertheless has other content. `way_out` returns
    what to do, by provider, about a send of unknown outcome.
    """

    renders: Mapping[str, Receipt] = field(default_factory=dict)
    addresses: FingerprintsByAddress = field(default_factory=dict[str, str])
    sizes: OutputSizes = field(default_factory=dict[str, int])
    altered: Callable[[Output], bool] = _is_trusted
    way_out: Callable[[str], str] = _at_any_provider


class ActionOptions(Struct, frozen=True, kw_only=True):
    """Options of the command line: addresses to buy again (`replace`), and whether refused jobs are tried again.

    `cascade` is the part of `replace` that is bought again only because its upstream is.
    """

    replace: frozenset[str] = frozenset()
    cascade: frozenset[str] = frozenset()
    retry_failed: bool = False
