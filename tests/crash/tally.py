"""What a campaign came to, by those who cannot be wrong about it: the simulator's bill, the disk, and the lockfile.

What kbatch itself prints is not asked. In the campaigns of these tests a prompt is one request, so two charges of one
model for one prompt bought the same thing twice; a prompt that has several takes, or that was replaced on purpose, is
named with how often it may be bought. The lockfile is asked only for what it admits to: clips that are still owed, by
job id, and sends whose outcome is unknown.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from kbatch.simulator.bill import Bill, BilledCharge
from kbatch.simulator.clips.tiny import make_tiny
from kbatch.simulator.state import World

_OWED = ("submitted", "rendered")
_ENDED = ("delivered", "delivered-wrong", "failed")
_ONE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Numbers that add up over campaigns; `surprises` are ends that were not as documented, in words.

    `kills` and `runs` were made, `faults` are pairs of a fault and a provider that it struck, `jobs` have a receipt,
    `charges` stand on the bill and `refunds` of them were given back; `doubles`, `lost` and `overshoots` must be 0;
    `unknown` sends are held for a person to settle. `outside` are writes outside the manifest's folder, `unasked`
    charges by commands that no person agreed to; both must be 0.
    """

    kills: int = 0
    runs: int = 0
    faults: int = 0
    jobs: int = 0
    charges: int = 0
    refunds: int = 0
    doubles: int = 0
    lost: int = 0
    overshoots: int = 0
    unknown: int = 0
    outside: int = 0
    unasked: int = 0
    surprises: tuple[str, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        """Return the sums."""
        return Tally(**{name.name: getattr(self, name.name) + getattr(other, name.name) for name in fields(self)})

    @property
    def safe(self) -> bool:
        """Whether nothing was paid twice, lost, overspent, bought without consent or written outside the folder."""
        return self.doubles == self.lost == self.overshoots == self.outside == self.unasked == 0

    @property
    def sound(self) -> bool:
        """Whether all was safe, and ended as documented."""
        return self.safe and not self.surprises


class Meter(dict[str, int]):
    """Takes the place of a bill's sums and notes each charge that takes what is paid beyond its ceiling.

    So no moment is missed between two looks: the bill is watched while it is written.
    """

    def __init__(self, bill: Bill, ceilings: Mapping[str, int]) -> None:
        super().__init__(bill.charged)
        self._bill, self._ceilings = bill, ceilings
        self.overshoots = 0
        bill.charged = self

    def allow(self, ceilings: Mapping[str, int]) -> None:
        """Measure by other ceilings from now on."""
        self._ceilings = ceilings

    def __setitem__(self, provider: str, charged: int) -> None:
        """Note what all charges of a provider have come to."""
        super().__setitem__(provider, charged)
        paid = charged - self._bill.refunded[provider]
        self.overshoots += provider in self._ceilings and paid > self._ceilings[provider]


def count(world: World, folders: Sequence[Path], *, bought: Mapping[str, int] = _ONE) -> Tally:
    """Return what a world has charged and these folders have to show for it; `bought` is how often, by prompt, if not
    once."""
    records = [record for folder in folders for record in _records(folder)]
    return Tally(
        jobs=sum(len(index) for folder in folders for index in _indexes(folder)),
        charges=len(world.bill.charges),
        refunds=sum(line.refunded > 0 for line in world.bill.charges.values()),
        doubles=doubles(world, bought),
        lost=len(lost(world, folders)),
        unknown=sum(record["state"] == "unknown" for record in records),
    )


def doubles(world: World, bought: Mapping[str, int] = _ONE) -> int:
    """Return how many charges that were not refunded are for what another one has bought already."""
    same: dict[tuple[str, str, str], list[str | None]] = {}
    for line in _paid(world):
        prompt = world.jobs[line.job_id].prompt
        same.setdefault((line.provider, line.model, prompt), []).append(line.idempotency_key)
    found = 0
    for (_, _, prompt), keys in same.items():
        named = [key for key in keys if key]
        found += max(len(named) - len(set(named)), len(keys) - bought.get(prompt, 1), 0)
    return found


def lost(world: World, folders: Sequence[Path]) -> list[str]:
    """Return the job ids of paid clips that are neither here, byte for byte, nor owed by id, nor held as unknown."""
    here = {sha256(path.read_bytes()).hexdigest() for folder in folders for path in folder.rglob("*.mp4")}
    records = [record for folder in folders for record in _records(folder)]
    ended = {record["job_id"] for record in records if record["state"] not in _OWED}
    owed = {record["job_id"] for record in records if record["state"] in _OWED}
    owed |= {job_id for folder in folders for job_id in _journaled(folder) - ended}
    held = Counter(_asked(record) for record in records if record["state"] == "unknown")
    missing = []
    for line in _paid(world):
        job = world.jobs[line.job_id]
        if sha256(make_tiny(job.clip)).hexdigest() in here or job.id in owed:
            continue
        asked = (job.provider, job.model, job.prompt)
        held[asked] -= 1
        if held[asked] < 0:
            missing.append(job.id)
    return missing


def _paid(world: World) -> list[BilledCharge]:
    return [line for line in world.bill.charges.values() if not line.refunded]


def _indexes(folder: Path) -> Iterator[Mapping[str, Any]]:
    for path in folder.glob("*.lock.json"):
        yield json.loads(path.read_text(encoding="utf-8"))["jobs"]


def _records(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Give every purchase that the lockfiles of a folder know."""
    for path in folder.glob("*.lock.json"):
        for shown in json.loads(path.read_text(encoding="utf-8"))["renders"].values():
            yield shown
            for other in shown.get("also", ()):
                yield {**shown, **other}


def _asked(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["provider"], record["model"], record["request"]["prompt"]


def _journaled(folder: Path) -> set[str]:
    """Return the job ids that a journal says are under way; a torn last line says nothing."""
    found: set[str] = set()
    for path in (folder / ".kbatch").glob("*.journal.jsonl"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            event = json.loads(line)
            job_id = event["data"].get("job_id")
            if event["kind"] in _ENDED:
                found.discard(job_id)
            elif job_id:
                found.add(job_id)
    return found
