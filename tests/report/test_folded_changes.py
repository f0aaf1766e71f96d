"""Changes that many jobs of a shot share take a few lines, in every form for people."""

from pathlib import Path

import pytest
from report_plans import loaded, plan_of, receipt_of, review_of

from kbatch.planner.comparison.compare import Comparison, compare, make_comparison
from kbatch.planner.comparison.compared_jobs import compared_jobs
from kbatch.planner.summary import summarize
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.report.markdown import plan_markdown
from kbatch.report.text import compare_text, plan_text


def shot(prompt: str, jobs: int) -> str:
    """Return the body of a manifest with one shot of so many jobs."""
    values = ", ".join(map(str, range(jobs)))
    return f"shots: [{{id: s, model: kling-2.1, prompt: '{prompt}', matrix: {{n: [{values}]}}}}]\n"


def both(folder: Path, before: str, after: str, jobs: int) -> tuple[str, str]:
    """Return text and Markdown of a plan in which all jobs have another prompt than was bought, with a comparison."""
    old = loaded(folder, shot(before, jobs))
    renders = {job.fingerprint: receipt_of(job) for job in old.jobs}
    then = plan_of(old, renders)
    now = plan_of(loaded(folder, shot(after, jobs)), renders)
    comparison = comparison_of(then, now)
    requests = {receipt.address: receipt.request for receipt in renders.values()}
    lines = [
        *plan_text.lines(now, summarize(now, {}), width=100),
        *compare_text.lines(comparison, 100),
    ]
    text = "\n".join("".join(words for words, _ in line) for line in lines)
    return text, plan_markdown.as_markdown(review_of(now, before=requests, comparison=comparison), 60_000)


def comparison_of(then: object, now: object) -> Comparison:
    """Return the comparison of two plans."""
    changes = compare(compared_jobs(then.entries), compared_jobs(now.entries))  # type: ignore[attr-defined]
    return make_comparison("git:main", "abc", changes, {"apiframe": "credits"})


@pytest.mark.parametrize(
    ("before", "after", "text_says", "markdown_says"),
    [
        pytest.param(
            "take {{ n }} of a long list of many shots, slow", "take {{ n }} of a long list of many shots, fast",
            "prompt “slow” → “fast”", "| `prompt “slow” → “fast”` | – | – | 10,000",
            id="the-same-in-each"),
        pytest.param(
            "a ridge, slow dolly in, at dusk {{ n }}", "a ridge, slow dolly in, at dusk {{ n }}x",
            "prompt changed in each job in its own way",
            "| `prompt “0” → “0x”, in each job in its own way` | – | – | 10,000", id="otherwise-in-each"),
        pytest.param(
            "number {{ n }} of a long list of many shots", "{{ n }}: nothing of it is left, all is said anew",
            "prompt rewritten", "| `prompt rewritten` | `number 0 of a long list of many shots` |", id="rewritten"),
    ],
)  # fmt: skip
def test_a_changed_prompt_of_ten_thousand_jobs(
    before: str, after: str, text_says: str, markdown_says: str, tmp_path: Path
) -> None:
    """Once for all of them: one reason, one change, one row, and the first jobs as examples."""
    text, markdown = both(tmp_path, before, after, 10_000)
    assert text.count("since it was rendered") == 1
    assert text.count(text_says) == 1
    assert "10,000 jobs, no difference in credits" in text or "10,000 jobs, +50,000 credits" in text
    assert len(text.splitlines()) < 160
    assert markdown.count(markdown_says) == 1
    changes = markdown.partition("What changed since it was last bought: ")[2]
    assert changes.startswith("1 change<")
    compared = markdown.partition("### Compared with")[2].partition("<details>")[0]
    assert compared.count("| changed |") == 1


def test_five_polls_are_one_group(tmp_path: Path) -> None:
    """Jobs that are still rendering have an id each, and one reason, in the plan and beside an earlier one."""
    manifest = loaded(tmp_path, shot("take {{ n }}", 5))
    renders: dict[str, Receipt] = {
        job.fingerprint: receipt_of(job, ReceiptState.SUBMITTED, output=None) for job in manifest.jobs
    }
    fresh, polled = plan_of(manifest, {}), plan_of(manifest, renders)
    rows = ["".join(words for words, _ in line) for line in plan_text.lines(polled, summarize(polled, {}), width=100)]
    assert [row for row in rows if "accepted" in row] == ["  poll     5 jobs: accepted, still rendering"]
    markdown = plan_markdown.as_markdown(review_of(polled, comparison=comparison_of(polled, fresh)), 60_000)
    assert markdown.count("| poll |") == 1
    lines = ["".join(words for words, _ in line) for line in compare_text.lines(comparison_of(fresh, polled), 100)]
    assert sum(line.startswith(("  changed", "  bought")) for line in lines) == 1
