"""The command line: options, one file a command, and the terminal; each command is imported only when it is called."""

from kbatch.cli.main import main

__all__ = ["main"]
