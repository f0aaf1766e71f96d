"""Tells what was measured: one table with a row a peer, where kbatch does not win, and what each row stands for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from tests.benchmarks.measure import Sample
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.works import Measured

HEAD = "Each cell: wall time · CPU of all its processes · peak memory of all its processes."


def table(cells: Sequence[Measured], peers: Sequence[Peer], works: Sequence[str]) -> str:
    """Return the Markdown table."""
    by = {(cell.peer, cell.work): cell for cell in cells}
    lines = [("peer", *works)]
    lines += [(peer.title, *(_shown(by[peer.name, work]) for work in works)) for peer in peers]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = [" | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in (padded[0], rule, *padded[1:]))


def _shown(cell: Measured) -> str:
    return cell.said.replace("\n", " ")[:160] if cell.sample is None else figures(cell.sample)


def figures(sample: Sample) -> str:
    """Return one cell's figures."""
    peak = f"{sample.peak_mb:.0f} MB" if sample.peak_mb else "too short to see"
    return f"{_seconds(sample.wall_s)} · {_seconds(sample.cpu_s)} · {peak}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def losses(cells: Sequence[Measured]) -> list[str]:
    """Return each figure in which a peer is better than kbatch."""
    ours = {cell.work: cell.sample for cell in cells if cell.peer == "kbatch"}
    found = []
    for cell in cells:
        best, theirs = ours.get(cell.work), cell.sample
        if best is None or theirs is None or cell.peer == "kbatch":
            continue
        pairs = (
            ("wall", theirs.wall_s, best.wall_s, "s"),
            ("CPU", theirs.cpu_s, best.cpu_s, "s"),
            ("memory", theirs.peak_mb, best.peak_mb, "MB"),
        )
        better = [f"{name} {their:.2f} against {our:.2f} {unit}" for name, their, our, unit in pairs if their < our]
        if better:
            found.append(f"{cell.work}, {cell.peer}: {'; '.join(better)}")
    return found


def legend(peers: Sequence[Peer], versions: Mapping[str, str]) -> str:
    """Return a line a peer: its version, what is run, what its plan tells."""
    return "\n".join(
        f"- **{peer.title}** ({versions.get(peer.name, 'not here')}): {peer.how}. Its plan tells {peer.tells}."
        for peer in peers
    )


def as_json(cells: Sequence[Measured], versions: Mapping[str, str], machine: str) -> str:
    """Return everything as JSON, what the tools printed left out."""
    out = []
    for cell in cells:
        sample = (
            None
            if cell.sample is None
            else {k: v for k, v in asdict(cell.sample).items() if k not in ("found", "stdout")}
        )
        out.append({"peer": cell.peer, "work": cell.work, "sample": sample, "said": cell.said})
    return json.dumps({"machine": machine, "versions": dict(versions), "cells": out}, indent=2, ensure_ascii=False)
