"""The simulator on a real loopback socket, in a process of its own, for tests that talk over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Server:
    """A running simulator; its bill is the truth about what was paid."""

    url: str

    def bill(self) -> dict[str, Any]:
        """Return the bill as it stands."""
        with urlopen(f"{self.url}/__bill") as answer:
            return dict(json.load(answer))

    def charged(self, provider: str) -> int:
        """Return what a provider charged and did not refund."""
        totals = self.bill()["totals"][provider]
        return int(totals["charged"] - totals["refunded"])


@contextmanager
def serving(
    *, latency_s: float = 0.05, clips: bool = False, faults: Path | None = None, more: tuple[str, ...] = ()
) -> Iterator[Server]:
    """Run `kbatch simulate` on any port for the time of the block."""
    command = [sys.executable, "-m", "kbatch", "simulate", "--latency", str(latency_s), *more]
    command += [] if clips else ["--no-clips"]
    command += ["--faults", str(faults)] if faults else []
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield Server(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout:
            process.stdout.close()
