"""The request body: every default explicit, pictures as tokens, everything written in it or refused."""

import json
from typing import Any

import pytest
from packaged_cards import AIMLAPI, DIGEST, card_of, completed, draft, pictures, request_of

from kbatch.manifest.drafts import Frame
from kbatch.models.expected_clip import expected_clip, typical_s
from kbatch.models.request import complete

PICTURE = "https://example.org/a.png"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("kling-2.1", {"klingParams": {"duration": 5, "mode": "pro"}}),
        ("kling-2.5-turbo-pro", {"klingParams": {"duration": 5}}),
        ("kling-2.6", {"klingParams": {"duration": 5, "generate_audio": True}}),
        ("kling-3.0", {"klingParams": {"duration": 5, "mode": "pro", "generate_audio": True}}),
    ],
)
def test_apiframe_gets_every_default_explicitly(model: str, body: dict[str, Any]) -> None:
    """What is billed is what was priced: no default is left to the provider."""
    done = completed(model, {})
    assert done.request == {"prompt": "a ridge", "model": model, **body}
    assert set(done.defaulted) == set(body["klingParams"])


def test_aimlapi_gets_a_flat_body() -> None:
    """Its parameters stand beside prompt and model; what has no default and was not written is not sent."""
    done = completed(AIMLAPI, {"image_url": PICTURE})
    expected = {"prompt": "a ridge", "model": AIMLAPI, "image_url": PICTURE, "duration": 5, "cfg_scale": 0.5}
    assert done.request == expected
    assert done.defaulted == ("duration", "cfg_scale")


def test_a_prompt_that_was_not_written_is_not_sent() -> None:
    """AI/ML's optional prompt leaves no key behind."""
    assert "prompt" not in request_of(AIMLAPI, {"image_url": PICTURE}, prompt=None)


def test_everything_written_is_in_the_body() -> None:
    """Each parameter that the shot wrote arrives with its value."""
    params = {
        "duration": 10,
        "aspect_ratio": "9:16",
        "mode": "pro",
        "start_image": PICTURE,
        "end_image": PICTURE,
        "negative_prompt": "blur",
        "cfg_scale": 0.25,
    }
    done = completed("kling-2.1", params)
    assert done.request is not None
    assert (done.request["klingParams"], done.defaulted) == (params, ())


@pytest.mark.parametrize(
    ("written", "token"),
    [
        (PICTURE, PICTURE),
        ("stills/table.png", f"sha256:{DIGEST}"),
        ("data:image/png;base64,AAAA", f"sha256:{DIGEST}"),
        (Frame("last", "hero[city=oslo]@2"), "frame:last:hero[city=oslo]@2"),
    ],
    ids=["url", "file", "data", "frame"],
)
def test_a_picture_is_a_token(written: Any, token: str) -> None:
    """A URL stands for itself, bytes for their digest, a frame for its job; the inputs say which is which."""
    done = completed("kling-2.6", {"start_image": written})
    assert done.request is not None
    assert done.request["klingParams"]["start_image"] == token
    (only,) = done.inputs
    assert (only.parameter, only.token) == ("start_image", token)


def test_the_same_picture_by_file_and_by_data_is_the_same_request() -> None:
    """What a picture shows counts, not how it was written down."""
    by_file = request_of("kling-2.6", {"start_image": "a.png"})
    assert by_file == request_of("kling-2.6", {"start_image": "data:image/png;base64,AAAA"})


def test_multi_prompt_as_a_list_and_as_text_is_one_request() -> None:
    """A YAML list and JSON text with other spaces are sent as the same JSON text."""
    parts = [{"prompt": "dawn", "duration": 2}, {"prompt": "dusk — é", "duration": 3}]
    by_list = request_of("kling-3.0", {"multi_prompt": parts})
    assert by_list == request_of("kling-3.0", {"multi_prompt": json.dumps(parts, indent=4)})
    sent = by_list["klingParams"]["multi_prompt"]
    assert isinstance(sent, str)
    assert json.loads(sent) == parts


def test_a_weak_parameter_that_the_model_lacks_is_dropped_and_named() -> None:
    """Only what comes from `defaults` may be left out; it is named, and not sent."""
    done = completed(
        "kling-2.5-turbo-pro", {"generate_audio": False, "duration": 10}, default_only=("generate_audio", "duration")
    )
    assert (done.complaints, done.dropped) == ((), ("generate_audio",))
    assert done.request is not None
    assert done.request["klingParams"] == {"duration": 10}


def test_a_weak_parameter_that_the_model_has_is_checked_like_any_other() -> None:
    """Being a default excuses no wrong value."""
    (complaint,) = completed("kling-2.6", {"duration": 7}, default_only=("duration",)).complaints
    assert complaint.code == "not-allowed-value"


def test_drop_unsupported_also_drops_the_shots_own() -> None:
    """A profile that asks for it may move a shot to a lesser model; pictures that are dropped are no inputs."""
    params = {"mode": "pro", "end_image": Frame("last", "hero"), "duration": 5}
    assert [fault.code for fault in completed("kling-2.6", params).complaints] == ["unknown-parameter"] * 2
    done = completed("kling-2.6", params, drop_unsupported=True)
    assert (done.complaints, done.dropped, done.inputs) == ((), ("mode", "end_image"), ())


def test_what_was_seen_before_is_not_confused_with_what_looks_alike() -> None:
    """Checked sets are remembered by type and value: 5, 5.0, "5" and true stay apart, in any order."""
    for _ in range(2):
        assert completed("kling-3.0", {"duration": 5}).complaints == ()
        for value in (5.0, "5", True):
            assert [fault.code for fault in completed("kling-3.0", {"duration": value}).complaints] == ["wrong-type"]
    card = card_of("kling-2.6")
    for default_only in ((), ("mode",), ()):
        done = complete(card, draft("kling-2.6", {"mode": "pro"}, default_only=default_only), pictures)
        assert done.dropped == default_only


def test_pictures_of_jobs_that_share_all_else_stay_their_own() -> None:
    """Memory holds no picture: each job keeps the one it wrote."""
    one, other = (request_of("kling-2.6", {"start_image": f"https://example.org/{name}"}) for name in "ab")
    assert one["klingParams"]["start_image"] == "https://example.org/a"
    assert other["klingParams"]["start_image"] == "https://example.org/b"


def test_a_set_of_parameters_is_checked_once_whatever_its_pictures() -> None:
    """A plan of many jobs that differ in prompt and picture alone costs one check of their parameters."""
    card = card_of("kling-2.6")
    card.checked_cache.clear()
    for number in range(50):
        completed("kling-2.6", {"duration": 10, "start_image": f"{number}.png"}, prompt=f"take {number}")
    assert len(card.checked_cache) == 1


def test_what_is_remembered_is_bounded() -> None:
    """Parameters that are all different, such as a text of each job's own, do not fill the memory."""
    card = card_of("kling-2.6")
    for number in range(5000):
        completed("kling-2.6", {"negative_prompt": f"not {number}"})
    assert len(card.checked_cache) < 5000


def test_a_request_is_its_own() -> None:
    """Changing one request leaves the next one of the same parameters as it should be."""
    first = dict(request_of("kling-2.6", {"duration": 10}))
    first["klingParams"]["duration"] = 99
    assert request_of("kling-2.6", {"duration": 10})["klingParams"]["duration"] == 10


@pytest.mark.parametrize(
    ("model", "params", "duration", "audio", "times"),
    [
        ("kling-2.1", {"duration": 10}, 10, False, (60, 300)),
        ("kling-2.5-turbo-pro", {}, 5, False, (60, 300)),
        ("kling-2.6", {}, 5, True, (60, 300)),
        ("kling-2.6", {"generate_audio": False}, 5, False, (60, 300)),
        ("kling-3.0", {"duration": 13}, 13, True, (135, 150)),
        (AIMLAPI, {"image_url": PICTURE}, 5, False, (180, 240)),
        (AIMLAPI, {"image_url": PICTURE, "duration": 10}, 10, False, (360, 480)),
    ],
)
def test_what_is_delivered_and_how_long_it_takes(
    model: str, params: dict[str, Any], duration: int, audio: bool, times: tuple[int, int]
) -> None:
    """The clip's length and audio as bought, and the documented render times."""
    card, request = card_of(model), request_of(model, params)
    clip = expected_clip(card, request)
    assert (clip.duration_s, clip.audio, typical_s(card, request)) == (duration, audio, times)
