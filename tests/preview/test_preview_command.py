"""`kbatch preview`: the examples, simulated and previewed; what is written where, and what is refused."""

import io
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from kbatch.cli import main
from kbatch.pipeline.load import load

ROOT = Path(__file__).resolve().parents[2]
TWO = """\
kbatch: 1
name: two
provider: apiframe
defaults: {model: kling-3.0, params: {duration: 3, aspect_ratio: 1:1, mode: standard, generate_audio: false}}
shots:
  - {id: one, prompt: the first}
  - {id: two, prompt: the second, params: {aspect_ratio: 9:16, generate_audio: true}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with a manifest of two shots."""
    (tmp_path / "two.yaml").write_text(TWO)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kbatch(*args: str) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main(list(args))
    return int(end.value.code or 0)


def opened(path: Path) -> tuple[float, list[tuple[float, Image.Image]], int]:
    """Return a film's seconds, its frames at a quarter of their size with their times, and how many sound tracks."""
    with av.open(str(path), "r") as file:
        frames = []
        for frame in file.decode(video=0):
            small = frame.to_image(width=frame.width // 4, height=frame.height // 4)  # type: ignore[no-untyped-call]
            frames.append((float(frame.time or 0), small))
        return (file.duration or 0) / 1_000_000, frames, len(file.streams.audio)


@pytest.mark.parametrize(
    ("name", "shots", "sound"),
    [
        ("chain", ("crossing", "landfall"), 1),
        ("pair", ("nightfall", "daybreak"), 0),
        ("story", ("launch", "flight"), 0),
    ],
)
def test_an_example_is_rehearsed_and_previewed(
    name: str, shots: tuple[str, str], sound: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its clips come and make a sheet; two links make a film of exactly their seconds that runs on over the cut."""
    shutil.copy(ROOT / "manifests" / f"{name}.yaml", tmp_path)
    for part in ("assets", "stills"):
        shutil.copytree(ROOT / "manifests" / part, tmp_path / part)
    monkeypatch.chdir(tmp_path)
    assert kbatch("run", f"{name}.yaml", "--simulate", "--yes") == 0
    only = ("--only", shots[0], "--only", shots[1])
    assert kbatch("preview", f"{name}.yaml", "--simulate", "--contact-sheet", "sheet.png") == 0
    assert kbatch("preview", f"{name}.yaml", "--simulate", "--out", "film.mp4", *only) == 0
    jobs = {job.address: job for job in load(tmp_path / f"{name}.yaml").jobs}
    first, second = (jobs[shot].clip.duration_s for shot in shots)
    seconds, frames, tracks = opened(tmp_path / "film.mp4")
    assert (seconds, tracks) == (pytest.approx(first + second, abs=0.05), sound)
    assert frames[0][1].size == (960 // 4, 668 // 4)
    after = next(at for at, (time, _) in enumerate(frames) if time >= first - 1e-6)
    (_, before), (_, begun) = (frames[at] for at in (after - 1, after))
    upper, band = (0, 20, 240, 95), (0, 135, 240, 167)
    assert difference(before.crop(upper), begun.crop(upper)) < 12
    assert difference(before.crop(band), begun.crop(band)) > 1
    assert difference(begun, frames[after + (len(frames) - after) // 2][1]) > 8
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 300 * (len(jobs) // 2)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, 0 to 255."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


def test_a_campaign_can_be_watched_before_anything_is_bought(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The film stands beside the manifest, as long as what would be bought; nothing else is written."""
    assert kbatch("preview", "two.yaml") == 0
    assert sorted(path.name for path in folder.iterdir()) == ["two.preview.mp4", "two.yaml"]
    seconds, frames, tracks = opened(folder / "two.preview.mp4")
    assert (seconds, tracks) == (pytest.approx(6.0, abs=0.05), 1)
    square, tall = frames[5][1], frames[-5][1]
    assert ImageStat.Stat(tall.crop((0, 25, 25, 150))).mean == pytest.approx([0, 0, 0], abs=3)
    assert max(ImageStat.Stat(square.crop((0, 25, 25, 150))).mean) > 8
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 jobs, 0 with a clip here, 6 s, apiframe 21 credits" in said.err


def test_a_profile_and_a_rehearsal_have_films_of_their_own(folder: Path) -> None:
    """Names follow the lockfile's, so that no film replaces that of another state."""
    text = TWO + "profiles: {draft: {override: {params: {duration: 3, generate_audio: false}}}}\n"
    (folder / "two.yaml").write_text(text)
    assert kbatch("preview", "two.yaml", "--only", "one", "--profile", "draft", "--simulate") == 0
    assert (folder / "two.draft.sim.preview.mp4").exists()


def test_silent_and_selected(folder: Path) -> None:
    """Only what was chosen is shown, without its sound where that is not wanted."""
    assert kbatch("preview", "two.yaml", "--exclude", "one", "--silent", "--out", "out/film.mp4") == 0
    seconds, _, tracks = opened(folder / "out" / "film.mp4")
    assert (seconds, tracks) == (pytest.approx(3.0, abs=0.05), 0)


def test_a_contact_sheet_alone_makes_no_film(folder: Path) -> None:
    """Unless `--out` asks for it too."""
    assert kbatch("preview", "two.yaml", "--contact-sheet", "sheet.webp") == 0
    assert sorted(path.name for path in folder.iterdir()) == ["sheet.webp", "two.yaml"]


def test_a_broken_clip_is_shown_simulated_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file that cannot be decoded ends neither the film nor the sheet."""
    assert kbatch("run", "two.yaml", "--simulate", "--yes", "--only", "one") == 0
    clip = folder / "renders-sim" / "one.mp4"
    clip.write_bytes(b"\0" * clip.stat().st_size)
    capsys.readouterr()
    both = ("--out", "film.mp4", "--contact-sheet", "sheet.png")
    assert kbatch("preview", "two.yaml", "--simulate", "--only", "one", *both) == 0
    assert capsys.readouterr().err.count("one: its clip cannot be decoded and is shown simulated") == 2
    assert opened(folder / "film.mp4")[0] == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        pytest.param(("--only", "three"), 2, "`--only three` matches no job", id="no-such-job"),
        pytest.param(("--out", "film.mov"), 2, "the film is an .mp4", id="another-container"),
        pytest.param(("--contact-sheet", "sheet.jpg"), 2, ".png or a .webp", id="another-picture"),
        pytest.param(("--label", "x"), 2, "is not K=V", id="label"),
        pytest.param(("--out", "renders/one.mp4"), 2, "is a clip's place", id="over-a-clip"),
        pytest.param(("--out", "renders/ONE.mp4"), 2, "is a clip's place", id="over-a-clip-by-case"),
        pytest.param(("--out", "sub/../renders/one.mp4"), 2, "is a clip's place", id="over-a-clip-by-detour"),
        pytest.param(("--out", "renders/.kept/x.mp4"), 2, "is a clip's place", id="among-the-kept"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int, said: str
) -> None:
    """Before anything is drawn, and nothing is written."""
    assert kbatch("preview", "two.yaml", *args) == code
    assert said in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["two.yaml"]


def test_an_interrupted_preview_leaves_the_earlier_film(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new film takes the old one's place whole, or not at all."""
    (folder / "film.mp4").write_bytes(b"earlier")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kbatch.report.preview.movie.Movie.finish", stop)
    assert kbatch("preview", "two.yaml", "--only", "one", "--out", "film.mp4") == 130
    assert (folder / "film.mp4").read_bytes() == b"earlier"
    assert sorted(path.name for path in folder.iterdir()) == ["film.mp4", "two.yaml"]


def test_without_pyav_a_preview_says_what_to_install(folder: Path) -> None:
    """Exit 3 with the extra's name, not a traceback."""
    code = "import sys; sys.modules['av'] = None\nfrom kbatch.cli import main\nmain(['preview', 'two.yaml'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(ROOT), "PATH": ""})  # fmt: skip
    assert done.returncode == 3
    assert "extra `media`" in done.stderr
    assert "Traceback" not in done.stderr


def test_progress_is_reported_on_a_pipe_in_plain_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line every ten clips and one at the end."""
    text = TWO.replace("{id: one, prompt: the first}", "{id: one, prompt: 'n {{ n }}', matrix: {n: [" + ", ".join(
        f"n{n}" for n in range(24)) + "]}}")  # fmt: skip
    (folder / "two.yaml").write_text(text)
    assert kbatch("preview", "two.yaml", "--contact-sheet", "sheet.png") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 25" in line]
    assert lines == [f"sheet.png: {n} of 25" for n in (10, 20, 25)]
    assert [second - first for first, second in pairwise((10, 20, 25))] == [10, 5]
    assert io.BytesIO((folder / "sheet.png").read_bytes()).read(4) == b"\x89PNG"
