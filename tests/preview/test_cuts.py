"""Cut lists: what stands below each clip, what it adds up to, and whether its file is shown."""

import pytest

from kbatch.receipts.receipt import Credits, ReceiptState
from kbatch.report.preview.cuts import Tone, cut_list
from tests.planner.conftest import receipt_of
from tests.preview.conftest import Campaign

AIMLAPI = "kling-video/v2.1/pro/image-to-video"
MIXED = f"""
defaults: {{model: kling-2.5-turbo-pro, params: {{duration: 5}}}}
shots:
  - {{id: one, prompt: a}}
  - {{id: two, prompt: b, params: {{duration: 10}}}}
  - {{id: again, prompt: a}}
  - {{id: other, provider: aimlapi, model: {AIMLAPI}, prompt: c, params: {{image_url: https://example.com/a.png}}}}
"""
ONE = "shots: [{id: hero, model: kling-2.6, prompt: a ridge, params: {duration: 5, generate_audio: false}}]"


def test_credits_add_up_per_provider_in_manifest_order(campaign: Campaign) -> None:
    """Never across providers; a shared purchase counts once, an unknown price is said and is not 0."""
    cuts = cut_list(campaign(MIXED).jobs, {}, {})
    assert [cut.address for cut in cuts] == ["one", "two", "again", "other"]
    assert [cut.credits for cut in cuts] == ["4 credits", "7 credits", "as one", "price unknown"]
    assert [cut.total for cut in cuts] == [
        "apiframe 4",
        "apiframe 11",
        "apiframe 11",
        "apiframe 11 · aimlapi 0 and 1 unpriced",
    ]
    assert [cut.seconds for cut in cuts] == [5.0, 10.0, 5.0, 5.0]


def test_what_was_charged_counts_and_not_the_quote(campaign: Campaign) -> None:
    """A charge that the provider reported is what the total has, but not that of a failed job, which was refunded."""
    loaded = campaign(ONE)
    (job,) = loaded.jobs
    for state, said in ((ReceiptState.DONE, "21 credits"), (ReceiptState.FAILED, "15 credits")):
        receipt = receipt_of(job, state, credits=Credits(planned=15, reported=21), job_id="x")
        assert cut_list(loaded.jobs, {job.fingerprint: receipt}, {})[0].credits == said


@pytest.mark.parametrize(
    ("state", "origin", "here", "tone", "tag"),
    [
        pytest.param(None, "", False, Tone.SIMULATED, "not bought", id="not-bought"),
        pytest.param(ReceiptState.DONE, "https://a.example", True, Tone.BOUGHT, "bought", id="bought"),
        pytest.param(ReceiptState.DONE, "simulator", True, Tone.SIMULATED, "simulated", id="rehearsed"),
        pytest.param(ReceiptState.DONE, "loopback", False, Tone.SIMULATED, "bought, not here", id="fresh-clone"),
        pytest.param(ReceiptState.DELIVERED_WRONG, "loopback", True, Tone.WRONG, "delivered wrong", id="wrong"),
        pytest.param(ReceiptState.SUBMITTED, "loopback", False, Tone.SIMULATED, "still rendering", id="rendering"),
        pytest.param(ReceiptState.RENDERED, "loopback", False, Tone.SIMULATED, "rendered, not fetched", id="owed"),
        pytest.param(ReceiptState.UNKNOWN, "loopback", False, Tone.SIMULATED, "outcome unknown", id="unknown"),
        pytest.param(ReceiptState.FAILED, "loopback", False, Tone.SIMULATED, "failed last time", id="failed"),
    ],
)
def test_every_state_has_a_tag_and_only_a_clip_that_is_here_is_shown(  # noqa: PLR0917
    campaign: Campaign, state: ReceiptState | None, origin: str, here: bool, tone: Tone, tag: str
) -> None:
    """Nothing pretended passes for something bought: only a paid clip whose file is here has the tone of one."""
    loaded = campaign(ONE)
    (job,) = loaded.jobs
    renders = {} if state is None else {job.fingerprint: receipt_of(job, state, origin=origin)}
    sizes = {job.draft.output: 10} if here else {}
    (cut,) = cut_list(loaded.jobs, renders, sizes)
    assert (cut.tone, cut.tag, cut.clip is not None) == (tone, tag, here)


def test_a_file_of_another_size_than_its_receipt_is_not_shown(campaign: Campaign) -> None:
    """What was cut or changed by hand is not passed off as the clip; its true seconds count when it is shown."""
    loaded = campaign(ONE)
    (job,) = loaded.jobs
    renders = {job.fingerprint: receipt_of(job)}
    assert cut_list(loaded.jobs, renders, {job.draft.output: 9})[0].clip is None
    shown = cut_list(loaded.jobs, renders, {job.draft.output: 10})[0]
    assert (shown.seconds, shown.size) == (5.0, (16, 9))
