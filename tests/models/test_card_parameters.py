"""Every parameter of every model against the documents: name, default, range and values, typed in here from them."""

from typing import Any

import pytest
from packaged_cards import AIMLAPI, OWN_PAGES, card_of, completed

NONE = object()
PICTURE = "https://example.org/a.png"
DURATION = (5, [5, 10], [4, 6, 15, "5", 5.0, True, None])
RATIO = (NONE, ["16:9", "9:16", "1:1", "21:9"], ["16/9", "16:9:1", "wide", "16:9 ", "16:9\n", "0:9", 1.78])
MODE = ("pro", ["standard", "pro"], ["Pro", "4k", "std", "", None])
IMAGE = (NONE, [PICTURE, "table.png", "data:image/png;base64,AAAA"], [5, True, None, ["a.png"]])
NEGATIVE = (NONE, ["blur", "", "x" * 2500], ["x" * 2501, 5, None])
CFG = (NONE, [0, 1, 0.5, 0.0, 1.0], [-0.1, 1.1, "0.5", True, float("nan"), float("inf"), None])
AUDIO = (True, [True, False], ["true", "no", 1, 0, None])
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
}
ROWS = [(model, name, *row) for model, rows in DOCUMENTED.items() for name, row in rows.items()]
EACH = pytest.mark.parametrize(
    ("model", "name", "default", "taken", "refused"), ROWS, ids=[f"{row[0]}:{row[1]}" for row in ROWS]
)


def _with(model: str, name: str, value: Any) -> dict[str, Any]:
    return {**({"image_url": PICTURE} if model == AIMLAPI else {}), name: value}


@pytest.mark.parametrize("model", DOCUMENTED)
def test_a_card_has_the_documented_parameters_and_no_others(model: str) -> None:
    """Names and order are the document's."""
    assert list(card_of(model).parameters) == list(DOCUMENTED[model])


def test_every_card_is_held_against_its_document() -> None:
    """No card escapes these tables."""
    assert {card.model for card in OWN_PAGES} == set(DOCUMENTED)


@EACH
def test_a_default_is_the_documented_one(model: str, name: str, default: Any, taken: Any, refused: Any) -> None:
    """A parameter with a default is filled with it, one without stays out of the request."""
    needed = {} if model != AIMLAPI or name == "image_url" else {"image_url": PICTURE}
    spec = card_of(model).parameters[name]
    assert spec.get("default", NONE) is default or spec.get("default", NONE) == default
    done = completed(model, needed)
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


@pytest.mark.parametrize("model", ["kling-2.1", "kling-2.5-turbo-pro", "kling-2.6", "kling-3.0"])
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


def test_the_one_default_that_no_document_gives_says_so() -> None:
    """AI/ML's duration of 5 is kbatch's own, and it is the only such default."""
    own = [
        (card.model, name)
        for card in OWN_PAGES
        for name, spec in card.parameters.items()
        if spec.get("default_by") == "kbatch"
    ]
    assert own == [(AIMLAPI, "duration")]
