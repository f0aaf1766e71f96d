"""Drafts: one shot with one value per axis and one take, every template rendered.

A draft holds only what the manifest says. `kbatch.models` completes it with the model's defaults, its body and price.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Path = tuple[str | int, ...]
"""A place inside the manifest: keys and list indices from its root."""


class Frame(Struct, frozen=True):
    """A frame of another job's clip as an image: `which` is `last` or `first`, `address` names the upstream job."""

    which: str
    address: str


class FrameCall(Struct, frozen=True):
    """A call such as `last_frame('hero', light='dusk')` before its job is known."""

    which: str
    shot: str
    take: int
    axes: tuple[tuple[str, Any], ...]


class Origin(Struct, frozen=True, kw_only=True):
    """Where a value was written: the place in the manifest and the layer that brought it."""

    layer: str
    path: Path


class Draft(Struct, frozen=True, kw_only=True):
    """One combination of a shot, ready to be completed by its model's card.

    `axes` are (axis, label) in address order, `values` the axes' values by name; `params` bear the API's names and hold
    native values, a `Frame` for a chained image; `default_only` are the parameters that only `defaults` sets, which are
    dropped for a model that lacks them; `origins` is where each field was written, by field name or `params.<name>`.

    `faulty` are the fields without a value because of a reported fault; a `partial` draft belongs to a shot whose jobs
    are not all known. Both occur only in manifests with errors.
    """

    address: str
    shot: str
    take: int
    axes: tuple[tuple[str, str], ...]
    values: Mapping[str, Any]
    labels: Mapping[str, str]
    provider: str
    model: str
    prompt: str | None
    params: Mapping[str, Any]
    default_only: frozenset[str]
    drop_unsupported: bool
    output: str
    origins: Mapping[str, Origin]
    faulty: frozenset[str] = frozenset()
    partial: bool = False
