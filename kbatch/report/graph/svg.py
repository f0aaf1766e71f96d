"""A plan's graph as one self-contained SVG: a column for each step of a chain, a box for each shot."""

from collections.abc import Iterator
from html import escape

from kbatch.report.data.format import count, one_line
from kbatch.report.graph.shots import Graph

_WIDE, _HIGH = 260, 56
_GAP_X, _GAP_Y = 96, 18
_MARGIN = 16
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1b1b1b}.name{font-weight:600}.page{fill:#fff}"
    ".box{fill:#f4f4f2;stroke:#8a8a86}.buys{fill:#eaf5ec;stroke:#1d7a3a;stroke-width:2}"
    ".chain{fill:none;stroke:#55554f;stroke-width:1.5}.tip{fill:#55554f}.frames{font-size:11px;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:4px}"
    "@media(prefers-color-scheme:dark){text{fill:#ececea}.page{fill:#161616}.box{fill:#242424;stroke:#777}"
    ".buys{fill:#12301b;stroke:#4fbf73}.chain{stroke:#b5b5b0}.tip{fill:#b5b5b0}.frames{stroke:#161616}}"
)
_LONGEST = 28
"""Letters of a line that fit into a box."""


def lines(graph: Graph, title: str) -> Iterator[str]:
    """Yield the picture's lines; all text is escaped, and nothing in it is fetched or run."""
    places: list[tuple[int, int]] = []
    rows: dict[int, int] = {}
    for node in graph.nodes:
        row = rows[node.layer] = rows.get(node.layer, -1) + 1
        places.append((_MARGIN + node.layer * (_WIDE + _GAP_X), _MARGIN + row * (_HIGH + _GAP_Y)))
    width = _MARGIN + max((x + _WIDE for x, _ in places), default=0)
    height = _MARGIN + max((y + _HIGH for _, y in places), default=0)
    said = _text(title, 200)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{said}">'
    )
    yield f"<title>{said}</title><style>{_STYLE}</style>"
    yield '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    yield '<path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>'
    yield f'<rect class="page" width="{width}" height="{height}"/>'
    for edge in graph.edges:
        yield from _edge(places[edge.before], places[edge.after], edge.frames)
    for node, (x, y) in zip(graph.nodes, places, strict=True):
        kind = "box buys" if node.buys else "box"
        yield f"<g><title>{_text(f'{node.name}: {node.words}', 400)}</title>"
        yield f'<rect class="{kind}" x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="6"/>'
        yield f'<text class="name" x="{x + 12}" y="{y + 23}">{_text(node.name, _LONGEST)}</text>'
        yield f'<text x="{x + 12}" y="{y + 42}">{_text(node.words, _LONGEST + 8)}</text></g>'
    yield "</svg>"


def _edge(before: tuple[int, int], after: tuple[int, int], frames: int) -> Iterator[str]:
    """Yield a curve from the right side of a box to the left side of another; within one box a loop over its corner."""
    x1, y1 = before[0] + _WIDE, before[1] + _HIGH // 2
    x2, y2 = after[0], after[1] + _HIGH // 2
    bend = 40
    if before == after:
        yield f'<path class="chain" marker-end="url(#tip)" d="M{x1} {y1 - 12}c36-10 36 34 0 24"/>'
        x, y = x1 + 46, y1 - 14
    else:
        yield (
            f'<path class="chain" marker-end="url(#tip)" d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'
        )
        x, y = (x1 + x2) // 2, (y1 + y2) // 2 - 5
    yield f'<text class="frames" x="{x}" y="{y}">{count(frames, "frame")}</text>'


def _text(text: str, most: int) -> str:
    return escape(one_line(text, most))
