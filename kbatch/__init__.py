"""kbatch renders video campaigns from a YAML manifest on paid APIs, and never pays twice.

The Python API is `load`, `plan` and `run`, described in `kbatch.api`; they are imported when they are first used, so
that the command line starts quickly.
"""

from typing import TYPE_CHECKING, Any

# Bound before the functions that share their names: a package sets its attribute only when it is first imported.

if TYPE_CHECKING:
    from kbatch.api import load as load
    from kbatch.api import plan as plan
    from kbatch.api import run as run
else:

    def load(*args: Any, **options: Any) -> Any:
        """Load a manifest; see `kbatch.api.load`."""
        from kbatch import api  # noqa: PLC0415

        return api.load(*args, **options)

    def plan(*args: Any, **options: Any) -> Any:
        """Plan a campaign; see `kbatch.api.plan`."""
        from kbatch import api  # noqa: PLC0415

        return api.plan(*args, **options)

    async def run(*args: Any, **options: Any) -> Any:
        """Carry out a proposal; see `kbatch.api.run`."""
        from kbatch import api  # noqa: PLC0415

        return await api.run(*args, **options)


__all__ = ["__version__", "load", "plan", "run"]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module 'kbatch' has no attribute '{name}'")
    from kbatch._version import version  # noqa: PLC0415

    return version()
