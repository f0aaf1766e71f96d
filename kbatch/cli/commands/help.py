"""`kbatch help [COMMAND]`: the same as `--help` of that command, for who looks for it by name."""

import click

_EXAMPLES = """\b
Examples:
  kbatch help
  kbatch help run
  kbatch help lock merge
"""


@click.command("help", epilog=_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(context: click.Context, names: tuple[str, ...]) -> None:
    """Show the help of COMMAND, which may have a command of its own behind it; without one that of kbatch."""
    root = shown = context.find_root()
    for number, name in enumerate(names, start=1):
        group = shown.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"`{shown.command_path}` has no commands", shown)
        _, found, _ = group.resolve_command(shown, [name])
        assert found is not None  # resolve_command raises for a name that is not there
        shown = click.Context(found, info_name=" ".join(names[:number]), parent=root)
    click.echo(shown.get_help())
