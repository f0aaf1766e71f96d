"""`kbatch mcp`: an MCP server on stdin and stdout, with which an agent reads, plans and explains."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import anyio
import click

from kbatch.cli.agent.tools import READING, RunPolicy, running

_EXAMPLES = """\b
Examples:
  kbatch mcp .                       # as the command of an MCP client, for the manifests below this folder
  kbatch mcp . --allow-run --allowed-signers ~/.config/kbatch/signers
  kbatch mcp . --allow-run --approved-from git:origin/main
"""


@click.command("mcp", epilog=_EXAMPLES)
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--allow-run", is_flag=True, help="List `run` too, which buys what a person has approved.")
@click.option(
    "--allowed-signers",
    envvar="KBATCH_ALLOWED_SIGNERS",
    metavar="SOURCE",
    help="With --allow-run: only approvals that one of these has signed count.",
)
@click.option(
    "--approved-from", metavar="git:REF", help="With --allow-run: approvals of this revision, that only review changes."
)
@click.option(
    "--approval-policy",
    envvar="KBATCH_APPROVAL_POLICY",
    metavar="SOURCE",
    help="With --allow-run: who may approve, and how much.",
)
def command(
    root: Path, allow_run: bool, allowed_signers: str | None, approved_from: str | None, approval_policy: str | None
) -> None:
    """Serve MCP on stdin and stdout: an agent checks, plans, explains, fits and sums up what lies below ROOT.

    Tools take no path outside ROOT, no address of an API, no flag that spends or lowers a price; the commands that they
    start have no API key. With --allow-run there is a tool `run` too: `kbatch run --approved`, which needs a proof that
    the agent cannot make, so that signers or a reviewed revision have to be named.
    """
    policy = RunPolicy(allowed_signers=allowed_signers, approved_from=approved_from, approval_policy=approval_policy)
    if allow_run and not policy.proves:
        message = (
            "--allow-run needs --allowed-signers or --approved-from: an agent could make any other approval itself"
        )
        raise click.UsageError(message)
    if approved_from and not allow_run:
        raise click.UsageError("--approved-from needs --allow-run")
    if find_spec("mcp") is None:
        hint = "install the extra `mcp`: pip install 'kbatch-render[mcp]'"
        raise click.UsageError(f"the MCP server needs a package that is not installed; {hint}")
    from kbatch.cli.agent.server import serve  # noqa: PLC0415 - the SDK takes half a second to load

    anyio.run(partial(serve, root, (*READING, running(policy)) if allow_run else READING))
