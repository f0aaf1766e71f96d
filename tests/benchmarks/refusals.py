"""Bad input at scale: a matrix of a thousand million jobs, one typing error in 100,000 jobs; each is one message."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.campaigns import matrix_manifest
from tests.benchmarks.measure import KBATCH, Row, folder, pair, ratio_row, run

_HUGE = """kbatch: 1
name: huge
provider: apiframe
shots:
  - id: hero
    model: kling-3.0
    prompt: "{{ a }} {{ b }} {{ c }}"
    matrix: {a: "{{ range(1000) }}", b: "{{ range(1000) }}", c: "{{ range(1000) }}"}
"""


def rows() -> Iterator[Row]:
    """Measure a refused check against one of a single job, and a plan with a wrong address against the plan."""
    with folder() as home:
        huge, one = home / "huge.yaml", home / "one.yaml"
        huge.write_text(_HUGE, encoding="utf-8")
        one.write_text(_HUGE.replace("range(1000)", "range(1)"), encoding="utf-8")
        refused = lambda: run((*KBATCH, "check", huge), exits=2, count=b"too-many-jobs")  # noqa: E731
        samples = pair(refused, lambda: run((*KBATCH, "check", one)), repeat=7)
        assert samples[0].found == 1
        yield ratio_row("refusals", "a matrix of 10^9 jobs, against one job", samples, aim=1.5)
        campaign = matrix_manifest(home, 100_000)
        yield _typo(campaign)


def _typo(campaign: Path) -> Row:
    plan = (*KBATCH, "plan", campaign, "--max-jobs", "100000", "--format", "json")
    wrong = lambda: run((*plan, "--only", "hero[city=0,light=fog]"), exits=2)  # noqa: E731
    samples = pair(wrong, lambda: run(plan), repeat=1)
    return ratio_row("refusals", "a wrong address in 100,000 jobs, against their plan", samples, aim=1)


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["refusals", *sys.argv[1:]])
