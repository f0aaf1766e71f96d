"""The version of kbatch, read from the installation when it is asked for: reading takes a tenth of a start."""

from functools import cache

DISTRIBUTION = "kbatch-render"
"""The name on PyPI. `kbatch` is another program's there, so what an environment has under that name is not ours."""


@cache
def version() -> str:
    """Return the version of the installed distribution, `0+unknown` where none is installed."""
    from importlib.metadata import PackageNotFoundError  # noqa: PLC0415 - slow to load, and `--help` needs none of it
    from importlib.metadata import version as installed  # noqa: PLC0415

    try:
        return installed(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+unknown"
