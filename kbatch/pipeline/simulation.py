"""Sets up the simulator in this process for `--simulate`, with the jobs of an interrupted simulated run restored."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import Any

from kbatch.errors import Invalid, Problem, Refused
from kbatch.models.cards import Catalog
from kbatch.pipeline.load import LoadedManifest
from kbatch.providers.registry import plugin_of
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.receipt import Receipt
from kbatch.storage import read_bytes

_NEEDED = ("av", "starlette", "uvicorn", "python_multipart")
_LATENCY_S = 0.5
_TOKENS = ("sha256:", "frame:")
"""The placeholder for an image in a recorded request."""
_EARLIER_PICTURE = "https://earlier.invalid/picture.png"


def can_simulate() -> bool:
    """Whether the packages of the extra `sim` are installed; none is loaded."""
    return all(util.find_spec(name) is not None for name in _NEEDED)


def simulator_app(lockfile: Lockfile, loaded: LoadedManifest, *, faults: Path | None, seed: int = 0) -> Any:
    """Return an ASGI app that plays the providers; Refused when the extra `sim` is not installed.

    Refused too when the package that brings a provider of the jobs does not bring a simulation of it.

    `seed` decides which of the faults that have a probability strike.
    """
    try:
        from kbatch.simulator.earlier_jobs import restore_job  # noqa: PLC0415
        from kbatch.simulator.exchange import PROVIDERS  # noqa: PLC0415 - needs the extra
        from kbatch.simulator.providers.own_offers import offers_of_cards  # noqa: PLC0415 - needs the extra
        from kbatch.simulator.server import SimulatorSettings, build_app  # noqa: PLC0415

        others = simulated_providers(dict.fromkeys(job.provider for job in loaded.jobs), needed=True)
        rules = _rules(faults, (*PROVIDERS, *(one.name for one in others)))
        extra = any(job.extra for job in loaded.jobs)
        own = offers_of_cards(sold_by_card(loaded.catalog))
        app = build_app(
            SimulatorSettings(latency_s=_LATENCY_S, seed=seed, faults=rules, others=others, offers=own, lenient=extra)
        )
    except ImportError as error:
        hint = "install the extra `sim`: pip install 'kbatch-render[sim]'"
        raise Refused("no-simulator", f"the simulator needs {error.name}, which is not installed", hint=hint) from error
    earlier = time.time() - _LATENCY_S - 1
    for receipt in lockfile.renders.values():
        if receipt.job_id is not None and receipt.request and not _here(loaded.folder, receipt):
            body = {name: _with_pictures(value) for name, value in receipt.request.items()}
            restore_job(app.state.world, receipt.provider, receipt.job_id, body, earlier)
    return app


def sold_by_card(catalog: Catalog) -> tuple[bytes, ...]:
    """Return the cards that the simulator sells by what they say: the user's, and those that it has no offer of."""
    from kbatch.simulator.exchange import PROVIDERS  # noqa: PLC0415 - needs the extra
    from kbatch.simulator.providers.offers import OFFERS  # noqa: PLC0415 - needs the extra

    wanted = (card for card in catalog.cards if card.file or (card.provider, card.model) not in OFFERS)
    return tuple(card.data for card in wanted if card.provider in PROVIDERS)


def simulated_providers(names: Iterable[str], *, needed: bool = False) -> tuple[Any, ...]:
    """Return the simulations that installed packages bring of the named providers, each served below `/<name>`.

    Refused for one that cannot be used, and where one is `needed` and its package brings none.
    """
    found = []
    for name in names:
        plugin = plugin_of(name)
        if plugin is None:
            continue
        if plugin.simulator is not None:
            found.append(_simulated(name, plugin.simulator))
        elif needed:
            message = f"the package of the provider `{name}` brings no simulation of it, so `--simulate` cannot play it"
            raise Refused("no-simulator", message, hint="`kbatch plan` prices its jobs without a run")
    return tuple(found)


def _simulated(name: str, make: Callable[[], Any]) -> Any:
    from kbatch.simulator.state import SimulatedProvider  # noqa: PLC0415 - only for a plug-in's

    try:
        made = make()
    except Exception as error:  # the code of another package may raise anything
        message = f"the simulation of the provider `{name}` cannot be used: {type(error).__name__}: {error}"
        raise Refused("no-simulator", message) from error
    if not isinstance(made, SimulatedProvider) or made.name != name:
        message = f"the simulation of the provider `{name}` is no kbatch.simulator.state.SimulatedProvider of that name"
        raise Refused("no-simulator", message)
    return replace(made, prefix=f"/{name}")


def _here(folder: Path, receipt: Receipt) -> bool:
    return receipt.output is not None and receipt.output.placed and (folder / receipt.output.path).exists()


def _with_pictures(value: Any) -> Any:
    """Return a part of a request in which a URL stands for each picture that was uploaded then."""
    if isinstance(value, Mapping):
        return {name: _with_pictures(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_pictures(item) for item in value]
    return _EARLIER_PICTURE if isinstance(value, str) and value.startswith(_TOKENS) else value


def _rules(path: Path | None, names: Sequence[str]) -> Any:
    from kbatch.simulator.faults.selection import read_rules  # noqa: PLC0415 - needs the extra

    if path is None:
        return ()
    try:
        return read_rules(read_bytes(path).decode("utf-8"), file=str(path), providers=names)
    except OSError as error:
        raise Invalid(
            [Problem(code="file-unreadable", message=f"`{path}` cannot be read: {error.strerror}")]
        ) from error
    except UnicodeDecodeError as error:
        raise Invalid([Problem(code="encoding", message=f"`{path}` is not UTF-8")]) from error
