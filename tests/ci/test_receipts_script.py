"""`receipts.py` over real git remotes: nothing paid is lost, whatever the server does, and no file here is touched."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from workflow_job import ACTION, bare_environment, clone

from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import Receipt, ReceiptState
from tests.git_repository import Repository

NAME = "campaigns/spring.lock.json"


def lockfile(*numbers: int) -> bytes:
    """Return a lockfile with a receipt of each number."""
    jobs, renders = {}, {}
    for number in numbers:
        fingerprint = f"{number:x}" * 64
        jobs[f"shot{number}"] = IndexEntry(fingerprint=fingerprint, path=f"renders/{number}.mp4")
        renders[fingerprint] = Receipt(
            provider="apiframe", model="kling-2.6", state=ReceiptState.SUBMITTED, attempt=1, job_id=f"job{number}"
        )  # fmt: skip
    return serialize(Lockfile(manifest="spring.yaml", jobs=jobs, renders=renders))


class Team:
    """A server, a colleague's clone, and a runner's."""

    def __init__(self, folder: Path) -> None:
        self.environment = bare_environment(folder)
        self.remote = folder / "remote.git"
        subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", self.remote], check=True)
        self.colleague = Repository(folder / "colleague")
        self.colleague.git("remote", "add", "origin", self.remote.as_uri())
        self.colleague.write("campaigns/spring.yaml", "kbatch: 1\n")
        self.first = self.commits(lockfile(1))
        self.runner = clone(self.remote, folder / "runner", self.environment)

    def commits(self, data: bytes, name: str = NAME) -> str:
        """Let the colleague push a file."""
        self.colleague.write(name, data)
        commit = self.colleague.commit()
        self.colleague.git("push", "-q", "origin", "main")
        return commit

    def hook(self, text: str) -> None:
        """Let the server run this before it takes a push."""
        path = self.remote / "hooks" / "pre-receive"
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def bought(self, *numbers: int) -> None:
        """Let the run on the runner have bought these."""
        (self.runner / NAME).write_bytes(lockfile(*numbers))

    def script(self, what: str) -> subprocess.CompletedProcess[str]:
        """Run the script in the runner's checkout."""
        words = [str(ACTION / "receipts.py"), what, "--manifest", "campaigns/spring.yaml", "--branch", "main"]
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.runner, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def server(self, *words: str) -> str:
        """Ask the server's repository."""
        done = subprocess.run(["git", "-C", self.remote, *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def receipts(self, branch: str = "main") -> list[int]:
        """Return the numbers of the receipts in a branch of the server."""
        text = self.server("show", f"{branch}:{NAME}")
        return numbers(parse(text.encode(), branch)) if text else []


def numbers(read: Lockfile) -> list[int]:
    """Return the numbers of a lockfile's receipts."""
    return sorted(int(fingerprint[0], 16) for fingerprint in read.renders)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """Return a team with one receipt in main."""
    return Team(tmp_path)


def test_receipts_come_on_top_and_nothing_here_is_touched(team: Team) -> None:
    """One commit with one file; what lies changed in the checkout, in the index too, stays as it was."""
    team.bought(1, 2)
    (team.runner / "notes.txt").write_text("mine")
    (team.runner / "campaigns/spring.yaml").write_text("kbatch: 1 # changed\n")
    subprocess.run(["git", "add", "campaigns/spring.yaml"], cwd=team.runner, check=True)
    before = subprocess.run(["git", "status", "--porcelain"], cwd=team.runner, capture_output=True, check=True).stdout
    done = team.script("push")
    assert (done.returncode, team.receipts()) == (0, [1, 2]), done.stderr
    assert team.server("diff", "--name-only", "main^", "main") == NAME
    assert team.server("log", "-1", "--format=%an %s", "main") == "kbatch Record what spring has bought"
    assert "[skip ci]" in team.server("log", "-1", "--format=%b", "main")
    after = subprocess.run(["git", "status", "--porcelain"], cwd=team.runner, capture_output=True, check=True).stdout
    assert after == before


def test_a_main_that_moved_has_the_receipts_of_both(team: Team) -> None:
    """Lines of both stand in one lockfile, which git itself could not merge."""
    team.bought(1, 2)
    newer = team.commits(lockfile(1, 3))
    assert team.script("push").returncode == 0
    assert team.receipts() == [1, 2, 3]
    assert team.server("rev-parse", "main^") == newer


def test_a_main_that_moves_during_the_push_is_tried_again(team: Team) -> None:
    """The server takes a colleague's push between our fetch and our push, twice."""
    team.bought(1, 2)
    steps = [team.commits(lockfile(1, 3)), team.commits(lockfile(1, 3, 4))]
    team.server("update-ref", "refs/heads/main", team.first)
    for number, commit in enumerate(steps):
        (team.remote / f"step{number}").write_text(commit)
    moves = "env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main $(cat $step)"
    team.hook(f"for step in step0 step1; do [ -f $step ] && {{ {moves}; rm $step; exit 1; }}; done; exit 0")
    done = team.script("push")
    assert done.returncode == 0, done.stderr
    assert team.receipts() == [1, 2, 3, 4]
    assert team.server("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_protected_main_leaves_them_to_a_branch(team: Team) -> None:
    """Two jobs after another add to that branch; what it says names the server's reason, and `fetch` reads it."""
    team.hook("while read o n ref; do [ $ref != refs/heads/main ] || { echo 'GH006: Protected branch'; exit 1; }; done")
    for bought in ((1, 2), (1, 3)):
        team.bought(*bought)
        done = team.script("push")
        assert done.returncode == 0, done.stderr
        assert "::warning title=kbatch receipts::" in done.stdout
        assert "GH006: Protected branch" in done.stdout
        assert "kbatch-receipts/main" in done.stdout
    assert (team.receipts(), team.receipts("kbatch-receipts/main")) == ([1], [1, 2, 3])
    assert "[skip ci]" not in team.server("log", "-1", "--format=%B", "kbatch-receipts/main")
    assert team.server("merge-base", "main", "kbatch-receipts/main") == team.server("rev-parse", "main")
    team.bought(1)
    assert team.script("fetch").returncode == 0
    assert numbers(parse((team.runner / NAME).read_bytes(), "here")) == [1, 2, 3]


def test_a_server_that_takes_nothing_is_a_failure_and_the_receipts_stay_here(team: Team) -> None:
    """Exit 1 with the reason; the lockfile that the artifact holds is whole."""
    team.hook("echo 'read only'; exit 1")
    team.bought(1, 2)
    done = team.script("push")
    assert done.returncode == 1
    assert "::error title=kbatch receipts::" in done.stderr
    assert (team.runner / NAME).read_bytes() == lockfile(1, 2)


def test_an_old_checkout_learns_what_was_bought_since(team: Team) -> None:
    """The job of an old commit, started again, has the newest receipts before it plans."""
    team.commits(lockfile(1, 2, 3))
    clone(team.remote, team.runner, team.environment, commit=team.first)
    assert team.script("fetch").returncode == 0
    assert numbers(parse((team.runner / NAME).read_bytes(), "here")) == [1, 2, 3]


@pytest.mark.parametrize("what", ["fetch", "push"])
def test_a_server_that_does_not_answer_is_a_failure(team: Team, what: str) -> None:
    """Silence is not taken for "no receipts"."""
    team.remote.rename(team.remote.with_name("away.git"))
    done = team.script(what)
    assert done.returncode == 1
    assert "::error title=kbatch receipts::" in done.stderr
    assert (team.runner / NAME).read_bytes() == lockfile(1)


def test_what_is_recorded_already_makes_no_commit(team: Team) -> None:
    """Neither the same receipts again nor fewer of them are a change."""
    before = team.server("rev-parse", "main")
    assert team.script("push").returncode == 0
    team.commits(lockfile(1, 2))
    moved = team.server("rev-parse", "main")
    assert team.script("push").returncode == 0
    assert (team.server("rev-parse", "main"), moved != before) == (moved, True)


def test_a_first_lockfile_is_added(team: Team) -> None:
    """Neither main nor the checkout had one."""
    team.colleague.git("rm", "-q", NAME)
    team.colleague.commit()
    team.colleague.git("push", "-q", "origin", "main")
    clone(team.remote, team.runner, team.environment)
    assert team.script("fetch").returncode == 0
    assert "nothing was bought" in team.script("push").stdout
    team.bought(5)
    assert team.script("push").returncode == 0
    assert team.receipts() == [5]


def test_a_lockfile_in_main_that_cannot_be_read_stops_a_run_and_keeps_receipts(team: Team) -> None:
    """`fetch` fails, so nothing is bought; `push` leaves main as it is, and the receipts to the branch."""
    data = b'{\n<<<<<<< a\n  "x": 1\n'
    team.commits(data)
    team.bought(1, 2)
    assert team.script("fetch").returncode == 1
    assert (team.runner / NAME).read_bytes() == lockfile(1, 2)
    assert team.script("push").returncode == 0
    assert team.server("show", f"main:{NAME}").encode() == data.strip()
    assert team.receipts("kbatch-receipts/main") == [1, 2]


def test_a_link_in_main_is_no_lockfile(team: Team) -> None:
    """A lockfile that a commit turns into a link is not followed, and stops the run."""
    (team.colleague.folder / NAME).unlink()
    (team.colleague.folder / NAME).symlink_to("/etc/hostname")
    team.colleague.commit()
    team.colleague.git("push", "-q", "origin", "main")
    done = team.script("fetch")
    assert done.returncode == 1
    assert "no plain file" in done.stderr


def test_json_is_valid_after_a_join(team: Team) -> None:
    """What is pushed is what kbatch writes: sorted, whole, and read again."""
    team.bought(2)
    team.commits(lockfile(1, 3))
    assert team.script("push").returncode == 0
    text = team.server("show", f"main:{NAME}")
    assert serialize(parse(text.encode(), "main")).decode().strip() == text
    assert json.loads(text)["manifest"] == "spring.yaml"
