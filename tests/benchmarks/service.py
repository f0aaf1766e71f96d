"""The provider that is measured against: the simulator on a socket, in a process of its own, told to be quick."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.campaigns import MODEL
from tests.benchmarks.measure import KBATCH, ROOT

RENDER_S = 200.0
"""What a render is taken to last where waits are scaled: `latency / RENDER_S` keeps their proportion."""
CREDITS = 1_000_000_000


@contextmanager
def simulator(latency_s: float, *flags: str) -> Iterator[str]:
    """Serve both providers for the block and yield the base URL; renders take `latency_s`, clips are tiny."""
    words = ("simulate", "--latency", str(latency_s), "--no-clips", "--credits", f"apiframe={CREDITS}", *flags)
    process = subprocess.Popen([*KBATCH, *words], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait()


def environment(url: str, latency_s: float) -> dict[str, str]:
    """Return the variables that lead kbatch to the simulator, its waits in proportion to the renders."""
    scale = min(1.0, latency_s / RENDER_S)
    return {"KBATCH_APIFRAME_URL": url, "APIFRAME_API_KEY": "benchmark", "KBATCH_POLL_SCALE": str(scale)}


def bill(url: str) -> dict[str, dict[str, int]]:
    """Return what the simulator counted: charges and requests."""
    with urllib.request.urlopen(f"{url}/__bill") as answer:
        document = json.load(answer)
    return {"requests": document["requests"], "charges": {"count": len(document["charges"])}}


def manifest(folder: Path, jobs: int, shots: str | None = None) -> Path:
    """Write a campaign of `jobs` short prompts, or of the given shots."""
    path = folder / "campaign.yaml"
    head = (
        f"kbatch: 1\nname: benchmark\nprovider: apiframe\nbudget: {{max_credits: {{apiframe: {CREDITS}}}}}\n"
        f"defaults: {{model: {MODEL}, params: {{duration: 5, mode: standard, generate_audio: false}}}}\n"
    )
    matrix = f'shots: [{{id: job, prompt: "job {{{{ n }}}}", matrix: {{n: "{{{{ range({jobs}) }}}}"}}}}]\n'
    path.write_text(head + (shots or matrix), encoding="utf-8")
    return path
