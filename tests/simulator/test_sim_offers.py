"""What the simulated models accept and cost, row by row of the five model pages."""

import base64
import json
from typing import Any

import pytest
from simulator_calls import KLING, PNG, aimlapi_submit, apiframe_submit, bill_of, document, new

from kbatch.simulator.providers.offers import OFFERS, cheapest_and_dearest, quote

# the pages' tables, copied row by row
FIXED: list[tuple[str, dict[str, Any], str, int]] = [
    ("kling-2.1", {"mode": "standard", "duration": 5}, "standard-5s", 3),
    ("kling-2.1", {"mode": "standard", "duration": 10}, "standard-10s", 5),
    ("kling-2.1", {"mode": "pro", "duration": 5}, "pro-5s", 5),
    ("kling-2.1", {"mode": "pro", "duration": 10}, "pro-10s", 10),
    ("kling-2.5-turbo-pro", {"duration": 5}, "5s", 4),
    ("kling-2.5-turbo-pro", {"duration": 10}, "10s", 7),
    ("kling-2.6", {"duration": 5, "generate_audio": False}, "5s", 15),
    ("kling-2.6", {"duration": 5, "generate_audio": True}, "5s-audio", 25),
    ("kling-2.6", {"duration": 10, "generate_audio": False}, "10s", 25),
    ("kling-2.6", {"duration": 10, "generate_audio": True}, "10s-audio", 40),
]
BY_SECOND: list[tuple[str, dict[str, Any], str, int]] = [
    ("kling-3.0", {"mode": mode, "generate_audio": audio, "duration": seconds}, variant, price * seconds)
    for mode, audio, variant, price in [
        ("standard", False, "standard", 3),
        ("standard", True, "standard-audio", 4),
        ("pro", False, "pro", 5),
        ("pro", True, "pro-audio", 7),
    ]
    for seconds in range(3, 16)
]
DEFAULTS: list[tuple[str, dict[str, Any], str, int]] = [
    ("kling-2.1", {}, "pro-5s", 5),
    ("kling-2.5-turbo-pro", {}, "5s", 4),
    ("kling-2.6", {}, "5s-audio", 25),
    ("kling-3.0", {}, "pro-audio", 35),
]


@pytest.mark.parametrize(("model", "params", "variant", "credits"), FIXED + BY_SECOND + DEFAULTS)
def test_every_row_of_a_page_is_charged_as_printed(
    model: str, params: dict[str, Any], variant: str, credits: int
) -> None:
    """A submit charges the variant and the credits of the page, also where defaults choose the variant."""
    world = new()
    reply = apiframe_submit(world, model=model, klingParams=params)
    assert reply.status == 202
    [charge] = bill_of(world)["charges"]
    assert (charge["variant"], charge["credits"]) == (variant, credits)


def test_the_pages_worked_examples_hold() -> None:
    """The three examples under the price table of 3.0 come out as written there."""
    offer = OFFERS["apiframe", "kling-3.0"]
    examples = [("pro", True, 5, 35), ("standard", False, 10, 30), ("pro", True, 15, 105)]
    for mode, audio, seconds, credits in examples:
        completed = offer.complete({"mode": mode, "generate_audio": audio, "duration": seconds})
        assert quote(offer, completed).credits == credits


@pytest.mark.parametrize(("seconds", "credits"), [(5, 1_312_500), (10, 2_625_000)])
def test_the_price_of_aimlapi_is_pretended_by_the_second(seconds: int, credits: int) -> None:
    """262,500 credits a second, whatever else is asked for."""
    world = new()
    aimlapi_submit(world, duration=seconds)
    [charge] = bill_of(world)["charges"]
    assert (charge["variant"], charge["credits"]) == (f"{seconds}s", credits)


def test_the_price_span_of_a_model_covers_its_table() -> None:
    """The lowest and the highest price of 3.0 are those of 3 and of 15 seconds."""
    assert cheapest_and_dearest(OFFERS["apiframe", "kling-3.0"]) == (9, 105)
    assert cheapest_and_dearest(OFFERS["apiframe", "kling-2.6"]) == (15, 40)


def beats(*durations: object) -> str:
    """Return a timeline of these durations."""
    return json.dumps([{"prompt": "then", "duration": duration} for duration in durations])


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("kling-2.1", {"end_image": "https://a.example/b.png"}),
    (
        "kling-2.1",
        {"end_image": "https://a.example/b.png", "mode": "pro", "start_image": "http://a.example:8080/b?c=d"},
    ),
    ("kling-2.1", {"cfg_scale": 0}),
    ("kling-2.1", {"cfg_scale": 1.0, "negative_prompt": "x" * 2500, "aspect_ratio": "21:9"}),
    ("kling-2.5-turbo-pro", {"cfg_scale": 0.5, "end_image": "https://a.example/b.png"}),
    ("kling-2.6", {"start_image": "https://a.example/b.png", "negative_prompt": ""}),
    ("kling-3.0", {"multi_prompt": beats(2, 3)}),
    ("kling-3.0", {"multi_prompt": beats(15), "duration": 15}),
    ("kling-3.0", {"mode": "standard", "end_image": "https://a.example/b.png"}),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("kling-2.1", {"duration": 7}, "duration"),
    ("kling-2.1", {"duration": "5"}, "duration"),
    ("kling-2.1", {"duration": 5.0}, "duration"),
    ("kling-2.1", {"duration": True}, "duration"),
    ("kling-2.1", {"duration": None}, "duration"),
    ("kling-2.1", {"aspect_ratio": "16x9"}, "aspect_ratio"),
    ("kling-2.1", {"aspect_ratio": "0:9"}, "aspect_ratio"),
    ("kling-2.1", {"aspect_ratio": "16:9\n"}, "aspect_ratio"),
    ("kling-2.1", {"aspect_ratio": 969}, "aspect_ratio"),
    ("kling-2.1", {"mode": "master"}, "mode"),
    ("kling-2.1", {"mode": "Pro"}, "mode"),
    ("kling-2.1", {"start_image": "data:image/png;base64,AAAA"}, "start_image"),
    ("kling-2.1", {"start_image": "stills/table.png"}, "start_image"),
    ("kling-2.1", {"start_image": "https://a.example/a b.png"}, "start_image"),
    ("kling-2.1", {"start_image": "ftp://a.example/b.png"}, "start_image"),
    ("kling-2.1", {"start_image": "https://a.example:99999/b.png"}, "start_image"),
    ("kling-2.1", {"end_image": "https://a.example/b.png", "mode": "standard"}, "end_image"),
    ("kling-2.1", {"negative_prompt": "x" * 2501}, "negative_prompt"),
    ("kling-2.1", {"cfg_scale": 1.01}, "cfg_scale"),
    ("kling-2.1", {"cfg_scale": -0.1}, "cfg_scale"),
    ("kling-2.1", {"cfg_scale": True}, "cfg_scale"),
    ("kling-2.1", {"cfg_scale": "0.5"}, "cfg_scale"),
    ("kling-2.1", {"generate_audio": True}, "generate_audio"),
    ("kling-2.5-turbo-pro", {"mode": "pro"}, "mode"),
    ("kling-2.5-turbo-pro", {"guidance_scale": 0.5}, "guidance_scale"),
    ("kling-2.6", {"mode": "pro"}, "mode"),
    ("kling-2.6", {"end_image": "https://a.example/b.png"}, "end_image"),
    ("kling-2.6", {"cfg_scale": 0.5}, "cfg_scale"),
    ("kling-2.6", {"generate_audio": "true"}, "generate_audio"),
    ("kling-2.6", {"generate_audio": 1}, "generate_audio"),
    ("kling-3.0", {"duration": 2}, "duration"),
    ("kling-3.0", {"duration": 16}, "duration"),
    ("kling-3.0", {"duration": 7.0}, "duration"),
    ("kling-3.0", {"mode": "4k"}, "mode"),
    ("kling-3.0", {"cfg_scale": 0.5}, "cfg_scale"),
    ("kling-3.0", {"multi_prompt": [{"prompt": "a", "duration": 5}]}, "multi_prompt"),
    ("kling-3.0", {"multi_prompt": "not json"}, "multi_prompt"),
    ("kling-3.0", {"multi_prompt": "[]"}, "multi_prompt"),
    ("kling-3.0", {"multi_prompt": beats(2, 2)}, "multi_prompt"),
    ("kling-3.0", {"multi_prompt": beats(5), "duration": 6}, "multi_prompt"),
    ("kling-3.0", {"multi_prompt": beats(2.5, 2.5)}, "multi_prompt.0.duration"),
    ("kling-3.0", {"multi_prompt": json.dumps([{"duration": 5}])}, "multi_prompt.0.prompt"),
    ("kling-3.0", {"multi_prompt": json.dumps([{"prompt": "a", "duration": 5, "x": 1}])}, "multi_prompt.0.x"),
    ("kling-3.0", {"multi_prompt": '[{"prompt": "a", "duration": NaN}]'}, "multi_prompt"),
]


@pytest.mark.parametrize(("model", "params"), ACCEPTED)
def test_what_the_pages_allow_is_accepted(model: str, params: dict[str, Any]) -> None:
    """Values at the edge of what is documented are accepted."""
    assert apiframe_submit(new(), model=model, klingParams=params).status == 202


@pytest.mark.parametrize(("model", "params", "path"), REFUSED)
def test_what_the_pages_do_not_allow_is_refused_at_its_path(model: str, params: dict[str, Any], path: str) -> None:
    """A wrong type, range, word, rule or unknown parameter is a 400 that names it, and costs nothing."""
    world = new()
    reply = apiframe_submit(world, model=model, klingParams=params)
    assert reply.status == 400
    assert f"klingParams.{path}" in document(reply)["details"]
    assert bill_of(world)["totals"]["apiframe"]["charged"] == 0


DATA = "data:image/png;base64," + base64.b64encode(PNG).decode()
TRACE = [{"x": 1, "y": 2.5}, {"x": 3, "y": 4}]


@pytest.mark.parametrize(
    "changes",
    [
        {"image_url": DATA},
        {"image_url": base64.b64encode(PNG).decode()},
        {"type": "image-to-video", "duration": 10, "cfg_scale": 1, "external_task_id": "mine"},
        {"negative_prompt": "rain", "static_mask": "https://a.example/m.png", "tail_image_url": DATA},
        {
            "camera_control": {"type": "simple"},
            "dynamic_masks": [{"mask": "https://a.example/m.png", "trajectories": TRACE}],
        },
    ],
    ids=["data-uri", "bare-base64", "numbers", "pictures", "movement"],
)
def test_what_the_aimlapi_page_allows_is_accepted(changes: dict[str, Any]) -> None:
    """Every documented field is accepted."""
    assert aimlapi_submit(new(), **changes).status == 200


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"image_url": "data:image/png;base64,bm90IGFuIGltYWdl"}, ["image_url"]),
        ({"image_url": "data:image/png;base64,***"}, ["image_url"]),
        ({"image_url": "a.png"}, ["image_url"]),
        ({"image_url": 5}, ["image_url"]),
        ({"image_url": "é"}, ["image_url"]),
        ({"model": "kling-video/v1/standard/image-to-video"}, ["model"]),
        ({"type": "text-to-video"}, ["type"]),
        ({"duration": 7}, ["duration"]),
        ({"duration": 5.0}, ["duration"]),
        ({"cfg_scale": 2}, ["cfg_scale"]),
        ({"prompt": 5}, ["prompt"]),
        ({"static_mask": DATA}, ["static_mask"]),
        ({"external_task_id": 7}, ["external_task_id"]),
        ({"camera_control": []}, ["camera_control"]),
        ({"dynamic_masks": [{"mask": "https://a.example/m.png", "trajectories": TRACE}] * 7}, ["dynamic_masks"]),
        (
            {"dynamic_masks": [{"mask": "https://a.example/m.png", "trajectories": TRACE[:1]}]},
            ["dynamic_masks", "0", "trajectories"],
        ),
        ({"aspect_ratio": "16:9"}, ["aspect_ratio"]),
        ({"klingParams": {}}, ["klingParams"]),
    ],
)
def test_what_the_aimlapi_page_does_not_allow_is_refused_at_its_path(changes: dict[str, Any], path: list[str]) -> None:
    """A 400 `Invalid payload provided` lists the path in `error.data`, and nothing is held."""
    world = new()
    reply = aimlapi_submit(world, **changes)
    found = document(reply)
    assert (reply.status, found["message"]) == (400, "Invalid payload provided")
    assert [entry["path"] for entry in found["error"]["data"]] == [path]
    assert bill_of(world)["totals"]["aimlapi"]["charged"] == 0


@pytest.mark.parametrize("missing", ["model", "image_url"])
def test_aimlapi_wants_its_required_fields(missing: str) -> None:
    """Without model or picture a request is refused."""
    offer = OFFERS["aimlapi", KLING]
    body = {"model": KLING, "image_url": DATA}
    del body[missing]
    assert offer.complaints(body, "") == [(missing, "Required")]
