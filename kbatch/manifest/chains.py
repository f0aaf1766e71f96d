"""Which job a `last_frame(...)` means, and the order in which chained jobs can be rendered.

Axes that both jobs have and that the call does not name match by value; the take is 1 unless named.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kbatch.manifest.drafts import Draft, Frame, FrameCall
from kbatch.manifest.labels import label_of
from kbatch.manifest.template import Fault
from kbatch.problems import did_you_mean


@dataclass(slots=True)
class Jobs:
    """The drafts of a manifest, found by shot, take and axis labels."""

    by_shot: Mapping[str, Sequence[Draft]]
    shots: Iterable[str]
    _index: dict[tuple[str, int, tuple[str, ...]], dict[tuple[str, ...], list[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, drafts: Iterable[Draft], shots: Iterable[str]) -> "Jobs":
        """Gather drafts; `shots` are all ids of the manifest, also of shots without jobs."""
        by_shot: dict[str, list[Draft]] = defaultdict(list)
        for draft in drafts:
            by_shot[draft.shot].append(draft)
        return cls(by_shot=by_shot, shots=tuple(shots))

    def find(self, call: FrameCall, asking: Draft) -> Frame | Fault:
        """Return the frame of the one job that the call means, or why it is not one."""
        spelled = f"{call.which}_frame('{call.shot}')"
        if call.shot not in self.shots:
            return Fault("unknown-shot", f"there is no shot `{call.shot}`", did_you_mean(call.shot, self.shots), word=call.shot)
        candidates = self.by_shot.get(call.shot, ())
        theirs = {axis for draft in candidates for axis, _ in draft.axes}
        named = {axis: label_of(value) or "" for axis, value in call.axes}
        for axis in named:
            if axis not in theirs:
                hint = did_you_mean(axis, sorted(theirs))
                return Fault("unknown-axis", f"shot `{call.shot}` has no axis `{axis}`", hint, word=axis)
        wanted = {axis: label for axis, label in asking.axes if axis in theirs} | named
        names = tuple(sorted(wanted))
        found = self._lookup(call.shot, call.take, names).get(tuple(wanted[name] for name in names), [])
        shown = ", ".join(f"{name}={wanted[name]}" for name in names) or "any axes"
        if not found:
            takes = f", take {call.take}" if call.take != 1 else ""
            return Fault("no-such-job", f"`{spelled}` means no job: none of `{call.shot}` has {shown}{takes}", word=call.shot)
        if len(found) > 1:
            free = sorted(theirs - set(names))
            hint = f"name the axis: {', '.join(f'{axis}=…' for axis in free)}" if free else None
            message = f"`{spelled}` means {len(found)} jobs, `{found[0]}` and `{found[1]}` among them"
            return Fault("ambiguous-frame", message, hint, word=call.shot)
        return Frame(call.which, found[0])

    def _lookup(self, shot: str, take: int, names: tuple[str, ...]) -> dict[tuple[str, ...], list[str]]:
        key = (shot, take, names)
        if key not in self._index:
            table: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for draft in self.by_shot.get(shot, ()):
                axes = dict(draft.axes)
                if draft.take == take and all(name in axes for name in names):
                    table[tuple(axes[name] for name in names)].append(draft.address)
            self._index[key] = table
        return self._index[key]


def upstream_of(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of the jobs whose frames these parameters need."""
    return tuple(dict.fromkeys(value.address for value in params.values() if isinstance(value, Frame)))


def in_order(upstream: Mapping[str, tuple[str, ...]]) -> tuple[list[str], list[str]]:
    """Return the addresses with every upstream job first, and those of one cycle, empty when there is none."""
    waiting = {address: len(needs) for address, needs in upstream.items()}
    feeds: dict[str, list[str]] = defaultdict(list)
    for address, needs in upstream.items():
        for need in needs:
            feeds[need].append(address)
    ready = [address for address, count in waiting.items() if count == 0]
    for address in ready:
        for fed in feeds[address]:
            waiting[fed] -= 1
            if waiting[fed] == 0:
                ready.append(fed)
    if len(ready) == len(upstream):
        return ready, []
    return ready, _one_cycle(upstream, set(ready))


def _one_cycle(upstream: Mapping[str, tuple[str, ...]], done: set[str]) -> list[str]:
    address = next(address for address in upstream if address not in done)
    path: list[str] = []
    while address not in path:
        path.append(address)
        address = next(need for need in upstream[address] if need not in done)
    return [*path[path.index(address) :], address]
