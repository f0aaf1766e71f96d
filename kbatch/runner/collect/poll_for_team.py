"""Polls a colleague's job through the list of the team's jobs: `GET /v2/jobs?scope=team&search=<id>` on Apiframe.

Only an admin's key may read it. A key that is refused it is not asked again in this run.
"""

from collections.abc import Callable

from kbatch.providers.base import NotNow, PollOutcome, Request
from kbatch.providers.responses import same_id
from kbatch.receipts.account import is_colleague
from kbatch.receipts.receipt import Receipt
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.submit.job_matching import contradiction


async def poll_for_team(run: Run, session: ProviderSession, receipt: Receipt) -> PollOutcome | None:
    """Return the state of a colleague's job; None where it is no colleague's, or this key sees only its own jobs."""
    request: Callable[[str], Request] | None = getattr(session.provider, "team_job", None)
    if request is None or not session.sees_team or not is_colleague(receipt.account, session.account):
        return None
    job_id = receipt.job_id or ""
    page = session.provider.read_jobs(await session.ask(request(job_id), timeout_s=run.options.poll_timeout_s))
    if isinstance(page, NotNow):
        session.sees_team = page.stop is None
        return page if session.sees_team else None
    job = next((one for one in page.jobs if same_id(job_id, one.job_id)), None)
    if job is None:
        return NotNow(message=f"the team's list does not show job {job_id}")
    message = contradiction(job, receipt)
    if message is not None:
        return NotNow(message=message, strange=True)
    return job.outcome or NotNow(message=f"the team's list does not say the state of job {job_id}")
