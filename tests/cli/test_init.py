"""`kbatch init`: a manifest named after its folder that checks, with a schema where its first line points."""

import json
from pathlib import Path

import pytest

from kbatch.pipeline.load import load
from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        pytest.param("spring", "spring", id="as-it-is"),
        pytest.param("Été à Paris", "été-à-paris", id="a-slug-of-any-script"),
        pytest.param("2026", "2026", id="a-number-is-quoted"),
        pytest.param("True", "true", id="a-word-of-yaml-is-quoted"),
        pytest.param("campaigns/autumn", "autumn", id="the-last-folder"),
        pytest.param("🎬", "my-campaign", id="nothing-to-name-it-by"),
        pytest.param("a" * 120, "my-campaign", id="too-long"),
    ],
)
def test_a_campaign_is_named_after_its_folder(folder: str, name: str, run: Run, tmp_path: Path) -> None:
    """Whatever the folder is called, the manifest loads and bears a name that is one."""
    assert run("init", str(tmp_path / folder)).code == 0
    assert load(tmp_path / folder / "kbatch.yaml").settings.name == name


def test_here_is_a_folder_with_a_name_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without DIR the working folder names it."""
    (tmp_path / "winter").mkdir()
    monkeypatch.chdir(tmp_path / "winter")
    assert run("init").out == "kbatch.yaml\n"
    assert load(Path("kbatch.yaml")).settings.name == "winter"


def test_the_schema_line_points_at_a_schema(run: Run, tmp_path: Path) -> None:
    """The first line names a file beside the manifest, which is what `kbatch schema manifest` prints."""
    run("init", str(tmp_path / "c"))
    first = (tmp_path / "c" / "kbatch.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    text = (tmp_path / "c" / first.partition("$schema=")[2]).read_text(encoding="utf-8")
    assert json.loads(text)["title"] == "kbatch manifest"
    assert text == run("schema", "manifest").out


def test_what_is_there_is_left_alone(run: Run, tmp_path: Path) -> None:
    """A schema of one's own stays; a manifest that is there is said, and then nothing is written."""
    (tmp_path / "manifest.schema.json").write_text("{}", encoding="utf-8")
    assert run("init", str(tmp_path)).code == 0
    assert (tmp_path / "manifest.schema.json").read_text(encoding="utf-8") == "{}"
    other = tmp_path / "other"
    other.mkdir()
    (other / "kbatch.yaml").write_text("mine", encoding="utf-8")
    ended = run("init", str(other))
    assert (ended.code, [path.name for path in other.iterdir()]) == (2, ["kbatch.yaml"])
    assert "already-there" in ended.err
