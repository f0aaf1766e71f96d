"""`kbatch adopt-file`: takes a clip that a colleague fetched, checked against its receipt; needs no network, no key."""

from pathlib import Path
from typing import Any

import click

from kbatch.cli.collect import Collection, collect
from kbatch.cli.options import format_choice, max_jobs, state
from kbatch.errors import Invalid, Problem, Refused, did_you_mean
from kbatch.pipeline.load import DEFAULT_MANIFEST, LoadedManifest
from kbatch.planner.jobs import Job
from kbatch.receipts import store
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.context import RunOptions
from kbatch.runner.pending import pending_render_of
from kbatch.runner.reconcile import Decisions

_EXAMPLES = """\b
Examples:
  kbatch adopt-file campaign.yaml 'hero[city=oslo]' ~/Downloads/oslo.mp4
  kbatch adopt-file 'hero[city=oslo]' oslo.mp4 --format json
"""
_PATH = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command("adopt-file", epilog=_EXAMPLES)
@click.argument("words", nargs=-1, required=True, metavar="[MANIFEST] ADDRESS FILE")
@click.option("--break-lock", is_flag=True, help="Take over from a run on another host that no longer lives.")
@state
@max_jobs
@format_choice("text", "json")
def command(words: tuple[str, ...], **flags: Any) -> int:
    """Take FILE as the clip of a job of MANIFEST (kbatch.yaml) that is paid: one that a colleague fetched.

    FILE must have the SHA-256 of the job's receipt. Where none is recorded, it must be a whole clip of the duration,
    aspect ratio and audio that were bought. Exits with 1 when it is not that clip. FILE is copied; what lies at the
    job's path is kept under .kept/. Buys nothing, sends nothing, needs no key.
    """
    context = click.get_current_context()
    named = words[0].lower().endswith((".yaml", ".yml"))
    manifest, rest = (words[0], words[1:]) if named else (DEFAULT_MANIFEST, words)
    if len(rest) != 2:
        raise click.UsageError("say the job's ADDRESS, as `kbatch plan` shows it, and the FILE")
    address, file = rest[0], _PATH.convert(rest[1], None, context)

    def decide(loaded: LoadedManifest, found: store.LoadedState) -> Decisions:
        job = _job_at(address, loaded)
        _check_paid(address, found.lockfile.renders.get(job.fingerprint))
        return Decisions(files=((pending_render_of(job), file),))

    work = Collection(actions=frozenset(), options=RunOptions(buy=False), decide=decide)
    return collect(Path(manifest), flags, work)


def _job_at(address: str, loaded: LoadedManifest) -> Job:
    known = {job.address: job for job in loaded.jobs}
    if address not in known:
        message = f"`{address}` names no job"
        raise Invalid([Problem(code="no-such-job", message=message, hint=did_you_mean(address, known))])
    return known[address]


def _check_paid(address: str, receipt: Receipt | None) -> None:
    """Refuse a job without a paid purchase: a file proves no purchase."""
    if receipt is not None and receipt.state is ReceiptState.UNKNOWN:
        hint = f"its job id settles that: `kbatch reconcile --adopt '{address}=JOB_ID'`"
        raise Refused("nothing-to-adopt", f"whether `{address}` was accepted is not known", hint=hint)
    if receipt is None or receipt.job_id is None or receipt.state is ReceiptState.FAILED:
        state = "failed, and is not paid" if receipt is not None and receipt.job_id else "not bought"
        hint = "the receipt is in the lockfile of the buyer"
        raise Refused("nothing-to-adopt", f"`{address}` is {state}: a file is no receipt", hint=hint)
