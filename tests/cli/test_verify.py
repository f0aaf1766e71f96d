"""`kbatch verify`: real clips of the simulator, then moved, cut, replaced and deleted one by one."""

import json
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kbatch.cli.main import main
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.receipt import Receipt, ReceiptError, ReceiptState

Run = Callable[..., Any]
Golden = Callable[[str, Any], None]

MANIFEST = """kbatch: 1
name: c
provider: apiframe
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: true}}
shots:
  - {id: hero, prompt: one, matrix: {city: [oslo, rome]}}
  - {id: twin, prompt: one}
  - {id: mute, prompt: three, params: {generate_audio: false}}
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a simulated campaign: `hero` and `twin` are one purchase with three outputs."""
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "c.yaml").write_text(MANIFEST, encoding="utf-8")
    with chdir(folder), pytest.raises(SystemExit) as ended:
        main(["run", "c.yaml", "--simulate", "--yes"])
    assert ended.value.code == 0
    shutil.rmtree(folder / ".kbatch")
    return folder


@pytest.fixture
def folder(rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of it, the working folder of the test."""
    copy = tmp_path / "c"
    shutil.copytree(rendered, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("COLUMNS", "100")
    return copy


def edit(folder: Path, change: Callable[[Receipt], Receipt]) -> None:
    """Change the receipt of `mute` in the lockfile."""
    path = folder / "c.sim.lock.json"
    lockfile = parse(path.read_bytes(), "x")
    key = lockfile.jobs["mute"].fingerprint
    renders = {**lockfile.renders, key: change(lockfile.renders[key])}
    path.write_bytes(serialize(replace(lockfile, renders=renders)))


def findings(run: Run, code: int) -> dict[str, str]:
    """Return what is not right, by path; the exit code is as it should be."""
    ended = run("verify", "c.yaml", "--simulate", "--format", "json")
    assert ended.code == code, ended.out
    return {one["path"]: one["finding"] for one in json.loads(ended.out)["files"] if one["finding"] != "right"}


def test_what_was_rendered_is_right(folder: Path, run: Run) -> None:
    """After a run every clip agrees with its receipt, those that share a purchase too."""
    ended = run("verify", "c.yaml", "--simulate")
    assert (ended.code, ended.out, ended.err) == (0, "4 of 4 clips right\n", "")


def cut(path: Path) -> None:
    """Cut the last byte off."""
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("act", "finding"),
    [
        pytest.param(Path.unlink, "missing", id="deleted"),
        pytest.param(cut, "altered", id="a-byte-short"),
        pytest.param(flip, "altered", id="one-byte-changed"),
        pytest.param(lambda path: path.write_bytes(b""), "altered", id="emptied"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), "missing", id="a-folder-instead"),
    ],
)
def test_a_changed_file_is_a_difference(folder: Path, run: Run, act: Callable[[Path], object], finding: str) -> None:
    """Whatever became of a clip is found, named by its path, and nothing else is."""
    act(folder / "renders-sim" / "mute.mp4")
    assert findings(run, 1) == {"renders-sim/mute.mp4": finding}


@pytest.mark.parametrize(
    ("change", "finding", "code"),
    [
        pytest.param(
            lambda receipt: replace(
                receipt, output=replace(receipt.output, media=replace(receipt.output.media, width=8))
            ),
            "not-as-recorded",
            1,
            id="media-edited",
        ),
        pytest.param(
            lambda receipt: replace(
                receipt,
                state=ReceiptState.DELIVERED_WRONG,
                error=ReceiptError(at="delivery", reason="delivered-wrong", message="too short"),
            ),
            "delivered-wrong",
            0,
            id="delivered-wrong-is-a-reminder",
        ),
        pytest.param(
            lambda receipt: replace(receipt, output=replace(receipt.output, path="../../x.mp4")),
            "outside",
            1,
            id="path-outside",
        ),
    ],
)
def test_a_clip_is_held_against_receipt_and_purchase(
    folder: Path, run: Run, change: Callable[[Receipt], Receipt], finding: str, code: int
) -> None:
    """The file is whole and has its digest, and still differs from what the receipt or the request says."""
    edit(folder, change)
    assert finding in findings(run, code).values()


def test_a_clip_is_held_against_the_jobs_own_request(folder: Path, run: Run) -> None:
    """A receipt whose request is not the job's shows nothing of the job's clip: that is said, and nothing is right."""
    edit(folder, lambda receipt: replace(receipt, request={**receipt.request, "prompt": "another film"}))
    ended = run("verify", "c.yaml", "--simulate")
    assert (ended.code, "on record with another request" in ended.err) == (2, True)


def test_a_clip_that_is_no_video(folder: Path, run: Run) -> None:
    """A file with the very digest of its receipt that is no whole clip is found by its boxes."""
    path = folder / "renders-sim" / "mute.mp4"
    path.write_bytes(b"<html>not found</html>")

    def with_media(receipt: Receipt) -> Receipt:
        assert receipt.output is not None
        from hashlib import sha256

        data = path.read_bytes()
        return replace(receipt, output=replace(receipt.output, bytes=len(data), sha256=sha256(data).hexdigest()))

    edit(folder, with_media)
    assert findings(run, 1) == {"renders-sim/mute.mp4": "not-whole"}


def test_a_further_name_of_a_clip(folder: Path, run: Run) -> None:
    """Of a purchase with several outputs each is looked at; `kbatch run` brings the missing one back for nothing."""
    (folder / "renders-sim" / "twin.mp4").unlink()
    ended = run("verify", "c.yaml", "--simulate")
    assert (ended.code, "`kbatch run` puts it there from" in ended.out) == (1, True)


def test_files_that_no_receipt_knows_are_said(folder: Path, run: Run) -> None:
    """Strays, unfinished downloads and what was kept aside are named; they are no fault."""
    (folder / "renders-sim" / ".kept").mkdir()
    (folder / "renders-sim" / ".kept" / "a.mp4").write_bytes(b"x")
    (folder / "renders-sim" / "mute.mp4.part").write_bytes(b"x")
    (folder / "renders-sim" / "notes.txt").write_bytes(b"x")
    assert set(findings(run, 0)) == {
        "renders-sim/.kept/a.mp4",
        "renders-sim/mute.mp4.part",
        "renders-sim/notes.txt",
    }


def test_clips_of_another_manifest_are_no_strays(folder: Path, run: Run) -> None:
    """Several manifests may write into one folder: the receipts of all are asked."""
    text = MANIFEST.replace("id: hero", "id: film").replace("id: twin", "id: same")
    (folder / "other.yaml").write_text(text, encoding="utf-8")
    (folder / "renders-sim" / "film.mp4").write_bytes(b"x")
    lockfile = parse((folder / "c.sim.lock.json").read_bytes(), "x")
    key = lockfile.jobs["mute"].fingerprint
    output = replace(lockfile.renders[key].output, path="renders-sim/film.mp4")  # type: ignore[type-var]
    other = Lockfile(manifest="other.yaml", renders={key: replace(lockfile.renders[key], output=output)})
    (folder / "other.sim.lock.json").write_bytes(serialize(other))
    assert findings(run, 0) == {}


def test_what_no_job_needs_may_be_missing(folder: Path, run: Run) -> None:
    """A clip of an earlier prompt that is not on this disk is said and is no difference; altered it is one."""
    (folder / "c.yaml").write_text(MANIFEST.replace("prompt: three", "prompt: four"), encoding="utf-8")
    lockfile = parse((folder / "c.sim.lock.json").read_bytes(), "x")
    jobs = {address: entry for address, entry in lockfile.jobs.items() if address != "mute"}
    (folder / "c.sim.lock.json").write_bytes(serialize(replace(lockfile, jobs=jobs)))
    path = folder / "renders-sim" / "mute.mp4"
    cut(path)
    assert findings(run, 1) == {"renders-sim/mute.mp4": "altered"}
    path.unlink()
    assert findings(run, 0) == {"renders-sim/mute.mp4": "missing"}


def test_a_fresh_clone_gets_the_hint_to_pull(folder: Path, run: Run, golden: Golden) -> None:
    """Without any clip everything is missing: exit 1, with the way out."""
    shutil.rmtree(folder / "renders-sim")
    golden("verify-fresh-clone", run("verify", "c.yaml", "--simulate"))


def test_two_branches_bought_for_one_place(folder: Path, run: Run) -> None:
    """After a merge two receipts name one path: the clip that is there is right, the other is elsewhere."""
    lockfile = parse((folder / "c.sim.lock.json").read_bytes(), "x")
    key = lockfile.jobs["mute"].fingerprint
    theirs = lockfile.renders[key]
    output = replace(theirs.output, sha256="0" * 64)  # type: ignore[type-var]
    renders = {**lockfile.renders, "f" * 64: replace(theirs, job_id="theirs", output=output)}
    (folder / "c.sim.lock.json").write_bytes(serialize(replace(lockfile, renders=renders)))
    ended = run("verify", "c.yaml", "--simulate")
    assert ended.code == 0
    assert "another clip stands in its place" in ended.out
