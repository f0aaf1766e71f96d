"""Markdown for pull requests: hostile text stays text, a page fits its limit, what matters comes first."""

import re
from pathlib import Path

import pytest
from markdown_pages import ALLOWED, Page
from report_plans import CITIES, loaded, plan_of, receipt_of, review_of
from report_samples import HOSTILE, ROWS, golden, hostile_rows, report, row

from kbatch.receipts.receipt import ReceiptState
from kbatch.report.data.accounts import not_run, of_run
from kbatch.report.markdown import plan_markdown, run_markdown
from kbatch.report.markdown.markdown import COMMENT_LIMIT, Table, code, marker, prose, render
from kbatch.runner.outcome import JobEnd, Outcome

GITHUB_LIMIT = 65_536
UNPRICED = """\
shots:
  - id: a
    provider: aimlapi
    model: kling-video/v2.1/pro/image-to-video
    prompt: x
    params: {image_url: "https://pictures.example/a.png"}
"""


def size(text: str) -> int:
    """Return the bytes of a text."""
    return len(text.encode())


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("write", [code, prose], ids=["code", "prose"])
def test_a_cell_holds_its_text_and_nothing_else(write: object, text: str) -> None:
    """In a table's cell a hostile text is one cell, without tag, link, picture, comment or second row."""
    table = Table(head=("a", "b"), align="ll", rows=((write(text), "end"),))  # type: ignore[operator]
    page = Page(render([table], 100_000))
    assert set(page.tags) <= ALLOWED
    assert (page.tags.count("td"), page.tags.count("tr")) == (2, 2)
    assert not page.attributes & {"href", "src", "onerror", "onmouseover"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("hero[city=oslo]@2", "`hero[city=oslo]@2`", id="an-address-stays-readable"),
        pytest.param("a | b", "<code>a &#124; b</code>", id="a-bar"),
        pytest.param("a ` b", "<code>a &#96; b</code>", id="a-backtick"),
        pytest.param("a \\", "<code>a &#92;</code>", id="a-backslash"),
        pytest.param("", "–", id="nothing"),
    ],
)
def test_code_is_plain_where_it_can_be(text: str, shown: str) -> None:
    """Backticks for what is plain, references for the rest."""
    assert code(text) == shown


def test_mentions_are_broken_up() -> None:
    """Outside code a name, a number and a host are broken up, since GitHub would link them and notify people."""
    words = Page(prose("see @everyone and #12 at www.evil.example")).words
    assert not re.search(r"@\w|#\d", words)
    assert "www." not in prose("www.evil.example")


@pytest.mark.parametrize("name", ["a-->b.yaml", "--!>.yaml", "x\n<script>.yaml"], ids=["end", "odd-end", "script"])
def test_a_marker_is_one_comment(name: str) -> None:
    """A hostile file name neither ends the comment nor its line."""
    found = marker("plan", name, "draft")
    assert re.fullmatch(r"<!-- kbatch:plan [^\n<>]* draft -->", found)
    assert "--" not in found[4:-3]


def test_the_report_is_as_agreed() -> None:
    """The whole page of a campaign in every state."""
    text = run_markdown.as_markdown(report(), COMMENT_LIMIT)
    assert text == golden("report.md", text)


def test_a_hostile_report_stays_a_report() -> None:
    """With every text hostile the page has kbatch's own tags only, which nest, and no link."""
    page = Page(run_markdown.as_markdown(report(hostile_rows()), COMMENT_LIMIT))
    assert set(page.tags) <= ALLOWED
    assert page.attributes <= {"style"}


def test_what_needs_a_look_stands_before_the_folds() -> None:
    """Failed, unknown, owed and blocked jobs stand above the first fold, with their reason."""
    head = run_markdown.as_markdown(report(), COMMENT_LIMIT).partition("<details>")[0]
    for address in ("failed", "unknown", "owed", "blocked", "skipped", "wrong", "running"):
        assert f"`{address}`" in head
    assert "`later`" not in head


def test_a_run_says_how_it_ended() -> None:
    """The title has the verdict, and a run that never began says why."""
    ended = of_run(report((row(),)), Outcome(ends={"hero[city=oslo]": JobEnd.DONE}, interrupted=True))
    assert "Run of `campaign.yaml`: interrupted" in run_markdown.as_markdown(ended, COMMENT_LIMIT)
    refused = run_markdown.as_markdown(not_run(report(), "over the budget"), COMMENT_LIMIT)
    assert "nothing was run" in refused
    assert "over the budget" in refused


@pytest.mark.parametrize("limit", [COMMENT_LIMIT, 20_000, 4_000, 1_000])
def test_a_long_report_is_cut_by_whole_rows(limit: int) -> None:
    """Thousands of jobs with hostile prompts fit any limit; what is left out is counted; tags still nest."""
    rows = tuple(row(f"shot[n={number}]", prompt=HOSTILE[number % len(HOSTILE)] * 20) for number in range(3_000))
    text = run_markdown.as_markdown(report(rows), limit)
    assert size(text) <= limit
    assert re.search(r"… and [\d,]+ more job|… cut to the size", text)
    if limit >= 4_000:
        page = Page(text)
        shown = sum(line.startswith("| `shot[n=") for line in text.splitlines())
        (hidden,) = re.findall(r"… and ([\d,]+) more jobs", text)
        assert shown + int(hidden.replace(",", "")) == len(rows)
        assert set(page.tags) <= ALLOWED


@pytest.mark.parametrize("letters", ["é", "日本", "😀"], ids=["two-bytes", "three-bytes", "four-bytes"])
def test_the_limit_holds_in_every_script(letters: str) -> None:
    """Bytes are counted, which are never fewer than the characters that GitHub counts."""
    rows = tuple(row(f"shot[n={number}]", prompt=letters * 100) for number in range(2_000))
    assert size(run_markdown.as_markdown(report(rows), COMMENT_LIMIT)) <= COMMENT_LIMIT < GITHUB_LIMIT


# the plan


def test_a_plan_is_as_agreed(tmp_path: Path) -> None:
    """The whole page of a plan that buys, reuses and changes, before and after the digest that is made of its paths."""
    before = loaded(tmp_path)
    renders = {job.fingerprint: receipt_of(job) for job in before.jobs[:4]}
    after = loaded(tmp_path, CITIES.replace("slow dolly in", "fast pan").replace("Lisbon, Oslo", "Lisbon, Oslo, Kyiv"))
    plan = plan_of(after, renders)
    requests = {receipt.address: receipt.request for receipt in renders.values()}
    text = plan_markdown.as_markdown(review_of(plan, before=requests), COMMENT_LIMIT)
    text = text.replace(plan.digest, "sha256:…")
    assert text == golden("plan.md", text)


def test_an_approver_sees_the_essentials_before_the_folds(tmp_path: Path) -> None:
    """Marker, number of clips, credits, USD, budget and what it leaves, and why; the digest stands in full below."""
    manifest = loaded(tmp_path)
    plan = plan_of(manifest, {})
    text = plan_markdown.as_markdown(review_of(plan, flags=("--only", "hero")), 60_000)
    head = text.partition("<details>")[0]
    assert head.startswith("<!-- kbatch:plan campaign.yaml -->")
    assert "**Buys 5 clips for 84 credits of `apiframe` ($0.84 at $0.01 a credit).**" in head
    assert "| `apiframe` | 84 | 84 | 0 | 600 | 516 |" in head
    assert "`generate_audio` is `true` by default in 1 clip: 6 credits more than `false`" in head
    assert "not bought yet" in head
    assert f"kbatch run campaign.yaml --only hero --approve {plan.digest}" in text


def test_a_refused_plan_does_not_invite_agreement(tmp_path: Path) -> None:
    """What objects to a plan stands above the folds, and no command below agrees to it."""
    text = plan_markdown.as_markdown(review_of(plan_of(loaded(tmp_path), {}), objections=("the budget is 5",)), 60_000)
    assert "**Stop:** the budget is 5" in text.partition("<details>")[0]
    assert "This plan is refused" in text
    assert "--approve" not in text


def test_unknown_prices_and_outcomes_give_no_total(tmp_path: Path) -> None:
    """What is unknown is said, and never counted as 0."""
    manifest = loaded(tmp_path)
    job = manifest.jobs[0]
    unknown = receipt_of(job, ReceiptState.UNKNOWN, job_id=None, output=None)
    text = plan_markdown.as_markdown(review_of(plan_of(manifest, {job.fingerprint: unknown})), 60_000)
    assert "15 credits of apiframe are held by unknown outcomes" in text
    unpriced = loaded(tmp_path, UNPRICED)
    text = plan_markdown.as_markdown(review_of(plan_of(unpriced, {})), 60_000)
    assert "| `aimlapi` | 0 + 1 unpriced | unknown |" in text
    assert "no total can be given" in text


def test_changes_are_reported_field_by_field(tmp_path: Path) -> None:
    """A reviewer reads what changed, the same change once; of a rewritten prompt both texts stand there."""
    before = loaded(tmp_path)
    renders = {job.fingerprint: receipt_of(job) for job in before.jobs}
    body = CITIES.replace("slow dolly in", "fast pan").replace("duration: 5", "duration: 10")
    after = loaded(tmp_path, body.replace("a card on slate", "nothing but snow, as far as one sees"))
    requests = {receipt.address: receipt.request for receipt in renders.values()}
    text = plan_markdown.as_markdown(review_of(plan_of(after, renders), before=requests), 60_000)
    assert "| `prompt “slow dolly in” → “fast pan”` | – | – | 4 | `hero[city=lisbon]` |" in text
    assert "| `duration 5 → 10` | – | – | 4 | `hero[city=lisbon]` |" in text
    assert "| `prompt rewritten` | `a card on slate` | `nothing but snow, as far as one sees` | 1 | `card` |" in text


def test_a_hostile_plan_stays_a_plan(tmp_path: Path) -> None:
    """Prompts and labels of an untrusted manifest do not become markup in a comment."""
    shots = "".join(
        f"  - id: shot{index}\n    model: kling-2.6\n    prompt: {text!a}\n    labels: {{market: {text!a}}}\n"
        for index, text in enumerate(HOSTILE)
        if text.isprintable() and "'" not in text and "{{" not in text
    )
    plan = plan_of(loaded(tmp_path, f"shots:\n{shots}"), {})
    page = Page(plan_markdown.as_markdown(review_of(plan), COMMENT_LIMIT))
    assert len(plan.purchases) >= 7
    assert set(page.tags) <= ALLOWED


def test_a_long_plan_fits_a_comment_and_keeps_its_digest(tmp_path: Path) -> None:
    """A thousand purchases with different reasons fit; totals, digest and the way to the rest stay."""
    body = CITIES.replace("[Lisbon, Oslo]", f"[{', '.join(f'town {number}' for number in range(500))}]")
    plan = plan_of(loaded(tmp_path, body), {})
    text = plan_markdown.as_markdown(review_of(plan), COMMENT_LIMIT)
    assert size(text) <= COMMENT_LIMIT
    assert plan.digest in text
    assert re.search(r"… and [\d,]+ more purchases", text)
    assert set(Page(text).tags) <= ALLOWED


def test_nothing_to_buy_is_said_at_once(tmp_path: Path) -> None:
    """A plan that only reuses begins with that."""
    manifest = loaded(tmp_path)
    plan = plan_of(manifest, {job.fingerprint: receipt_of(job) for job in manifest.jobs})
    text = plan_markdown.as_markdown(review_of(plan), COMMENT_LIMIT)
    assert "**Nothing is bought.** Beside that: 5 reused." in text
    assert "--approve" not in text


def test_every_state_of_the_samples_is_reported() -> None:
    """No row is lost between the samples and the page."""
    text = run_markdown.as_markdown(report(), COMMENT_LIMIT)
    assert all(f"`{each.address}`" in text for each in ROWS)
