"""The envelopes of one run: reserved before anything is sent, held at every purchase, released at its end.

A run reserves the quotes of all its purchases at once, so two runs at one envelope never exceed it together. A purchase
belongs to the month of its submission: when the month turns, what is not sent yet is reserved in the new one.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import anyio
import anyio.to_thread
from msgspec.structs import replace

from kbatch.errors import KbatchError
from kbatch.planner.budgets.envelopes import EnvelopeUse, Wish
from kbatch.runner.limits.budgets.alerts import Alerts
from kbatch.runner.limits.budgets.budget_state import BudgetState, Reservation
from kbatch.runner.limits.credit_reservations import CreditReservations, Share
from kbatch.runner.shutdown import Shutdown


class RunBudgets:
    """What a run has reserved in envelopes, and its shares of them among its own ceilings."""

    def __init__(
        self, state: BudgetState, wishes: Sequence[Wish], run: str, reservations: CreditReservations, alerts: Alerts
    ) -> None:
        self._state = state
        self._wishes = tuple(wishes)
        self._run = run
        self._reservations = reservations
        self._alerts = alerts
        self._turning = anyio.Lock()
        self._reservation: Reservation | None = None
        self._shares: dict[Share, EnvelopeUse] = {}
        self._changed = anyio.Event()
        self._month = ""
        self._ended = False

    async def begin(self, now: datetime) -> None:
        """Reserve the run's purchases; Refused where an envelope has no room for them."""
        await self._reserve(self._state.month(now), self._wishes)
        self._reservations.on_change = self._note_change

    async def admit(self, sent: Callable[[], Collection[str]], now: datetime) -> str | None:
        """Return why a purchase may not be sent now, None when it may; `sent` are those that were sent already."""
        async with self._turning:
            try:
                month = self._state.month(now)
                if month != self._month:
                    done = sent()
                    await self._reserve(month, [wish for wish in self._wishes if wish.fingerprint not in done])
            except KbatchError as error:
                return error.message
        return None

    def holds(self, at: str | None) -> bool:
        """Whether a purchase that is recorded at this time is in the month that was reserved."""
        return (at or "")[:7] == self._month

    async def watch(self, shutdown: Shutdown) -> None:
        """Call the commands of thresholds as they are reached, until the run has ended or is stopped at once."""
        with shutdown.block():
            while True:
                self._changed = anyio.Event()
                await self._alerts.tell(self._present())
                if self._ended:
                    return
                await self._changed.wait()

    def finish(self) -> None:
        """Let `watch` look once more, and end."""
        self._ended = True
        self._changed.set()

    def release(self) -> None:
        """Release what was reserved: the journal says what was bought."""
        if self._reservation is not None:
            self._state.release(self._reservation)

    async def look_again(self, shutdown: Shutdown) -> None:
        """Call the commands of thresholds that were reached by what stands in the envelopes after the run."""
        with shutdown.block():
            read = partial(self._state.uses, (), self._month, self._run)
            await self._alerts.tell(await anyio.to_thread.run_sync(read, abandon_on_cancel=True))

    async def _reserve(self, month: str, wishes: Sequence[Wish]) -> None:
        self._reservation = await anyio.to_thread.run_sync(
            self._state.reserve, wishes, month, self._run, self._reservation
        )
        kept = {share: use for share, use in self._shares.items() if not use.period}
        known = {(use.envelope.name, use.provider) for use in kept.values()}
        more = {
            Share(name=use.envelope.name, provider=use.provider, purchases=frozenset(use.wishes), limit=use.wanted): use
            for use in self._reservation.uses
            if use.wishes and (use.envelope.name, use.provider) not in known
        }
        self._shares = {**kept, **more}
        self._reservations.share(self._shares)
        self._month = month

    def _note_change(self) -> None:
        self._changed.set()

    def _present(self) -> list[EnvelopeUse]:
        """Return what stands in the envelopes with what this run has committed."""
        committed = self._reservations.shares
        return [replace(use, used=use.used + committed.get(share, 0)) for share, use in self._shares.items()]


@asynccontextmanager
async def held(budgets: RunBudgets | None, shutdown: Shutdown, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold a run's part of the envelopes for the time of the block; what fails at its end is said and stops nothing."""
    if budgets is None:
        yield
        return
    await budgets.begin(datetime.now(UTC))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(budgets.watch, shutdown)
            yield
            budgets.finish()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(budgets.release)
    try:
        await budgets.look_again(shutdown)
    except (KbatchError, OSError) as error:
        say(f"the envelopes were not looked at again: {error}")
