"""Which fault hits which request: the dice.

Rules it keeps: the same seed, rules and requests give the same faults, whatever the order in which requests arrive
(each roll is a hash of seed, rule, subject and how often that subject came before); what becomes of a job is drawn
once, when it is accepted. The names are in `faultkinds`, the reader of a faults file in `faultfile`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kbatch.simulator.faults.faultfile import read_rules, rule
from kbatch.simulator.faults.faultkinds import KINDS, FaultMoment, FaultPlace, FaultRule

__all__ = [
    "CATALOGUE",
    "FaultEvent",
    "FaultMoment",
    "FaultPlace",
    "FaultRule",
    "Tally",
    "draw_fates",
    "read_rules",
    "rule",
    "strike",
]

CATALOGUE: Mapping[str, str] = {name: kind.help for name, kind in KINDS.items()}
"""Every fault by name, with one line of what it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEvent:
    """A request that may be hit: rules match `prompt`, `subject` tells the requests about different jobs apart."""

    place: FaultPlace
    provider: str
    prompt: str
    subject: str


@dataclass(slots=True, kw_only=True)
class Tally:
    """How often each rule hit, and how often it was rolled for each subject: the only memory of the dice."""

    seed: int = 0
    hits: dict[int, int] = field(default_factory=dict)
    rolls: dict[tuple[int, str], int] = field(default_factory=dict)


def strike(rules: Sequence[FaultRule], tally: Tally, event: FaultEvent, moment: FaultMoment) -> str | None:
    """Return the effect of the first rule that hits this event at this moment, and count the hit."""
    return next(_hits(rules, tally, event, moment), None)


def draw_fates(rules: Sequence[FaultRule], tally: Tally, event: FaultEvent) -> frozenset[str]:
    """Return all that a newly accepted job or upload is doomed to; several rules may hit one."""
    return frozenset(_hits(rules, tally, event, FaultMoment.FATE))


def _hits(rules: Sequence[FaultRule], tally: Tally, event: FaultEvent, moment: FaultMoment) -> Iterator[str]:
    for index, entry in enumerate(rules):
        if not _meant(entry, event, moment):
            continue
        hits = tally.hits.get(index, 0)
        if (entry.times is None or hits < entry.times) and _rolled(entry, index, tally, event):
            tally.hits[index] = hits + 1
            yield entry.kind.effect


def _meant(entry: FaultRule, event: FaultEvent, moment: FaultMoment) -> bool:
    kind = entry.kind
    if kind.moment is not moment:
        return False
    if event.place not in kind.places if moment is FaultMoment.FATE else event.place is not entry.place:
        return False
    if any(wanted is not None and wanted != event.provider for wanted in (entry.provider, kind.provider)):
        return False
    return entry.match is None or entry.match.search(event.prompt) is not None


def _rolled(entry: FaultRule, index: int, tally: Tally, event: FaultEvent) -> bool:
    if entry.probability >= 1:
        return True
    nth = tally.rolls.get((index, event.subject), 0)
    tally.rolls[index, event.subject] = nth + 1
    text = f"{tally.seed}|{index}|{event.place}|{event.subject}|{nth}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < entry.probability
