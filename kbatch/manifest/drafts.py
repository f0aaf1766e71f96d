"""What the manifest stage makes: a draft is one shot with one value per axis and one take, every template rendered.

A draft holds only what was written. The catalog stage completes it with the model's defaults, its body and its price.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Path = tuple[str | int, ...]
"""A place inside the manifest: keys and list indices from its root."""


class Frame(Struct, frozen=True):
    """A picture that another job's clip will give: `which` is `last` or `first`, `address` names the upstream job."""

    which: str
    address: str


class FrameCall(Struct, frozen=True):
    """What `last_frame('hero', light='dusk')` says before the job that it means is known."""

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
    native values, a `Frame` for a chained picture; `weak` are the parameters that only `defaults` brings, which a model
    that lacks them drops; `origins` tells where each field was written, by field name or `params.<name>`.

    `faulty` are the fields that cannot be had since their faults were said; a `partial` draft is one of a shot whose
    jobs are not all known. Both are only of manifests with errors.
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
    weak: frozenset[str]
    drop_unsupported: bool
    output: str
    origins: Mapping[str, Origin]
    faulty: frozenset[str] = frozenset()
    partial: bool = False
