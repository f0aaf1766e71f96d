"""`kbatch spend`: which lockfiles it finds and reads, what it refuses, and what it prints."""

import json
from pathlib import Path

import pytest

from kbatch.receipts.receipt import Receipt
from tests.cli.conftest import Golden, Run
from tests.report.spend_samples import SOLSTICE, SPRING, bought, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with lockfiles of two campaigns in folders of their own."""
    write(tmp_path, "autumn/solstice.lock.json", SOLSTICE)
    write(tmp_path, "spring.lock.json", SPRING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text", ("--by", "month,label:market", "--rate", "apiframe=0.01")),
        ("json", ("--by", "actor", "--since", "2026-11-01", "--until", "2026-12-01", "--format", "json")),
        ("markdown", ("--by", "campaign", "--format", "markdown")),
        ("refused", ("--by", "mnth,label", "nowhere", "--since", "2026-11-01")),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_it_prints(name: str, words: tuple[str, ...], run: Run, golden: Golden) -> None:
    """Compared with what a person has read and agreed to."""
    golden(f"spend-{name}", run("spend", *words))


def jobs(run: Run, *words: str) -> int:
    """Return how many purchases were counted, by the CSV's rows of one job each."""
    ended = run("spend", "--by", "shot,axis:city,approval", "--format", "json", *words)
    assert ended.code == 0, ended.err
    return sum(total["jobs"] for total in json.loads(ended.out)["totals"].values())


def test_a_folder_is_searched_without_leaving_it(folder: Path, tmp_path: Path, run: Run) -> None:
    """Sub-folders are; links, hidden folders, simulations and other tools' files are not."""
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    write(outside, "x.lock.json", {"9" * 64: bought("outside")})
    (folder / "linked").symlink_to(outside, target_is_directory=True)
    (folder / "linked.lock.json").symlink_to(outside / "x.lock.json")
    write(folder, ".venv/y.lock.json", {"9" * 64: bought("hidden")})
    write(folder, "z.sim.lock.json", {"9" * 64: bought("simulated", origin="simulator")})
    (folder / "npm.lock.json").write_text("{}", encoding="utf-8")
    assert jobs(run) == 10
    assert jobs(run, "autumn") == 7
    assert jobs(run, "autumn", "autumn/solstice.lock.json", ".") == 10
    assert jobs(run, "--simulate") == 1
    assert jobs(run, "linked.lock.json") == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(("nowhere.lock.json",), 2, "there is no file `nowhere.lock.json`", id="no-such-file"),
        pytest.param(("campaign.yaml",), 2, "its lockfile is `campaign.lock.json`", id="a-manifest"),
        pytest.param(("broken.lock.json",), 2, "broken.lock.json:1", id="unreadable"),
        pytest.param((".",), 2, "broken.lock.json:1", id="unreadable-in-a-folder"),
        pytest.param(("z.sim.lock.json",), 3, "simulated receipts", id="simulated-by-name"),
        pytest.param(("--since", "2026-02-30"), 2, "`2026-02-30` is no day", id="a-day-that-is-none"),
        pytest.param(("--until", "20261101"), 2, "`20261101` is no day", id="another-spelling"),
        pytest.param(("--since", "2026-11-01", "--until", "2026-11-01"), 2, "is not after", id="no-day-between"),
        pytest.param(("--rate", "apiframe=0"), 2, "is no rate", id="a-rate-of-nothing"),
        pytest.param(("--rate", "apiframe=nan"), 2, "is no rate", id="a-rate-that-is-no-number"),
        pytest.param(("--rate", "0.01"), 2, "is no rate", id="a-rate-of-no-provider"),
        pytest.param(("--rate", "apifram=1"), 2, "did you mean `apiframe`", id="a-rate-of-another"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    words: tuple[str, ...], code: int, said: str, folder: Path, run: Run
) -> None:
    """Nothing is taken for empty: a file that is none or cannot be read ends the command with its name."""
    (folder / "campaign.yaml").write_text("kbatch: 1\n", encoding="utf-8")
    (folder / "broken.lock.json").write_text('{"lockfile_version": 1', encoding="utf-8")
    write(folder, "z.sim.lock.json", {"9" * 64: bought("simulated", origin="simulator")})
    ended = run("spend", *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_a_folder_without_lockfiles_says_so(tmp_path: Path, run: Run) -> None:
    """Nothing was bought there, as far as is known."""
    ended = run("spend", str(tmp_path))
    assert (ended.code, ended.err) == (0, f"no lockfiles in {tmp_path}\n")


@pytest.mark.usefixtures("folder")
def test_a_rate_for_what_was_not_bought_is_said(run: Run) -> None:
    """The rate of a provider without purchases changes no figure."""
    ended = run("spend", "autumn", "--rate", "aimlapi=0.0000005")
    assert ended.err == "--rate aimlapi: nothing was bought there\n"
    assert "$" not in ended.out


def test_a_receipt_of_another_day_keeps_its_month(folder: Path, run: Run) -> None:
    """The last second of a month in UTC belongs to it, whatever the time zone of the machine."""
    late: dict[str, Receipt] = {"8" * 64: bought("late", submitted_at="2026-11-30T23:59:59.999Z")}
    write(folder, "late.lock.json", late)
    ended = run("spend", "late.lock.json", "--format", "csv")
    assert ended.out.splitlines()[1].startswith("2026-11,apiframe,credits,1,15,15")
