"""`--approved` and what counts as an approval: never taken from a manifest."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from kbatch.pipeline.approvals.trust import TrustSources

Command = Callable[..., Any]


def approved(command: Command) -> Command:
    """Add the flags by which a run needs a recorded approval, and those that say whose approvals count."""
    for option in (
        click.option("--require-signed", is_flag=True, help="With --approved: only what an allowed signer has signed."),
        click.option(
            "--allowed-signers",
            envvar="KBATCH_ALLOWED_SIGNERS",
            metavar="SOURCE",
            help="With --approved: ssh's allowed signers, a file outside the checkout or git:REF:PATH.",
        ),
        click.option(
            "--approval-policy",
            envvar="KBATCH_APPROVAL_POLICY",
            metavar="SOURCE",
            help="With --approved: who may approve, and how much; a file outside the checkout or git:REF:PATH.",
        ),
        click.option(
            "--approved-from",
            metavar="git:REF",
            help="As --approved, with approvals from this revision: a branch that only review changes.",
        ),
        click.option("--approved", is_flag=True, help="Buy what `kbatch approve` has recorded, and nothing else."),
    ):
        command = option(command)
    return command


def wants_record(flags: Mapping[str, Any]) -> bool:
    """Whether a recorded approval is the consent."""
    return bool(flags.get("approved") or flags.get("approved_from"))


def read_sources(flags: Mapping[str, Any]) -> TrustSources | None:
    """Return where the flags of `approved` say that trust comes from, None when no record is the consent."""
    if not wants_record(flags):
        if flags.get("require_signed"):
            raise click.UsageError("--require-signed needs --approved")
        return None
    return TrustSources(
        policy=flags["approval_policy"],
        allowed_signers=flags["allowed_signers"],
        require_signed=flags["require_signed"],
        revision=flags["approved_from"],
    )
