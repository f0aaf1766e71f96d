"""Line ends and a byte order mark are no reason to buy anything again, whichever machine wrote the inputs."""

import subprocess
from pathlib import Path

import pytest

from kbatch.manifest.yaml import source
from tests.campaign_rig import Rig
from tests.git_repository import Repository

CHAIN = """
data: {rows: d.csv}
matrix: {row: "{{ data.rows }}"}
shots:
  - {id: hero, model: kling-2.5-turbo-pro, prompt: "x {{ row.t }}"}
  - id: reveal
    model: kling-2.1
    prompt: "y {{ row.t }}"
    params: {start_image: "{{ last_frame('hero') }}"}
  - id: parts
    model: kling-3.0
    params: {duration: 5, multi_prompt: [{prompt: "z {{ row.t }}", duration: 5}]}
    prompt: one of several
"""
CELLS = 'id,t\na,"line one\nline two"\n'

EVERY = """
data: {c: d.csv, j: d.json, l: d.jsonl, y: d.yaml}
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: csv, matrix: {row: "{{ data.c }}"}, prompt: "1 {{ row.t }}"}
  - {id: json, matrix: {row: "{{ data.j }}"}, prompt: "2 {{ row.t }}"}
  - {id: jsonl, matrix: {row: "{{ data.l }}"}, prompt: "3 {{ row.t }}"}
  - {id: yaml, matrix: {row: "{{ data.y }}"}, prompt: "4 {{ row.t }}"}
  - {id: file, prompt_file: p.j2}
  - id: block
    prompt: |
      a block
      of lines
"""
INPUTS = {
    "d.csv": CELLS,
    "d.json": '[\n{"id": "a",\n"t": "one\\ntwo"}]\n',
    "d.jsonl": '{"id": "a", "t": "one\\ntwo"}\n',
    "d.yaml": '- id: a\n  t: |\n    one\n    two\n- id: b\n  t: "one\n    two"\n',
    "p.j2": "from a file\nof lines\n{% include 'more.j2' %}\n",
    "more.j2": "and of\nanother\n",
}


def write_all(folder: Path, end: str = "\n", mark: str = "") -> None:
    """Write every kind of input with these line ends, after this byte order mark."""
    for name, text in INPUTS.items():
        (folder / name).write_bytes((mark + text.replace("\n", end)).encode())


def change_ends(path: Path, end: bytes) -> None:
    """Write a file again with other line ends."""
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", end))


@pytest.mark.parametrize(("end", "mark"), [("\r\n", ""), ("\r", ""), ("\n", "\ufeff"), ("\r\n", "\ufeff")])
def test_inputs_are_read_alike(rig: Rig, end: str, mark: str) -> None:
    """CRLF, CR and a byte order mark in CSV, JSON, JSONL, YAML, prompt files, includes and manifest change nothing."""
    manifest = rig.write(EVERY)
    write_all(rig.folder)
    before = rig.kbatch("plan", "--format", "json").json
    write_all(rig.folder, end, mark)
    manifest.write_bytes((mark + manifest.read_text().replace("\n", end)).encode())
    after = rig.kbatch("plan", "--format", "json").json
    assert [job["fingerprint"] for job in after["jobs"]] == [job["fingerprint"] for job in before["jobs"]]
    assert after["digest"] == before["digest"]


def test_a_clone_with_autocrlf_buys_nothing(rig: Rig) -> None:
    """A clone in which git wrote CRLF everywhere, lockfile and saved plan too, has the same jobs, plan and receipts."""
    repository = Repository(rig.folder / "here")
    rig.folder = repository.folder
    rig.write(EVERY)
    write_all(rig.folder)
    assert rig.run("--only", "csv").code == 0
    assert rig.kbatch("plan", "--out", str(rig.folder / "plan.json"), "--only", "file").code == 0
    repository.commit()
    bought = len(rig.charges())
    there = rig.root / "there"
    subprocess.run(["git", "-c", "core.autocrlf=true", "clone", "--quiet", str(rig.folder), str(there)], check=True)
    assert b"\r\n" in (there / "d.csv").read_bytes()
    rig.folder = there
    assert rig.kbatch("plan", "--check", "--only", "csv").code == 0
    assert rig.kbatch("run", "--yes", manifest="plan.json").code == 0
    assert len(rig.charges()) == bought + 1
    assert rig.run().code == 0
    assert len(rig.charges()) == 7


@pytest.mark.parametrize("now", ["\n", "\r\n"], ids=["lf-now", "crlf-now"])
def test_what_was_bought_with_carriage_returns_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch, now: str) -> None:
    """A receipt of a CRLF file from when cells kept their CR is found, its downstream and `multi_prompt` too."""
    rig.open(clips=True)
    rig.write(CHAIN)
    (rig.folder / "d.csv").write_bytes(CELLS.replace("\n", "\r\n").encode())
    with monkeypatch.context() as earlier:
        earlier.setattr(source, "with_line_feeds", lambda text: text)
        assert rig.run().code == 0
    assert "\r" in rig.receipt("hero[row=a]")["request"]["prompt"]
    assert len(rig.charges()) == 3
    change_ends(rig.folder / "d.csv", now.encode())
    planned = rig.kbatch("plan", "--check", "--format", "json")
    assert planned.code == 0, planned.out
    assert [job["action"] for job in planned.json["jobs"]] == ["reuse"] * 3
    assert rig.kbatch("verify").code == 0
    assert rig.run().json["counts"]["reused"] == 3
    assert len(rig.charges()) == 3
    assert rig.run("--replace", "hero").code == 0
    assert len(rig.charges()) == 4
    assert rig.kbatch("plan", "--check").code == 0


def test_another_text_is_no_line_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt with carriage returns serves no job whose words differ, nor another take."""
    rig.write(CHAIN.replace("id: hero,", "id: hero, takes: 2,"))
    (rig.folder / "d.csv").write_bytes(CELLS.replace("\n", "\r\n").encode())
    with monkeypatch.context() as earlier:
        earlier.setattr(source, "with_line_feeds", lambda text: text)
        assert rig.run("--only", "hero[row=a]").code == 0
    planned = rig.kbatch("plan", "--format", "json", "--only", "hero").json
    assert [job["action"] for job in planned["jobs"]] == ["reuse", "render"]
    (rig.folder / "d.csv").write_text(CELLS.replace("two", "three"))
    planned = rig.kbatch("plan", "--format", "json", "--only", "hero").json
    assert [job["action"] for job in planned["jobs"]] == ["render", "render"]
