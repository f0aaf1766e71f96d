"""What costs without bound from a tiny input is metered: it is refused, with a code and a hint, before the work."""

import io

import pytest
from PIL import Image
from small_manifests import Files, drafted, resolved

from kbatch.errors import Complaint
from kbatch.manifest import images
from kbatch.manifest.images import read_image
from kbatch.manifest.matrix import combinations
from kbatch.manifest.matrix.labels import LONGEST_LABEL, slug
from kbatch.manifest.shots import expansion

PHRASE = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"
"""One letter that is 18 once it is written out (NFKC)."""


def ten(count: int) -> str:
    """Return an axis of so many values."""
    return ", ".join(f"v{number}" for number in range(count))


RULES = {
    "includes": ("a: [{}], b: [{}], include: [{}]", "{{a: v1, x: {}}}"),
    "excludes": ("a: [{}], b: [{}], exclude: [{}]", "{{a: v1, b: v{}}}"),
}


@pytest.mark.parametrize(("text", "rule"), RULES.values(), ids=RULES)
@pytest.mark.parametrize("whose", ["shot", "manifest"])
def test_rules_are_metered_before_any_is_held_against_a_combination(
    text: str, rule: str, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules times combinations have a limit; beyond it nothing is compared."""
    monkeypatch.setattr(expansion, "_MOST_RULED", 3_000)
    monkeypatch.setattr(expansion, "_RULED_A_JOB", 0)
    monkeypatch.setattr(combinations, "_same", lambda _point, _value: pytest.fail("a rule was tried"))
    written = text.format(ten(10), ten(10), ", ".join(rule.format(number) for number in range(26)))
    shots = f"shots: [{{id: s, prompt: '{{{{ a }}}} {{{{ b }}}}', matrix: {{{written}}}}}]\n"
    if whose == "manifest":
        shots = f"matrix: {{{written}}}\nshots: [{{id: s, prompt: '{{{{ a }}}} {{{{ b }}}}'}}]\n"
    (problem,) = resolved(shots).problems
    assert problem.code == "too-many-rules"
    assert problem.message == "26 rules over 100 combinations are 3,120 comparisons, at most 3,000"
    assert problem.hint


def test_a_product_that_rules_cut_down_is_metered_as_a_whole() -> None:
    """A thousand million combinations are not walked through because excludes leave few of them."""
    excludes = ", ".join(f"{{{axis}: v{number}}}" for axis in "abc" for number in range(1, 40))
    axes = ", ".join(f"{axis}: [{ten(1000)}]" for axis in "abc")
    found = resolved(f"shots: [{{id: s, prompt: '{{{{ a }}}}', matrix: {{{axes}, exclude: [{excludes}]}}}}]\n")
    assert found.codes == ["too-many-rules"]


def test_many_includes_without_axes_are_rows() -> None:
    """Includes that only list combinations are held against none, however many they are."""
    rows = ", ".join(f"{{x: v{number}}}" for number in range(3_000))
    assert len(drafted(f"shots: [{{id: s, prompt: '{{{{ x }}}}', matrix: {{include: [{rows}]}}}}]\n").drafts) == 3_000


@pytest.mark.parametrize(
    "value", ["x" * (LONGEST_LABEL + 1), PHRASE * 200, f"{{id: {'x' * 3000}}}"], ids=["long", "written-out", "id"]
)
@pytest.mark.parametrize("place", ["n: [{}, b]", "n: [b], include: [{{n: b, m: {}}}]"], ids=["axis", "include"])
def test_a_label_has_a_limit(value: str, place: str) -> None:
    """Every job's address repeats it; a mapping with an `id` says as much in few letters."""
    found = resolved(f"shots: [{{id: s, prompt: '{{{{ n }}}}', matrix: {{{place.format(value)}}}}}]\n")
    assert found.codes == ["axis-label-long"]
    assert "2,500 characters" in found.problems[0].message
    named = f"{{id: short, text: {value}}}" if not value.startswith("{") else "{id: short}"
    assert (
        "axis-label-long"
        not in resolved(f"shots: [{{id: s, prompt: '{{{{ n.id }}}}', matrix: {{n: [{named}]}}}}]\n").codes
    )


def test_a_prompt_may_be_a_label() -> None:
    """A value as long as the longest prompt still names its job."""
    assert len(drafted(f"shots: [{{id: s, prompt: '{{{{ n }}}}', matrix: {{n: [{'x' * 2500}]}}}}]\n").drafts) == 1


def test_a_filter_pays_for_what_it_writes_out() -> None:
    """One rendering has a budget, so a text of letters that become phrases is refused, however few they are."""
    rows = {"d.json": f'["{PHRASE * 8_000}"]'}
    found = resolved("data: {d: d.json}\nshots: [{id: s, prompt: '{{ data.d[0] | slug }}'}]\n", rows)
    assert found.codes == ["template-too-much"]
    rows = {"d.json": f'["{"é" * 200}"]'}
    assert resolved("data: {d: d.json}\nshots: [{id: s, prompt: '{{ data.d[0] | slug }}'}]\n", rows).codes == []


@pytest.mark.parametrize("text", ["São Paulo", "ｆｕｌｌ　ｗｉｄｔｈ", "東京 夜", "e\u0301té", PHRASE, "a—b…c", "Ⅷ½㎏"])  # noqa: RUF001
def test_a_slug_is_what_it_was(text: str) -> None:
    """Letters, digits and marks of any script stay, all else is one dash."""
    made = slug(text)
    assert made == slug(made)
    assert "--" not in made


def _jpeg(scans: int) -> bytes:
    """Return a progressive JPEG whose last scan stands there so many times more."""
    out = io.BytesIO()
    Image.effect_noise((400, 400), 60).save(out, format="JPEG", progressive=True)
    data = out.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def test_a_jpeg_of_many_scans_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes times pixels have a limit; an ordinary progressive picture is far below it."""
    monkeypatch.setattr(images, "LARGEST_PIXELS", 400 * 400)
    assert not isinstance(read_image("a.jpg", Files({"a.jpg": _jpeg(0)})), Complaint)
    many = Files({"a.jpg": _jpeg(60)})
    monkeypatch.setattr(Image.Image, "load", lambda _image: pytest.fail("it was decoded"))
    found = read_image("a.jpg", many)
    assert isinstance(found, Complaint)
    assert (found.code, bool(found.hint)) == ("picture-scans", True)
