"""A world that remembers a job of an earlier one."""

from typing import Any

import pytest
from simulator_calls import KLING, START, bill_of, clip_url, document, download, new, poll, submit

from kbatch.simulator.earlier_jobs import restore_job
from kbatch.simulator.faults.selection import rule

BODIES: dict[str, dict[str, Any]] = {
    "apiframe": {
        "prompt": "a dog",
        "model": "kling-2.1",
        "klingParams": {"duration": 10, "start_image": "http://127.0.0.1/uploads/gone/file.png"},
    },
    "aimlapi": {"model": KLING, "image_url": "https://earlier.invalid/picture.png"},
}
IDS = {"apiframe": "6edf1324-3a3d-41b4-95ad-b4c6fff47cc8", "aimlapi": "123456789012345678"}


@pytest.mark.parametrize("provider", BODIES)
def test_an_earlier_job_is_complete_and_costs_nothing_again(provider: str) -> None:
    """It answers to its id with a clip of what was bought, whatever the faults of today; the bill is untouched."""
    world = new(rule("fail"), rule("500", at="submit", times=1), latency_s=60)
    restore_job(world, provider, IDS[provider], BODIES[provider], START - 5)
    assert bill_of(world)["charges"] == []
    assert bill_of(world)["requests"]["submit"] == 0
    reply = poll(world, provider, IDS[provider])
    assert document(reply)["status"] in ("COMPLETED", "completed")
    clip = download(world, clip_url(reply)).clip
    assert clip is not None
    assert clip.seconds == (10 if provider == "apiframe" else 5)
    assert submit(world, provider).status == 500
    assert submit(world, provider).status in (200, 202)


def test_what_is_refused_today_or_already_known_is_passed_over() -> None:
    """A body with an unknown model is forgotten; remembering twice changes nothing."""
    world = new()
    restore_job(world, "apiframe", IDS["apiframe"], {"prompt": "x", "model": "gone"}, START)
    assert poll(world, "apiframe", IDS["apiframe"]).status == 404
    for prompt in ("first", "second"):
        restore_job(world, "apiframe", IDS["apiframe"], {"prompt": prompt, "model": "kling-2.1"}, START)
    assert document(poll(world, "apiframe", IDS["apiframe"]))["input"]["prompt"] == "first"
    assert len(world.order["apiframe"]) == 1
