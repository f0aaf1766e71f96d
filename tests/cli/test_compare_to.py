"""`kbatch plan --compare-to`: against a revision in git and against a saved plan, in every form."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from kbatch.pipeline.load import load
from kbatch.receipts.lockfile.lockfile import Lockfile, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.storage import packaged
from tests.git_repository import Repository
from tests.planner.conftest import receipt_of

Run = Callable[..., Any]
Golden = Callable[[str, Any], None]
CAMPAIGN = Path(__file__).parent / "campaign"

MANIFEST = """kbatch: 1
name: spring
provider: apiframe
data: {places: data/places.csv}
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: false}}
profiles: {draft: {override: {model: kling-2.5-turbo-pro, drop_unsupported: true}}}
shots:
  - id: hero
    prompt_file: prompts/hero.j2
    matrix: {place: "{{ data.places }}"}
  - {id: still, prompt: a table, params: {start_image: table.png}}
  - {id: end, prompt: the end}
"""
AFTER = (
    MANIFEST.replace("id: end, prompt: the end", "id: fin, prompt: the end")
    .replace("prompt: a table", "prompt: a table at night")
    .replace("duration: 5", "duration: 10")
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return a campaign in git, two of whose jobs are bought; its work tree has changed since in every respect."""
    made = Repository(tmp_path / "repository")
    folder = made.folder / "spring"
    made.write("spring/c.yaml", MANIFEST)
    made.write("spring/prompts/hero.j2", "{{ place.name }} above the sea in the first light of a long day, slow orbit")
    made.write("spring/data/places.csv", "id,name\na,Lisbon\nb,Oslo\n")
    shutil.copy(next(CAMPAIGN.rglob("*.png")), folder / "table.png")
    jobs = load(folder / "c.yaml").jobs
    paid = {job.fingerprint: receipt_of(job) for job in jobs[:2]}
    index = {job.address: IndexEntry(fingerprint=job.fingerprint, path=job.draft.output) for job in jobs[:2]}
    made.write("spring/c.lock.json", serialize(Lockfile(manifest="c.yaml", jobs=index, renders=paid)))
    made.commit("as it was")
    made.git("tag", "before")
    made.write("spring/c.yaml", AFTER)
    made.write("spring/prompts/hero.j2", "{{ place.name }} above the sea in the last light of a long day, slow orbit")
    made.write("spring/data/places.csv", "id,name\na,Lisbon\nb,Oslo\nc,Rome\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return made


def comparison(run: Run, *words: str) -> Any:
    """Return the comparison of `plan --format json`."""
    ended = run("plan", "c.yaml", "--format", "json", "--compare-to", *words)
    assert ended.code == 0, ended.err
    document = json.loads(ended.out)
    jsonschema.validate(document, json.loads(packaged("plan.schema.json")), cls=jsonschema.Draft202012Validator)
    return document["comparison"]


def changed(found: Any) -> dict[str, tuple[str, dict[str, int | None]]]:
    """Return what became of each job, and its difference."""
    return {job["address"]: (job["change"], job["credits"]) for job in found["jobs"]}


def test_text_at_a_revision(repository: Repository, run: Run, golden: Golden) -> None:
    """The whole of it as an approver reads it, on 80 columns."""
    commit = repository.git("rev-parse", "before").stdout[:12]
    ended = run("plan", "c.yaml", "--compare-to", "git:before")
    shown = "Compared with" + ended.out.partition("Compared with")[2].replace(commit, "<commit>")
    golden("compare-to-git", replace(ended, out=shown, err=""))


def test_markdown_at_a_revision(repository: Repository, run: Run, golden: Golden) -> None:
    """The section of a pull request's comment."""
    commit = repository.git("rev-parse", "before").stdout[:12]
    ended = run("plan", "c.yaml", "--compare-to", "git:before", "--format", "markdown")
    section = "### Compared" + ended.out.partition("### Compared")[2].partition("### What is bought")[0]
    golden("compare-to-git-markdown", replace(ended, out=section.replace(commit, "<commit>"), err=""))


def test_everything_is_of_the_revision(repository: Repository, run: Run) -> None:
    """Prompt file, rows, picture and lockfile are read there: the differences are those of all of them."""
    found = comparison(run, "git:before")
    assert changed(found) == {
        "hero[place=a]": ("changed", {"apiframe": 25}),
        "hero[place=b]": ("changed", {"apiframe": 25}),
        "hero[place=c]": ("added", {"apiframe": 25}),
        "still": ("changed", {"apiframe": 10}),
        "fin": ("added", {"apiframe": 25}),
        "end": ("removed", {"apiframe": -15}),
    }
    (hero, *_) = found["jobs"]
    assert hero["words"] == ["duration 5 → 10", "prompt “first” → “last”"]
    assert hero["before"]["action"] == "reuse"
    assert found["totals"]["apiframe"] == {"unit": "credits", "before": 30, "after": 125, "difference": 95}
    assert found["detail"] == repository.git("rev-parse", "before").stdout.strip()


def test_a_picture_that_changed_is_another_picture(repository: Repository, run: Run) -> None:
    """The bytes count, also under the same name; a name alone does not."""
    repository.git("checkout", "--quiet", "before", "--", ".")
    folder = repository.folder / "spring"
    shutil.copy(folder / "table.png", folder / "same.png")
    text = (folder / "c.yaml").read_text(encoding="utf-8")
    (folder / "c.yaml").write_text(text.replace("table.png", "same.png"), encoding="utf-8")
    assert changed(comparison(run, "git:before")) == {}
    Image.new("RGB", (640, 360), "red").save(folder / "same.png")
    assert comparison(run, "git:before")["jobs"][0]["words"] == ["start_image is another picture"]


def test_neither_work_tree_nor_index_is_touched(repository: Repository, run: Run) -> None:
    """After it every file, the index and the branch are as they were."""
    repository.git("add", "spring/prompts")
    before = repository.git("status", "--porcelain").stdout
    index = (repository.folder / ".git" / "index").read_bytes()
    comparison(run, "git:HEAD")
    assert repository.git("status", "--porcelain").stdout == before
    assert (repository.folder / ".git" / "index").read_bytes() == index


@pytest.mark.parametrize("name", ["git:HEAD", "git:main", "git:before", "git:HEAD^{commit}"])
def test_any_name_of_a_commit(repository: Repository, run: Run, name: str) -> None:
    """Branches, tags and expressions of git mean the commit that they name."""
    assert comparison(run, name)["counts"]["added"] == 2


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        pytest.param(("--only", "hero"), {"changed": 2, "added": 1, "removed": 0, "same": 0}, id="only"),
        pytest.param(("--only", "fin"), {"changed": 0, "added": 1, "removed": 0, "same": 0}, id="only-new"),
        pytest.param(("--exclude", "hero"), {"changed": 1, "added": 1, "removed": 1, "same": 0}, id="exclude"),
        pytest.param(("--first", "0"), {"changed": 0, "added": 0, "removed": 1, "same": 0}, id="first-0"),
        pytest.param(("--first", "3"), {"changed": 2, "added": 1, "removed": 1, "same": 0}, id="first-3"),
        pytest.param(("--profile", "draft"), {"changed": 3, "added": 2, "removed": 1, "same": 0}, id="profile"),
    ],
)
def test_what_is_selected_is_selected_there_too(
    repository: Repository, run: Run, words: Sequence[str], counts: dict[str, int]
) -> None:
    """Flags mean the same on both sides; one that matches nothing at the revision is no mistake."""
    found = comparison(run, "git:before", *words)
    assert {name: found["counts"][name] for name in counts} == counts


def test_without_a_lockfile_there_nothing_was_paid(repository: Repository, run: Run) -> None:
    """A lockfile that was not committed is said, and its receipts count as bought since."""
    repository.git("checkout", "--quiet", "before", "--", ".")
    repository.git("rm", "--quiet", "--cached", "spring/c.lock.json")
    repository.git("commit", "--quiet", "--message", "without")
    found = comparison(run, "git:HEAD")
    assert found["notes"] == ["there is no c.lock.json at git:HEAD: nothing was paid there"]
    assert found["counts"]["bought"] == 2


@pytest.mark.parametrize(
    ("word", "said"),
    [
        pytest.param("git:nowhere", "error[no-such-revision]: `nowhere` is no revision", id="no-revision"),
        pytest.param("git:", "error[no-such-revision]", id="empty-revision"),
        pytest.param("git:broken", "git:broken:c.yaml:1:1: error[", id="manifest-broken-there"),
        pytest.param("git:damaged", "git:damaged:c.lock.json:1: is not JSON", id="lockfile-damaged-there"),
        pytest.param("missing.json", "there is no plan `missing.json`", id="no-plan"),
        pytest.param("c.yaml", "c.yaml: is no saved plan", id="a-manifest-is-no-plan"),
    ],
)
def test_what_cannot_be_compared_is_exit_2(repository: Repository, run: Run, word: str, said: str) -> None:
    """The message says what is wrong where, and no plan is printed."""
    for name, path, content in (
        ("broken", "spring/c.yaml", "shots: 1"),
        ("damaged", "spring/c.lock.json", "{"),
    ):
        repository.git("stash", "--quiet")
        repository.git("checkout", "--quiet", "-b", name, "before")
        repository.write(path, content)
        repository.commit()
        repository.git("checkout", "--quiet", "main")
        repository.git("stash", "pop", "--quiet")
    ended = run("plan", "c.yaml", "--compare-to", word)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_a_saved_plan(repository: Repository, run: Run) -> None:
    """Against a plan that was saved before the change: the same words as against the revision."""
    repository.git("stash", "--quiet")
    assert run("plan", "c.yaml", "--out", "plan.json").code == 0
    repository.git("stash", "pop", "--quiet")
    at_revision, of_plan = comparison(run, "git:before"), comparison(run, "plan.json")
    assert of_plan["jobs"] == at_revision["jobs"]
    assert of_plan["totals"] == at_revision["totals"]
    assert (of_plan["with"], of_plan["detail"]) == ("plan.json", json.loads(Path("plan.json").read_text())["digest"])


def test_a_plan_of_another_profile_is_said(repository: Repository, run: Run) -> None:
    """Plans of two profiles can be compared, which shows what the draft saves, and it is said."""
    run("plan", "c.yaml", "--profile", "draft", "--out", "draft.json")
    found = comparison(run, "draft.json")
    assert found["notes"] == ["draft.json is of profile draft, this is of no profile"]
    assert found["totals"]["apiframe"]["difference"] == 125 - 5 * 7


def test_a_saved_plan_is_not_held_against_another(repository: Repository, run: Run) -> None:
    """`kbatch plan PLAN` shows what was saved; comparing needs the manifest."""
    run("plan", "c.yaml", "--out", "plan.json")
    assert run("plan", "plan.json", "--compare-to", "git:HEAD").code == 2


def test_a_long_comparison_is_folded(tmp_path: Path, run: Run, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many jobs the first of each kind are shown, and the rest is counted with its credits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    cities = ", ".join(f"c{number}" for number in range(60))
    text = f"""kbatch: 1
name: long
provider: apiframe
defaults: {{model: kling-2.6, params: {{duration: 5, generate_audio: false}}}}
shots: [{{id: a, prompt: "{{{{ c }}}}", matrix: {{c: [{cities}]}}}}, {{id: b, prompt: b}}]
"""
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    run("plan", "c.yaml", "--out", "plan.json")
    changed_text = text.replace("duration: 5", "duration: 10").replace("c59]", "d59]")
    (tmp_path / "c.yaml").write_text(changed_text, encoding="utf-8")
    ended = run("plan", "c.yaml", "--compare-to", "plan.json")
    shown = "Compared with" + ended.out.partition("Compared with")[2]
    digest = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["digest"][7:19]
    golden("compare-to-long", replace(ended, out=shown.replace(digest, "<digest>"), err=""))


@pytest.mark.parametrize("form", ["json", "text", "markdown", "html", "github"])
@pytest.mark.parametrize("name", ["new.yaml", "folder/new.yaml"])
def test_a_manifest_that_is_new_or_renamed_is_all_added(
    repository: Repository, run: Run, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    """The pull request that adds a campaign, or renames one, shows every job as added, in every form."""
    repository.git("checkout", "--quiet", "-b", "pull-request")
    repository.git("checkout", "--quiet", "before", "--", ".")
    folder = repository.folder / "spring"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "c.yaml").rename(folder / name)
    for part in ("prompts", "data", "table.png"):
        if (folder / part) != (folder / name).parent / part:
            shutil.move(folder / part, (folder / name).parent / part)
    repository.git("rm", "--quiet", "--cached", "spring/c.lock.json")
    (folder / "c.lock.json").unlink()
    repository.commit()
    monkeypatch.chdir(repository.folder)
    ended = run("plan", f"spring/{name}", "--compare-to", "git:main", "--format", form)
    assert ended.code == 0, ended.err
    if form == "json":
        document = json.loads(ended.out)["comparison"]
        assert (document["counts"]["added"], document["counts"]["removed"]) == (4, 0)
        assert document["notes"] == ["there is no `new.yaml` at git:main: every job is added"]
    else:
        assert "every job is added" in ended.out


def test_html_at_a_revision(repository: Repository, run: Run) -> None:
    """The page has the comparison's totals, reasons and shots, as the other forms do."""
    ended = run("plan", "c.yaml", "--compare-to", "git:before", "--format", "html")
    section = ended.out.partition('<section aria-labelledby="compared">')[2].partition("</section>")[0]
    assert "30 → 125" in section
    assert "<dd>+95</dd>" in section
    assert "duration 5 → 10" in section
    assert "3 changed, 2 added, 1 removed" in section
