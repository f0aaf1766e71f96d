"""A card from few words: each parameter and price as it is read off a page, and what is wrong with it in words."""

from typing import Any

import pytest

from kbatch.models.own.new_card import NewParameter, read_parameter, read_price


@pytest.mark.parametrize(
    ("text", "spec", "image"),
    [
        ("duration:integer:5=5,10", {"type": "integer", "default": 5, "enum": [5, 10]}, None),
        ("duration:integer=3..15", {"type": "integer", "minimum": 3, "maximum": 15}, None),
        ("seed:integer", {"type": "integer"}, None),
        ("shift:integer:-1=-5..5", {"type": "integer", "default": -1, "minimum": -5, "maximum": 5}, None),
        ("cfg_scale:number:0.5=0..1", {"type": "number", "default": 0.5, "minimum": 0, "maximum": 1}, None),
        ("strength:number=..0.8", {"type": "number", "maximum": 0.8}, None),
        ("audio:boolean:false", {"type": "boolean", "default": False}, None),
        ("negative_prompt:text=..2500", {"type": "string", "maxLength": 2500}, None),
        ("aspect_ratio:text:16:9=16:9,9:16", {"type": "string", "default": "16:9", "enum": ["16:9", "9:16"]}, None),
        ("image:picture", {"type": "string", "minLength": 1}, "image"),
    ],
)
def test_a_parameter_is_read(text: str, spec: dict[str, Any], image: str | None) -> None:
    """Type, default, list or range; a range counts the characters of a text."""
    name = text.partition(":")[0]
    assert read_parameter(text) == NewParameter(name=name, spec=spec, image=image)


def test_a_list_of_pictures_is_read() -> None:
    """A range counts its items, and the pictures stand inside the list."""
    found = read_parameter("refs:pictures=1..3")
    assert isinstance(found, NewParameter)
    assert (found.spec["type"], found.spec["minItems"], found.spec["maxItems"]) == ("array", 1, 3)
    assert found.image == "refs[]"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("duration", "is not NAME:TYPE"),
        ("Duration:integer", "is not NAME:TYPE"),
        (":integer", "is not NAME:TYPE"),
        ("duration:int", "`int` is no type"),
        ("duration:integer:five", "`five` is no integer"),
        ("duration:integer:5.0", "`5.0` is no integer"),
        ("duration:integer:5=6,7", "the default is none of the values"),
        ("duration:integer:5=6..7", "the default is none of the values"),
        ("cfg_scale:number=0,1", "a range is `0..1`"),
        ("audio:boolean:yes", "`yes` is neither true nor false"),
        ("audio:boolean=0..1", "a boolean has no range"),
        ("refs:pictures:a.png", "pictures have no default"),
        ("cfg_scale:number:inf", "the default"),
    ],
)
def test_a_parameter_that_cannot_be_read_says_why(text: str, why: str) -> None:
    """Nothing is converted or guessed."""
    found = read_parameter(text)
    assert isinstance(found, str)
    assert why in found


@pytest.mark.parametrize(
    ("text", "usd", "price"),
    [
        ("15", False, ("flat", 15)),
        ("10s-audio=40", False, ("10s-audio", 40)),
        ("10s=unknown", False, ("10s", None)),
        ("10s=0.28 USD", False, ("10s", "0.28 USD")),
        ("10s=0.28", True, ("10s", "0.28 USD")),
        ("unknown", True, ("flat", None)),
    ],
)
def test_a_price_is_read(text: str, usd: bool, price: tuple[str, int | str | None]) -> None:
    """Whole units, dollars exactly as written, or unknown."""
    assert read_price(text, usd=usd) == price


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "1e3", "", "5s=", "5s=free", "٣", "1,000", "0.28USDX"])
def test_a_price_that_is_none_is_refused(text: str) -> None:
    """Nothing, a fraction of a unit and a word are no price, and never 0."""
    with pytest.raises(ValueError, match="no whole number of units above 0"):
        read_price(text, usd=False)
