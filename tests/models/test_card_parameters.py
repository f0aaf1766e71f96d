"""Every parameter of every model against the documents: name, default, range and values, typed in here from them."""

from typing import Any

import pytest
from packaged_cards import AIMLAPI, CATALOG, card_of, completed

NONE = object()
PICTURE = "https://example.org/a.png"
DURATION = (5, [5, 10], [4, 6, 15, "5", 5.0, True, None])
RATIO = (NONE, ["16:9", "9:16", "1:1", "21:9"], ["16/9", "16:9:1", "wide", "16:9 ", "16:9\n", "0:9", 1.78])
MODE = ("pro", ["standard", "pro"], ["Pro", "4k", "std", "", None])
IMAGE = (NONE, [PICTURE, "table.png", "data:image/png;base64,AAAA"], [5, True, None, ["a.png"]])
NEGATIVE = (NONE, ["blur", "", "x" * 2500], ["x" * 2501, 5, None])
CFG = (NONE, [0, 1, 0.5, 0.0, 1.0], [-0.1, 1.1, "0.5", True, float("nan"), float("inf"), None])
AUDIO = (True, [True, False], ["true", "no", 1, 0, None])
SEED = (NONE, [0, 1, -1, 2**31], ["1", 1.0, True, None])
WIDE_OR_HIGH = (NONE, ["16:9", "9:16"], ["1:1", "4:3", "16:9 ", None])
NEGATIVE_2000 = (NONE, ["blur", "x" * 2000], ["x" * 2001, 5, None])
NEGATIVE_ANY = (NONE, ["blur", "x" * 5000], [5])
AUDIO_OFF = (False, *AUDIO[1:])
SORA_DURATION = (4, [4, 8, 10, 12, 15], [5, 6, 16, 4.0, "4", True, None])
MASK = {"mask": PICTURE, "trajectories": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}
ELEMENT = {"reference_image_urls": [PICTURE]}
URL_ONLY = (NONE, [PICTURE], ["mask.png", "data:image/png;base64,AAAA", 5])
KLING_3 = {
    "image_url": IMAGE,
    "tail_image_url": IMAGE,
    "duration": (5, list(range(3, 16)), [2, 16, 0, 5.0, "5", True, None]),
    "multi_prompt": (NONE, [["a"], ["a", "b"]], [[], [5], [""], "a; b", [{"prompt": "a"}]]),
    "shot_type": ("customize", ["customize", "intelligent"], ["custom", "", 5, None]),
    "elements": (
        NONE,
        [
            [ELEMENT],
            [{"reference_image_urls": [PICTURE] * 4, "frontal_image_url": "a.png", "video_url": PICTURE}] * 4,
        ],
        [
            [ELEMENT] * 5,
            [{}],
            [{"reference_image_urls": []}],
            [{"reference_image_urls": [PICTURE] * 5}],
            [{**ELEMENT, "name": "hat"}],
            PICTURE,
        ],
    ),
    "negative_prompt": NEGATIVE_ANY,
    "generate_audio": AUDIO,
    "cfg_scale": CFG,
}
TIMED = [{"prompt": "a", "duration": 2}, {"prompt": "b", "duration": 3}]

# name: (default, values that are taken, values that are refused), in the document's order
DOCUMENTED: dict[str, dict[str, tuple[Any, list[Any], list[Any]]]] = {
    "kling-2.1": {
        "duration": DURATION,
        "aspect_ratio": RATIO,
        "mode": MODE,
        "start_image": IMAGE,
        "end_image": IMAGE,
        "negative_prompt": NEGATIVE,
        "cfg_scale": CFG,
    },
    "kling-2.5-turbo-pro": {
        "duration": DURATION,
        "aspect_ratio": RATIO,
        "start_image": IMAGE,
        "end_image": IMAGE,
        "negative_prompt": NEGATIVE,
        "cfg_scale": CFG,
    },
    "kling-2.6": {
        "duration": DURATION,
        "aspect_ratio": RATIO,
        "start_image": IMAGE,
        "negative_prompt": NEGATIVE,
        "generate_audio": AUDIO,
    },
    "kling-3.0": {
        "duration": (5, list(range(3, 16)), [2, 16, 0, -5, 3.5, 5.0, "5", True, None]),
        "aspect_ratio": RATIO,
        "mode": MODE,
        "start_image": IMAGE,
        "end_image": IMAGE,
        "negative_prompt": NEGATIVE,
        "generate_audio": AUDIO,
        "multi_prompt": (
            NONE,
            [TIMED, '[{"prompt":"a","duration":5}]'],
            ["a; b", "{}", [], {}, 5, None, "null", "[NaN]"],
        ),
    },
    AIMLAPI: {
        "image_url": IMAGE,
        "type": (NONE, ["image-to-video"], ["text-to-video", None]),
        "static_mask": (NONE, [PICTURE], ["mask.png", "data:image/png;base64,AAAA", 5]),
        "negative_prompt": (NONE, ["blur", "x" * 5000], [5]),
        "duration": DURATION,
        "cfg_scale": (0.5, *CFG[1:]),
        "external_task_id": (NONE, ["mine-1"], [1]),
    },
    "kling-video/v2.1/standard/image-to-video": {
        "image_url": IMAGE,
        "type": (NONE, ["image-to-video"], ["text-to-video", None]),
        "static_mask": URL_ONLY,
        "dynamic_masks": (
            NONE,
            [[MASK], [MASK] * 6, [{**MASK, "trajectories": [{"x": 1, "y": 1}] * 77}]],
            [
                [MASK] * 7,
                [{"mask": PICTURE}],
                [{**MASK, "mask": "mask.png"}],
                [{**MASK, "trajectories": [{"x": 1, "y": 1}]}],
                [{**MASK, "trajectories": [{"x": 1, "y": 1}] * 78}],
                [{**MASK, "trajectories": [{"x": 1}, {"x": 2}]}],
                [{**MASK, "speed": 1}],
                {},
                5,
            ],
        ),
        "camera_control": (
            NONE,
            [{"type": "simple", "config": {"zoom": -10, "pan": 10}}, {"type": "down_back"}],
            [{"type": "spin"}, {"config": {"zoom": 10.5}}, {"config": {"dolly": 1}}, [], 5],
        ),
        "negative_prompt": NEGATIVE_ANY,
        "duration": DURATION,
        "cfg_scale": (0.5, *CFG[1:]),
        "external_task_id": (NONE, ["mine-1"], [1]),
    },
    "klingai/video-v2-6-pro-image-to-video": {
        "image_url": IMAGE,
        "tail_image_url": IMAGE,
        "duration": DURATION,
        "negative_prompt": NEGATIVE_ANY,
        "generate_audio": AUDIO,
    },
    "klingai/video-v3-pro-image-to-video": KLING_3,
    "klingai/video-v3-standard-image-to-video": KLING_3,
    "kling-2.1-master": {
        "duration": DURATION,
        "aspect_ratio": (NONE, ["16:9", "9:16", "1:1"], ["21:9", "4:3", None]),
        "start_image": IMAGE,
        "negative_prompt": NEGATIVE,
    },
    "sora-2": {"duration": SORA_DURATION, "aspect_ratio": WIDE_OR_HIGH, "start_image": IMAGE},
    "sora-2-pro": {
        "duration": SORA_DURATION,
        "aspect_ratio": WIDE_OR_HIGH,
        "resolution": ("standard", ["standard", "high"], ["720p", "hd", "", None]),
        "start_image": IMAGE,
    },
    "veo-2": {
        "duration": (5, [5, 6, 7, 8], [4, 9, 5.0, "5", True, None]),
        "aspect_ratio": RATIO,
        "image": IMAGE,
        "negative_prompt": NEGATIVE_2000,
        "seed": SEED,
    },
    "veo-3.1": {
        "duration": (4, [4, 6, 8], [5, 7, 10, 4.0, "4", True, None]),
        "aspect_ratio": RATIO,
        "generate_audio": AUDIO_OFF,
        "image": IMAGE,
        "last_frame": IMAGE,
        "reference_images": (
            NONE,
            [[PICTURE], ["a.png", PICTURE, "data:image/png;base64,AAAA"]],
            [[], [PICTURE] * 4, [5], PICTURE, None],
        ),
        "negative_prompt": NEGATIVE_2000,
        "seed": SEED,
    },
}
OWN_DEFAULTS = [
    (AIMLAPI, "duration"),
    ("kling-video/v2.1/standard/image-to-video", "duration"),
    ("kling-2.1-master", "duration"),
    ("sora-2", "duration"),
    ("sora-2-pro", "duration"),
    ("sora-2-pro", "resolution"),
    ("veo-2", "duration"),
    ("veo-3.1", "duration"),
    ("veo-3.1", "generate_audio"),
]
"""Parameters whose default no document gives: each changes the price, or how long the clip is."""
ROWS = [(model, name, *row) for model, rows in DOCUMENTED.items() for name, row in rows.items()]
EACH = pytest.mark.parametrize(
    ("model", "name", "default", "taken", "refused"), ROWS, ids=[f"{row[0]}:{row[1]}" for row in ROWS]
)


def _needed(model: str) -> dict[str, Any]:
    return dict.fromkeys(card_of(model).required - {"prompt"}, PICTURE)


def _with(model: str, name: str, value: Any) -> dict[str, Any]:
    return {**_needed(model), name: value}


@pytest.mark.parametrize("model", DOCUMENTED)
def test_a_card_has_the_documented_parameters_and_no_others(model: str) -> None:
    """Names and order are the document's."""
    assert list(card_of(model).parameters) == list(DOCUMENTED[model])


def test_every_card_is_held_against_its_document() -> None:
    """No card escapes these tables."""
    assert {card.model for card in CATALOG.cards} == set(DOCUMENTED)


@EACH
def test_a_default_is_the_documented_one(model: str, name: str, default: Any, taken: Any, refused: Any) -> None:
    """A parameter with a default is filled with it, one without stays out of the request."""
    spec = card_of(model).parameters[name]
    assert spec.get("default", NONE) is default or spec.get("default", NONE) == default
    done = completed(model, _needed(model))
    if name != "image_url":
        assert (name in done.defaulted) is (default is not NONE)


@EACH
def test_documented_values_are_taken(model: str, name: str, default: Any, taken: list[Any], refused: Any) -> None:
    """Each documented value, both ends of each range included, passes without complaint."""
    for value in taken:
        assert completed(model, _with(model, name, value)).complaints == (), value


@EACH
def test_all_else_is_refused(model: str, name: str, default: Any, taken: Any, refused: list[Any]) -> None:
    """What lies outside, or has another type, is complained of at that parameter and nothing is sent."""
    for value in refused:
        done = completed(model, _with(model, name, value))
        assert done.request is None, value
        assert {complaint.field[:2] for complaint in done.complaints} == {("params", name)}, value


@pytest.mark.parametrize("model", CATALOG.models("apiframe"))
def test_apiframe_needs_a_prompt_of_1_to_4000_characters(model: str) -> None:
    """The ends of the range are taken, what lies outside is refused, and so is no prompt at all."""
    assert completed(model, {}, prompt="x").complaints == ()
    assert completed(model, {}, prompt="é" * 4000).complaints == ()
    codes = [completed(model, {}, prompt=prompt).complaints[0].code for prompt in ("x" * 4001, "", "  ", None)]
    assert codes == ["too-long", "too-short", "too-short", "missing-prompt"]


def test_aimlapi_may_go_without_a_prompt_but_not_without_a_picture() -> None:
    """Its prompt is optional and without a documented limit; its picture is required."""
    params = {"image_url": PICTURE}
    assert completed(AIMLAPI, params, prompt=None).complaints == ()
    assert completed(AIMLAPI, params, prompt="x" * 9000).complaints == ()
    assert [complaint.code for complaint in completed(AIMLAPI, {}).complaints] == ["missing-parameter"]


def test_what_the_newer_kling_models_of_aimlapi_need() -> None:
    """2.6 pro needs a prompt of at most 2500 characters, 3.0 and 2.1 standard may go without; all need a picture."""
    params = {"image_url": PICTURE}
    strict = "klingai/video-v2-6-pro-image-to-video"
    assert completed(strict, params, prompt="x" * 2500).complaints == ()
    assert [completed(strict, params, prompt=prompt).complaints[0].code for prompt in ("x" * 2501, None)] == [
        "too-long",
        "missing-prompt",
    ]
    for model in CATALOG.models("aimlapi"):
        assert [one.code for one in completed(model, {}).complaints] == ["missing-parameter"], model
        assert model == strict or completed(model, params, prompt=None).complaints == (), model


def test_each_default_that_no_document_gives_says_so() -> None:
    """Such a default is marked as kbatch's own, and there is no other."""
    own = [
        (card.model, name)
        for card in CATALOG.cards
        for name, spec in card.parameters.items()
        if spec.get("default_by") == "kbatch"
    ]
    assert own == OWN_DEFAULTS
