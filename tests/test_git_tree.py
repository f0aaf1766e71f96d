"""What a manifest may read at a revision: the rules of the work tree, and nothing of the work tree itself."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kbatch.errors import Invalid, Unreadable
from kbatch.storage import Folder
from kbatch.storage.git import git_program
from kbatch.storage.git.revision_tree import GitTree, open_revision
from tests.git_repository import Repository

FILES = {
    "a.txt": "top",
    "m/c.yaml": "manifest",
    "m/data/rows.csv": "a,b\n1,2\n",
    "m/.hidden/x": "hidden",
    ".env": "secret",
    "d x/deep é.txt": "deep",
    "m/big.bin": "x" * 100,
}
LINKS = {
    "m/up": "../a.txt",
    "m/folder": "../d x",
    "m/loop": "loop",
    "m/out": "../../outside.txt",
    "m/absolute": "/etc/passwd",
    "m/secret": "../.env",
    "m/hops": "folder/../a.txt",
    "m/dangling": "nowhere",
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a repository whose commit has files and links, and whose work tree has been emptied since."""
    made = Repository(tmp_path / "repository")
    (tmp_path / "outside.txt").write_text("outside", encoding="utf-8")
    for name, content in FILES.items():
        made.write(name, content)
    for name, target in LINKS.items():
        (made.folder / name).symlink_to(target)
    made.commit()
    return made


@pytest.fixture
def tree(repository: Repository) -> Iterator[GitTree]:
    """Return what a manifest in `m` could read."""
    with open_revision(repository.folder / "m", "HEAD") as revision:
        yield revision.tree(repository.folder / "m")


@pytest.mark.parametrize(
    ("reference", "content"),
    [
        ("data/rows.csv", "a,b\n1,2\n"),
        ("./data/../data//rows.csv", "a,b\n1,2\n"),
        ("../a.txt", "top"),
        ("up", "top"),
        ("folder/deep é.txt", "deep"),
        ("hops", "top"),
    ],
)
def test_what_the_work_tree_allows_is_read(repository: Repository, tree: GitTree, reference: str, content: str) -> None:
    """Within the repository paths and links lead where they do on the disk, and the digest is the same."""
    assert tree.read(reference).decode() == content
    there = Folder.of(repository.folder / "m" / "c.yaml")
    assert there.read(reference).decode() == content
    assert tree.seen == there.seen


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("out", "path-outside-tree"),
        ("../../outside.txt", "path-outside-tree"),
        ("absolute", "path-outside-tree"),
        ("/etc/passwd", "path-outside-tree"),
        ("C:\\x", "path-outside-tree"),
        ("a\0b", "path-outside-tree"),
        (".hidden/x", "path-hidden"),
        ("../.env", "path-hidden"),
        ("..\\.env", "path-hidden"),
        ("secret", "path-hidden"),
        ("../.git/config", "path-hidden"),
        ("nothing", "file-not-found"),
        ("dangling", "file-not-found"),
        ("c.yaml/x", "file-not-found"),
        ("loop", "file-unreadable"),
        ("data", "file-unreadable"),
        ("big.bin", "file-too-large"),
    ],
)
def test_what_the_work_tree_refuses_is_refused(tree: GitTree, reference: str, code: str) -> None:
    """Nothing outside, nothing hidden, nothing that is no file, nothing larger than asked for."""
    with pytest.raises(Unreadable) as raised:
        tree.read(reference, limit=99)
    assert raised.value.code == code
    assert tree.seen == {}


def test_a_refused_file_does_not_spoil_the_next(tree: GitTree) -> None:
    """After a file that is too large or not there the others can still be read."""
    for reference in ("big.bin", "nothing", "big.bin"):
        with pytest.raises(Unreadable):
            tree.read(reference, limit=99)
    assert tree.read("data/rows.csv") == b"a,b\n1,2\n"


def test_the_work_tree_does_not_matter(repository: Repository) -> None:
    """A revision is read as it was committed, whatever has become of the files, the index and the branch since."""
    first = repository.git("rev-parse", "HEAD").stdout.strip()
    repository.write("m/data/rows.csv", "changed")
    repository.git("add", "--all")
    (repository.folder / "a.txt").unlink()
    before = repository.git("status", "--porcelain").stdout
    with open_revision(repository.folder, first[:9]) as revision:
        tree = revision.tree(repository.folder / "m")
        assert (tree.read("data/rows.csv"), tree.read("up")) == (b"a,b\n1,2\n", b"top")
        assert revision.commit == first
    assert repository.git("status", "--porcelain").stdout == before


def test_filters_and_hooks_do_not_run(repository: Repository, tmp_path: Path) -> None:
    """Neither a smudge filter, nor a text conversion, nor a monitor of the files is started by reading."""
    trap = tmp_path / "trap"
    for key in ("filter.trap.smudge", "filter.trap.process", "diff.trap.textconv", "core.fsmonitor", "core.pager"):
        repository.git("config", key, f"touch '{trap}'; cat")
    repository.write(".gitattributes", "* filter=trap diff=trap text eol=crlf\n")
    with open_revision(repository.folder, "HEAD") as revision:
        assert revision.tree(repository.folder / "m").read("data/rows.csv") == b"a,b\n1,2\n"
    assert not trap.exists()


def test_another_repository_in_the_environment_is_not_asked(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a hook git names its repository in variables; the manifest's own one counts."""
    other = Repository(tmp_path / "other")
    other.write("x", "y")
    other.commit()
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    with open_revision(repository.folder, "main") as revision:
        assert revision.root == repository.folder.resolve()


@pytest.mark.parametrize("name", ["nowhere", "", "--all", "-x", "HEAD:m", "main\nmain", "..", "$(touch x)"])
def test_what_is_no_revision_is_said(repository: Repository, name: str) -> None:
    """A word that names no commit is a mistake of the command line, whatever git might make of it."""
    with pytest.raises(Invalid) as raised, open_revision(repository.folder, name):
        pass
    assert [problem.code for problem in raised.value.problems] == ["no-such-revision"]


def test_without_a_repository_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder outside any repository is said."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(Invalid) as raised, open_revision(tmp_path, "main"):
        pass
    assert [problem.code for problem in raised.value.problems] == ["no-repository"]


def test_without_git_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git is not installed the message says that, and nothing else breaks."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid) as raised, open_revision(tmp_path, "main"):
        pass
    assert [problem.code for problem in raised.value.problems] == ["no-git"]


def test_a_folder_that_was_not_there(repository: Repository) -> None:
    """A manifest in a folder that the revision does not have cannot be read there."""
    (repository.folder / "new").mkdir()
    with open_revision(repository.folder, "HEAD") as revision, pytest.raises(Unreadable) as raised:
        revision.tree(repository.folder / "new")
    assert raised.value.code == "file-not-found"


def test_a_picture_in_git_lfs_is_read_from_the_clones_store(repository: Repository) -> None:
    """A pointer leads to the content under its own digest; without it, or altered, the file cannot be read."""
    content = b"a large picture"
    digest = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
    repository.write("m/picture.png", pointer)
    repository.commit()
    store = repository.folder / ".git" / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
    with open_revision(repository.folder, "HEAD") as revision:
        tree = revision.tree(repository.folder / "m")
        for stored in (None, b"something else"):
            if stored is not None:
                store.parent.mkdir(parents=True)
                store.write_bytes(stored)
            with pytest.raises(Unreadable, match="kept by Git LFS"):
                tree.read("picture.png")
        store.write_bytes(content)
        assert tree.read("picture.png") == content
    assert tree.seen == {"picture.png": digest}


def test_nothing_is_fetched_for_a_partial_clone(repository: Repository, tmp_path: Path) -> None:
    """An object that a partial clone left at its origin is not on this disk, and planning asks no network for it."""
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    source = f"file://{repository.folder}"
    repository.git("clone", "--quiet", "--filter=blob:none", "--no-checkout", source, str(clone))
    with open_revision(clone, "HEAD") as revision, pytest.raises(Unreadable, match="is not in this clone"):
        revision.tree(clone).read("a.txt")


def test_a_linked_work_tree_is_its_own_root(repository: Repository, tmp_path: Path) -> None:
    """In a second work tree of the repository its own folder is the root."""
    second = tmp_path / "second"
    repository.git("worktree", "add", "--quiet", str(second))
    with open_revision(second / "m", "main") as revision:
        assert revision.root == second.resolve()
        assert revision.tree(second / "m").read("../a.txt") == b"top"


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")
def test_names_that_are_no_text(repository: Repository) -> None:
    """A tree with names that are not UTF-8 can be read all the same."""
    path = os.fsencode(repository.folder) + b"/m/\xff.txt"
    Path(os.fsdecode(path)).write_bytes(b"odd")
    repository.commit()
    with open_revision(repository.folder, "HEAD") as revision:
        assert revision.tree(repository.folder / "m").read("data/rows.csv") == b"a,b\n1,2\n"


@pytest.mark.parametrize("alias", [False, True], ids=["whole", "common-folder-elsewhere"])
def test_files_named_like_a_bare_repository_are_files(tmp_path: Path, repository: Repository, alias: bool) -> None:
    """`HEAD`, `config`, `objects` and `refs` in the manifest's folder lead to no other history, and run nothing."""
    folder = repository.folder / "m"
    forged = Repository(tmp_path / "forged")
    forged.write("m/c.yaml", "forged")
    forged.write("c.yaml", "forged")
    forged.commit()
    forged.git("config", "core.worktree", str(folder))
    forged.git("config", "core.fsmonitor", f"touch {tmp_path / 'ran'}; false")
    if alias:
        (forged.folder / ".git").rename(folder / "elsewhere")
        (folder / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
        (folder / "commondir").write_text("elsewhere\n", encoding="utf-8")
    else:
        for part in (forged.folder / ".git").iterdir():
            part.rename(folder / part.name)
    deeper = folder / "data"
    for place in (folder, deeper):
        with open_revision(place, "main") as revision:
            assert revision.root == repository.folder
            assert revision.commit == repository.git("rev-parse", "main").stdout.strip()
    with open_revision(folder, "main") as revision:
        assert revision.tree(folder).read_own("c.yaml", limit=100) == b"manifest"
    assert git_program.ask(folder, "ls-files", "-z", "--", "c.yaml").out == b"c.yaml\0"
    assert not (tmp_path / "ran").exists()


def test_a_bare_repository_alone_is_none(tmp_path: Path) -> None:
    """A folder without `.git` above it is in no repository, whatever its files are called."""
    forged = Repository(tmp_path / "forged")
    forged.write("c.yaml", "forged")
    forged.commit()
    forged.git("config", "core.worktree", str(tmp_path / "bare"))
    (forged.folder / ".git").rename(tmp_path / "bare")
    with pytest.raises(Invalid) as refused, open_revision(tmp_path / "bare", "main"):
        pass
    assert refused.value.problems[0].code == "no-repository"
