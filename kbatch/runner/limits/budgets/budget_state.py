"""What stands in the envelopes of a file of budgets: its lockfiles' purchases, and reservations of runs that live.

Beside the file, `.kbatch/<name>.budgets/` holds one record a run, `<run id>.json`, with a lock that the run holds while
it lives. A reservation of a run that was killed is dropped: what it has sent is in its journal, and is counted from
there. Everything is read and written under one lock of the operating system, so the runs of one machine never reserve
the same credits twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from kbatch import storage
from kbatch.errors import Invalid, Problem, Refused, StateUnreadable
from kbatch.planner.budgets.budget_file import read_envelopes
from kbatch.planner.budgets.envelopes import Envelope, EnvelopeUse, Reserved, Wish, objection_to, use_of
from kbatch.planner.budgets.purchases import PaidPurchase, purchases_of
from kbatch.providers.registry import NAMES
from kbatch.receipts.journal.history import ignore_in_git
from kbatch.receipts.receipt import Receipt
from kbatch.runner.preflight.lockfiles import lockfiles_below, read_renders
from kbatch.storage.exclusive import Lease, exclusive, lease

_WAIT_S = 30.0
"""For another run that reads all lockfiles of a large team under the lock."""
_AT_END_S = 2.0
"""A run that is stopped ends within seconds."""
_AHEAD = timedelta(days=1)
"""How far a clock of another machine may be off before its times choose the month of a purchase."""
_FILE_BYTES = 10 * storage.MEBIBYTE


class Budgets(Struct, frozen=True, kw_only=True):
    """A file of budgets, its links resolved, and its envelopes."""

    path: Path
    envelopes: tuple[Envelope, ...]

    @property
    def folder(self) -> Path:
        """Where its state of this machine is kept."""
        return self.path.parent / ".kbatch" / f"{self.path.name}.budgets"


def read_budgets(path: Path) -> Budgets:
    """Return a file of budgets; Invalid with all that is wrong with it."""
    try:
        data = storage.read_bytes(path.resolve(), limit=_FILE_BYTES)
    except OSError as error:
        message = f"the file of budgets `{path}` cannot be read: {error.strerror}"
        raise Invalid([Problem(code="bad-budgets", message=message)]) from error
    return Budgets(path=path.resolve(), envelopes=read_envelopes(data, str(path), NAMES))


class Reservation:
    """What a run has reserved, by what stood in the envelopes then, and the lock that says that the run lives."""

    def __init__(self, record: Path, held: Lease) -> None:
        self.record = record
        self.held = held
        self.reserved: tuple[Reserved, ...] = ()
        self.uses: tuple[EnvelopeUse, ...] = ()


class BudgetState:
    """The envelopes as one run sees them: those of its lockfile, simulated or not."""

    def __init__(self, budgets: Budgets, lockfile: Path, *, simulated: bool, newest: str) -> None:
        self.budgets = budgets
        self._lockfile = lockfile.parent.resolve() / lockfile.name
        self._simulated = simulated
        self._newest = newest

    def month(self, now: datetime) -> str:
        """Return the month in which a purchase would be recorded: a journal's times never go back.

        Refused where a record lies further in the future than clocks differ: it would choose the month.
        """
        if not self._newest:
            return f"{now:%Y-%m}"
        newest = datetime.fromisoformat(self._newest)
        if newest > now + _AHEAD:
            message = f"the state holds a time in the future ({self._newest}), so no month can be held"
            raise Refused("time-ahead", message, hint="set the clock right, or correct the lockfile")
        return f"{max(now, newest):%Y-%m}"

    def uses(self, wishes: Sequence[Wish], month: str, run: str = "") -> tuple[EnvelopeUse, ...]:
        """Return what stands in every envelope; reservations are those of other living runs than `run`."""
        if not self.budgets.folder.is_dir():  # no run has reserved anything here, and a plan writes nothing
            return self._uses(wishes, month, ())
        with exclusive(self._lock, wait_s=_WAIT_S):
            return self._uses(wishes, month, self._living(run))

    def reserve(self, wishes: Sequence[Wish], month: str, run: str, kept: Reservation | None = None) -> Reservation:
        """Reserve the purchases to be made in every envelope that covers them; Refused where one has no room.

        `kept` is the run's reservation so far, to which a new month's is added.
        """
        with exclusive(self._lock, wait_s=_WAIT_S):
            uses = self._uses(wishes, month, self._living(run))
            check_uses(uses)
            made = kept or self._begin(run)
            known = {(one.envelope, one.provider, one.period) for one in made.reserved}
            more = [
                Reserved(
                    run=run, envelope=use.envelope.name, provider=use.provider, period=use.period, credits=use.wanted
                )
                for use in uses
                if use.wishes and (use.envelope.name, use.provider, use.period) not in known
            ]
            made.reserved, made.uses = (*made.reserved, *more), uses
            storage.write_atomic(made.record, msgspec.json.encode(made.reserved))
            return made

    def release(self, reservation: Reservation) -> None:
        """End a run's reservation; its record may stay, since a run without its lock is dead to the others."""
        try:
            with exclusive(self._lock, wait_s=_AT_END_S):
                storage.remove(reservation.record)
                reservation.held.end()
        except (Refused, OSError):
            reservation.held.release()

    @property
    def _lock(self) -> Path:
        return self.budgets.folder / "lock"

    def _begin(self, run: str) -> Reservation:
        ignore_in_git(self.budgets.folder.parent)
        held = lease(self.budgets.folder / f"{run}.lock")
        if held is None:
            raise Refused("locked", f"another run has the id {run}")
        return Reservation(self.budgets.folder / f"{run}.json", held)

    def _living(self, run: str) -> tuple[Reserved, ...]:
        """Return the reservations of other runs that live; those of runs that ended without a word are removed."""
        found: list[Reserved] = []
        for record in storage.names_in(self.budgets.folder, "*.json"):
            if record.stem == run:
                continue
            dead = lease(record.with_suffix(".lock"))
            if dead is not None:
                storage.remove(record)
                dead.end()
                continue
            try:
                found += msgspec.json.decode(storage.read_bytes(record), type=list[Reserved])
            except (OSError, msgspec.MsgspecError) as error:
                raise StateUnreadable(f"{record}: the reservation of a run that lives cannot be read") from error
        return tuple(found)

    def _uses(self, wishes: Sequence[Wish], month: str, living: Iterable[Reserved]) -> tuple[EnvelopeUse, ...]:
        cached: dict[Path, Mapping[str, Receipt]] = {}
        living = tuple(living)
        found: list[EnvelopeUse] = []
        for envelope in self.budgets.envelopes:
            if any(envelope.covers(wish.about) for wish in wishes):
                self._check_listed(envelope)
            purchases = self._purchases(envelope, cached)
            found += use_of(envelope, purchases, wishes, month, living)
        return tuple(found)

    def _purchases(self, envelope: Envelope, cached: dict[Path, Mapping[str, Receipt]]) -> tuple[PaidPurchase, ...]:
        files = dict.fromkeys(self._files(envelope))
        for path in files:
            if path not in cached:
                cached[path] = read_renders(path, simulated=self._simulated)
        return purchases_of(cached[path] for path in files)

    def _files(self, envelope: Envelope) -> Iterator[Path]:
        """Yield the lockfiles of an envelope with links resolved, this run's too, which may not be written yet."""
        for path in self._places(envelope):
            if path.is_dir():
                for one in lockfiles_below(path, simulated=self._simulated):
                    yield one.resolve()
            elif storage.size_of(path) is not None:
                if path.name.endswith(".sim.lock.json") == self._simulated:
                    yield path.resolve()
            else:
                message = f"envelope `{envelope.name}`: there is no `{path}`, in which its lockfiles should be"
                raise Invalid([Problem(code="file-not-found", message=message, mark=envelope.mark)])

    def _places(self, envelope: Envelope) -> list[Path]:
        return [self.budgets.path.parent / path for path in envelope.paths] or [self.budgets.path.parent]

    def _check_listed(self, envelope: Envelope) -> None:
        """Raise Refused when what this run buys would not be counted next time."""
        for path in self._places(envelope):
            place = path.resolve()
            if place == self._lockfile:
                return
            if place.is_dir() and self._lockfile.is_relative_to(place):
                folders = self._lockfile.relative_to(place).parts[:-1]
                if not any(folder.startswith(".") for folder in folders):
                    return
        message = f"envelope `{envelope.name}` covers this run, and `{self._lockfile}` is none of its lockfiles"
        raise Refused("outside-budgets", message, hint=f"add its folder to the `paths` of `{envelope.name}`")


def check_uses(uses: Iterable[EnvelopeUse]) -> None:
    """Raise Refused for the first envelope that has no room, with how many more have none."""
    against = [objection for use in uses if (objection := objection_to(use)) is not None]
    if against:
        more = f" (and {len(against) - 1} more)" if len(against) > 1 else ""
        raise Refused(against[0].code, against[0].message + more, hint=against[0].hint)
