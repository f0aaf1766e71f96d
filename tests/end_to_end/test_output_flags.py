"""Flags that name an output: they destroy nothing, and a name means the same for every command."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kbatch.cli import main
from tests.campaign_rig import Rig
from tests.git_repository import Repository

BODY = (
    "data: {rows: rows.csv}\n"
    "defaults: {model: kling-2.1, params: {mode: standard}}\n"
    "shots:\n"
    "  - {id: one, prompt_file: words.txt, params: {start_image: still.png}}\n"
    "  - {id: two, prompt: '{{ name.id }}', matrix: {name: '{{ data.rows }}'}}\n"
)
OUTPUTS = {
    "plan --out": ("plan", "--out"),
    "run --junit": ("run", "--yes", "--junit"),
    "run --events": ("run", "--yes", "--events"),
    "report --html": ("report", "--html"),
    "report --markdown": ("report", "--markdown"),
    "report --csv": ("report", "--csv"),
    "report --junit": ("report", "--junit"),
}
TARGETS = {
    "manifest": "campaign.yaml",
    "manifest-by-detour": "renders/../campaign.yaml",
    "other-manifest": "other.yaml",
    "lockfile": "campaign.lock.json",
    "other-lockfile": "other.lock.json",
    "picture": "still.png",
    "prompt": "words.txt",
    "data": "rows.csv",
    "clip": "renders/one.mp4",
    "clip-by-case": "renders/ONE.mp4",
    "clip-by-link": "linked.mp4",
    "sidecar": "renders/one.mp4.json",
    "clip-to-come": "renders/two-name-x.mp4",
    "kept": "renders/.kept/x.mp4",
    "journal": ".kbatch/campaign.journal.jsonl",
    "history": ".kbatch/history/new.jsonl",
    "git": ".git/config",
}


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder, the lock's own aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def bought(rig: Rig) -> Rig:
    """Return a folder with a manifest that reads files, and its clips bought; it is the working folder."""
    (rig.folder / "words.txt").write_text("a lighthouse")
    (rig.folder / "rows.csv").write_text("id\nx\n")
    rig.picture("still.png")
    rig.write(BODY)
    assert rig.run("--only", "one").code == 0
    (rig.folder / "other.yaml").write_text("kbatch: 1\n")
    (rig.folder / "other.lock.json").write_text("{}")
    (rig.folder / "linked.mp4").symlink_to("renders/one.mp4")
    Repository(rig.folder)
    rig.monkeypatch.chdir(rig.folder)
    return rig


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_destroys_nothing(bought: Rig, command: str, target: str) -> None:
    """What a manifest reads, what was paid and what kbatch keeps is refused (2) before anything is bought."""
    before, charges = contents(bought.folder), len(bought.charges())
    words = OUTPUTS[command]
    said = bought.kbatch(words[0], *words[1:], TARGETS[target])
    assert said.code == 2, said.err
    assert f"`{TARGETS[target]}` is " in said.err
    assert contents(bought.folder) == before
    assert len(bought.charges()) == charges


@pytest.mark.parametrize("target", ["words.txt", "still.png", "campaign.yaml"])
def test_a_broken_manifest_still_loses_nothing(bought: Rig, target: str) -> None:
    """Where the manifest cannot be read, nobody knows what it reads: the report goes over nothing but a report."""
    bought.write("shots: [{id: one, prompt_file: words.txt, modle: x}]\n")
    before = contents(bought.folder)
    assert bought.run("--junit", target).code == 2
    assert contents(bought.folder) == before
    assert bought.run("--junit", "junit.xml").code == 2
    assert "modle" in (bought.folder / "junit.xml").read_text()
    assert bought.run("--junit", "junit.xml").code == 2


@pytest.mark.parametrize("target", ["", " ", ".", "renders", "new/"])
@pytest.mark.parametrize("command", [*OUTPUTS, "preview --out", "preview --contact-sheet"])
def test_an_empty_name_and_a_folder_are_no_output(bought: Rig, command: str, target: str) -> None:
    """They are the user's mistake (2), said before anything is bought, and never a traceback."""
    words = OUTPUTS.get(command) or command.split()
    charges = len(bought.charges())
    said = bought.kbatch(words[0], *words[1:], target)
    assert said.code == 2, said.err
    assert "Traceback" not in said.err
    assert len(bought.charges()) == charges


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--html", "x", "--csv", "x"),
        ("report", "--html", "x", "--csv", "./x"),
        ("report", "--html", "-", "--csv", "-"),
        ("report", "--html", "-", "--csv", "/dev/stdout"),
        ("report", "--html", "-", "--format", "json"),
        ("run", "--yes", "--junit", "x", "--events", "x"),
        ("run", "--yes", "--junit", "-", "--events", "-"),
        ("run", "--yes", "--junit", "-", "--format", "json"),
        ("run", "--yes", "--events", "-", "--format", "json"),
        ("plan", "--out", "-", "--format", "json"),
        ("preview", "--out", "x.mp4", "--contact-sheet", "x.mp4"),
    ],
    ids=" ".join,
)
def test_two_outputs_with_one_target(bought: Rig, words: tuple[str, ...]) -> None:
    """One would be lost or both mixed: refused (2)."""
    said = bought.kbatch(*words)
    assert said.code == 2, said.err
    assert not (bought.folder / "x").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("command", [*OUTPUTS, "preview --out", "preview --contact-sheet"])
def test_a_pipe_is_written_to(bought: Rig, command: str) -> None:
    """A FIFO gets the document, and is a FIFO afterwards."""
    words = OUTPUTS.get(command) or command.split()
    os.mkfifo("pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_bytes()), daemon=True)
    reader.start()
    said = bought.kbatch(words[0], *words[1:], "pipe")
    reader.join(20)
    assert said.code == 0, said.err
    assert len(got[0]) > 100
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """Return a device that is always full, made here so that the system's own cannot come to harm."""
    device = tmp_path / "full"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 7))
        device.open("wb").close()
    except OSError:
        pytest.skip("no device can be made here")
    return device


@pytest.fixture
def null(tmp_path: Path) -> Path:
    """Return a device that takes everything."""
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.open("wb").close()
    except OSError:
        pytest.skip("no device can be made here")
    return device


@pytest.mark.parametrize("command", [*OUTPUTS, "preview --out", "preview --contact-sheet"])
def test_a_device_stays_a_device(bought: Rig, null: Path, command: str) -> None:
    """A device takes the document and is not renamed over, through a link neither."""
    words = OUTPUTS.get(command) or command.split()
    (bought.folder / "link").symlink_to(null)
    for name in (str(null), "link"):
        said = bought.kbatch(words[0], *words[1:], name)
        assert said.code == 0, said.err
    assert stat.S_ISCHR(null.stat().st_mode)
    assert (bought.folder / "link").is_symlink()


def test_a_lost_event_log_is_talk(bought: Rig, full: Path) -> None:
    """A full disk under the event log ends the log, and not a run that has paid."""
    said = bought.kbatch("run", "--yes", "--events", str(full))
    assert said.code == 0, said.err
    assert said.err.count("the event log is cut off") == 1
    assert len(bought.charges()) == 2


def test_an_event_log_that_cannot_begin(bought: Rig) -> None:
    """A log that cannot be opened is said before anything is bought."""
    (bought.folder / "file").write_text("x")
    said = bought.run("--events", "file/events.jsonl")
    assert said.code == 2, said.err
    assert len(bought.charges()) == 1


def test_a_link_is_followed(bought: Rig) -> None:
    """A report to a link of the user's goes where that leads, and the link stays."""
    (bought.folder / "reports").mkdir()
    (bought.folder / "page.html").symlink_to("reports/latest.html")
    assert bought.kbatch("report", "--html", "page.html").code == 0
    assert (bought.folder / "page.html").is_symlink()
    assert b"<html" in (bought.folder / "reports/latest.html").read_bytes()


def test_stdout_has_one_name(bought: Rig) -> None:
    """`-` is stdout for every output, and no file of that name appears."""

    def out(*words: str) -> str:
        bought.capsys.readouterr()
        before, place = os.dup(1), bought.folder / "stdout"
        with place.open("wb") as file:
            os.dup2(file.fileno(), 1)
        try:
            with pytest.raises(SystemExit) as end:
                main(list(words))
        finally:
            os.dup2(before, 1)
            os.close(before)
        assert not end.value.code
        return bought.capsys.readouterr().out + place.read_bytes().decode("latin-1")

    assert json.loads(out("plan", "campaign.yaml", "--out", "-"))["digest"].startswith("sha256:")
    assert "ftyp" in out("preview", "campaign.yaml", "--out", "-", "--only", "one")[:100]
    assert out("lock", "merge", "campaign.lock.json", "--out", "-") == Path("campaign.lock.json").read_text()
    events = out("run", "campaign.yaml", "--yes", "--events", "-").splitlines()
    assert json.loads(events[0])["kind"] == "began"
    assert out("run", "campaign.yaml", "--yes", "--junit", "-").startswith("<?xml")
    assert out("report", "campaign.yaml", "--csv", "-") == out("report", "campaign.yaml", "--csv", "/dev/stdout")
    assert not (bought.folder / "-").exists()


@pytest.mark.parametrize("target", ["campaign.yaml", "words.txt", "renders/one.mp4", ".kbatch/x", "", "renders"])
def test_a_merge_goes_over_lockfiles_only(bought: Rig, target: str) -> None:
    """`lock merge` may replace a lockfile, and nothing else."""
    before = contents(bought.folder)
    bought.name = "campaign.lock.json"
    said = bought.kbatch("lock", "merge", manifest="campaign.yaml") if not target else None
    with pytest.raises(SystemExit) as end:
        main(["lock", "merge", "campaign.lock.json", "--out", target])
    assert end.value.code == 2
    assert said is None or said.code == 2
    assert contents(bought.folder) == before


def test_a_merge_through_a_link(bought: Rig) -> None:
    """The union goes where the user's link leads."""
    (bought.folder / "shared").mkdir()
    (bought.folder / "all.lock.json").symlink_to("shared/all.lock.json")
    with pytest.raises(SystemExit) as end:
        main(["lock", "merge", "campaign.lock.json", "--out", "all.lock.json"])
    assert not end.value.code
    assert (bought.folder / "all.lock.json").is_symlink()
    assert b"lockfile_version" in (bought.folder / "shared/all.lock.json").read_bytes()


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Path]:
    """Return a file of faults."""
    path = tmp_path / "faults.yaml"
    path.write_text("- {fault: 429, at: submit, times: 1}\n")
    return path


@pytest.mark.parametrize("target", ["faults.yaml", "", ".", "campaign.lock.json", ".kbatch/bill"])
def test_a_bill_destroys_nothing(tmp_path: Path, faults: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`simulate --bill` keeps the same rule, before it serves."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "campaign.lock.json").write_text("{}")
    before = contents(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--faults", "faults.yaml", "--bill", target])
    assert end.value.code == 2
    assert contents(tmp_path) == before
