"""What a command has made stays until the process ends: to take 100,000 jobs apart takes as long as a start."""

import click


def keep(*values: object) -> None:
    """Hold on to these as long as `main` lives; nothing where a command is called without it."""
    context = click.get_current_context(silent=True)
    kept = context.find_root().obj if context else None
    if isinstance(kept, list):
        kept.extend(values)
