"""Selects the fault of each request from the rules of a faults file, pseudo-randomly by seed.

Rules it keeps: the same seed, rules and requests give the same faults in any order of arrival, since each draw is a
hash of seed, rule, subject and the number of earlier draws for that subject. Faults of a job are drawn once, when it is
accepted. The names are in `faultkinds`, the reader of a faults file is `faultfile`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kbatch.simulator.faults.faultfile import read_rules, rule
from kbatch.simulator.faults.faultkinds import KINDS, FaultMoment, FaultRule, FaultTarget

__all__ = [
    "CATALOGUE",
    "FaultCounts",
    "FaultEvent",
    "FaultMoment",
    "FaultRule",
    "FaultTarget",
    "draw_job_faults",
    "read_rules",
    "rule",
    "select_fault",
]

CATALOGUE: Mapping[str, str] = {name: kind.help for name, kind in KINDS.items()}
"""Every fault by name, with its effect in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEvent:
    """A request that a fault may affect; rules match its `prompt`, draws are counted by `subject`."""

    target: FaultTarget
    provider: str
    prompt: str
    subject: str


@dataclass(slots=True, kw_only=True)
class FaultCounts:
    """Number of faults by rule, and of draws by rule and subject; with the seed, the whole state of selection."""

    seed: int = 0
    hits: dict[int, int] = field(default_factory=dict)
    rolls: dict[tuple[int, str], int] = field(default_factory=dict)


def select_fault(rules: Sequence[FaultRule], counts: FaultCounts, event: FaultEvent, moment: FaultMoment) -> str | None:
    """Return the effect of the first rule that selects this event at this moment, and count it."""
    return next(_hits(rules, counts, event, moment), None)


def draw_job_faults(rules: Sequence[FaultRule], counts: FaultCounts, event: FaultEvent) -> frozenset[str]:
    """Return the effects of all rules that select a newly accepted job or upload."""
    return frozenset(_hits(rules, counts, event, FaultMoment.OF_JOB))


def _hits(rules: Sequence[FaultRule], counts: FaultCounts, event: FaultEvent, moment: FaultMoment) -> Iterator[str]:
    for index, entry in enumerate(rules):
        if not _applies(entry, event, moment):
            continue
        hits = counts.hits.get(index, 0)
        if (entry.times is None or hits < entry.times) and _is_drawn(entry, index, counts, event):
            counts.hits[index] = hits + 1
            yield entry.kind.effect


def _applies(entry: FaultRule, event: FaultEvent, moment: FaultMoment) -> bool:
    kind = entry.kind
    if kind.moment is not moment:
        return False
    if event.target not in kind.targets if moment is FaultMoment.OF_JOB else event.target is not entry.target:
        return False
    if any(wanted is not None and wanted != event.provider for wanted in (entry.provider, kind.provider)):
        return False
    return entry.match is None or entry.match.search(event.prompt) is not None


def _is_drawn(entry: FaultRule, index: int, counts: FaultCounts, event: FaultEvent) -> bool:
    if entry.probability >= 1:
        return True
    nth = counts.rolls.get((index, event.subject), 0)
    counts.rolls[index, event.subject] = nth + 1
    text = f"{counts.seed}|{index}|{event.target}|{event.subject}|{nth}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < entry.probability
