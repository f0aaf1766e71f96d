"""The plan's page: each number in its head, meter, charts and job sections, recomputed from the plan's JSON and the
lockfile."""

import html
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.conftest import Run

MANIFEST = """\
kbatch: 1
name: coast
provider: apiframe
budget: {max_credits: {apiframe: 900}}
rates: {apiframe: {usd_per_credit: 0.01}}
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: false}}
shots:
  - {id: bought, prompt: "{{ n }} was bought", matrix: {n: [a, b, c]}, labels: {market: eu}}
  - {id: hero, prompt: "{{ n }} above", matrix: {n: [a, b]}, labels: {market: us}, takes: 2}
  - {id: dear, model: kling-3.0, prompt: from afar, params: {duration: 10, mode: pro}, labels: {market: eu}}
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> tuple[str, dict[str, object], dict[str, object]]:
    """Return the page, the plan's JSON and the lockfile of a campaign of which one shot was bought."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KBATCH_POLL_SCALE", "0.001")
    Path("coast.yaml").write_text(MANIFEST, encoding="utf-8")
    assert run("run", "coast.yaml", "--simulate", "--yes", "--only", "bought").code == 0
    shown = run("plan", "coast.yaml", "--simulate", "--format", "html").out
    planned = json.loads(run("plan", "coast.yaml", "--simulate", "--format", "json").out)
    return shown, planned, json.loads(Path("coast.sim.lock.json").read_text(encoding="utf-8"))


def text_of(part: str) -> str:
    """Return the words of a part of the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split())


def test_every_number_is_that_of_plan_and_lockfile(page: tuple[str, dict, dict]) -> None:
    """Headline, tiles, meter with its bars, charts by model with their bars, reasons, shots: none is a figure alone."""
    shown, planned, lockfile = page
    jobs = [job for job in planned["jobs"] if job["action"] == "render"]
    spent = sum(receipt["credits"]["reported"] for receipt in lockfile["renders"].values())
    expected = sum(job["credits"] for job in jobs)
    assert (spent, expected, len(jobs)) == (45, 110, 5)
    assert text_of(re.search(r"<h1.*?</h1>", shown, re.DOTALL)[0]) == f"Buys {len(jobs)} clips for {expected} credits"
    tiles = {text_of(name): text_of(value) for name, value in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", shown)[:5]}
    assert tiles["apiframe credits, expected"] == f"{expected} ${expected / 100:.2f} at $0.01 a credit"
    assert tiles["left of the budget after this"] == f"{900 - spent - expected} of 900"
    assert tiles["buy"] == str(len(jobs))
    assert tiles["reuse"] == str(len(planned["jobs"]) - len(jobs))
    assert f"<figcaption>apiframe: {spent} charged before, {expected} in this plan, of a budget of 900" in shown
    meter = re.search(r'<figure class="meter">.*?</figure>', shown, re.DOTALL)[0]
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="10"><title>', meter)]
    assert widths == [round(100 * spent / 900, 2), round(100 * expected / 900, 2)]
    by_model = Counter()
    for job in jobs:
        by_model[f"{job['model']} {job['variant']}"] += job["credits"]
    chart = re.search(r"<caption>by model and variant</caption>.*?</table>", shown, re.DOTALL)[0]
    rows = re.findall(
        r"<bdi>(.*?)</bdi>.*?class=\"bar\" width=\"([\d.]+)%\".*?class=\"number\">(\S+?)<", chart, re.DOTALL
    )
    assert {name: int(credits) for name, _, credits in rows} == by_model
    most = max(by_model.values())
    assert [float(width) for _, width, _ in rows] == [
        pytest.approx(100 * by_model[name] / most, abs=0.6) for name, _, _ in rows
    ]
    sections = re.findall(r'<h3 id="shot-\d+">(\S+) <span class="dim">(.*?)</span>', shown)
    of_shot = {name: [job for job in planned["jobs"] if job["address"].startswith(name)] for name, _ in sections}
    assert sections == [
        (name, f"{len(each)} job{'s' * (len(each) > 1)}, {sum(job['credits'] for job in each)} credits")
        for name, each in of_shot.items()
    ]
    assert [name for name, _ in sections] == ["hero", "dear", "bought"]
