"""`kbatch lock`: real merges of git branches, with the driver and without it, and what a check finds."""

import json
import os
import re
import shlex
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kbatch.pipeline.load import load
from kbatch.planner.jobs import Job
from kbatch.receipts.join import records_of
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.storage.git.merge_driver import driver
from tests.git_repository import Repository
from tests.planner.conftest import receipt_of

Run = Callable[..., Any]
Golden = Callable[[str, Any], None]

NAME = "campaign.lock.json"
MANIFEST = """kbatch: 1
name: campaign
provider: apiframe
shots:
  - id: hero
    model: kling-2.5-turbo-pro
    prompt: "{{ city }} at {{ light }}"
    takes: 2
    matrix: {city: [a, b, c, d, e, f, g, h], light: [dawn, dusk]}
"""


@pytest.fixture
def jobs(tmp_path: Path) -> tuple[Job, ...]:
    """Return 32 jobs."""
    path = tmp_path / "campaign.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return load(path).jobs


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return a repository in a folder with spaces, which is the working folder of the test."""
    made = Repository(tmp_path / "our campaigns" / "spring 2026")
    monkeypatch.chdir(made.folder)
    return made


def bought(jobs: Sequence[Job], **receipts: Receipt) -> bytes:
    """Return the lockfile of these jobs, bought; receipts by name add to it, or stand for a job's own."""
    renders = {job.fingerprint: receipt_of(job) for job in jobs} | {
        key.strip("_"): one for key, one in receipts.items()
    }
    index = {job.address: IndexEntry(fingerprint=job.fingerprint, path=job.draft.output) for job in jobs}
    return serialize(Lockfile(manifest="campaign.yaml", jobs=index, renders=renders))


def read(path: Path) -> Lockfile:
    """Return the lockfile in a file."""
    return parse(path.read_bytes(), path.name)


def purchases(lockfile: Lockfile) -> set[tuple[str, str | None]]:
    """Return every job of a provider that a lockfile knows, with its fingerprint."""
    return {(key, one.job_id) for key, receipt in lockfile.renders.items() for one in records_of(receipt)}


def branch_apart(repository: Repository, base: bytes | None, ours: bytes, theirs: bytes, name: str = NAME) -> None:
    """Commit two branches that change one lockfile, and leave `main` checked out."""
    if base is not None:
        repository.write(name, base)
    repository.write("README", "a campaign")
    repository.commit()
    repository.git("checkout", "--quiet", "-b", "theirs")
    repository.write(name, theirs)
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write(name, ours)
    repository.commit()


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        pytest.param(slice(0, 2), slice(0, 12), slice(0, 3), id="one-more-on-theirs"),
        pytest.param(slice(0, 2), slice(0, 12), slice(10, 24), id="some-on-both-sides"),
        pytest.param(slice(0, 16, 4), slice(0, 32, 2), slice(0, 32, 3), id="interleaved"),
        pytest.param(None, slice(0, 5), slice(5, 9), id="added-on-both-sides"),
    ],
)
class TestMerge:
    """Two branches of one lockfile become one that knows all purchases of both, whichever way they are merged."""

    def test_by_the_driver(  # noqa: PLR0917 - fixtures and a row of each table
        self, repository: Repository, jobs: Sequence[Job], run: Run, base: slice, ours: slice, theirs: slice
    ) -> None:
        """With the driver `git merge` ends by itself, and the result is that of `kbatch lock merge` on both files."""
        assert run("lock", "install-merge-driver").code == 0
        name = f"renders of '26/{NAME}"
        sides = [bought(jobs[part]) for part in (ours, theirs)]
        branch_apart(repository, None if base is None else bought(jobs[base]), *sides, name=name)
        repository.git("merge", "--no-edit", "theirs")
        merged = read(repository.folder / name)
        assert purchases(merged) >= purchases(parse(sides[0], "ours")) | purchases(parse(sides[1], "theirs"))
        assert repository.git("status", "--porcelain").stdout == ""
        assert run("lock", "check", name).code == 0

    @pytest.mark.parametrize(
        ("after", "where"),
        [
            pytest.param((), "git's index", id="just-stopped"),
            pytest.param((("add", NAME),), "HEAD and MERGE_HEAD", id="added"),
            pytest.param((("add", NAME), ("commit", "-m", "x")), "the parents of", id="committed"),
        ],
    )
    def test_with_markers_left_in_the_file(  # noqa: PLR0917 - fixtures and a row of each table
        self,
        repository: Repository,
        jobs: Sequence[Job],
        run: Run,
        base: slice,
        ours: slice,
        theirs: slice,
        after: Sequence[Sequence[str]],
        where: str,
    ) -> None:
        """Without the driver git stops; `kbatch lock merge FILE --out FILE` finishes it, however far it was taken."""
        sides = [bought(jobs[part]) for part in (ours, theirs)]
        branch_apart(repository, None if base is None else bought(jobs[base]), *sides)
        assert repository.git("merge", "--no-edit", "theirs", check=False).returncode != 0
        for words in after:
            repository.git(*words)
        assert run("lock", "check", NAME).code == 2
        ended = run("lock", "merge", NAME, "--out", NAME)
        assert ended.code == 0, ended.err
        assert where in ended.err
        merged = read(repository.folder / NAME)
        assert purchases(merged) == purchases(parse(sides[0], "ours")) | purchases(parse(sides[1], "theirs"))
        assert run("lock", "check", NAME).code == 0


def conflict_without_git(repository: Repository, base: bytes, ours: bytes, theirs: bytes) -> Path:
    """Return a file with markers, away from the repository that it comes from."""
    branch_apart(repository, base, ours, theirs)
    assert repository.git("merge", "--no-edit", "theirs", check=False).returncode != 0
    away = repository.folder.parent / NAME
    away.write_bytes((repository.folder / NAME).read_bytes())
    assert b"<<<<<<<" in away.read_bytes()
    return away


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_without_git_the_markers_are_enough(repository: Repository, jobs: Sequence[Job], run: Run, style: str) -> None:
    """Where only the file with its markers is left, both sides come out of it, in every style that git writes."""
    repository.git("config", "merge.conflictStyle", style)
    sides = bought(jobs[0:8]), bought([*jobs[0:3], *jobs[8:12]])
    away = conflict_without_git(repository, bought(jobs[0:3]), *sides)
    ended = run("lock", "merge", str(away), "--out", str(away))
    assert ended.code == 0, ended.err
    assert "at the conflict markers" in ended.err
    assert purchases(read(away)) == purchases(parse(sides[0], "ours")) | purchases(parse(sides[1], "theirs"))


def test_receipts_that_the_text_merge_mixed_are_refused(repository: Repository, jobs: Sequence[Job], run: Run) -> None:
    """Hunks that begin in one receipt and end in another make no lockfile, and are never taken for one."""
    away = conflict_without_git(repository, bought(jobs[0:16:4]), bought(jobs[0:32:2]), bought(jobs[0:32:3]))
    before = away.read_bytes()
    ended = run("lock", "merge", str(away), "--out", str(away))
    assert ended.code == 2
    assert "take both files out of git" in ended.err
    assert away.read_bytes() == before


def test_a_purchase_of_both_branches_is_kept_twice(repository: Repository, jobs: Sequence[Job], run: Run) -> None:
    """One job that both branches bought is two paid renders: one is shown, the other stands in `also`."""
    job = jobs[0]
    later = replace(receipt_of(job), job_id="job-of-theirs", submitted_at="2026-11-21T09:30:00.000Z")
    run("lock", "install-merge-driver")
    branch_apart(repository, bought(()), bought([job]), bought([job], **{f"_{job.fingerprint}": later}))
    repository.git("merge", "--no-edit", "theirs")
    receipt = read(repository.folder / NAME).renders[job.fingerprint]
    assert receipt.job_id == "job-of-theirs"
    assert [one.job_id for one in receipt.also] == [receipt_of(job).job_id]


def test_what_one_branch_removed_or_changed_counts(repository: Repository, jobs: Sequence[Job], run: Run) -> None:
    """A job that one branch dropped does not come back with the other; its paid receipt stays, in both."""
    run("lock", "install-merge-driver")
    branch_apart(repository, bought(jobs[:3]), bought(jobs[1:3]), bought(jobs[:4]))
    repository.git("merge", "--no-edit", "theirs")
    merged = read(repository.folder / NAME)
    assert set(merged.jobs) == {job.address for job in jobs[1:4]}
    assert set(merged.renders) == {job.fingerprint for job in jobs[:4]}


def test_the_driver_is_installed_once(repository: Repository, run: Run) -> None:
    """The second time nothing changes and it says so; what stood in `.gitattributes` stays."""
    repository.write(".gitattributes", "*.mp4 -text")
    first = run("lock", "install-merge-driver")
    attributes = (repository.folder / ".gitattributes").read_text(encoding="utf-8")
    configuration = (repository.folder / ".git" / "config").read_bytes()
    second = run("lock", "install-merge-driver")
    assert (first.code, second.code) == (0, 0)
    assert attributes == "*.mp4 -text\n*.lock.json merge=kbatch-lock\n*.approvals.json merge=kbatch-lock\n"
    assert len(first.out.splitlines()) == 4
    assert second.out == "git merges lockfiles by their receipts here already\n"
    assert (repository.folder / ".gitattributes").read_text(encoding="utf-8") == attributes
    assert (repository.folder / ".git" / "config").read_bytes() == configuration


def test_the_driver_is_installed_from_a_folder_below(
    repository: Repository, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anywhere in the repository it is the repository that is set up."""
    (repository.folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(repository.folder / "a" / "b")
    assert run("lock", "install-merge-driver").code == 0
    assert (repository.folder / ".gitattributes").is_file()


def test_outside_a_repository_nothing_is_installed(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a repository the command is a user's mistake."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ended = run("lock", "install-merge-driver")
    assert (ended.code, "error[no-repository]" in ended.err) == (2, True)
    assert not (tmp_path / ".gitattributes").exists()


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "markers"),
    [
        pytest.param(slice(0, 16, 4), slice(0, 32, 2), slice(0, 32, 3), True, id="markers"),
        pytest.param(slice(0, 31), slice(0, 32), slice(0, 31), False, id="text-merges-cleanly"),
    ],
)
def test_without_kbatch_git_stops(  # noqa: PLR0917 - fixtures and a row of the table
    repository: Repository, jobs: Sequence[Job], run: Run, base: slice, ours: slice, theirs: slice, markers: bool
) -> None:
    """A driver whose Python is gone loses nothing: git stops, even with a clean text, and `lock merge` finishes it."""
    run("lock", "install-merge-driver")
    repository.git("config", "merge.kbatch-lock.driver", driver("/nowhere/bin/python"))
    sides = bought(jobs[ours]), bought(jobs[theirs], _x=replace(receipt_of(jobs[0]), job_id="x"))
    branch_apart(repository, bought(jobs[base]), *sides)
    assert repository.git("merge", "--no-edit", "theirs", check=False).returncode != 0
    assert (b"<<<<<<< ours" in (repository.folder / NAME).read_bytes()) is markers
    assert "git's index" in run("lock", "merge", NAME, "--out", NAME).err
    both = purchases(parse(sides[0], "ours")) | purchases(parse(sides[1], "theirs"))
    assert purchases(read(repository.folder / NAME)) == both


def test_a_path_with_spaces_and_quotes_is_quoted_for_the_shell() -> None:
    """The interpreter's path survives the shell that git runs the driver with, and git's own `%`."""
    python = "/opt/my tools/it's 100%/python"
    assert python in shlex.split(driver(python).replace("%%", "%"))


def test_the_driver_runs_no_code_of_the_repository(repository: Repository, jobs: Sequence[Job], run: Run) -> None:
    """A folder `kbatch` in the repository is not what the driver imports."""
    run("lock", "install-merge-driver")
    repository.write("kbatch/__init__.py", "raise SystemExit('taken over')\n")
    branch_apart(repository, bought(jobs[:1]), bought(jobs[:5]), bought(jobs[5:9]))
    merged = repository.git("merge", "--no-edit", "theirs")
    assert "taken over" not in merged.stdout + merged.stderr


def test_files_merge_in_any_order(tmp_path: Path, jobs: Sequence[Job], run: Run) -> None:
    """Any number of files, in any order, more than once: the same bytes."""
    parts = [bought(jobs[0:4]), bought(jobs[3:9]), bought(jobs[20:21])]
    paths = []
    for number, part in enumerate(parts):
        paths.append(tmp_path / f"{number}.lock.json")
        paths[-1].write_bytes(part)
    results = set()
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2, 1, 1)):
        out = tmp_path / "out.lock.json"
        assert run("lock", "merge", *(str(paths[index]) for index in order), "--out", str(out)).code == 0
        results.add(out.read_bytes())
    assert len(results) == 1
    assert len(parse(results.pop(), "out").renders) == 10


@pytest.mark.parametrize(
    ("content", "place"),
    [
        pytest.param(b"", "bad.lock.json:1: is empty", id="empty"),
        pytest.param(b"{", "bad.lock.json:1: is not JSON", id="not-json"),
        pytest.param(b'{\n  "lockfile_version": 2\n}', "bad.lock.json:2: has lockfile_version 2", id="newer"),
        pytest.param(b"{\n<<<<<<< a\n", "bad.lock.json:2: a conflict begins here", id="half-a-conflict"),
        pytest.param(
            b"{\n<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n}", "bad.lock.json (ours):2: the lockfile is not JSON", id="side"
        ),
    ],
)
def test_an_unreadable_file_is_never_merged(  # noqa: PLR0917 - fixtures and a row of the table
    tmp_path: Path, jobs: Sequence[Job], run: Run, monkeypatch: pytest.MonkeyPatch, content: bytes, place: str
) -> None:
    """What cannot be read stops the merge with its place, and the target stays as it was."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.lock.json").write_bytes(content)
    (tmp_path / "good.lock.json").write_bytes(bought(jobs[:2]))
    ended = run("lock", "merge", "good.lock.json", "bad.lock.json", "--out", "good.lock.json")
    assert ended.code == 2
    assert place in ended.err
    assert (tmp_path / "good.lock.json").read_bytes() == bought(jobs[:2])


def changed_blocks(repository: Repository, before: bytes, after: bytes) -> list[str]:
    """Return the objects of the new file, by their first line, in which git shows a change; each in one piece."""
    repository.write(NAME, before)
    repository.commit()
    repository.write(NAME, after)
    heads = re.findall(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", repository.git("diff", "-U0").stdout, re.MULTILINE)
    lines = after.decode().split("\n")
    blocks = []
    for start, size in heads:
        touched = range(int(start), int(start) + int(size or 1))
        for number in touched:
            first = max(n for n in range(number) if re.fullmatch(r'    "[^"]*": \{', lines[n]))
            if not blocks or blocks[-1] != lines[first]:
                blocks.append(lines[first])
    return [block.strip(' {":') for block in blocks]


def test_one_changed_job_is_one_block_of_the_diff(repository: Repository, jobs: Sequence[Job]) -> None:
    """A purchase that was delivered since, among others like it, changes its own receipt and nothing else."""
    job = jobs[7]
    before = bought(jobs, **{f"_{job.fingerprint}": receipt_of(job, ReceiptState.SUBMITTED)})
    assert changed_blocks(repository, before, bought(jobs)) == [job.fingerprint]


def test_a_new_purchase_is_its_entry_and_its_receipt(repository: Repository, jobs: Sequence[Job]) -> None:
    """Buying a job adds its entry and its receipt, each in one piece, and touches nothing else."""
    changed_blocks(repository, bought([*jobs[:7], *jobs[8:]]), bought(jobs))
    shown = repository.git("diff", "-U0", "--numstat", "--patch").stdout
    assert shown.count("\n@@ ") == 2
    assert shown.split("\t")[1] == "0"


def test_check_says_everything_at_once(
    tmp_path: Path, jobs: Sequence[Job], run: Run, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault with its line; every file is looked at though the first one is broken."""
    monkeypatch.chdir(tmp_path)
    good = json.loads(bought(jobs[:4]))
    keys = sorted(good["renders"])
    address = next(iter(good["jobs"]))
    good["renders"][keys[0]]["request"]["prompt"] = "edited"
    good["renders"][keys[1]]["output"]["path"] = "../../elsewhere.mp4"
    good["renders"][keys[2]]["job_id"] = good["renders"][keys[3]]["job_id"]
    good["jobs"][address]["fingerprint"] = "0" * 64
    good["jobs"][address]["path"] = "C:\\clips\\a.mp4"
    (tmp_path / "edited.lock.json").write_text(json.dumps(good, indent=2, sort_keys=True), encoding="utf-8")
    (tmp_path / "conflict.lock.json").write_text('{\n<<<<<<< HEAD\n  "a": 1\n', encoding="utf-8")
    (tmp_path / "good.lock.json").write_bytes(bought(jobs[:4]))
    (tmp_path / "packages.lock.json").write_text('{"version": 1}', encoding="utf-8")
    golden("lock-check", run("lock", "check"))
    golden("lock-check-json", run("lock", "check", "--format", "json"))


def test_check_accepts_what_kbatch_writes(tmp_path: Path, jobs: Sequence[Job], run: Run) -> None:
    """Second takes, orphans and URLs whose query was cut off are as they should be."""
    signed = {"prompt": "x", "model": "kling-2.1", "klingParams": {"start_image": "https://example.com/a.png"}}
    orphan = replace(receipt_of(jobs[9]), job_id="orphan", request=signed, model="kling-2.1")
    stranger = replace(receipt_of(jobs[10]), job_id="stranger", model="a-model-of-tomorrow")
    data = json.loads(bought(jobs, **{"_" + "1" * 64: orphan, "_" + "2" * 64: stranger}))
    del data["jobs"][jobs[1].address]
    (tmp_path / NAME).write_text(json.dumps(data), encoding="utf-8")
    ended = run("lock", "check", str(tmp_path / NAME))
    assert (ended.code, ended.out) == (0, "")


def test_check_without_lockfiles_has_nothing_to_do(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder is no fault, a file that was named and is missing is one."""
    monkeypatch.chdir(tmp_path)
    assert run("lock", "check").code == 0
    assert run("lock", "check", "missing.lock.json").code == 2


def test_a_run_that_works_on_the_lockfile_keeps_it(tmp_path: Path, jobs: Sequence[Job], run: Run) -> None:
    """While another process holds the state, nothing is written over its lockfile."""
    from kbatch.pipeline.load_state import lock_path
    from kbatch.storage import Lock

    target = tmp_path / NAME
    target.write_bytes(bought(jobs[:1]))
    (tmp_path / "more.lock.json").write_bytes(bought(jobs[1:2]))
    with Lock(lock_path(target)):
        ended = run("lock", "merge", str(target), str(tmp_path / "more.lock.json"), "--out", str(target))
    assert ended.code == 3
    assert target.read_bytes() == bought(jobs[:1])


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_the_merged_file_can_be_read_by_others(tmp_path: Path, jobs: Sequence[Job], run: Run) -> None:
    """The result has the mode of any new file, not that of a temporary one."""
    (tmp_path / "a.lock.json").write_bytes(bought(jobs[:1]))
    out = tmp_path / NAME
    run("lock", "merge", str(tmp_path / "a.lock.json"), "--out", str(out))
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~mask
