"""A plan's graph shows each shot with its purchases and each chain, bounded, escaped, and with numbers of the plan."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace
from report_plans import loaded, plan_of, receipt_of

from kbatch.planner.actions import PlanEntry
from kbatch.report.graph import mermaid, svg
from kbatch.report.graph.shots import graph_of

CHAINED = """\
shots:
  - {id: hero, model: kling-2.1, prompt: "{{ city }}", matrix: {city: [a, b]}}
  - {id: reveal, model: kling-2.6, prompt: "s {{ city }}", matrix: {city: [a, b]},
     params: {duration: 5, generate_audio: false, start_image: "{{ last_frame('hero') }}"}}
  - {id: end, model: kling-2.1, prompt: x, params: {start_image: "{{ last_frame('reveal', city='a') }}"}}
"""


def chained(folder: Path) -> tuple[PlanEntry, ...]:
    """Return a plan in which one job of the first shot is paid."""
    manifest = loaded(folder, CHAINED)
    return plan_of(manifest, {manifest.jobs[0].fingerprint: receipt_of(manifest.jobs[0])}).entries


def test_shots_and_chains_bear_the_numbers_of_the_plan(tmp_path: Path) -> None:
    """Jobs, purchases, credits and frames are those of the entries; a chain runs from column to column."""
    entries = chained(tmp_path)
    graph = graph_of(entries)
    for node in graph.nodes:
        mine = [entry for entry in entries if entry.job.draft.shot == node.name]
        bought = [entry for entry in mine if entry.buys]
        jobs = f"{len(mine)} job{'s' if len(mine) > 1 else ''}"
        assert node.words == f"buys {len(bought)} of {jobs}: {sum(entry.credits or 0 for entry in bought)} credits"
    assert [node.layer for node in graph.nodes] == [0, 1, 2]
    assert [(edge.before, edge.after, edge.frames) for edge in graph.edges] == [(0, 1, 2), (1, 2, 1)]


def test_both_forms_have_every_node_and_edge(tmp_path: Path) -> None:
    """The SVG is well-formed, names no other place, and runs nothing; the chart names each shot once."""
    graph = graph_of(chained(tmp_path))
    drawn = "\n".join(svg.lines(graph, "Plan for <campaign>"))
    root = ElementTree.fromstring(drawn)
    names = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "name"]
    assert names == ["hero", "reveal", "end"]
    assert drawn.count('class="chain"') == 2
    assert not re.search(r"script|href|https?://(?!www\.w3\.org/2000/svg)|\son\w+=", drawn)
    chart = list(mermaid.lines(graph))
    assert chart[0] == "flowchart LR"
    assert '  s0 -->|"2 frames"| s1' in chart


@pytest.mark.parametrize("name", ['"]; click s0 "javascript:x"', "<img onerror=x>", "a\n  end", "]]>&amp;", "\x1b[2K"])
def test_a_foreign_name_draws_nothing_of_its_own(name: str, tmp_path: Path) -> None:
    """Whatever a name holds, it is one node's text in either form."""
    graph = graph_of(chained(tmp_path))
    graph = replace(graph, nodes=(replace(graph.nodes[0], name=name), *graph.nodes[1:]))
    ElementTree.fromstring("\n".join(svg.lines(graph, name)))
    assert "<img" not in "\n".join(svg.lines(graph, name))
    chart = list(mermaid.lines(graph))
    assert len(chart) == 1 + 3 + 2 + 1
    assert re.fullmatch(r'  s0\["[^"<>\[\]]*<br/>[^"<>\[\]]*"\](:::buys)?', chart[1])


def test_of_many_shots_the_dearest_and_the_chains_are_shown(tmp_path: Path) -> None:
    """The others are one node with their jobs and credits, so that the sum is the plan's."""
    shots = "".join(f"  - {{id: s{n}, model: kling-2.1, prompt: p{n}}}\n" for n in range(100))
    entries = plan_of(loaded(tmp_path, CHAINED + shots), {}).entries
    graph = graph_of(entries)
    assert len(graph.nodes) == 61
    assert {"hero", "reveal", "end"} <= {node.name for node in graph.nodes}
    assert graph.nodes[-1].name == "… and 43 more shots"
    shown = sum(int(node.words.rpartition(": ")[2].split()[0]) for node in graph.nodes)
    assert shown == sum(entry.credits or 0 for entry in entries)
