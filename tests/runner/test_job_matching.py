"""Whether a job is the one that was sent: proof to claim it, no contradiction to take its answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.providers.base import Listed
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.submit.job_matching import Likeness, contradiction, likeness, sent_body

BODY: dict[str, Any] = {
    "prompt": "it turns",
    "model": "kling-2.6",
    "klingParams": {
        "duration": 5,
        "cfg_scale": 0.5,
        "generate_audio": False,
        "start_image": "https://up.example/1.png",
    },
}
FLAT = {"prompt": "it turns", "duration": 5, "cfg_scale": 0.5, "generate_audio": False}
PICTURE = {"start_image": "https://up.example/1.png"}


def receipt(**changes: Any) -> Receipt:
    """Return a receipt of a send."""
    request = {**BODY, "klingParams": {**BODY["klingParams"], "start_image": "sha256:ab"}}
    fields = {"model": "kling-2.6", "job_id": "j-1", "request": request, "body": json.dumps(BODY), **changes}
    return Receipt(state=ReceiptState.SUBMITTED, attempt=1, provider="apiframe", **fields)


@pytest.mark.parametrize(
    ("theirs", "alike"),
    [
        pytest.param(BODY, Likeness.SAME, id="the-body"),
        pytest.param({**FLAT, **PICTURE}, Likeness.SAME, id="flat-without-model"),
        pytest.param({**FLAT, **PICTURE, "duration": 5.0}, Likeness.SAME, id="five-point-nought"),
        pytest.param({**FLAT, **PICTURE, "webhookUrl": "https://x/"}, Likeness.SAME, id="webhook-that-we-did-not-send"),
        pytest.param({**FLAT, **PICTURE, "seed": None}, Likeness.SAME, id="null-beside"),
        pytest.param({**FLAT, "start_image": "https://up.example/2.png"}, Likeness.OTHER, id="another-picture"),
        pytest.param({**FLAT, **PICTURE, "prompt": "it turns "}, Likeness.OTHER, id="prompt-with-a-blank"),
        pytest.param({**FLAT, **PICTURE, "duration": "5"}, Likeness.OTHER, id="number-as-text"),
        pytest.param({**FLAT, **PICTURE, "generate_audio": 0}, Likeness.OTHER, id="nought-for-false"),
        pytest.param(FLAT, Likeness.UNSURE, id="no-picture"),
        pytest.param({**FLAT, **PICTURE, "seed": 7}, Likeness.UNSURE, id="a-field-more"),
        pytest.param({}, Likeness.UNSURE, id="empty"),
        pytest.param(None, Likeness.UNSURE, id="not-shown"),
    ],
)
def test_a_job_is_claimed_by_its_whole_input(theirs: dict[str, Any] | None, alike: Likeness) -> None:
    """Every field of the body, picture for picture; what is missing or more is no proof, what differs is another."""
    assert likeness(theirs, BODY) is alike


def test_the_body_that_was_sent() -> None:
    """The recorded one while it agrees with the request; of a request with pictures alone it is not known."""
    assert sent_body(receipt()) == BODY
    assert sent_body(receipt(body=json.dumps({**BODY, "prompt": "another's"}))) is None
    assert sent_body(receipt(body="no json")) is None
    assert sent_body(receipt(body=None)) is None
    assert sent_body(receipt(body=None, request=FLAT)) == FLAT


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param({}, None, id="id-alone"),
        pytest.param({"input": BODY, "model": "kling-2.6"}, None, id="all-of-it"),
        pytest.param({"input": {**FLAT, "prompt": " it turns\n", "duration": "5"}}, None, id="other-words"),
        pytest.param({"input": {"start_image": "https://cdn.example/9.png"}}, None, id="picture-of-an-upload"),
        pytest.param({"job_id": "j-2"}, "about job j-2, not about j-1", id="another-id"),
        pytest.param({"model": "kling-3.0"}, "is of kling-3.0", id="another-model"),
        pytest.param({"input": {"prompt": "x"}}, "another `prompt`", id="another-prompt"),
        pytest.param({"input": {"klingParams": {"duration": 10}}}, "another `duration`", id="another-duration"),
        pytest.param({"input": {"generate_audio": True}}, "another `generate_audio`", id="audio"),
    ],
)
def test_what_an_answer_may_not_say(found: dict[str, Any], words: str | None) -> None:
    """Only what both sides know can contradict."""
    said = contradiction(Listed(**{"job_id": "j-1", "model": "", "status": "COMPLETED", **found}), receipt())
    assert (said is None) if words is None else (said is not None and words in said)


def test_a_picture_by_its_address_may_contradict() -> None:
    """Another path on the host that was named is another picture; another host may be the provider's own copy."""
    request = {**FLAT, "image_url": "https://pictures.example/red.png"}
    for shown, differs in (
        ("https://pictures.example/blue.png", True),
        ("https://pictures.example/red.png?sig=1", False),
        ("https://cdn.example/blue.png", False),
        ("data:image/png;base64,AA", False),
    ):
        found = Listed(job_id="j-1", model="", status="", input={"image_url": shown})
        assert (contradiction(found, receipt(request=request, body=None)) is not None) is differs


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
INPUTS = st.dictionaries(st.sampled_from([*FLAT, "klingParams", "start_image", "model", "x"]), JSON, max_size=6)


@given(INPUTS)
def test_no_input_makes_it_raise(theirs: dict[str, Any]) -> None:
    """Whatever a provider shows for an input is compared, and only the body is the body."""
    contradiction(Listed(job_id="j-1", model="", status="", input=theirs), receipt())
    if likeness(theirs, BODY) is Likeness.SAME:
        assert theirs.get("prompt", BODY["prompt"]) == BODY["prompt"]
