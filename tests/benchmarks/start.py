"""The start: what a person waits for before anything happens, held against Python's own start and the imports alone."""

import sys
from collections.abc import Iterator

from tests.benchmarks.measure import KBATCH, PYTHON, ROOT, Row, pair, ratio_row, run

NEEDED = "import anyio, click, msgspec, PIL.Image, PIL.PngImagePlugin, yaml"
"""What the plan of the quickstart loads, and nothing more: its command line, its values, its text, its picture.

jsonschema is loaded where something does not fit and Jinja where a text is more than names, so neither is in the floor.
"""


def rows() -> Iterator[Row]:
    """Measure `--help` against a bare interpreter, and the plan of the quickstart against its imports."""
    bare, needed = (PYTHON, "-c", "pass"), (PYTHON, "-c", NEEDED)
    helped = (*KBATCH, "--help")
    yield ratio_row("start", "`kbatch --help`", pair(lambda: run(helped), lambda: run(bare), repeat=15), aim=5)
    plan = (*KBATCH, "plan", ROOT / "manifests" / "quickstart.yaml")
    yield ratio_row(
        "start", "`kbatch plan` of the quickstart", pair(lambda: run(plan), lambda: run(needed), repeat=15), aim=1.5
    )


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["start", *sys.argv[1:]])
