"""A plan's graph as a Mermaid flowchart, which Markdown pages draw."""

import re
from collections.abc import Iterator

from kbatch.report.data.format import count, one_line
from kbatch.report.graph.shots import Graph

_SPECIAL = re.compile(r"[^\w .,:…?-]")


def lines(graph: Graph) -> Iterator[str]:
    """Yield the chart's lines; every character that Mermaid or HTML could read is an entity."""
    yield "flowchart LR"
    for place, node in enumerate(graph.nodes):
        yield f'  s{place}["{_text(node.name)}<br/>{_text(node.words)}"]{":::buys" if node.buys else ""}'
    for edge in graph.edges:
        yield f'  s{edge.before} -->|"{count(edge.frames, "frame")}"| s{edge.after}'
    yield "  classDef buys stroke-width:3px"


def _text(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", one_line(text))
