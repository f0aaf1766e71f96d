"""Every complaint about a request: its code, its place, its words and its hint, all in kbatch's own words."""

from typing import Any

import pytest
from packaged_cards import AIMLAPI, CATALOG, card_of, completed, draft

from kbatch.manifest.drafts import Frame
from kbatch.manifest.images import LocalImage
from kbatch.models.problem_codes import MEANINGS
from kbatch.models.request import complete
from kbatch.models.rules import check_rule

PICTURE = "https://example.org/a.png"

# model, parameters, code, place below params, message, hint
TABLE: dict[str, tuple[str, dict[str, Any], str, tuple[str | int, ...], str, str | None]] = {
    "misspelt": (
        "kling-2.6", {"durations": 5}, "unknown-parameter", ("durations",),
        "`kling-2.6` has no parameter `durations`", "did you mean `duration`?",
    ),
    "of-other-models": (
        "kling-2.6", {"end_image": PICTURE}, "unknown-parameter", ("end_image",),
        "`kling-2.6` has no parameter `end_image`", "`kling-2.1`, `kling-2.5-turbo-pro` and `kling-3.0` have it",
    ),
    "of-one-other-model": (
        "kling-2.6", {"multi_prompt": []}, "unknown-parameter", ("multi_prompt",),
        "`kling-2.6` has no parameter `multi_prompt`", "`kling-3.0` has it",
    ),
    "like-nothing": (
        "kling-2.5-turbo-pro", {"wumpus": 5}, "unknown-parameter", ("wumpus",),
        "`kling-2.5-turbo-pro` has no parameter `wumpus`",
        "known: `duration`, `aspect_ratio`, `start_image`, `end_image`, `negative_prompt`, `cfg_scale`",
    ),
    "missing": (
        AIMLAPI, {}, "missing-parameter", ("image_url",),
        f"`{AIMLAPI}` needs `image_url`",
        "`image_url`: Picture that the clip starts from: a URL, a data: URI, a file beside the manifest "
        "(sent as Base64) or the last frame of another job",
    ),
    "text-for-an-integer": (
        "kling-2.6", {"duration": "10"}, "wrong-type", ("duration",),
        "`duration` must be an integer, not the text `10`",
        "write 10 without quotes; in a template `| int` makes a number of a text",
    ),
    "words-for-an-integer": (
        "kling-3.0", {"duration": "long"}, "wrong-type", ("duration",),
        "`duration` must be an integer, not the text `long`", "allowed: 3 to 15",
    ),
    "float-for-an-integer": (
        "kling-3.0", {"duration": 5.0}, "wrong-type", ("duration",),
        "`duration` must be an integer, not 5.0", "write `5`",
    ),
    "fraction-for-an-integer": (
        "kling-2.6", {"duration": 7.5}, "wrong-type", ("duration",),
        "`duration` must be an integer, not 7.5", "allowed: 5 or 10",
    ),
    "true-for-an-integer": (
        "kling-2.6", {"duration": True}, "wrong-type", ("duration",),
        "`duration` must be an integer, not true", "allowed: 5 or 10",
    ),
    "true-for-a-number": (
        "kling-2.1", {"cfg_scale": True}, "wrong-type", ("cfg_scale",),
        "`cfg_scale` must be a number, not true", "allowed: 0 to 1",
    ),
    "text-for-a-number": (
        "kling-2.1", {"cfg_scale": "0.5"}, "wrong-type", ("cfg_scale",),
        "`cfg_scale` must be a number, not the text `0.5`",
        "write 0.5 without quotes; in a template `| float` makes a number of a text",
    ),
    "no-for-false": (
        "kling-2.6", {"generate_audio": "no"}, "wrong-type", ("generate_audio",),
        "`generate_audio` must be true or false, not the text `no`", "write `false`",
    ),
    "on-for-true": (
        "kling-2.6", {"generate_audio": "On"}, "wrong-type", ("generate_audio",),
        "`generate_audio` must be true or false, not the text `On`", "write `true`",
    ),
    "one-for-true": (
        "kling-2.6", {"generate_audio": 1}, "wrong-type", ("generate_audio",),
        "`generate_audio` must be true or false, not 1", "write `true`",
    ),
    "number-for-a-text": (
        "kling-2.6", {"negative_prompt": 5}, "wrong-type", ("negative_prompt",),
        "`negative_prompt` must be a text, not 5", 'write it in quotes: "5"',
    ),
    "null": (
        "kling-2.1", {"mode": None}, "wrong-type", ("mode",),
        "`mode` must be a text, not null", "allowed: `standard` or `pro`",
    ),
    "list": (
        "kling-2.6", {"negative_prompt": ["a"]}, "wrong-type", ("negative_prompt",),
        "`negative_prompt` must be a text, not a list", None,
    ),
    "nan": (
        "kling-2.1", {"cfg_scale": float("nan")}, "not-finite", ("cfg_scale",),
        "`cfg_scale` is NaN, which cannot be sent", "allowed: 0 to 1",
    ),
    "infinity": (
        "kling-2.1", {"cfg_scale": float("-inf")}, "not-finite", ("cfg_scale",),
        "`cfg_scale` is -infinity, which cannot be sent", "allowed: 0 to 1",
    ),
    "not-listed": (
        "kling-2.1", {"mode": "4k"}, "not-allowed-value", ("mode",),
        "`mode` is `4k`; allowed: `standard` or `pro`", None,
    ),
    "almost-listed": (
        "kling-2.1", {"mode": "Standart"}, "not-allowed-value", ("mode",),
        "`mode` is `Standart`; allowed: `standard` or `pro`", "did you mean `standard`?",
    ),
    "number-not-listed": (
        "kling-2.6", {"duration": 7}, "not-allowed-value", ("duration",), "`duration` is 7; allowed: 5 or 10", None,
    ),
    "above": (
        "kling-3.0", {"duration": 16}, "out-of-range", ("duration",), "`duration` is 16; allowed: 3 to 15", None,
    ),
    "below": (
        "kling-2.1", {"cfg_scale": -0.1}, "out-of-range", ("cfg_scale",), "`cfg_scale` is -0.1; allowed: 0 to 1", None,
    ),
    "far-above": (
        "kling-3.0", {"duration": 10**50}, "out-of-range", ("duration",),
        "`duration` is a number of more than 30 digits; allowed: 3 to 15", None,
    ),
    "too-long": (
        "kling-2.6", {"negative_prompt": "x" * 2512}, "too-long", ("negative_prompt",),
        "`negative_prompt` has 2,512 characters, 12 more than the 2,500 allowed", None,
    ),
    "ratio": (
        "kling-2.6", {"aspect_ratio": "16/9"}, "wrong-format", ("aspect_ratio",),
        "`aspect_ratio` is `16/9`, which is not of the form W:H", "such as `16:9`, `9:16`, `1:1`",
    ),
    "half-a-character": (
        "kling-2.6", {"negative_prompt": "a\ud83d"}, "not-unicode", ("negative_prompt",),
        "`negative_prompt` has half a character (a lone surrogate), which cannot be sent",
        'write the character itself, or "\\U0001F600" in place of two \\u escapes',
    ),
    "half-a-character-in-a-list": (
        "kling-3.0", {"multi_prompt": [{"prompt": "\ud83d", "duration": 5}]}, "not-unicode", ("multi_prompt",),
        "`multi_prompt` has half a character (a lone surrogate), which cannot be sent",
        'write the character itself, or "\\U0001F600" in place of two \\u escapes',
    ),
    "frame-for-a-text": (
        "kling-2.1", {"negative_prompt": Frame("last", "hero")}, "frame-not-picture", ("negative_prompt",),
        "`negative_prompt` of `kling-2.1` is not a picture, so it cannot be the last frame of `hero`",
        "pictures here: `start_image`, `end_image`",
    ),
    "not-a-picture": (
        "kling-2.6", {"start_image": 5}, "wrong-type", ("start_image",),
        "`start_image` must be a picture, not 5", "a URL, a data: URI or a path relative to the manifest",
    ),
    "picture-is-not-there": (
        "kling-2.6", {"start_image": "missing.png"}, "file-not-found", ("start_image",),
        "there is no file `missing.png`", None,
    ),
    "file-where-a-url-is-wanted": (
        AIMLAPI, {"image_url": PICTURE, "static_mask": "mask.png"}, "picture-form", ("static_mask",),
        f"`static_mask` of `{AIMLAPI}` takes a URL only, not a local file or a clip's frame",
        "publish the picture and write its URL",
    ),
    "data-where-a-url-is-wanted": (
        AIMLAPI, {"image_url": PICTURE, "static_mask": "data:x"}, "picture-form", ("static_mask",),
        f"`static_mask` of `{AIMLAPI}` takes a URL only, not a data: URI", "publish the picture and write its URL",
    ),
    "frame-where-a-url-is-wanted": (
        AIMLAPI, {"image_url": PICTURE, "static_mask": Frame("last", "a")}, "picture-form", ("static_mask",),
        f"`static_mask` of `{AIMLAPI}` takes a URL only, not a local file or a clip's frame",
        "publish the picture and write its URL",
    ),
    "end-image-in-standard": (
        "kling-2.1", {"mode": "standard", "end_image": PICTURE}, "end-image-needs-pro", ("end_image",),
        "`end_image` works in `mode: pro` only, and `mode` is standard", "write `mode: pro` or leave out `end_image`",
    ),
    "parts-too-short": (
        "kling-3.0", {"duration": 10, "multi_prompt": [{"prompt": "a", "duration": 4}, {"prompt": "b", "duration": 5}]},
        "multi-prompt-duration", ("multi_prompt",),
        "the durations in `multi_prompt` add up to 9 s, and the clip lasts 10 s",
        "change `duration` or the parts until they agree",
    ),
    "parts-against-the-default": (
        "kling-3.0", {"multi_prompt": '[{"prompt": "a", "duration": 6}]'}, "multi-prompt-duration", ("multi_prompt",),
        "the durations in `multi_prompt` add up to 6 s, and the clip lasts 5 s",
        "change `duration` or the parts until they agree",
    ),
    "no-list": (
        "kling-3.0", {"multi_prompt": {"prompt": "a"}}, "wrong-type", ("multi_prompt",),
        "`multi_prompt` must be a list or its JSON text, not a mapping", None,
    ),
    "empty-list": ("kling-3.0", {"multi_prompt": []}, "too-short", ("multi_prompt",), "`multi_prompt` is empty", None),
    "no-json": (
        "kling-3.0", {"multi_prompt": '[{"prompt": }]'}, "bad-json", ("multi_prompt",),
        "`multi_prompt` does not hold valid JSON: it breaks at character 13",
        "write `multi_prompt` as a YAML list; kbatch makes the JSON text of it",
    ),
    "json-with-a-double": (
        "kling-3.0", {"multi_prompt": '[{"duration": 1, "duration": 5, "prompt": "a"}]'}, "bad-json", ("multi_prompt",),
        "`multi_prompt` does not hold valid JSON: a name occurs twice in one object",
        "write `multi_prompt` as a YAML list; kbatch makes the JSON text of it",
    ),
    "json-without-end": (
        "kling-3.0", {"multi_prompt": "[" * 100_000}, "bad-json", ("multi_prompt",),
        "`multi_prompt` does not hold valid JSON: it is nested too deeply",
        "write `multi_prompt` as a YAML list; kbatch makes the JSON text of it",
    ),
    "item-is-no-mapping": (
        "kling-3.0", {"multi_prompt": ["a"]}, "wrong-type", ("multi_prompt", 0),
        "item 1 of `multi_prompt` must be a mapping, not the text `a`", None,
    ),
    "item-lacks-a-field": (
        "kling-3.0", {"multi_prompt": [{"prompt": "a", "duration": 4}, {"prompt": "b"}]}, "missing-field",
        ("multi_prompt", 1), "item 2 of `multi_prompt` has no `duration`", None,
    ),
    "item-has-another-field": (
        "kling-3.0", {"multi_prompt": [{"prompt": "a", "duration": 5, "durations": 1}]}, "unknown-field",
        ("multi_prompt", 0, "durations"), "item 1 of `multi_prompt` has an unknown field `durations`",
        "did you mean `duration`?",
    ),
    "item-has-a-text-for-a-number": (
        "kling-3.0", {"multi_prompt": [{"prompt": "a", "duration": "5"}]}, "wrong-type",
        ("multi_prompt", 0, "duration"),
        "`duration` in item 1 of `multi_prompt` must be an integer, not the text `5`",
        "write 5 without quotes; in a template `| int` makes a number of a text",
    ),
    "item-in-a-text": (
        "kling-3.0", {"multi_prompt": '[{"prompt": "", "duration": 5}]'}, "too-short", ("multi_prompt",),
        "`prompt` in item 1 of `multi_prompt` is empty", None,
    ),
    "item-that-takes-no-time": (
        "kling-3.0", {"multi_prompt": [{"prompt": "a", "duration": 0}]}, "out-of-range",
        ("multi_prompt", 0, "duration"),
        "`duration` in item 1 of `multi_prompt` is 0; allowed: at least 1", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_complaint_has_its_code_place_message_and_hint(row: tuple[Any, ...]) -> None:
    """One fault is one complaint in words for the author, and nothing is sent."""
    model, params, code, place, message, hint = row
    done = completed(model, params)
    (found,) = done.complaints
    assert (found.code, found.field, found.message, found.hint) == (code, ("params", *place), message, hint)
    assert done.request is None


@pytest.mark.parametrize(
    ("model", "prompt", "code", "message", "hint"),
    [
        ("kling-2.6", None, "missing-prompt", "`kling-2.6` needs a prompt", "write `prompt` or `prompt_file`"),
        ("kling-2.6", " \n", "too-short", "the prompt is empty", None),
        (AIMLAPI, "", "too-short", "the prompt is empty", "leave `prompt` out when there is nothing to say"),
        ("kling-2.6", "x" * 4012, "too-long", "the prompt has 4,012 characters, 12 more than the 4,000 allowed", None),
        (
            "kling-2.6",
            "\udc00",
            "not-unicode",
            "the prompt has half a character (a lone surrogate), which cannot be sent",
            'write the character itself, or "\\U0001F600" in place of two \\u escapes',
        ),
    ],
    ids=["none", "blank", "blank-but-optional", "long", "half-a-character"],
)
def test_a_prompt_that_cannot_be_sent(
    model: str, prompt: str | None, code: str, message: str, hint: str | None
) -> None:
    """A prompt's faults are said at the prompt."""
    (found,) = completed(model, {"image_url": PICTURE} if model == AIMLAPI else {}, prompt=prompt).complaints
    assert (found.code, found.field, found.message, found.hint) == (code, ("prompt",), message, hint)


def test_all_faults_are_reported_at_once() -> None:
    """Prompt, unknown, wrong and unreadable faults are all in one answer."""
    params = {"duration": "10", "foo": 1, "start_image": "missing.png", "aspect_ratio": "wide"}
    codes = {complaint.code for complaint in completed("kling-2.6", params, prompt="").complaints}
    assert codes == {"too-short", "wrong-type", "unknown-parameter", "file-not-found", "wrong-format"}


def test_a_rule_is_silent_about_a_value_that_is_wrong_anyway() -> None:
    """One fault makes one complaint, not a second one about its consequence."""
    params = {"duration": 99, "multi_prompt": [{"prompt": "a", "duration": 5}]}
    assert [complaint.code for complaint in completed("kling-3.0", params).complaints] == ["out-of-range"]
    params = {"mode": "Standard", "end_image": PICTURE}
    assert [complaint.code for complaint in completed("kling-2.1", params).complaints] == ["not-allowed-value"]


@pytest.mark.parametrize("end", [PICTURE, Frame("last", "hero"), "missing.png"], ids=["url", "frame", "unreadable"])
def test_a_rule_about_a_picture_holds_in_each_of_its_forms(end: Any) -> None:
    """`end_image` in standard mode is refused however the picture is given, read or not."""
    codes = [fault.code for fault in completed("kling-2.1", {"mode": "standard", "end_image": end}).complaints]
    assert "end-image-needs-pro" in codes


def test_an_unknown_name_is_marked_at_the_key() -> None:
    """The caret belongs under the name that is wrong, else under the value."""
    (unknown,) = completed("kling-2.6", {"foo": 1}).complaints
    (wrong,) = completed("kling-2.6", {"duration": 7}).complaints
    assert (unknown.on_key, wrong.on_key) == (True, False)


def test_every_code_has_a_meaning_and_every_meaning_a_test() -> None:
    """The table of codes is complete, and no code in it is untested."""
    of_rules = {rule.code for card in CATALOG.cards for rule in card.rules}
    of_pictures = {"file-not-found"}
    of_names = {
        "unknown-provider",
        "unknown-model",
        "unknown-variant",
        "missing-prompt",
        "picture-ratio",
        "several-outputs",
        "extra-parameter",
        "extra-taken",
    }
    seen = {row[2] for row in TABLE.values()}
    assert seen - of_rules - of_pictures == set(MEANINGS) - of_names
    assert of_rules <= seen


def test_a_long_value_is_cut_in_a_message() -> None:
    """A whole paragraph in the wrong place does not fill the screen."""
    (found,) = completed("kling-2.1", {"mode": "x" * 500}).complaints
    assert found.message == f"`mode` is `{'x' * 59}…`; allowed: `standard` or `pro`"


def test_a_rule_holds_where_its_parameter_is_absent() -> None:
    """A rule asks nothing of a request that does not have its parameter."""
    (rule,) = card_of("kling-2.1").rules
    assert check_rule(rule, {"mode": "standard"}) is None


@pytest.mark.parametrize(
    ("ratio", "size", "off"),
    [
        pytest.param("16:9", (640, 360), False, id="exact"),
        pytest.param("16:9", (1280, 726), False, id="within-two-percent"),
        pytest.param("16:9", (640, 427), True, id="a-photograph"),
        pytest.param("9:16", (640, 360), True, id="turned"),
        pytest.param("1:1", (640, 360), True, id="square"),
    ],
)
def test_a_picture_of_another_shape_than_the_clip_is_a_warning(ratio: str, size: tuple[int, int], off: bool) -> None:
    """The model would crop or stretch it, which is said before it is paid and stops nothing."""
    picture = LocalImage(path="a.png", digest="0" * 64, size=1, media_type="image/png", width=size[0], height=size[1])
    params = {"aspect_ratio": ratio, "start_image": "a.png"}
    found = complete(card_of("kling-2.6"), draft("kling-2.6", params), lambda _text: picture)
    assert [(complaint.code, complaint.fatal) for complaint in found.complaints] == [("picture-ratio", False)] * off
    assert found.request is not None
