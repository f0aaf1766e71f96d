"""`kbatch mcp`: an MCP server on stdin and stdout, with which an agent reads, plans and explains."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import anyio
import click

from kbatch.cli.agent.tools import READING

_EXAMPLES = """\b
Examples:
  kbatch mcp .                       # as the command of an MCP client, for the manifests below this folder
"""


@click.command("mcp", epilog=_EXAMPLES)
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False))
def command(root: Path) -> None:
    """Serve MCP on stdin and stdout: an agent checks, plans, explains, fits and sums up what lies below ROOT.

    Tools take no path outside ROOT, no address of an API, no flag that spends or lowers a price; the commands that they
    start have no API key.
    """
    if find_spec("mcp") is None:
        hint = "install the extra `mcp`: pip install 'kbatch-render[mcp]'"
        raise click.UsageError(f"the MCP server needs a package that is not installed; {hint}")
    from kbatch.cli.agent.server import serve  # noqa: PLC0415 - the SDK takes half a second to load

    anyio.run(partial(serve, root, READING))
