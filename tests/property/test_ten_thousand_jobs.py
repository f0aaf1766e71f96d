"""A manifest of 10,000 jobs: work and memory follow what differs, counted rather than timed."""

from pathlib import Path

import pytest

from kbatch.errors import Hit, Invalid
from kbatch.pipeline.load import load
from kbatch.providers.registry import full_catalog

LARGE = """\
kbatch: 1
name: large
provider: apiframe
shots:
  - id: many
    model: kling-2.6
    prompt: "{{ city }} in {{ light }}"
    params: {duration: "{{ seconds }}", generate_audio: "{{ audio }}"}
    matrix: {city: "{{ range(50) }}", light: "{{ range(50) }}", seconds: [5, 10], audio: [true, false]}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return the path of a manifest with 10,000 jobs that differ in prompt and in two parameters."""
    path = tmp_path / "large.yaml"
    path.write_text(LARGE, encoding="utf-8")
    return path


def checked_sets() -> int:
    """Return how many parameter sets the validators of all cards have gone over since they were last forgotten."""
    return sum(len(card.checked_cache) for card in full_catalog().cards)


def forget() -> None:
    """Forget the parameter sets that earlier tests checked."""
    for card in full_catalog().cards:
        card.checked_cache.clear()


def test_each_distinct_parameter_set_is_validated_once(manifest: Path) -> None:
    """10,000 jobs with four sets of parameters are four runs of the validator."""
    forget()
    jobs = load(manifest).jobs
    assert len(jobs) == 10_000
    assert checked_sets() == 4


def test_what_jobs_share_is_one_object(manifest: Path) -> None:
    """Card, origins, quotes and clips are not copied for each job, and equal jobs would be one purchase."""
    jobs = load(manifest).jobs
    assert len({id(job.card) for job in jobs}) == 1
    assert len({id(job.draft.origins) for job in jobs}) == 1
    assert len({id(job.quote) for job in jobs}) == len({id(job.clip) for job in jobs}) == 4
    assert len({job.fingerprint for job in jobs}) == len({job.address for job in jobs}) == 10_000


def test_a_fault_of_all_jobs_is_one_problem(manifest: Path) -> None:
    """What is wrong with 5,000 of 10,000 jobs is one problem that counts them."""
    manifest.write_text(LARGE.replace("seconds: [5, 10]", "seconds: [5, 7]"), encoding="utf-8")
    forget()
    with pytest.raises(Invalid) as caught:
        load(manifest)
    (problem,) = caught.value.problems
    assert problem.jobs == Hit(hit=5_000, of=10_000, first="many[city=0,light=0,seconds=7,audio=true]")
    assert checked_sets() == 4


def test_a_warning_about_all_jobs_is_one_problem(manifest: Path) -> None:
    """A dear default of 10,000 jobs is one warning, and its price was worked out for each set of parameters once."""
    manifest.write_text(LARGE.replace(', generate_audio: "{{ audio }}"', ""), encoding="utf-8")
    warnings = {problem.code: problem for problem in load(manifest).warnings}
    assert set(warnings) == {"unused-axis", "dear-default"}
    first = "many[city=0,light=0,seconds=5,audio=true]"
    assert warnings["dear-default"].jobs == Hit(hit=10_000, of=10_000, first=first)
    assert "62,500 credits more" in warnings["dear-default"].message


def test_one_job_too_many_is_refused_before_any_is_made(manifest: Path) -> None:
    """The size is known before the expansion: one problem, no template rendered, no parameter checked."""
    manifest.write_text(LARGE.replace("range(50)", "range(51)"), encoding="utf-8")
    forget()
    with pytest.raises(Invalid) as caught:
        load(manifest)
    assert [problem.code for problem in caught.value.problems] == ["too-many-jobs"]
    assert checked_sets() == 0
