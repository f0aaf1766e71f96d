"""What a core install cannot do is said before anything is bought, with the extra that brings it."""

from importlib import util
from pathlib import Path

import pytest

from kbatch.cli import main
from tests.campaign_rig import Rig

CHAIN = """
defaults: {model: kling-2.1}
shots:
  - {id: first, prompt: one}
  - {id: second, prompt: two, params: {start_image: "{{ last_frame('first') }}"}}
  - {id: third, prompt: three}
"""


@pytest.fixture
def core(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Return a rig in an installation without PyAV."""
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == "av" else find(name, *rest))
    return rig


def test_a_chain_is_refused_before_the_first_purchase(core: Rig) -> None:
    """`check` and `plan` warn at the very parameter, `run` is refused with 3, and nothing of the chain is paid."""
    core.write(CHAIN)
    for command in ("check", "plan"):
        said = core.kbatch(command)
        assert said.code == 0
        text = said.out + said.err
        assert "campaign.yaml:8:" in text
        assert "warning[no-frames]: frames of clips need PyAV, which is not installed" in text
        assert "extra `media`" in text
    said = core.run()
    assert said.code == 3
    assert "extra `media`" in said.err
    assert core.charges() == []
    assert not core.has_lockfile()


def test_what_needs_no_frame_is_bought(core: Rig) -> None:
    """The rest of the manifest is none the worse for it."""
    core.write(CHAIN)
    assert core.run("--exclude", "second").code == 0
    assert len(core.charges()) == 2
    assert core.run("--only", "second").code == 3
    assert core.kbatch("pull").code == 0
    assert len(core.charges()) == 2


def test_a_manifest_without_chains_is_not_warned(core: Rig) -> None:
    """Nobody needs an extra for what they do not do."""
    core.write(CHAIN.replace("{{ last_frame('first') }}", "https://example.com/a.png"))
    assert "no-frames" not in core.kbatch("check").out


@pytest.mark.parametrize("missing", [True, False], ids=["core", "with-sim"])
def test_the_next_step_of_init_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: bool
) -> None:
    """`init` ends with commands that work here, or says what they need."""
    if missing:
        find = util.find_spec
        monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == "av" else find(name, *rest))
    with pytest.raises(SystemExit) as ended:
        main(["init", str(tmp_path)])
    assert ended.value.code in (0, None)
    assert ("needs the extra `sim`" in capsys.readouterr().err) is missing
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(tmp_path / "kbatch.yaml")])
    assert ended.value.code in (0, None)
