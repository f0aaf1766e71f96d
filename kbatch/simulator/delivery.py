"""What a request would deliver, told without buying it: for previews of what is not rendered yet."""

from collections.abc import Mapping
from typing import Any

from kbatch.simulator import aimlapi, apiframe
from kbatch.simulator.exchange import APIFRAME
from kbatch.simulator.orders import Clip
from kbatch.simulator.state import Terms, new_world


def order_of(provider: str, body: Mapping[str, Any]) -> Clip | None:
    """Return the clip that a body orders, each picture by the host of its URL; None for a body that is refused."""
    world = new_world(Terms())
    if provider == APIFRAME:
        return None if apiframe.complaints_about(body) else apiframe.purchase_of(world, body, None, 0.0).clip
    return None if aimlapi.complaints_about(body) else aimlapi.purchase_of(world, body, 0.0).clip
