"""Measures commands as whole processes: wall time, CPU of the process and its children, peak memory.

Kbatch and its floor take turns in one run, and the ratio is of their medians: a machine that is busy is so for both.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
KBATCH = (PYTHON, "-m", "kbatch")
_KB_IN_MB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of one command: seconds of wall time and CPU, peak memory in MB, and how often it printed what counts.

    `stdout` is kept only by who needs its words.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    found: int = 0
    stdout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a figure on a piece of work, of kbatch and its floor; `ratio` is held against `aim`.

    `of` names what the ratio is made of; a row without an aim is told for itself. `rate` says whether the provider's
    rate is kept: "kept", "scaled" where it is scaled with kbatch's waits, empty where nothing is asked of a provider.
    """

    figure: str
    work: str
    kbatch: Sample
    floor: Sample | None = None
    ratio: float | None = None
    aim: float | None = None
    of: str = "wall"
    note: str = ""
    rate: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the ratio is within the aim; None where there is nothing to hold it against."""
        return None if self.aim is None or self.ratio is None else self.ratio <= self.aim


def run(
    argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, exits: int = 0, count: bytes = b"\n"
) -> Sample:
    """Run one command to its end; RuntimeError with what it said when it exits otherwise than it should.

    Its output is counted and not kept: what this process holds would count as the next command's memory.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        paths = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, "PYTHONPATH": paths, "NO_COLOR": "1", **(env or {})}  # pip compiles what it installs
        started = time.perf_counter()
        process = subprocess.Popen([str(part) for part in argv], env=environment, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        found = sum(line.count(count) for line in out)
        if process.returncode != exits:
            err.seek(0)
            raise RuntimeError(f"{argv}: exit {process.returncode}\n{err.read().decode(errors='replace')[-4000:]}")
    return _sample(wall_s, usage, found)


def _sample(wall_s: float, usage: resource.struct_rusage, found: int) -> Sample:
    return Sample(
        wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime, peak_mb=usage.ru_maxrss / _KB_IN_MB, found=found
    )


def floor_of(module: str, *arguments: object) -> tuple[str, ...]:
    """Return the command that runs the floor that stands in a benchmark's own script."""
    return (PYTHON, "-m", module, "floor", *map(str, arguments))


def pair(kbatch: Callable[[], Sample], floor: Callable[[], Sample], *, repeat: int = 3) -> tuple[Sample, Sample]:
    """Let kbatch and its floor take turns, and return the median of each."""
    ours, theirs = [], []
    for _ in range(repeat):
        theirs.append(floor())
        ours.append(kbatch())
    return median(ours), median(theirs)


def median(samples: Sequence[Sample]) -> Sample:
    """Return the median of each figure; what was counted is the last one's."""
    return Sample(
        wall_s=statistics.median(sample.wall_s for sample in samples),
        cpu_s=statistics.median(sample.cpu_s for sample in samples),
        peak_mb=statistics.median(sample.peak_mb for sample in samples),
        found=samples[-1].found,
    )


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kbatch-benchmark-") as name:
        yield Path(name)


HEAD = ("figure", "work", "rate", "kbatch", "CPU", "peak", "floor", "CPU", "peak", "ratio", "aim", "")


def table(rows: Sequence[Row]) -> str:
    """Return all rows as one Markdown table."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))


def _cells(row: Row) -> tuple[str, ...]:
    floor = row.floor
    told = (_seconds(floor.wall_s), _seconds(floor.cpu_s), _megabytes(floor.peak_mb)) if floor else ("", "", "")
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} × {row.of}"
    aim = "" if row.aim is None else f"≤ {row.aim:g} ×"
    verdict = {None: "", True: "met", False: "**missed**"}[row.met]
    ours = (_seconds(row.kbatch.wall_s), _seconds(row.kbatch.cpu_s), _megabytes(row.kbatch.peak_mb))
    return (row.figure, row.work, row.rate, *ours, *told, ratio, aim, f"{verdict} {row.note}".strip())


def _seconds(value: float) -> str:
    if value == 0:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _megabytes(value: float) -> str:
    return f"{value:.0f} MB" if value else ""


def as_json(rows: Sequence[Row]) -> str:
    """Return all rows as JSON, what was counted left out."""

    def plain(sample: Sample | None) -> dict[str, float] | None:
        return (
            None
            if sample is None
            else {k: round(v, 4) for k, v in asdict(sample).items() if k not in ("found", "stdout")}
        )

    out = []
    for row in rows:
        fields = {**asdict(row), "kbatch": plain(row.kbatch), "floor": plain(row.floor), "met": row.met}
        out.append(fields)
    return json.dumps(out, indent=2, ensure_ascii=False)


def ratio_row(
    figure: str, work: str, samples: tuple[Sample, Sample], *, aim: float | None, of: str = "wall", note: str = ""
) -> Row:
    """Return a row whose ratio is kbatch's wall time, or CPU, over the floor's."""
    ours, floor = samples
    ratio = ours.cpu_s / floor.cpu_s if of == "CPU" else ours.wall_s / floor.wall_s
    return Row(figure=figure, work=work, kbatch=ours, floor=floor, ratio=ratio, aim=aim, of=of, note=note)
