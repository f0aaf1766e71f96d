"""Resolves `last_frame(...)` calls to jobs, and sorts chained jobs in an order in which they can be rendered.

Axes that both jobs have and that the call does not name match by value; the take is 1 unless named.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from kbatch.errors import did_you_mean
from kbatch.manifest.drafts import Draft, Frame, FrameCall, Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.matrix.labels import label_of
from kbatch.manifest.places import Place, leaves, put_at
from kbatch.manifest.templates.faults import ECHO, Fault, say_fault


def chain(
    findings: Findings, drafts: list[Draft], shots: Sequence[str] | None, unsure: frozenset[str] = frozenset()
) -> list[Draft]:
    """Return the drafts with every frame call resolved to a job; `shots` are all ids of the manifest.

    A frame that cannot be found is reported and left out. Nothing is reported about jobs of `unsure` shots, nor about
    unknown shots when the ids are not all known (None).
    """
    by_params = {id(draft.params): draft for draft in drafts}  # the jobs of a shot may share theirs
    if not any(_calls(draft) for draft in by_params.values()):
        return drafts
    jobs = Jobs.of(drafts, shots, unsure)
    chained = [_find_frames(findings, jobs, draft) for draft in drafts]
    _check_cycles(findings, chained)
    return chained


def _calls(draft: Draft) -> dict[Place, FrameCall]:
    return {place: value for place, value in leaves(draft.params) if isinstance(value, FrameCall)}


def _find_frames(findings: Findings, jobs: "Jobs", draft: Draft) -> Draft:
    calls = _calls(draft)
    if not calls:
        return draft
    frames = {place: jobs.find(call, draft) for place, call in calls.items()}
    for place, found in frames.items():
        if isinstance(found, Fault):
            path = (*draft.origins[f"params.{place[0]}"].path, *place[1:])
            several = jobs.by_shot[calls[place].shot] if found.code == "ambiguous-frame" else ()
            fault = _with_place(findings, found, several[0]) if several else found
            of = 0 if draft.partial else len(jobs.by_shot[draft.shot])
            say_fault(findings, fault, path, jobs=(draft.address, of))
    faulty = frozenset(f"params.{place[0]}" for place, found in frames.items() if isinstance(found, Fault))
    params: Mapping[str, Any] = draft.params
    for place, found in frames.items():
        params = put_at(params, place, found)
    params = {name: value for name, value in params.items() if f"params.{name}" not in faulty}
    return replace(draft, params=params, faulty=draft.faulty | faulty)


def _with_place(findings: Findings, fault: Fault, meant: Draft) -> Fault:
    """Add the line of the shot that is meant, since its axes are what the call does not name."""
    line = findings.document.mark(meant.origins["shot"].path).line
    return replace(fault, message=f"{fault.message} (`{meant.shot}` stands in line {line})")


def _check_cycles(findings: Findings, drafts: list[Draft]) -> None:
    _, cycle = in_order({draft.address: upstream_of(draft.params) for draft in drafts})
    if not cycle:
        return
    by_address = {draft.address: draft for draft in drafts}
    paths = [_path_of_frame(by_address[job], upstream) for job, upstream in pairwise(cycle)]
    first = min(range(len(paths)), key=lambda index: findings.document.mark(paths[index]).line)
    around = [*cycle[first:-1], *cycle[: first + 1]]
    lines = sorted({findings.document.mark(path).line for path in paths})
    places = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"
    message = f"these jobs wait for each other: {' → '.join(f'`{job}`' for job in around)} ({places})"
    hint, word = "one of them must begin without a frame of the others", by_address[around[1]].shot
    findings.say("cycle", paths[first], message, hint=hint, word=word)


def _path_of_frame(draft: Draft, upstream: str) -> Path:
    place = next(place for place, value in leaves(draft.params) if getattr(value, "address", None) == upstream)
    return (*draft.origins[f"params.{place[0]}"].path, *place[1:])


class Jobs(Struct):
    """The drafts of a manifest, found by shot, take and axis labels."""

    by_shot: Mapping[str, Sequence[Draft]]
    shots: Sequence[str] | None
    unsure: frozenset[str] = frozenset()
    _index: dict[tuple[str, int, tuple[str, ...]], dict[tuple[str, ...], list[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, drafts: Iterable[Draft], shots: Sequence[str] | None, unsure: frozenset[str] = frozenset()) -> "Jobs":
        """Index drafts; `shots` are all ids of the manifest, including shots without jobs."""
        by_shot: dict[str, list[Draft]] = defaultdict(list)
        for draft in drafts:
            by_shot[draft.shot].append(draft)
        return cls(by_shot=by_shot, shots=shots, unsure=unsure)

    def find(self, call: FrameCall, asking: Draft) -> Frame | Fault:
        """Return the frame of the only job that the call matches, or the fault when there is none or several."""
        if call.shot in self.unsure or (self.shots is None and call.shot not in self.by_shot):
            return ECHO
        if self.shots is not None and call.shot not in self.shots:
            hint = did_you_mean(call.shot, self.shots)
            return Fault("unknown-shot", f"there is no shot `{call.shot}`", hint, word=call.shot)
        theirs = {axis: None for draft in self.by_shot.get(call.shot, ()) for axis, _ in draft.axes}
        named = {axis: label_of(value) or "" for axis, value in call.axes}
        unknown = next((axis for axis in named if axis not in theirs), None)
        if unknown is not None:
            message = f"shot `{call.shot}` has no axis `{unknown}`"
            return Fault("unknown-axis", message, did_you_mean(unknown, theirs), word=unknown)
        if asking.shot in self.unsure:
            return ECHO
        wanted = {axis: label for axis, label in asking.axes if axis in theirs} | named
        found = self._lookup(call.shot, call.take, tuple(sorted(wanted))).get(_key(wanted), [])
        if len(found) != 1:
            return self._not_one(call, wanted, found)
        return Frame(call.which, found[0])

    def _not_one(self, call: FrameCall, wanted: Mapping[str, str], found: Sequence[str]) -> Fault:
        spelled = f"{call.which}_frame('{call.shot}')"
        if found:
            free = {axis for draft in self.by_shot[call.shot] for axis, _ in draft.axes} - wanted.keys()
            hint = f"name the axis: {', '.join(f'{axis}=…' for axis in sorted(free))}" if free else None
            message = f"`{spelled}` means {len(found)} jobs, `{found[0]}` and `{found[1]}` among them"
            return Fault("ambiguous-frame", message, hint, word=call.shot)
        shown = ", ".join(f"{axis}={label}" for axis, label in sorted(wanted.items()))
        said = " and ".join([shown] * bool(wanted) + [f"take {call.take}"] * (call.take != 1 or not wanted))
        some = [draft.address for draft in self.by_shot.get(call.shot, ())]
        hint = f"it has {', '.join(f'`{address}`' for address in some[:4])}{' …' * (len(some) > 4)}" if some else None
        return Fault(
            "no-such-job", f"`{spelled}` means no job: shot `{call.shot}` has none with {said}", hint, word=call.shot
        )

    def _lookup(self, shot: str, take: int, names: tuple[str, ...]) -> dict[tuple[str, ...], list[str]]:
        key = (shot, take, names)
        if key not in self._index:
            table: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for draft in self.by_shot.get(shot, ()):
                axes = {axis: label for axis, label in draft.axes if axis in names}
                if draft.take == take and len(axes) == len(names):
                    table[_key(axes)].append(draft.address)
            self._index[key] = table
        return self._index[key]


def _key(axes: Mapping[str, str]) -> tuple[str, ...]:
    """Return the labels in the order of their axes' names."""
    return tuple(axes[name] for name in sorted(axes))


def upstream_of(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of the jobs whose frames these parameters need."""
    return tuple(dict.fromkeys(value.address for _, value in leaves(params) if isinstance(value, Frame)))


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
