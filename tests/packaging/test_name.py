"""The distribution is `kbatch-render`: what an environment has as `kbatch` is another program, not taken for ours."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from kbatch._version import DISTRIBUTION

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = "Metadata-Version: 2.1\nName: kbatch\nVersion: 99.0\n"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def site(wheel: Path, tmp_path: Path) -> Path:
    """Unpack the wheel beside what a foreign distribution `kbatch` leaves in an environment."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    foreign = site / "kbatch-99.0.dist-info"
    foreign.mkdir()
    (foreign / "METADATA").write_text(FOREIGN, encoding="utf-8")
    return site


def python(site: Path, code: str) -> str:
    """Run code with the packages of a folder first on the path; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"],
        cwd=site.parent, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_foreign_kbatch_is_not_taken_for_ours(site: Path) -> None:
    """Version, `--version` and the header that providers see are those of `kbatch-render`."""
    own = PROJECT["version"]
    assert python(site, "import kbatch; print(kbatch.__version__)") == own
    shown = python(site, "from kbatch.cli import main; main(['--version'])")
    assert shown == f"kbatch {own} (kbatch-render)"
    assert python(site, "from kbatch.providers.http.client import user_agent; print(user_agent())") == f"kbatch/{own}"


def test_without_ours_a_foreign_one_gives_no_version(site: Path) -> None:
    """Where only the foreign distribution is installed the version is unknown, not 99.0."""
    for ours in site.glob("kbatch_render-*"):
        shutil.rmtree(ours)
    # Without the interpreter's own packages: they hold the checkout's installation.
    code = "import os; sys.path[:] = [p for p in sys.path if 'site-packages' not in p and os.path.isdir(p)]; "
    assert python(site, f"{code}import kbatch; print(kbatch.__version__)") == "0+unknown"


def test_the_wheel_and_all_texts_bear_the_name(wheel: Path) -> None:
    """The wheel is `kbatch_render`, its command `kbatch`, and no text installs the other program."""
    assert DISTRIBUTION == PROJECT["name"] == "kbatch-render"
    assert wheel.name.startswith(f"kbatch_render-{PROJECT['version']}-")
    points = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("entry_points.txt"))
    assert b"kbatch = kbatch.cli:main" in zipfile.ZipFile(wheel).read(points)
    texts = [ROOT / "README.md", *(ROOT / ".github").rglob("*.md"), *(ROOT / ".github").rglob("*.yaml")]
    texts += (ROOT / "kbatch").rglob("*.py")
    of_another = re.compile(r"pip install(?![^\n]* -e)[^\n`]* '?kbatch(\[|==|['\"\s`]|$)")
    assert not [text for text in texts if of_another.search(text.read_text("utf-8"))]


def test_workflows_pin_what_they_install() -> None:
    """Whatever the README's workflows install or use of kbatch is the version of this checkout, the action's too."""
    workflows = (ROOT / "README.md").read_text(encoding="utf-8").partition("### In CI")[2].partition("\n## ")[0]
    action = (ROOT / ".github" / "actions" / "kbatch" / "action.yml").read_text(encoding="utf-8")
    version = PROJECT["version"]
    installs = re.findall(r"pip install (.*kbatch-render.*)", workflows)
    tags = re.findall(r"kbatch-render/kbatch\S*@(\S+)|--branch (\S+) https://github.com/kbatch-render", workflows)
    assert installs
    assert all(f"=={version}" in install for install in installs), installs
    assert {tag or branch for tag, branch in tags} == {f"v{version}"}
    assert re.search(rf"version of kbatch-render\n\s+default: \"?{re.escape(version)}\"?\n", action)
