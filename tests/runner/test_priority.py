"""Which job goes first: the longest, and what the most work waits for."""

from pathlib import Path

import kbatch
from kbatch.runner.limits.priority import priorities

SHOTS = """kbatch: 1
name: order
provider: apiframe
defaults: {model: kling-3.0}
shots:
  - {id: short, prompt: a, params: {duration: 5}}
  - {id: long, prompt: b, params: {duration: 15}}
  - {id: first, prompt: c, params: {duration: 5}}
  - {id: second, prompt: d, params: {duration: 5, start_image: "{{ last_frame('first') }}"}}
  - {id: third, prompt: e, params: {duration: 5, start_image: "{{ last_frame('second') }}"}}
"""


def test_a_chain_goes_before_the_longest_and_that_before_the_rest(tmp_path: Path) -> None:
    """A chain counts by its sum; of renders that usually take as long the longer clip is the longer render."""
    path = tmp_path / "order.yaml"
    path.write_text(SHOTS, encoding="utf-8")
    urgency = priorities(kbatch.plan(kbatch.load(path)).plan)
    assert sorted(urgency, key=lambda address: -urgency[address]) == ["first", "second", "long", "short", "third"]
