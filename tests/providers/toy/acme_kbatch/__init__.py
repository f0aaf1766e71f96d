"""A provider as a package of its own brings it: a class, a folder with a card, and a simulation."""

from importlib.resources import files
from typing import Any

from acme_kbatch.provider import ACME
from kbatch.providers.base import Plugin


def _simulator() -> Any:
    from acme_kbatch.simulated import SIMULATED

    return SIMULATED


PLUGIN = Plugin(provider=ACME, cards=files(__name__) / "cards", simulator=_simulator)
WITHOUT_SIMULATION = Plugin(provider=ACME, cards=files(__name__) / "cards")
