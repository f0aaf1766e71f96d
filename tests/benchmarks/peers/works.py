"""Measures one peer: the plan of N and of 10 N jobs, the run of N, the run again with nothing to do."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measure import ROOT, Sample, folder, median
from tests.benchmarks.peers.campaign import lay_done, lay_out
from tests.benchmarks.peers.install import why_missing
from tests.benchmarks.peers.peer import Command, Peer
from tests.benchmarks.peers.provider import KEY, bought, complaint, provider
from tests.benchmarks.peers.timed import TooLong, timed

RENDER_S = 0.5
_NOWHERE = "http://127.0.0.1:9"
_SETUP_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is measured and how often: jobs, the limits of a plan and of a run in seconds, repetitions."""

    jobs: int = 1000
    plan_limit_s: float = 180.0
    run_limit_s: float = 90.0
    repeat: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One cell of the table: a sample, or why there is none."""

    peer: str
    work: str
    sample: Sample | None = None
    said: str = ""


def works(sizes: Sizes) -> tuple[str, ...]:
    """Return the names of the four works, as the table's head shows them."""
    jobs = sizes.jobs
    return (f"plan {jobs:,}", f"plan {jobs * 10:,}", f"run {jobs:,}", "nothing to do")


def measure(peer: Peer, sizes: Sizes) -> Iterator[Measured]:
    """Yield the cells of one peer in the order of `works`."""
    plan, plan_ten, run, again = works(sizes)
    if (missing := why_missing(peer)) is not None:
        yield from (Measured(peer=peer.name, work=work, said=missing) for work in works(sizes))
        return
    for work, jobs in ((plan, sizes.jobs), (plan_ten, sizes.jobs * 10)):
        yield _cell(peer, work, [_plan(peer, jobs, sizes) for _ in range(sizes.repeat)])
    pairs = [_run_twice(peer, sizes) for _ in range(sizes.repeat)]
    yield _cell(peer, run, [first for first, _ in pairs])
    yield _cell(peer, again, [second for _, second in pairs])


def version(peer: Peer) -> str:
    """Return the first line in which a peer tells its version."""
    with folder() as place:
        sample = timed(_filled(peer, peer.version, 0), cwd=place, env=_env(peer, place, _NOWHERE), limit_s=60)
    lines = [line for line in sample.stdout.splitlines() if any(c.isdigit() for c in line) and "Warning" not in line]
    return lines[0].strip()


def _cell(peer: Peer, work: str, found: Sequence[Sample | str]) -> Measured:
    """Return the median, or what the first attempt that failed said."""
    said = [one for one in found if isinstance(one, str)]
    samples = [one for one in found if isinstance(one, Sample)]
    return Measured(peer=peer.name, work=work, sample=None if said else median(samples), said=said[0] if said else "")


def _plan(peer: Peer, jobs: int, sizes: Sizes) -> Sample | str:
    with folder() as place:
        lay_out(peer, place / "work", jobs)
        _set_up(peer, place)
        found = _tried(peer, place, _NOWHERE, (jobs, sizes.plan_limit_s))
    if isinstance(found, Sample) and (seen := _counted(peer, found.stdout)) != jobs:
        return f"failed: planned {seen} of {jobs}"
    return found


def _counted(peer: Peer, printed: str) -> int:
    found = re.findall(peer.counts, printed)
    return int(found[0].replace(",", "")) if "(" in peer.counts and found else len(found)


def _run_twice(peer: Peer, sizes: Sizes) -> tuple[Sample | str, Sample | str]:
    """Run, and run again where all is there: left by the first run, or laid out when that did not come to its end."""
    limits = (sizes.jobs, sizes.run_limit_s)
    with folder() as place, provider(RENDER_S) as url:
        lay_out(peer, place / "work", sizes.jobs)
        _set_up(peer, place)
        first = _tried(peer, place, url, limits, run=True)
        if isinstance(first, Sample):
            first = complaint(url, sizes.jobs) or first
        else:
            first += f": {bought(url):,} of {sizes.jobs:,} bought" if first.startswith(">") else ""
            if not peer.files:
                return first, "not measured: nothing was done before"
            lay_done(peer, place / "done" / "work", sizes.jobs)
            _set_up(peer, place / "done")
        before = bought(url)
        second = _tried(peer, place if isinstance(first, Sample) else place / "done", url, limits, run=True)
        extra = bought(url) - before
        return first, f"bought {extra} again" if extra else second


def _tried(peer: Peer, place: Path, url: str, limits: tuple[int, float], *, run: bool = False) -> Sample | str:
    """Return the sample of a run or a plan, or what is to be said in its place."""
    jobs, limit_s = limits
    argv = _filled(peer, peer.run if run else peer.plan, jobs)
    try:
        return timed(argv, cwd=place / "work", env=_env(peer, place, url), limit_s=limit_s)
    except TooLong:
        return f"> {limit_s:g} s"
    except RuntimeError as error:
        return f"failed: {error}"


def _set_up(peer: Peer, place: Path) -> None:
    (place / "home").mkdir()
    for command in peer.setup:
        argv = _filled(peer, command, 0)
        timed(argv, cwd=place / "work", env=_env(peer, place, _NOWHERE), limit_s=_SETUP_LIMIT_S)


def _filled(peer: Peer, command: Command, jobs: int) -> tuple[str, ...]:
    return tuple(part.replace("{bin}", str(peer.programs)).replace("{cities}", str(jobs // 100)) for part in command)


def _env(peer: Peer, place: Path, url: str) -> dict[str, str]:
    """Return the environment: a home of its own, so that no tool finds anything of earlier runs."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    return {
        **inherited,
        "PATH": os.pathsep.join((str(peer.programs), os.environ.get("PATH", ""))),
        "PYTHONPATH": str(ROOT) if peer.name == "kbatch" else "",
        "NO_COLOR": "1",
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "home"),
        "APIFRAME_URL": url,
        "KBATCH_APIFRAME_URL": url,
        "APIFRAME_API_KEY": KEY,
        **peer.env,
    }
