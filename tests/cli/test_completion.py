"""What shells offer: profiles, models, addresses and shots, and silence where nothing can be read."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

MANIFEST = """kbatch: 1
name: c
provider: apiframe
profiles: {draft: {vars: {a: b}}}
shots: [{id: hero, model: kling-2.1, prompt: "{{ city }}", matrix: {city: [oslo, rome]}}]
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        pytest.param("kbatch models", "kling-3", ["kling-3.0"], id="model"),
        pytest.param("kbatch plan c.yaml --profile", "d", ["draft"], id="profile"),
        pytest.param("kbatch plan c.yaml --only", "he", ["hero", "hero[city=oslo]", "hero[city=rome]"], id="shot"),
        pytest.param("kbatch explain c.yaml", "hero[city=o", ["hero[city=oslo]"], id="address"),
        pytest.param("kbatch plan bad.yaml --only", "he", [], id="a-manifest-that-is-wrong"),
    ],
)
def test_names_are_offered(  # noqa: PLR0917 - fixtures
    shell: str, words: str, begun: str, offered: list[str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each shell's protocol gives the names that begin so, and nothing is said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(MANIFEST, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("{", encoding="utf-8")
    monkeypatch.setenv("_KBATCH_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", words if shell == "fish" else f"{words} {begun}")
    monkeypatch.setenv("COMP_CWORD", begun if shell == "fish" else str(len(words.split())))
    ended = run()
    assert ended.err == ""
    for name in offered:
        assert name in ended.out
    assert bool(ended.out.strip()) is bool(offered)
