"""Files of approvals in teams: two branches approve, and git keeps both, with the driver and without it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from kbatch.receipts.approvals.approval import Approval
from kbatch.receipts.approvals.approvals_file import parse, serialize
from tests.cli.conftest import Run
from tests.git_repository import Repository
from tests.receipts.approval_samples import sample_approval

NAME = "campaign.approvals.json"
BASE, OURS, THEIRS = (sample_approval(note=note) for note in ("base", "ours", "theirs"))


def written(*approvals: Approval) -> bytes:
    """Return a file of these approvals."""
    return serialize({one.id: one for one in approvals})


def notes(path: Path) -> set[str]:
    """Return the notes of the approvals in a file."""
    return {one.note for one in parse(path.read_bytes(), path.name).values()}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return a repository in the working folder, in which two branches have approved."""
    repository = Repository(tmp_path / "work")
    monkeypatch.chdir(repository.folder)
    repository.write(NAME, written(BASE))
    repository.commit()
    repository.git("checkout", "--quiet", "-b", "theirs")
    repository.write(NAME, written(BASE, THEIRS))
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write(NAME, written(BASE, OURS))
    repository.commit()
    return repository


def test_the_driver_keeps_what_both_branches_approved(repository: Repository, run: Run) -> None:
    """`git merge` ends by itself with the union."""
    assert "*.approvals.json merge=kbatch-lock" in run("lock", "install-merge-driver").out
    repository.commit()
    assert repository.git("merge", "--quiet", "theirs", check=False).returncode == 0
    assert notes(repository.folder / NAME) == {"base", "ours", "theirs"}


def test_an_earlier_installation_gets_what_it_lacks(repository: Repository, run: Run) -> None:
    """A `.gitattributes` that knows lockfiles only is completed once."""
    repository.write(".gitattributes", "*.lock.json merge=kbatch-lock\n")
    run("lock", "install-merge-driver")
    run("lock", "install-merge-driver")
    lines = (repository.folder / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert lines == ["*.lock.json merge=kbatch-lock", "*.approvals.json merge=kbatch-lock"]


def test_markers_are_taken_apart(repository: Repository, run: Run) -> None:
    """Without the driver git stops, a run refuses the file, and `lock merge` keeps what either side knows."""
    assert repository.git("merge", "theirs", check=False).returncode == 1
    assert run("lock", "merge", NAME, "--out", NAME).code == 0
    assert notes(repository.folder / NAME) == {"base", "ours", "theirs"}


def test_any_order_gives_the_same_bytes(tmp_path: Path, run: Run) -> None:
    """And nothing but a file of approvals is replaced."""
    one, other, out = (tmp_path / f"{name}.approvals.json" for name in ("one", "other", "out"))
    one.write_bytes(written(BASE, OURS))
    other.write_bytes(written(THEIRS, BASE))
    found = []
    for pair in ((one, other), (other, one), (one, other, one)):
        assert run("lock", "merge", *map(str, pair), "--out", str(out)).code == 0
        found.append(out.read_bytes())
    assert len(set(found)) == 1
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert run("lock", "merge", str(one), "--out", str(tmp_path / "notes.txt")).code == 2
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_what_was_altered_is_not_merged(tmp_path: Path, run: Run) -> None:
    """A record that a merge of lines mixed up is an error with its line, and the files stay."""
    path = tmp_path / NAME
    data = written(OURS).replace(b'"ours"', b'"mixed"')
    path.write_bytes(data)
    ended = run("lock", "merge", str(path), "--out", str(path))
    assert ended.code == 2
    assert "was changed after it was written" in ended.err
    assert path.read_bytes() == data
    assert replace(OURS, note="mixed").id != OURS.id
