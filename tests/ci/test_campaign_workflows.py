"""The README's workflows, run as printed over real git remotes and the simulator: its bill decides what was paid."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from forge_server import Forge, forge
from workflow_job import ACTION, ROOT, Job, bare_environment, clone

from tests.simulated_server import Server, serving

README = (ROOT / "README.md").read_text(encoding="utf-8")
WORKFLOWS = {
    name: yaml.safe_load(text) for name, text in re.findall(r"```yaml workflow=(\w+)\n(.*?)```", README, re.DOTALL)
}
KEY, STATE_KEY = "afk_never-in-an-artifact-4711", "5ec4e7" * 11
SECRETS = (KEY.encode(), KEY[4:].encode(), STATE_KEY.encode(), bytes.fromhex(STATE_KEY))
"""What no log, page, file or commit may hold."""
MANIFEST = """kbatch: 1
name: spring
provider: apiframe
defaults: {model: kling-2.5-turbo-pro, params: {duration: 5}}
budget: {max_credits: 20}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour}
"""
PROTECTED = (
    "#!/bin/sh\nwhile read old new ref; do [ $ref != refs/heads/main ] || { echo 'main is protected'; exit 1; }; done\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve the provider; the tests tell their charges apart by what was charged before."""
    with serving(latency_s=0.05) as running:
        yield running


@dataclass
class Project:
    """A repository on a server, with a campaign in its main branch, and jobs that run in fresh clones of it."""

    folder: Path
    server: Server
    environment: dict[str, str] = field(default_factory=dict)
    jobs: int = 0

    def __post_init__(self) -> None:
        self.environment = {
            **bare_environment(self.folder),
            "KBATCH_APIFRAME_URL": self.server.url,
            "GITHUB_ACTOR": "ana",
        }
        self.remote = self.folder / "remote.git"
        self.before = self.server.charged("apiframe")
        subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", self.remote], check=True)
        self.work = self.folder / "work"
        subprocess.run(["git", "init", "-q", "--initial-branch=main", self.work], check=True)
        self.git("config", "user.email", "ana@example.com")
        self.git("config", "user.name", "ana")
        self.git("remote", "add", "origin", self.remote.as_uri())
        # the server knows a purchase by its content, so each project has prompts of its own
        self.manifest = MANIFEST.replace("prompt: a", f"prompt: {self.folder.name} a")
        self.write(self.manifest)

    def git(self, *words: str) -> str:
        """Run git in the work tree of a person."""
        done = subprocess.run(
            ["git", *words], cwd=self.work, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, manifest: str, name: str = "campaigns/spring.yaml") -> str:
        """Commit a file and push main; return the commit."""
        path = self.work / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(manifest, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "-qm", "work")
        self.git("push", "-q", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def job(self, *, commit: str = "", **more: Any) -> Job:
        """Return a job in a fresh clone."""
        self.jobs += 1
        github = {
            "event_name": "workflow_dispatch", "ref": "refs/heads/main", "ref_name": "main",
             "run_id": str(self.jobs), "run_attempt": "1",
            "token": "ghs_token", **more.pop("github", {}),
        }  # fmt: skip
        environment = {**self.environment, **more.pop("environment", {})}
        return Job(
            checkout=clone(self.remote, self.folder / f"runner{self.jobs}", environment, commit=commit),
            temporary=self.folder / f"temporary{self.jobs}",
            github=github,
            environment=environment,
            secrets={"APIFRAME_API_KEY": KEY, "KBATCH_STATE_KEY": STATE_KEY},
            **more,
        )

    def digest(self) -> str:
        """Return the digest of main's plan, as a reviewer would read it in the comment."""
        job = self.job()
        words = ["kbatch", "plan", "campaigns/spring.yaml", "--format", "json"]
        done = subprocess.run(words, cwd=job.checkout, env=job.environment, capture_output=True, check=True)
        return str(json.loads(done.stdout)["digest"])

    def render(self, digest: str, *, commit: str = "", **more: Any) -> Job:
        """Run the README's job `render`."""
        job = self.job(commit=commit, inputs={"digest": digest}, **more)
        return job.run(WORKFLOWS["github"]["jobs"]["render"])

    def receipts(self, branch: str = "main") -> Mapping[str, Any]:
        """Return the receipts in a branch of the server."""
        words = ["git", "-C", str(self.remote), "show", f"{branch}:campaigns/spring.lock.json"]
        done = subprocess.run(words, capture_output=True, check=False)
        return dict(json.loads(done.stdout)["renders"]) if done.returncode == 0 else {}

    @property
    def charged(self) -> int:
        """What this project was charged."""
        return self.server.charged("apiframe") - self.before

    def hook(self, text: str) -> None:
        """Let the server run this before it takes a push."""
        path = self.remote / "hooks" / "pre-receive"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path, server: Server) -> Project:
    """Return a project of its own."""
    return Project(tmp_path, server)


@pytest.fixture
def comments() -> Iterator[Forge]:
    """Return a server that keeps comments."""
    with forge() as running:
        yield running


def pull_request(comments: Forge) -> dict[str, Any]:
    """Return what a job of a pull request has around it."""
    return {
        "github": {"event_name": "pull_request", "base_ref": "main", "event": {"number": 7}, "ref_name": "7/merge"},
        "environment": {"GITHUB_API_URL": comments.url, "GITHUB_REPOSITORY": "a/b"},
    }


def test_a_pull_request_is_priced_without_a_key_and_its_comment_kept_up_to_date(
    project: Project, comments: Forge
) -> None:
    """Pushes change the one comment: a plan, a refused one without an invitation, what is wrong with the manifest."""
    plan = WORKFLOWS["github"]["jobs"]["plan"]
    job = project.job(**pull_request(comments))
    job.secrets = {}
    assert job.run(plan).code == 0, job.said
    assert "Buys 2 clips for 8 credits" in comments.bodies()[0]
    assert "--approve sha256:" in comments.bodies()[0]
    project.write(project.manifest.replace("max_credits: 20", "max_credits: 5"))
    job = project.job(**pull_request(comments)).run(plan)
    assert job.code == 3
    (body,) = comments.bodies()
    assert "allows 5" in body or "budget" in body
    assert "kbatch fit" in body
    assert "--approve" not in body
    project.write(project.manifest.replace("id: two, prompt", "id: two, promt"))
    job = project.job(**pull_request(comments)).run(plan)
    assert job.code == 2
    (body,) = comments.bodies()
    assert "campaigns/spring.yaml:8" in body
    assert "sha256:" not in body
    assert "promt" in (job.temporary / "summary.md").read_text(encoding="utf-8")


def test_a_fork_without_key_and_without_the_right_to_comment_is_priced(project: Project, comments: Forge) -> None:
    """The job is green, says that it may not comment, and its page has the plan."""
    comments.read_only = True
    job = project.job(**pull_request(comments))
    job.secrets = {}
    assert job.run(WORKFLOWS["github"]["jobs"]["plan"]).code == 0, job.said
    assert "may not comment" in job.said
    assert "Buys 2 clips" in (job.temporary / "summary.md").read_text(encoding="utf-8")


def test_what_was_approved_is_run_recorded_and_not_bought_again(project: Project) -> None:
    """The receipts reach main, the artifact has all but a key; the job again, on its old commit, buys nothing."""
    old = project.git("rev-parse", "HEAD")
    digest = project.digest()
    job = project.render(digest)
    assert job.code == 0, job.said
    assert (len(project.receipts()), project.charged) == (2, 8)
    (artifact,) = map(Path, job.uploaded)
    names = {path.relative_to(artifact).as_posix() for path in artifact.rglob("*") if path.is_file()}
    assert {"spring.lock.json", "renders/one.mp4", "report.html", "receipts.csv", "reports/run.xml"} <= names
    assert any(name.startswith(".kbatch/") and name.endswith(".jsonl") for name in names)
    assert 'src="renders/one.mp4"' in (artifact / "report.html").read_text(encoding="utf-8")
    left = [*left_behind(job), json.dumps(project.receipts()).encode()]
    assert not [text for text in left for secret in SECRETS if secret in text]
    again = project.render(digest, commit=old)
    assert (again.code, project.charged) == (3, 8), again.said
    assert "carried out already" in again.said
    assert {path.name for path in Path(again.uploaded[0]).rglob("*.mp4")} == {"one.mp4", "two.mp4"}


def left_behind(job: Job) -> list[bytes]:
    """Return all that a job shows or keeps: its log and page, what it gathered, its temporary files."""
    files = (path for path in job.temporary.rglob("*") if path.is_file())
    return [job.said.encode(), *(path.read_bytes() for path in files)]


def test_a_protected_main_leaves_the_receipts_to_a_branch_that_the_next_run_reads(project: Project) -> None:
    """It is said with the server's reason; the job started again reads that branch and buys nothing."""
    project.hook(PROTECTED)
    digest = project.digest()
    job = project.render(digest)
    assert job.code == 0, job.said
    assert "::warning title=kbatch receipts::" in job.said
    assert "main is protected" in job.said
    assert project.receipts() == {}
    assert len(project.receipts("kbatch-receipts/main")) == 2
    again = project.render(digest)
    assert (again.code, project.charged) == (3, 8), again.said
    assert "carried out already" in again.said
    assert len(project.receipts("kbatch-receipts/main")) == 2


def approve(project: Project) -> None:
    """Let a person approve the plan of the work tree, and commit the record."""
    for words in (("plan", "campaigns/spring.yaml", "--out", "plan.json"), ("approve", "plan.json")):
        subprocess.run(["kbatch", *words], cwd=project.work, env=project.environment, check=True, capture_output=True)
    (project.work / "plan.json").unlink()
    project.git("add", "campaigns/spring.approvals.json")
    project.git("commit", "-qm", "Approve spring")


def test_an_approval_that_main_records_is_run_once(project: Project) -> None:
    """A record on a branch counts for nothing; merged, its push runs it; that job again buys nothing and is green."""
    approve(project)
    project.git("push", "-q", "origin", "HEAD:topic")
    push = {"github": {"event_name": "push"}}
    branch = project.render("", commit=project.git("rev-parse", "HEAD"), **push)
    assert (branch.code, project.charged, project.receipts()) == (3, 0, {}), branch.said
    assert branch.uploaded, "what a refused job has to say is kept too"
    project.git("push", "-q", "origin", "main")
    for _ in range(2):
        job = project.render("", **push)
        assert job.code == 0, job.said
        assert (len(project.receipts()), project.charged) == (2, 8)


def test_receipts_that_cannot_be_asked_for_stop_the_run(project: Project) -> None:
    """Without an answer of the repository nothing is bought: receipts may be missing here."""
    job = project.job(inputs={"digest": project.digest()})
    project.remote.rename(project.folder / "away.git")
    job.run(WORKFLOWS["github"]["jobs"]["render"])
    assert job.code == 1
    assert "::error title=kbatch receipts::" in job.said
    assert project.charged == 0


def gitlab(project: Project, name: str, comments: Forge, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a job of the README's GitLab pipeline, `script` then `after_script`, in a fresh clone; return its end."""
    job = project.job()
    pipeline = WORKFLOWS["gitlab"]
    environment = {
        **job.environment,
        "SCRIPTS": str(ACTION),
        "MANIFEST": pipeline[".kbatch"]["variables"]["MANIFEST"],
        "CI_COMMIT_BRANCH": "main",
        "CI_API_V4_URL": f"{comments.url}/v4",
        "CI_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        **variables,
    }
    ended = []
    for part in ("script", "after_script"):
        lines = [line for line in pipeline[name].get(part, ()) if not line.startswith("git remote set-url")]
        ended.append(
            subprocess.run(
                ["bash", "-eo", "pipefail", "-c", "\n".join(lines)],
                cwd=job.checkout,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        )
    assert ended[1].returncode == 0, ended[1].stderr
    return ended[0]


def test_gitlab_does_the_same(project: Project, comments: Forge) -> None:
    """The note is written, the plan that it shows is run when it is approved, and its receipts reach main."""
    assert gitlab(project, "plan", comments, GITLAB_TOKEN="glpat").returncode == 0
    (note,) = comments.bodies()
    digest = re.findall(r"sha256:[0-9a-f]{64}", note)[0]
    done = gitlab(project, "render", comments, DIGEST=digest, APIFRAME_API_KEY=KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (len(project.receipts()), project.charged) == (2, 8)


def test_gitlab_prices_a_fork_without_a_token(project: Project, comments: Forge) -> None:
    """No token, no note, no failure: the plan is the job's artifact."""
    done = gitlab(project, "plan", comments)
    assert done.returncode == 0, done.stderr
    assert "there is no token" in done.stdout
    assert comments.bodies() == []
