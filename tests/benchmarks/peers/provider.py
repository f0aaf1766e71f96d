"""Starts the pretended provider, a process of its own for each run, and looks at its books afterwards."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks.measure import ROOT
from tests.benchmarks.peers.campaign import LIGHTS, prompt_of

KEY = "bench"
_CREDITS = 1_000_000_000


@contextmanager
def provider(latency_s: float) -> Iterator[str]:
    """Serve while the block runs; yields the URL."""
    argv = [sys.executable, "-m", "kbatch", "simulate", "--latency", str(latency_s), "--no-clips"]
    argv += ["--credits", f"apiframe={_CREDITS}"]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(timeout=10)


def bought(url: str) -> int:
    """Return how many jobs were bought."""
    return int(_get(f"{url}/__bill")["requests"]["submit"])


def complaint(url: str, jobs: int) -> str | None:
    """Say what is wrong with what was bought; None when it is each job once, the last with its whole prompt."""
    bill = _get(f"{url}/__bill")
    if len(bill["charges"]) != jobs or bill["requests"]["download"] != jobs:
        return f"bought {len(bill['charges'])}, downloaded {bill['requests']['download']} of {jobs}"
    sent = _get(f"{url}/v2/jobs/{bill['charges'][-1]['job_id']}")["input"]["prompt"]
    expected = {prompt_of(city, light) for city in range(jobs // LIGHTS) for light in range(LIGHTS)}
    return None if sent in expected else f"sent another prompt: {sent}"


def _get(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"X-API-Key": KEY})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
