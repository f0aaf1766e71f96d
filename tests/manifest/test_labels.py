"""Labels and slugs: how values are named in addresses, and addresses on disks."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.manifest.matrix.labels import file_name, label_of, slug
from kbatch.manifest.outputs import output_fault

SLUGS = {
    "lower-case": ("Golden Hour", "golden-hour"),
    "ratio": ("16:9", "16-9"),
    "runs-become-one": ("a -- b", "a-b"),
    "ends-are-cut": ("  (a)  ", "a"),
    "dot-and-underscore-stay": ("v1.2_final", "v1.2_final"),
    "commas-and-brackets": ("a, b [c]=d@e", "a-b-c-d-e"),
    "letters-of-any-script": ("São Paulo 東京 Ελλάδα", "são-paulo-東京-ελλάδα"),
    "marks-belong-to-letters": ("हिन्दी", "हिन्दी"),
    "composed-and-decomposed-are-one": ("e\u0301te\u0301", "été"),
    "compatibility-forms-are-one": ("\uff21\uff22\uff23 \u2460", "abc-1"),
    "emoji": ("🎬 take", "take"),
    "number": (2.5, "2.5"),
    "truth": (True, "true"),
    "path": ("../etc/passwd", "..-etc-passwd"),
    "nothing-left": ("!!!", ""),
    "half-a-surrogate-pair": ("a\ud83db", "a-b"),
}


@pytest.mark.parametrize(("value", "expected"), SLUGS.values(), ids=SLUGS)
def test_a_slug_keeps_letters_and_digits_of_any_script(value: object, expected: str) -> None:
    """Lower case, letters, digits, `.` and `_` stay, all else becomes one `-`, none at the ends."""
    assert slug(value) == expected


@given(st.text())
def test_a_slug_is_stable_and_safe_in_an_address(text: str) -> None:
    """No sign that means something in an address survives, and a slug's slug is itself."""
    made = slug(text)
    assert not set(made) & set("[]=,@*?/\\ ")
    assert slug(made) == made
    assert unicodedata.is_normalized("NFC", made)


LABELS = {
    "text": ("Lisbon", "lisbon"),
    "integer": (7, "7"),
    "false": (False, "false"),
    "id": ({"id": "A", "name": "B"}, "a"),
    "key": ({"name": "B", "key": "C"}, "c"),
    "slug": ({"slug": "D", "name": "B"}, "d"),
    "name": ({"name": "B"}, "b"),
    "empty-id-falls-through": ({"id": "", "name": "B"}, "b"),
    "id-of-zero": ({"id": 0, "name": "B"}, "0"),
    "no-naming-field": ({"title": "B"}, None),
    "id-is-a-list": ({"id": [1]}, None),
    "empty": (None, None),
    "list": ([1], None),
    "nothing-left": ("!!!", None),
    "empty-text": ("", None),
}


@pytest.mark.parametrize(("value", "expected"), LABELS.values(), ids=LABELS)
def test_a_label_is_the_slug_of_a_value_or_of_its_naming_field(value: object, expected: str | None) -> None:
    """A mapping is named by its id, key, slug or name, in this order; what cannot be named has no label."""
    assert label_of(value) == expected


@given(st.text(min_size=1))
def test_any_address_is_a_portable_file_name(text: str) -> None:
    """Whatever an address holds, its file name is portable and not too long."""
    name = file_name(f"shot[axis={text}]@2")
    assert len(name.encode()) <= 160
    assert output_fault(f"{name}.mp4") is None


def test_long_addresses_differ_by_a_digest() -> None:
    """Two addresses that are cut at the same place keep different names."""
    one, other = (file_name("hero[prompt=" + "長" * 100 + end + "]") for end in "ab")
    assert one != other
    assert len(one.encode()) <= 160


@given(st.text(st.characters(codec="ascii"), max_size=30) | st.text(max_size=12))
def test_a_slug_is_what_its_definition_says(text: str) -> None:
    """Lower case, letters, digits, `.` and `_` stay, all else is one `-`, with none at the ends."""
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text.lower()).lower())
    kept = (char.isalnum() or char in "._" or unicodedata.category(char).startswith("M") for char in composed)
    words = "".join(char if stays else " " for char, stays in zip(composed, kept, strict=True)).split(" ")
    assert slug(text) == "-".join(word for word in words if word)
