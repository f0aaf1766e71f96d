"""A rehearsed campaign with hostile prompts, its pages, and a headless Chromium that looks at them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--mute-audio",
)  # fmt: skip
MANIFEST = """\
kbatch: 1
name: browsed
provider: apiframe
budget: {max_credits: {apiframe: 100}}
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: false, aspect_ratio: 9:16}}
shots:
  - id: hero
    labels: {market: "eu</option><img src=x onerror=window.broken=1>"}
    prompt: "{{ city }}</script><script>window.broken=1</script><img src=x onerror='window.broken=1'> \\u202Egnp | `x`"
    matrix: {city: [Lisbon, Oslo]}
    takes: 2
  - {id: square, prompt: "{{ '\\"><svg onload=window.broken=1>' }}", params: {aspect_ratio: 1:1}}
  - {id: card, model: kling-2.5-turbo-pro, prompt: a card that is refused, params: {duration: 5, aspect_ratio: 16:9}}
"""


def find_chromium() -> str:
    """Return a Chromium on this machine; skip where there is none."""
    names = (os.environ.get("KBATCH_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """Return one running headless Chromium; it ends with the module, since Playwright keeps an event loop running."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra `test`)")
    path = find_chromium()
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def kbatch(folder: Path, *words: str) -> str:
    """Run one command in a process of its own that succeeds, or finishes with a failed job; return its stdout."""
    command = [sys.executable, "-m", "kbatch", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `out/report.html` of a rehearsed campaign, its clips, and `out/plan.html`."""
    folder = tmp_path_factory.mktemp("browsed")
    (folder / "kbatch.yaml").write_text(MANIFEST, encoding="utf-8")
    (folder / "faults.yaml").write_text("- {fault: fail, match: refused}\n", encoding="utf-8")
    (folder / "out").mkdir()
    kbatch(folder, "run", "--simulate", "--yes", "--faults", "faults.yaml")
    kbatch(folder, "report", "--simulate", "--html", "out/report.html")
    (folder / "out" / "plan.html").write_text(
        kbatch(folder, "plan", "--simulate", "--format", "html"), encoding="utf-8"
    )
    return folder / "out"
