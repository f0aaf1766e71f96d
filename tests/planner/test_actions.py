"""Job × receipt → action, price and reason, as §4 of .github/DESIGN.md has them."""

import pytest
from msgspec.structs import replace

from kbatch.planner.actions import Action, ActionOptions, RecordedState
from kbatch.planner.comparison.changed_fields import changed_fields
from kbatch.planner.decisions import decide
from kbatch.receipts.receipt import Credits, ReceiptError, ReceiptState
from tests.planner.conftest import Campaign, entries_of, receipt_of

ONE = "shots: [{id: hero, model: kling-2.6, prompt: a ridge, params: {duration: 5, generate_audio: false}}]"
CHAIN = """
shots:
  - {id: first, model: kling-2.5-turbo-pro, prompt: one}
  - id: second
    model: kling-2.5-turbo-pro
    prompt: two
    params: {start_image: "{{ last_frame('first') }}"}
"""


def test_a_new_job_is_rendered_at_its_quote(campaign: Campaign) -> None:
    """Without a receipt a job is bought, and costs what its card says."""
    (entry,) = entries_of(campaign(ONE))
    assert (entry.action, entry.credits, entry.reason) == (Action.RENDER, 15, "not bought yet")


@pytest.mark.parametrize(
    ("state", "action", "held"),
    [
        pytest.param(ReceiptState.DONE, Action.REUSE, 0, id="done"),
        pytest.param(ReceiptState.DELIVERED_WRONG, Action.REUSE, 0, id="delivered-wrong"),
        pytest.param(ReceiptState.SUBMITTED, Action.POLL, 0, id="submitted"),
        pytest.param(ReceiptState.RENDERED, Action.DOWNLOAD, 0, id="rendered"),
        pytest.param(ReceiptState.UNKNOWN, Action.UNKNOWN, 15, id="unknown-holds-its-quote"),
    ],
)
def test_what_is_on_record_costs_nothing(campaign: Campaign, state: ReceiptState, action: Action, held: int) -> None:
    """Every receipt that is paid or may be keeps the job from being bought."""
    loaded = campaign(ONE)
    (job,) = loaded.jobs
    (entry,) = entries_of(loaded, {job.fingerprint: receipt_of(job, state)})
    assert (entry.action, entry.credits, entry.held) == (action, 0, held)


@pytest.mark.parametrize(
    ("error", "options", "action", "credits"),
    [
        pytest.param(
            ReceiptError(at="render", reason=None, message="boom"), ActionOptions(), Action.RENDER, 15, id="failed"
        ),
        pytest.param(
            ReceiptError(at="submit", reason="invalid", message="no"), ActionOptions(), Action.RENDER, 15, id="refused"
        ),
        pytest.param(
            ReceiptError(at="submit", reason="moderation", message="no"),
            ActionOptions(),
            Action.BLOCKED,
            0,
            id="moderation",
        ),
        pytest.param(
            ReceiptError(at="submit", reason="moderation", message="no"),
            ActionOptions(retry_failed=True),
            Action.RENDER,
            15,
            id="moderation-with-failed",
        ),
        pytest.param(
            ReceiptError(at="render", reason="moderation", message="no"),
            ActionOptions(),
            Action.RENDER,
            15,
            id="moderation-later",
        ),
    ],
)
def test_a_failure_is_tried_again_unless_moderation_refused_it_unchanged(
    campaign: Campaign, error: dict[str, str], options: ActionOptions, action: Action, credits: int
) -> None:
    """A failure was not charged and is bought again; a refusal at submission for its content waits for a change."""
    loaded = campaign(ONE)
    (job,) = loaded.jobs
    (entry,) = entries_of(loaded, {job.fingerprint: receipt_of(job, ReceiptState.FAILED, error=error)}, options)
    assert (entry.action, entry.credits) == (action, credits)
    assert "no" in entry.reason or "boom" in entry.reason


def test_replace_buys_a_paid_job_again(campaign: Campaign) -> None:
    """Only --replace makes a purchase of a job that is done."""
    loaded = campaign(ONE)
    (job,) = loaded.jobs
    (entry,) = entries_of(loaded, {job.fingerprint: receipt_of(job)}, ActionOptions(replace=frozenset({"hero"})))
    assert (entry.action, entry.credits, entry.replaces) == (Action.RENDER, 15, True)


def test_the_reason_names_what_changed(campaign: Campaign) -> None:
    """After a change the reason lists the changed fields against the receipt."""
    before = campaign(ONE).jobs[0]
    after = campaign(ONE.replace("duration: 5", "duration: 10").replace("a ridge", "a valley"))
    (entry,) = entries_of(after, {before.fingerprint: receipt_of(before)})
    assert entry.reason == "duration 5 → 10, prompt a ridge → a valley changed since `hero` was rendered"


def test_a_long_prompt_is_named_and_not_repeated() -> None:
    """Texts too long for a reason are named only."""
    assert changed_fields({"prompt": "a" * 50}, {"prompt": "b" * 50}) == ["prompt"]


def test_identical_jobs_are_bought_once(campaign: Campaign) -> None:
    """The second of two identical jobs shares the purchase of the first, and says so."""
    loaded = campaign(ONE.replace("prompt: a ridge", "prompt: a ridge, matrix: {side: [a, b]}"))
    first, second = entries_of(loaded)
    assert (first.action, second.action, second.credits) == (Action.RENDER, Action.REUSE, 0)
    assert second.shared_with == first.address
    assert second.reason == "same request as `hero[side=a]`, bought once"


@pytest.mark.parametrize("state", [ReceiptState.UNKNOWN, ReceiptState.DELIVERED_WRONG])
def test_a_chained_job_is_blocked_by_its_upstream(campaign: Campaign, state: ReceiptState) -> None:
    """An upstream that is unknown or delivered wrong blocks what needs its frame, at no cost."""
    loaded = campaign(CHAIN)
    first = loaded.jobs[0]
    _, entry = entries_of(loaded, {first.fingerprint: receipt_of(first, state)})
    assert (entry.action, entry.credits) == (Action.BLOCKED, 0)
    assert "`first`" in entry.reason


def test_a_chained_job_is_priced_before_its_frame_exists(campaign: Campaign) -> None:
    """The price of a chain is known in full before anything is rendered."""
    assert [entry.credits for entry in entries_of(campaign(CHAIN))] == [4, 4]


def test_an_accepted_delivery_unblocks_the_chain(campaign: Campaign) -> None:
    """`kbatch accept` ends the reminder and lets the downstream job go on."""
    loaded = campaign(CHAIN)
    first = loaded.jobs[0]
    accepted = receipt_of(first, ReceiptState.DELIVERED_WRONG, accepted_as_is=True)
    upstream, entry = entries_of(loaded, {first.fingerprint: accepted})
    assert (upstream.reminder, entry.action) == (False, Action.RENDER)


def test_a_downstream_whose_upstream_was_bought_anew_is_stale(campaign: Campaign) -> None:
    """A frame of an earlier purchase makes its user stale: kept, reminded of, and not bought again by itself."""
    loaded = campaign(CHAIN)
    first, second = loaded.jobs
    used = {"start_image": {"fingerprint": first.fingerprint, "job_id": "an-earlier-one", "sha256": "0" * 64}}
    renders = {first.fingerprint: receipt_of(first), second.fingerprint: receipt_of(second, inputs=used)}
    entry = entries_of(loaded, renders)[1]
    assert (entry.action, entry.reminder) == (Action.REUSE, True)
    assert entry.reason.startswith("stale")


def test_a_missing_or_altered_file_is_said(campaign: Campaign) -> None:
    """A receipt whose file is not here, or differs in size, is reused and the reason names it."""
    loaded = campaign(ONE)
    (job,) = loaded.jobs
    receipt = receipt_of(job)
    renders = {job.fingerprint: receipt}
    (missing,) = decide(loaded.jobs, RecordedState(renders=renders), ActionOptions())
    (altered,) = decide(loaded.jobs, RecordedState(renders=renders, sizes={job.draft.output: 11}), ActionOptions())
    moved = {job.fingerprint: replace(receipt, output=replace(receipt.output, path="renders/old.mp4"))}  # type: ignore[type-var]
    (moving,) = decide(loaded.jobs, RecordedState(renders=moved, sizes={"renders/old.mp4": 10}), ActionOptions())
    assert "`kbatch pull` fetches it" in missing.reason
    assert "differs" in altered.reason
    assert moving.reason.endswith("moves to renders/hero.mp4")


def test_an_unknown_price_is_never_zero(campaign: Campaign) -> None:
    """A job without a known price has None for credits, also when it is held."""
    loaded = campaign(
        "shots: [{id: s, provider: aimlapi, model: kling-video/v2.1/pro/image-to-video,"
        " params: {image_url: 'https://example.com/a.png'}}]"
    )
    (job,) = loaded.jobs
    (new,) = entries_of(loaded)
    unknown = receipt_of(job, ReceiptState.UNKNOWN, credits=Credits())
    (held,) = entries_of(loaded, {job.fingerprint: unknown})
    assert (new.credits, held.held) == (None, None)
