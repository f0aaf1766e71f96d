"""The command line: one file a command, each imported only when it is called, so that `kbatch --help` is quick."""

from kbatch.cli.main import main

__all__ = ["main"]
