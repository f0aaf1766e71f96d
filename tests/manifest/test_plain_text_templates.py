"""Texts that only look names up are joined without Jinja, and come out exactly as the sandbox makes them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbatch.manifest.templates.faults import Fault
from kbatch.manifest.templates.plain_text import ELSEWHERE, GLOBALS, read_plain_text
from kbatch.manifest.templates.sandbox import Sandbox
from kbatch.manifest.templates.template import Template, Templates

ROW = {"name": "Aurora", "size": 7, "items": "three", "_own": "u", "none": None, "list": [1], "deep": {"er": True}}
SCOPE: dict[str, Any] = {
    "city": "São Paulo", "seconds": 5, "share": 2.50, "audio": True, "row": ROW, "empty": None, "many": [1, 2],
    "long": "x" * 60_000,
}  # fmt: skip


def no_file(_reference: str) -> bytes:
    """Refuse to read: these texts import nothing."""
    raise AssertionError


def with_jinja(source: str) -> Any:
    """Return what the sandbox makes of a text, whether or not it could be joined."""
    templates = Templates(no_file)
    compiled = templates._jinja.compile(source)
    return compiled if isinstance(compiled, Fault) else compiled.render(SCOPE)


def as_compiled(source: str) -> Any:
    """Return what a manifest's text becomes."""
    compiled = Templates(no_file).compile(source)
    return compiled if isinstance(compiled, Fault) else compiled.render(SCOPE)


WORDS = ["city", "seconds", "share", "audio", "row.name", "row.size", "row.items", "row._own", "row.none", "row.list",
         "row.deep.er", "row.lost", "empty", "many", "long", "lost", "city.upper", "range", "loop", "self", "true",
         "none", "not", "if", "namespace"]  # fmt: skip
PIECES = st.one_of(
    st.sampled_from(
        ["{{ ", "{{", " }}", "}}", "{", "}", "{%", "%}", "{#", "#}", "-", "\n", "\r", " ", "\t", "|", ".", "é"]
    ),
    st.sampled_from(WORDS),
    st.sampled_from([f"{{{{ {word} }}}}" for word in WORDS]),
    st.text(max_size=3),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=7).map("".join))
def test_a_text_is_what_jinja_makes_of_it(source: str) -> None:
    """Whatever the text holds, joining and Jinja give one value of one type, or one complaint."""
    if not any(mark in source for mark in ("{{", "{%", "{#")):
        return
    joined, rendered = as_compiled(source), with_jinja(source)
    assert (type(joined), joined) == (type(rendered), rendered)


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("a {{ city }}, {{ seconds }} s", "a São Paulo, 5 s"),
        ("{{ row.name }}{{ row.deep }}", ELSEWHERE),
        ("{{ seconds }}", 5),
        (" {{ audio }}\n", True),
        ("x{{ audio }}", ELSEWHERE),
        ("{{ lost }}!", ELSEWHERE),
        ("{{ empty }}", ELSEWHERE),
        ("{{ long }}{{ long }}", ELSEWHERE),
    ],
)
def test_what_a_join_takes(source: str, made: Any) -> None:
    """Texts and numbers are joined; all else is the sandbox's to render or to refuse."""
    join = read_plain_text(source)
    assert join is not None
    assert join.render(SCOPE) == made


@pytest.mark.parametrize(
    "source",
    ["{{ city | upper }}", "{{ many[0] }}", "{% if audio %}a{% endif %}", "{{- city }}", "{{{ city }}}", "{{ city",
     "a\r\n{{ city }}", "{{ self }}", "{{ true }}", "{{ not }}", "{# c #}", "{{ 'a' }}", "{{\ncity }}"],
)  # fmt: skip
def test_what_is_left_to_jinja(source: str) -> None:
    """A filter, a statement, a literal, control of white space or a name of Jinja's own is no join."""
    assert read_plain_text(source) is None


def test_a_join_compiles_nothing() -> None:
    """A prompt of names never reaches Jinja's compiler, and says which names it needs."""
    templates = Templates(no_file)
    templates._jinja._sandbox.parse = no_file  # type: ignore[assignment]
    compiled = templates.compile("{{ row.name }} in {{ city }}")
    assert isinstance(compiled, Template)
    assert compiled.names == {"row", "city"}
    assert compiled.render(SCOPE) == "Aurora in São Paulo"


def test_names_that_every_template_has_are_the_sandboxes() -> None:
    """What joins leave to Jinja as its own is what the sandbox gives, no more and no less."""
    assert Sandbox().globals.keys() == set(GLOBALS)


@pytest.mark.parametrize("name", GLOBALS)
def test_a_name_that_every_template_has_is_left_to_jinja(name: str) -> None:
    """It is none that a scope gives, though a mapping may have a field of that name."""
    assert read_plain_text(f"{{{{ {name} }}}}") is None
    assert read_plain_text(f"{{{{ row.{name} }}}}") is not None
