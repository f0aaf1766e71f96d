"""`kbatch reconcile`: resolves sends of unknown outcome, by the provider's records or by the user's word."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kbatch.cli.collect import Collection, collect
from kbatch.cli.consent import check_consent, consent
from kbatch.cli.options import account, format_choice, junit, manifest, max_jobs, refuse_given, state
from kbatch.errors import Invalid, Problem, Refused, did_you_mean
from kbatch.pipeline.load import LoadedManifest
from kbatch.planner.actions import Action
from kbatch.receipts import store as states
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.context import RunOptions
from kbatch.runner.reconcile import Decisions, not_submitted, owner_of

_EXAMPLES = """\b
Examples:
  kbatch reconcile campaign.yaml                # looks, and says what a send again would cost
  kbatch reconcile campaign.yaml --yes --max-credits apiframe=140
  kbatch reconcile campaign.yaml --adopt 'hero[city=oslo]=4f1c2f0e-…'
  kbatch reconcile campaign.yaml --refused 'hero[city=oslo]'
  kbatch reconcile campaign.yaml --lost 'hero[city=oslo]'
  kbatch reconcile campaign.yaml --junit reconcile.xml
"""


@click.command("reconcile", epilog=_EXAMPLES)
@manifest
@click.option("--adopt", multiple=True, metavar="ADDRESS=JOB_ID", help="This unknown send is that job of the provider.")
@click.option("--refused", multiple=True, metavar="ADDRESS", help="I know that this unknown send was not accepted.")
@click.option(
    "--lost", multiple=True, metavar="ADDRESS|JOB_ID", help="Give up a paid job that its provider no longer knows."
)
@click.option(
    "--bought-with-this-key", is_flag=True, help="With --lost: I know that this key's user bought it (old receipts)."
)
@consent
@account
@click.option("--break-lock", is_flag=True, help="Take over from a run on another host that no longer lives.")
@junit
@state
@max_jobs
@format_choice("text", "json")
def command(
    manifest: Path, adopt: tuple[str, ...], refused: tuple[str, ...], lost: tuple[str, ...], **flags: Any
) -> int:
    """Settle unknown sends of MANIFEST (kbatch.yaml): by job list, by idempotency key, else by --adopt or --refused.

    To send a job again under its key is a purchase, which --yes, --approve or the prompt agrees to; without that the
    provider's jobs are only looked through, and what a send again would cost is said.

    Exits with 4 while something stays unknown. AI/ML API has neither key nor list: look at its dashboard.

    --lost ends the waiting for a job that was accepted and that its provider has lost; what it cost stays counted. Its
    provider is asked with the buyer's key: for a colleague's, who sees other jobs, every job of yours is lost.
    """

    def decide(loaded: LoadedManifest, found: states.LoadedState) -> Decisions:
        known = _addresses(loaded, found)
        adopted = {}
        for word in adopt:
            address, job_id = _split(word, known)
            adopted[_fingerprint(address, known, "--adopt")] = job_id
        return Decisions(
            adopt=adopted,
            refused=frozenset(_fingerprint(address, known, "--refused") for address in refused),
            lost={_job_id(name, known, found.lockfile.renders): name for name in lost},
            mine=flags["bought_with_this_key"],
        )

    unknown = frozenset((Action.UNKNOWN,))
    if not lost:
        refuse_given(("bought_with_this_key",), "needs --lost")
    check_consent(flags)
    work = Collection(actions=unknown, options=RunOptions(buy=False), decide=decide)
    return collect(manifest, flags, work)


def _addresses(loaded: LoadedManifest, found: states.LoadedState) -> dict[str, str]:
    """Return fingerprints by address: the jobs', and of sends that no job refers to any more their last one.

    Where both have one address the unknown send is meant. A send without an address goes by the first 12 characters of
    its fingerprint.
    """
    renders = found.lockfile.renders
    known = {job.address: job.fingerprint for job in loaded.jobs}
    for fingerprint, receipt in renders.items():
        known.setdefault(fingerprint[:12], fingerprint)
        if not receipt.address:
            continue
        mine = renders.get(known.setdefault(receipt.address, fingerprint))
        if receipt.state is ReceiptState.UNKNOWN and (mine is None or mine.state is not ReceiptState.UNKNOWN):
            known[receipt.address] = fingerprint
    return known


def _split(word: str, known: dict[str, str]) -> tuple[str, str]:
    """Split ADDRESS=JOB_ID at the `=` behind the address; both may hold further ones."""
    for address in sorted(known, key=len, reverse=True):
        if word.startswith(address + "=") and len(word) > len(address) + 1:
            return address, word[len(address) + 1 :]
    raise Invalid([Problem(code="no-such-job", message=f"`--adopt {word}` is not ADDRESS=JOB_ID of a job here")])


def _job_id(name: str, known: dict[str, str], renders: Mapping[str, Receipt]) -> str:
    """Return the accepted job that a person names by its address or by its id; Refused where there is none, or two."""
    if owner_of(renders, name) is not None:
        return name
    fingerprint = _fingerprint(name, known, "--lost")
    jobs = [
        record.job_id
        for key, receipt in renders.items()
        for record in records_of(receipt)
        if record.state is ReceiptState.SUBMITTED and record.job_id
        if key == fingerprint or name == (record.address or receipt.address)
    ]
    if not jobs:
        shown = renders.get(fingerprint)
        raise not_submitted(name, shown.state if shown else None)
    if len(jobs) > 1:
        raise Refused("several-jobs", f"`{name}` has {len(jobs)} accepted jobs", hint=f"name one: {', '.join(jobs)}")
    return jobs[0]


def _fingerprint(address: str, known: dict[str, str], flag: str) -> str:
    if address not in known:
        hint = did_you_mean(address, known) or "`kbatch status` shows the addresses"
        raise Invalid([Problem(code="no-such-job", message=f"`{flag} {address}` names no job", hint=hint)])
    return known[address]
