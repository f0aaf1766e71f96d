"""Tokens in and out of a request: what is hashed, what is sent, and that only pictures are ever replaced."""

import json

import pytest
from packaged_cards import AIMLAPI, DIGEST, card_of, request_of

from kbatch.errors import Bug
from kbatch.manifest.drafts import Frame
from kbatch.models.body import bind_frames, digest_token, frame_token, parameters_of, publish
from kbatch.models.fingerprint import canonical

TOKEN = f"sha256:{DIGEST}"
UPLOADED = "https://files.example.org/1.png"


def test_a_picture_is_sent_as_what_replaces_its_token() -> None:
    """An upload's URL takes the token's place; nothing else moves."""
    card, request = (
        card_of("kling-2.1"),
        request_of("kling-2.1", {"start_image": "a.png", "end_image": "https://x.org/b"}),
    )
    sent = json.loads(publish(card, request, {TOKEN: UPLOADED}))
    expected = {**request["klingParams"], "start_image": UPLOADED}
    assert sent == {**request, "klingParams": expected}


def test_a_flat_body_takes_data() -> None:
    """AI/ML has no upload: its picture goes as a data: URI at the top of the body."""
    card, request = card_of(AIMLAPI), request_of(AIMLAPI, {"image_url": "a.png"})
    sent = json.loads(publish(card, request, {TOKEN: "data:image/png;base64,AAAA"}))
    assert sent["image_url"] == "data:image/png;base64,AAAA"


def test_what_is_sent_is_canonical() -> None:
    """Byte for byte: sorted keys, no spaces, UTF-8. A resend must be identical, so nothing here may vary."""
    request = request_of("kling-2.1", {"cfg_scale": 1.0, "negative_prompt": "é"})
    body = publish(card_of("kling-2.1"), request, {})
    assert (
        body
        == (
            '{"klingParams":{"cfg_scale":1,"duration":5,"mode":"pro","negative_prompt":"é"},'
            '"model":"kling-2.1","prompt":"a ridge"}'
        ).encode()
    )


def test_a_prompt_that_reads_like_a_token_is_left_alone() -> None:
    """Only picture parameters hold tokens; text is text."""
    words = {"start_image": "a.png", "negative_prompt": "frame:last:hero"}
    request = request_of("kling-2.6", words, prompt=TOKEN)
    sent = json.loads(publish(card_of("kling-2.6"), request, {TOKEN: UPLOADED, "frame:last:hero": UPLOADED}))
    assert (sent["prompt"], sent["klingParams"]["negative_prompt"]) == (TOKEN, "frame:last:hero")
    assert sent["klingParams"]["start_image"] == UPLOADED
    bound = bind_frames(card_of("kling-2.6"), request, {"frame:last:hero": "f" * 64})
    assert canonical(bound) == canonical(request)


def test_a_token_without_a_replacement_never_leaves() -> None:
    """Sending a token as a URL would pay for a clip of nothing."""
    request = request_of("kling-2.6", {"start_image": "a.png"})
    with pytest.raises(Bug, match="no replacement for the picture sha256:"):
        publish(card_of("kling-2.6"), request, {})


def test_a_frame_is_bound_to_the_fingerprint_of_its_job() -> None:
    """The address goes and the fingerprint comes, so that renaming a shot buys nothing."""
    card, request = card_of("kling-2.6"), request_of("kling-2.6", {"start_image": Frame("last", "hero[city=oslo:1]@2")})
    bound = bind_frames(card, request, {"frame:last:hero[city=oslo:1]@2": "f" * 64})
    assert parameters_of(card, bound)["start_image"] == frame_token("last", "f" * 64)
    renamed = request_of("kling-2.6", {"start_image": Frame("last", "opening")})
    assert bind_frames(card, renamed, {"frame:last:opening": "f" * 64}) == bound


def test_a_frame_of_an_unknown_job_is_a_bug() -> None:
    """A frame that was never bound is not hashed by its address."""
    request = request_of("kling-2.6", {"start_image": Frame("last", "hero")})
    with pytest.raises(Bug, match="frame:last:hero"):
        bind_frames(card_of("kling-2.6"), request, {})


def test_binding_leaves_urls_and_digests() -> None:
    """Only frames wait for a fingerprint."""
    request = request_of("kling-2.1", {"start_image": "a.png", "end_image": "https://x.org/b"})
    assert bind_frames(card_of("kling-2.1"), request, {}) == request
    assert digest_token(DIGEST) == TOKEN
