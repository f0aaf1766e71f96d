"""The shots of a plan as nodes with their purchases, and the chains between them as edges.

Of very many shots those of chains and the dearest are nodes of their own; the others are one, with their sums.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from kbatch.planner.actions import PlanEntry
from kbatch.report.data.format import count
from kbatch.report.data.sums import credits_of

_MOST_SHOTS = 60


class Node(Struct, frozen=True, kw_only=True):
    """A shot, or all that are not shown; `layer` is the longest chain before it, `buys` whether it costs something."""

    name: str
    words: str
    layer: int
    buys: bool


class Edge(Struct, frozen=True, kw_only=True):
    """Frames of one shot that another starts or ends with, by the nodes' places."""

    before: int
    after: int
    frames: int


class Graph(Struct, frozen=True, kw_only=True):
    """The nodes in the manifest's order, and the edges."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(entries: Sequence[PlanEntry]) -> Graph:
    """Return the graph of a plan; a frame of a shot that is not in the plan has no edge."""
    shots: dict[str, list[PlanEntry]] = {}
    for entry in entries:
        shots.setdefault(entry.job.draft.shot, []).append(entry)
    shot_of = {entry.address: entry.job.draft.shot for entry in entries}
    frames = Counter(
        (shot_of[need], entry.job.draft.shot) for entry in entries for need in entry.job.upstream if need in shot_of
    )
    shown = _shown(shots, {name for both in frames for name in both})
    layers = _layers(shown, frames)
    nodes = [_node(name, shots[name], layers[name]) for name in shown]
    hidden = [entry for name, group in shots.items() if name not in layers for entry in group]
    if hidden:
        nodes.append(_node(f"… and {count(len(shots) - len(shown), 'more shot')}", hidden, 0))
    places = {name: place for place, name in enumerate(shown)}
    edges = (
        Edge(before=places[one], after=places[other], frames=number)
        for (one, other), number in frames.items()
        if one in places and other in places
    )
    return Graph(nodes=tuple(nodes), edges=tuple(edges))


def _shown(shots: dict[str, list[PlanEntry]], chained: set[str]) -> list[str]:
    if len(shots) <= _MOST_SHOTS:
        return list(shots)
    cost = {name: sum(entry.credits or 0 for entry in group if entry.buys) for name, group in shots.items()}
    first = sorted(shots, key=lambda name: (name not in chained, -cost[name]))[:_MOST_SHOTS]
    kept = frozenset(first)
    return [name for name in shots if name in kept]


def _layers(shown: Iterable[str], frames: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the longest way to each shot; shots whose jobs need each other's frames stay where they are."""
    layers = dict.fromkeys(shown, 0)
    edges = [(one, other) for one, other in frames if one != other and one in layers and other in layers]
    for _ in layers:
        moved = False
        for one, other in edges:
            if layers[other] <= layers[one] < len(layers) - 1:
                layers[other], moved = layers[one] + 1, True
        if not moved:
            break
    return layers


def _node(name: str, entries: Sequence[PlanEntry], layer: int) -> Node:
    bought = [entry for entry in entries if entry.buys]
    unpriced = sum(entry.credits is None for entry in bought)
    cost = f"{credits_of(bought)}{f' and {unpriced:,} ?' if unpriced else ''}" if bought else "nothing to buy"
    jobs = f"buys {len(bought):,} of {count(len(entries), 'job')}" if bought else count(len(entries), "job")
    return Node(name=name, words=f"{jobs}: {cost}", layer=layer, buys=bool(bought))
