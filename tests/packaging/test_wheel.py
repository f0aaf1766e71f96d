"""The wheel holds the schemas and the typing marker, and works from any directory."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_holds_schemas_cards_and_the_typing_marker(wheel: Path) -> None:
    """Every file of `schemas/` is inside, where importlib.resources finds it."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"kbatch/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "schemas").rglob("*.json")}
    assert expected <= inside
    assert {"kbatch/py.typed", "kbatch/schemas/__init__.py"} <= inside
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kbatch" / "report" / "html" / "page").iterdir()}
    assert pages
    assert pages <= inside


def test_the_wheel_holds_every_package(wheel: Path) -> None:
    """A new folder of code has to be named in pyproject.toml; one that is not is missed only by who installs."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "kbatch").rglob("*.py")} <= inside


def test_the_wheel_works_from_another_directory(wheel: Path, tmp_path: Path) -> None:
    """Unpacked alone, with nothing of the checkout on the path, the commands find their cards and schemas."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site)}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def kbatch(*words: str) -> str:
        code = f"import sys; sys.path.insert(0, {str(site)!r}); from kbatch.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "kling-3.0" in kbatch("models")
    assert '"kbatch manifest"' in kbatch("schema", "manifest")
    assert kbatch("init").strip() == "kbatch.yaml"
    assert '"render": 5' in kbatch("plan", "--format", "json")
