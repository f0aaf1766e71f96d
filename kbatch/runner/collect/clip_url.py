"""Asks for the URL of a clip that was rendered earlier; providers sign a new one for each answer."""

from functools import partial

from kbatch.providers.base import Failed, PollOutcome, Running, Succeeded
from kbatch.runner.collect.poll import StillOwed, poll, unusable_poll_reason
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.limits.retry import URL_TRIES, temporary
from kbatch.runner.pending import PendingRender


async def ask_url(run: Run, session: ProviderSession, pending: PendingRender) -> Succeeded | StillOwed:
    """Poll for the URL, again while the provider gives none; StillOwed says why there is none."""
    outcome = await run.retry(session, URL_TRIES, partial(poll, run, session, pending), again=_without_url)
    match outcome:
        case Succeeded():
            return outcome
        case Failed(message=message):
            return StillOwed(reason=f"rendered earlier, and now the provider says: {message}")
    unusable = await unusable_poll_reason(run, session, pending, outcome)
    if unusable is not None:
        return StillOwed(reason=f"rendered earlier: {unusable}")
    why = f" ({session.closed_reason})" if session.too_long_wait else ""
    words = f"rendered, and the provider does not give its URL at present{why}; `kbatch pull` tries again"
    return StillOwed(reason=words)


def _without_url(outcome: PollOutcome) -> float | None:
    return 0.0 if isinstance(outcome, Running) else temporary(outcome)
