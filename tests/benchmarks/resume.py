"""The resume: a journal of 100,000 events after a kill, read and folded into receipts.

Its floor reads the same file and decodes each line with the standard library's JSON.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.journal import _life
from tests.benchmarks.measure import PYTHON, Row, floor_of, folder, pair, ratio_row, run

_MODULE = "tests.benchmarks.resume"
EVENTS = 100_000


def rows() -> Iterator[Row]:
    """Measure reading the state as the next run does."""
    with folder() as home:
        run((PYTHON, "-m", _MODULE, "write", home))
        ours = (PYTHON, "-m", _MODULE, "load", home)
        samples = pair(lambda: run(ours), lambda: run(floor_of(_MODULE, home)))
    yield ratio_row("resume", f"a journal of {EVENTS:,} events", samples, aim=2)


def write(name: str) -> None:
    """Write the journal of a run that was killed."""
    from msgspec import convert

    from kbatch.receipts.event_data import DATA
    from kbatch.receipts.events import Fact, stamp
    from kbatch.receipts.lifecycle import Kind

    path = Path(name) / ".kbatch" / "campaign.journal.jsonl"
    path.parent.mkdir()
    sent = ""
    with path.open("wb") as out:
        lives = ((number, *event) for number in range(EVENTS) for event in _life(number))
        for sequence, (number, kind, data) in zip(range(1, EVENTS + 1), lives, strict=False):
            hour, minute, second = 10 + sequence // 3_600_000, sequence // 60_000 % 60, sequence // 1000 % 60
            at = f"2026-11-21T{hour:02}:{minute:02}:{second:02}.{sequence % 1000:03}Z"
            sent = at if kind == "intended" else sent
            if "sent_at" in data:
                data["sent_at"] = sent

            fact = Fact(fingerprint=f"{number:064}", attempt=1, data=convert(data, DATA[Kind(kind)]))
            out.write(stamp(fact, at=at, run="killed", sequence=sequence).to_line())


def load(name: str) -> None:
    """Read lockfile, journal and history as a run does before it goes on."""
    from kbatch.gc_pause import gc_paused
    from kbatch.receipts import store

    with gc_paused():
        found = store.load(Path(name) / "campaign.lock.json", manifest_name="campaign.yaml")
    assert len(found.events) == EVENTS
    assert len(found.lockfile.renders) == -(-EVENTS // 6)


def floor(name: str) -> None:
    """Decode each line."""
    import json

    lines = (Path(name) / ".kbatch" / "campaign.journal.jsonl").read_bytes().splitlines()
    assert len([json.loads(line) for line in lines]) == EVENTS


if __name__ == "__main__":
    words = {"floor": floor, "write": write, "load": load}
    if sys.argv[1:2] and sys.argv[1] in words:
        words[sys.argv[1]](*sys.argv[2:])
    else:
        from tests.benchmarks.__main__ import main

        main(["resume", *sys.argv[1:]])
