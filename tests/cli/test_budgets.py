"""`--budgets` on the command line: what an envelope's refusal and a faulty file look like."""

from pathlib import Path

import pytest

from tests.cli.conftest import Golden, Run

MANIFEST = """kbatch: 1
name: spring
provider: apiframe
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: false}}
shots:
  - {id: hero, prompt: a lighthouse, labels: {market: eu}, takes: 2}
"""
FILES = {
    "full": """- {name: europe, match: {label: {market: eu}}, max_credits: {apiframe: 29}}
- {name: all, max_credits: {apiframe: 300}}
""",
    "faulty": """- name: europe
  period: weak
  max_credits: {apiframe: 300}
- {name: asia, max_credits: {apifram: 10.5}}
- {name: all, max_credits: {apifram: 300}, at: {half: "mail 'ada"}}
""",
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_plan_says_of_its_envelopes(
    name: str, run: Run, golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared with what a person has read and agreed to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "kbatch.yaml").write_text(MANIFEST, encoding="utf-8")
    (tmp_path / "budgets.yaml").write_text(FILES[name], encoding="utf-8")
    golden(f"budgets-{name}", run("plan", "--budgets", "budgets.yaml"))
