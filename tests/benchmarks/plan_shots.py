"""The plan of 10,000 shots that are written out; its floor composes the same YAML into nodes with libyaml."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.campaigns import shots_manifest
from tests.benchmarks.measure import KBATCH, Row, floor_of, folder, pair, ratio_row, run

SHOTS = 10_000


def rows(shots: int = SHOTS) -> Iterator[Row]:
    """Measure `kbatch plan` of the shots."""
    with folder() as home:
        manifest = shots_manifest(home, shots)
        plan = (*KBATCH, "plan", manifest, "--format", "json")
        floor = floor_of("tests.benchmarks.plan_shots", manifest)
        samples = pair(lambda: run(plan, count=b'"fingerprint"'), lambda: run(floor, count=f"{shots}\n".encode()))
    assert samples[0].found == shots
    assert samples[1].found == 1
    yield ratio_row("plan from explicit shots", f"{shots:,} shots", samples, aim=2)


def floor(name: str) -> None:
    """Compose the manifest's nodes, and count its shots."""
    import yaml

    root = yaml.compose(Path(name).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    print(next(len(value.value) for key, value in root.value if key.value == "shots"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["floor"]:
        floor(*sys.argv[2:])
    else:
        from tests.benchmarks.__main__ import main

        main(["plan_shots", *sys.argv[1:]])
