"""Plain scalars mean what YAML 1.2's core schema says, with leading zeros kept as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.manifest.yaml.scalars import read_scalar

MEANT = {
    "aspect-ratio": ("16:9", "16:9"),
    "portrait": ("9:16", "9:16"),
    "no": ("no", "no"),
    "yes": ("yes", "yes"),
    "on": ("on", "on"),
    "off": ("off", "off"),
    "y": ("y", "y"),
    "date": ("2026-06-21", "2026-06-21"),
    "time": ("12:30:45", "12:30:45"),
    "leading-zero": ("012", "012"),
    "leading-zeros": ("007", "007"),
    "negative-leading-zero": ("-012", "-012"),
    "underscores": ("1_000", "1_000"),
    "version": ("1.2.3", "1.2.3"),
    "binary-of-1.1": ("0b101", "0b101"),
    "merge": ("<<", "<<"),
    "equals": ("=", "="),
    "dot": (".", "."),
    "minus": ("-", "-"),
    "word-that-begins-with-t": ("true-blue", "true-blue"),
    "fullwidth-digits": ("\uff11\uff12", "\uff11\uff12"),
    "zero": ("0", 0),
    "integer": ("5", 5),
    "negative": ("-5", -5),
    "plus": ("+5", 5),
    "octal": ("0o17", 15),
    "hexadecimal": ("0x1F", 31),
    "float": ("5.0", 5.0),
    "float-without-fraction": ("5.", 5.0),
    "float-without-whole": (".5", 0.5),
    "exponent": ("1e3", 1000.0),
    "exponent-with-sign": ("1.5E-3", 0.0015),
    "true": ("true", True),
    "TRUE": ("TRUE", True),
    "tRue": ("tRue", "tRue"),
    "False": ("False", False),
    "null": ("null", None),
    "tilde": ("~", None),
    "nothing": ("", None),
    "nULL": ("nULL", "nULL"),
}


@pytest.mark.parametrize(("text", "value"), MEANT.values(), ids=MEANT)
def test_a_plain_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    """Each scalar has this value and this very type: 5 is not 5.0, true is not 1."""
    found = read_scalar(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "text", [".inf", "-.INF", "+.Inf", ".nan", ".NaN", "1e400", "-1e999", "9" * 301, "0x" + "f" * 300]
)
def test_what_no_provider_could_be_sent_is_refused(text: str) -> None:
    """Infinities, NaN and numbers too large to hold are a ValueError, never a value."""
    with pytest.raises(ValueError, match=r"infinity|number"):
        read_scalar(text)


@given(st.integers(-(10**30), 10**30))
def test_integers_keep_their_value(number: int) -> None:
    """Any integer written in decimal is read as itself, however large."""
    assert read_scalar(str(number)) == number


@given(st.text())
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    """No text makes the reader fail otherwise, and what is not special stays as it was written."""
    try:
        value = read_scalar(text)
    except ValueError:
        return
    assert value == text or not isinstance(value, str)
