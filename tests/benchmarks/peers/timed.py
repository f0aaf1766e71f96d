"""Measures a command with all the processes it starts: wall time, CPU, memory of all together; ends it at its limit.

CPU is what the operating system counts for the command and for every process of it that was waited for. Memory is the
proportional set size of the whole tree, looked at once a second, or the largest single process when that is more. The
system's own peak of a command counts only above this process's: Linux hands the larger one down at `exec`.
"""

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.measure import Sample

_KB_IN_MB = 1024
_LOOK_S = 1.0
_FIRST_LOOKS_S = 0.02
_PROC = Path("/proc")


class TooLong(Exception):
    """Says that a command was ended at its limit."""


def timed(argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], limit_s: float) -> Sample:
    """Run one command to its end; TooLong at the limit, RuntimeError with its last words when it fails."""
    said = cwd / "said.txt"
    with said.open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        watch = _Watch(process.pid, limit_s)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.over.set()
        watch.join()
    if watch.too_long:
        raise TooLong
    stdout = said.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode}: {(stdout.strip() or '-').splitlines()[-1]}")
    own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = max(usage.ru_maxrss if usage.ru_maxrss > own_kb else 0, watch.peak_kb) / _KB_IN_MB
    return Sample(wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime, peak_mb=peak_mb, stdout=stdout)


class _Watch(threading.Thread):
    """Looks at a process and its descendants once a second, and kills them all at the limit."""

    def __init__(self, pid: int, limit_s: float) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.too_long = False
        self.peak_kb = 0
        self._pid = pid
        self._ends = time.perf_counter() + limit_s

    def run(self) -> None:
        """Look at the command alone every 20 ms at first, at the whole tree every second from then on."""
        whole = time.perf_counter() + _LOOK_S
        while not self.over.wait(_FIRST_LOOKS_S if time.perf_counter() < whole else _LOOK_S):
            tree = [self._pid] if time.perf_counter() < whole else tree_of(self._pid)
            largest_kb = _kb(self._pid, "status", "VmHWM:")
            self.peak_kb = max(self.peak_kb, largest_kb, sum(_kb(pid, "smaps_rollup", "Pss:") for pid in tree))
            if time.perf_counter() > self._ends:
                self.too_long = True
                for pid in tree:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


def tree_of(root: int) -> list[int]:
    """Return a process and its descendants, parents first; only itself where there is no /proc."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir() if _PROC.is_dir() else ():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(folder.name))
    tree = [root]
    for pid in tree:
        tree += children.get(pid, ())
    return tree


def _kb(pid: int, file: str, name: str) -> int:
    with suppress(OSError):
        for line in (_PROC / str(pid) / file).read_text(encoding="utf-8").splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0
