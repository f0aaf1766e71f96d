"""Runs the benchmarks and prints one table; `python -m tests.benchmarks start resume` runs only those."""

import argparse
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from tests.benchmarks.measure import Row, as_json, table

NAMES = (
    "start", "plan_matrix", "plan_shots", "nothing_to_do", "makespan", "overhead", "in_flight",
    "schedule", "polling", "rate_kept", "journal", "resume", "refusals", "simulator",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the named figures, all of them by default; exit 1 when an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    options = parser.parse_args(argv)
    wrong = [name for name in options.names if name not in NAMES]
    if wrong:
        parser.error(f"there is no figure {', '.join(wrong)}; there are {', '.join(NAMES)}")
    measured: list[Row] = []
    for name in options.names or NAMES:
        print(f"{name} …", file=sys.stderr)
        for row in import_module(f"tests.benchmarks.{name}").rows():
            print(table([row]).splitlines()[-1], file=sys.stderr)
            measured.append(row)
    print(f"{machine()}\n\n{table(measured)}")
    if options.json:
        options.json.write_text(as_json(measured) + "\n", encoding="utf-8")
    sys.exit(any(row.met is False for row in measured))


def machine() -> str:
    """Return what the figures were measured on."""
    import os

    model = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, {python}, {datetime.now(UTC):%Y-%m-%d}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
