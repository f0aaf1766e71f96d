"""Templates: native types, names checked before rendering, imports within the tree, and what a Fault says."""

from typing import Any

import pytest
from small_manifests import Files

from kbatch.manifest.drafts import FrameCall
from kbatch.manifest.templates.faults import Fault
from kbatch.manifest.templates.template import Template, Templates, check_names, find_templates, is_template
from kbatch.manifest.templates.value_text import text_of

SCOPE: dict[str, Any] = {
    "seconds": 10,
    "scale": 0.5,
    "audio": False,
    "brand": "Solstice",
    "nothing": None,
    "row": {"id": "parka", "name": "Parka"},
    "cities": ["Lisbon", "Tokyo"],
    "frame": lambda shot: FrameCall("last", shot, 1, ()),
}
TEMPLATES = Templates(
    Files(
        {
            "words.j2": "{% macro sign() %}{{ brand }}{% endmacro %}{% macro of(x) %}{{ x.nme }}{% endmacro %}",
            "broken.j2": "fine\n  {% if %}\n",
            "latin.j2": b"caf\xe9",
            "bom.j2": b"\xef\xbb\xbfplain",
            "long.j2": "x" * 70_000,
        }
    ).read
)


def compiled(source: str) -> Template:
    """Return a template that compiles."""
    template = TEMPLATES.compile(source)
    assert isinstance(template, Template), template
    return template


def fault_of(source: str) -> Fault:
    """Return what is wrong with a template, compiled or rendered."""
    template = TEMPLATES.compile(source)
    found = template if isinstance(template, Fault) else template.render(SCOPE)
    assert isinstance(found, Fault), found
    return found


NATIVE = {
    "integer": ("{{ seconds }}", 10),
    "integer-with-spaces-around": ("  {{ seconds }}\n", 10),
    "integer-with-whitespace-control": ("{{- seconds -}}", 10),
    "float": ("{{ scale * 2 }}", 1.0),
    "boolean": ("{{ audio }}", False),
    "boolean-of-a-comparison": ("{{ seconds > 5 }}", True),
    "empty": ("{{ nothing }}", None),
    "list": ("{{ cities }}", ["Lisbon", "Tokyo"]),
    "list-of-a-generator": ("{{ cities | map('upper') }}", ["LISBON", "TOKYO"]),
    "list-of-a-range": ("{{ range(3) }}", [0, 1, 2]),
    "list-of-tuples": ("{{ (1, (2, 3)) }}", [1, [2, 3]]),
    "mapping": ("{{ {'a': [seconds]} }}", {"a": [10]}),
    "frame": ("{{ frame('hero') }}", FrameCall("last", "hero", 1, ())),
    "text-with-braces": ("{{ '}}' }}", "}}"),
    "text-that-looks-like-a-number": ("{{ '10' }}", "10"),
    "two-expressions": ("{{ seconds }}{{ seconds }}", "1010"),
    "text-around": ("{{ seconds }} s", "10 s"),
    "statement-before": ("{% set x = 1 %}{{ x }}", "1"),
    "no-template": ("16:9", "16:9"),
    "no-template-with-a-line-end": ("a ridge\n", "a ridge"),
    "no-template-with-two-line-ends": ("a ridge\n\n", "a ridge\n"),
    "template-with-a-line-end": ("a {{ brand }}\n", "a Solstice"),
}


@pytest.mark.parametrize(("source", "value"), NATIVE.values(), ids=NATIVE)
def test_one_whole_expression_keeps_its_type(source: str, value: object) -> None:
    """A text that is one expression yields that expression's value, of its own type; any other is a text."""
    found = compiled(source).render(SCOPE)
    assert (type(found), found) == (type(value), value)


def test_a_bare_expression_may_have_braces_or_not() -> None:
    """`when` is an expression with or without braces."""
    for source in ("seconds > 5", "{{ seconds > 5 }}"):
        template = TEMPLATES.expression(source)
        assert isinstance(template, Template)
        assert template.render(SCOPE) is True


def test_texts_at_any_depth_are_templates() -> None:
    """A list or mapping keeps its shape, and every text inside it is rendered with its own type."""
    template = TEMPLATES.structure([{"prompt": "{{ brand }}!", "duration": "{{ seconds // 5 }}"}, 7, None])
    assert isinstance(template, Template)
    assert template.names == {"brand", "seconds"}
    assert template.render(SCOPE) == [{"prompt": "Solstice!", "duration": 2}, 7, None]


def test_a_fault_at_depth_says_where() -> None:
    """The place inside a list of mappings comes with the fault, from compiling and from rendering alike."""
    for text, code in (("{{ 1 / 0 }}", "template-failed"), ("{{ 1 +", "template-syntax")):
        template = TEMPLATES.structure([{"prompt": "good"}, {"prompt": text}])
        found = template if isinstance(template, Fault) else template.render(SCOPE)
        assert (found.code, found.at) == (code, (1, "prompt"))


def test_templates_are_found_at_any_depth() -> None:
    """Each text with template marks is found with its place; data without marks is none."""
    value = {"a": ["x", "{{ b }}"], "c": {"d": "{% if e %}"}, "f": 1}
    assert list(find_templates(value)) == [(("a", 1), "{{ b }}"), (("c", "d"), "{% if e %}")]
    assert not is_template(5)
    assert not is_template("{ {")


NAMES = {
    "names": ("{{ a }} {{ b.c }} {{ d['e'] }} {{ f(g) }}", {"a", "b", "d", "f", "g"}),
    "loop-variable": ("{% for x in xs %}{{ x }} {{ loop.index }}{% endfor %}", {"xs"}),
    "set": ("{% set x = y %}{{ x }}", {"y"}),
    "macro-arguments": ("{% macro m(x) %}{{ x }}{{ z }}{% endmacro %}{{ m(1) }}", {"z"}),
    "globals": ("{{ range(3) }}{{ dict(a=1) }}{{ namespace() }}", set()),
    "filters-and-tests": ("{{ a | upper }} {{ b is defined }}", {"a", "b"}),
    "no-template": ("{ a }", set()),
}


@pytest.mark.parametrize(("source", "names"), NAMES.values(), ids=NAMES)
def test_free_names_are_known_before_rendering(source: str, names: set[str]) -> None:
    """The names that a template takes from its scope are those that it does not make itself."""
    assert compiled(source).names == names


def test_an_unknown_name_has_the_nearest_known_one() -> None:
    """Names are checked without rendering; each unknown one is a fault of its own, with a hint."""
    found = check_names(compiled("{{ brnd }} {{ zzz }} {{ city }}"), frozenset(("brand", "city")))
    assert [(fault.word, fault.hint) for fault in found] == [
        ("brnd", "did you mean `brand`?"),
        ("zzz", "known: `brand`, `city`"),
    ]


FAULTS: dict[str, tuple[str, str, str, str | None, str | None]] = {
    "field": ("{{ row.nme }}", "unknown-name", "there is no `nme` here", "did you mean `name`?", "nme"),
    "field-by-subscript": ("{{ row['nme'] }}", "unknown-name", "there is no `nme` here", "did you mean `name`?", "nme"),
    "field-of-a-text": ("{{ brand.nme }}", "unknown-name", "a text has no `nme`", None, "nme"),
    "field-of-nothing": ("{{ nothing.nme }}", "unknown-name", "an empty value has no `nme`", None, "nme"),
    "item": ("{{ cities[7] }}", "unknown-name", "a list has no `[7]`", None, "[7]"),
    "name-of-some": (
        "{{ mood }}", "unknown-name", "not every combination has `mood`",
        "`mood is defined` asks for it, `mood | default('…')` stands in for it", "mood",
    ),
    "mapping-in-text": (
        "a {{ row }}", "not-text", "a mapping cannot stand inside a text", "name one of its fields: `id`, `name`",
        "row",
    ),
    "list-in-text": (
        "a {{ cities }}", "not-text", "a list cannot stand inside a text", "`| join(', ')` makes a text of a list",
        "cities",
    ),
    "nothing-in-text": (
        "a {{ nothing }}", "not-text", "an empty value cannot stand inside a text",
        "`| default('…', true)` gives a value that may be empty another one", "nothing",
    ),
    "frame-in-text": (
        "a {{ frame('hero') }}", "not-text", "a clip's frame cannot stand inside a text",
        "a frame is the whole value of a picture parameter", None,
    ),
    "method": (
        "{{ brand.upper }}", "not-text", "a function cannot stand inside a text", "call it: `()` is missing", None,
    ),
    "constant-list-in-text": (
        "a {{ [1] }}", "not-text", "a list cannot stand inside a text", "`| join(', ')` makes a text of a list", None,
    ),
    "filter": ("{{ brand | uper }}", "template-syntax", "there is no filter `uper`", "did you mean `upper`?", "uper"),
    "test": ("{{ n is defind }}", "template-syntax", "there is no test `defind`", "did you mean `defined`?", "defind"),
    "unclosed": ("{% for a in b %}", "template-syntax", "the template is wrong: `{% for %}` is not closed", None, None),
    "unclosed-braces": (
        "{{ brand", "template-syntax",
        "the template is wrong: unexpected end of template, expected 'end of print statement'", None, None,
    ),
    "attribute": (
        "{{ brand.uper() }}", "unknown-name", "a text has no `uper`", None, "uper",
    ),
    "forbidden": (
        "{{ brand.ljust(9) }}", "template-unsafe", "`ljust` of a text is not allowed in a template",
        None, "ljust",
    ),
    "division": ("{{ 1 / 0 }}", "template-failed", "the template cannot be rendered: division by zero", None, None),
    "plus": (
        "{{ 'a' + 1 }}", "template-failed",
        "the template cannot be rendered: `+` does not join a text and a number; `~` makes a text of both", None, None,
    ),
    "missing-import": (
        "{% import 'none.j2' as n %}", "file-not-found", "there is no file `none.j2`", None, "none.j2",
    ),
    "import-not-utf-8": (
        "{% include 'latin.j2' %}", "encoding", "byte 0xe9 is not UTF-8", "save the file as UTF-8", None,
    ),
    "import-too-long": ("{% include 'long.j2' %}", "template-too-much", "`long.j2` is over 64 KiB", None, "long.j2"),
    "name-in-a-macro": (
        "{% import 'words.j2' as w %}{{ w.sign() }}", "unknown-name", "unknown name `brand` in an imported template",
        "a macro sees what it is given: pass the value as an argument", None,
    ),
    "field-in-a-macro": (
        "{% import 'words.j2' as w %}{{ w.of(row) }}", "unknown-name", "there is no `nme` here",
        "did you mean `name`?", "nme",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("source", "code", "message", "hint", "word"), FAULTS.values(), ids=FAULTS)
def test_a_fault_has_its_code_message_hint_and_word(
    source: str, code: str, message: str, hint: str | None, word: str | None
) -> None:
    """What goes wrong is said in kbatch's own words, with what to look for in the source."""
    found = fault_of(source)
    assert (found.code, found.message, found.hint, found.word) == (code, message, hint, word)


def test_a_fault_in_an_imported_file_has_its_place() -> None:
    """A syntax error in an imported template is marked in that file."""
    mark = fault_of("{% include 'broken.j2' %}").mark
    assert mark is not None
    assert (mark.file, mark.line, mark.column, mark.source) == ("broken.j2", 2, 3, "  {% if %}")


def test_a_syntax_error_has_its_line() -> None:
    """The line counts from 1 within the template's own text."""
    assert fault_of("a\nb {% if %}\nc").line == 2


def test_a_byte_order_mark_of_an_imported_file_is_no_text() -> None:
    """Files that Windows' editors wrote can be included."""
    assert compiled("{% include 'bom.j2' %}").render(SCOPE) == "plain"


TEXTS = {
    "text": ("a", "a"),
    "integer": (5, "5"),
    "float": (0.5, "0.5"),
    "true": (True, "true"),
    "empty": (None, "not-text"),
    "mapping": ({"a": 1}, "not-text"),
    "list": ([1], "not-text"),
    "frame": (FrameCall("last", "hero", 1, ()), "not-text"),
    "half-a-surrogate-pair": ("\ud83d", "not-unicode"),
}


@pytest.mark.parametrize(("value", "expected"), TEXTS.values(), ids=TEXTS)
def test_a_text_field_takes_what_can_be_written(value: object, expected: str) -> None:
    """A prompt or a model's name is never `None` or `{'id': …}`: it is a text as YAML writes it, or a fault."""
    found = text_of(value)
    assert (found.code if isinstance(found, Fault) else found) == expected
