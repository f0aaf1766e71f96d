"""Good manifests, damaged at random, go through the whole of loading: they end in problems with places, or in jobs.

Nothing else may come out: no other exception, no hang, no problem that cannot be shown.
"""

import copy
import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kbatch.errors import Invalid, Problem
from kbatch.manifest.yaml.document import Document, read_document
from kbatch.models.fingerprint import canonical
from kbatch.pipeline.load import LoadOptions, load
from kbatch.report.machine import github_annotations
from kbatch.report.text import diagnostics

ROOT = Path(__file__).parents[2]
CAMPAIGN = ROOT / "tests/cli/campaign"
FOLDERS = (ROOT / "manifests", ROOT / "tests/examples/good", CAMPAIGN)
GOOD = {
    path.read_text(encoding="utf-8"): path.parent.name
    for folder in FOLDERS
    for path in sorted(folder.glob("*.yaml"))
    if path.name not in ("misspelled.yaml", "torn.yaml")
}
"""The folder that each text belongs to, where the files that it names are."""
FRAGMENTS = (
    "{{", "}}", "{% for a in range(9999) %}", "{% include 'prompts/reveal.j2' %}", "{{ 'a' * 99999999 }}",
    "{{ matrix }}", "{{ last_frame('hero') }}", "{{ product", "*a", "&a ", "<<: ", "!!binary ", "!!python/name:os ",
    "? ", "- ", "---\n", "...\n", "\t", "\n", ": ", ", ", "[", "]", "{", "}", "'", '"', "|\n", ">-\n", "# ", "@", "~",
    "%YAML 1.1\n", "0x", "012", "1e999", ".nan", "-", "9" * 40, "no", "/../", "\\", "\u2028", "\ufeff", "é",
    "\U0001f3ac", "\x7f", "\x00",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 5.0, 0.5, 10**30, 1e308, "", " ", "5", "on", "pro", "kling-2.6", "aimlapi", "a/../b",
    "../x", "{{ product }}", "{{ nope }}", "{{ 1/0 }}", "{{ range(3) }}", "{{ data.products }}", "\x00", "a\nb", "[",
    "{{ last_frame('hero') }}", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "con.mp4", "x" * 3000, [], {}, [[]], [None], {"": 1}, {"id": "a"}, [{"id": "a"}, {"id": "A"}],
    {"include": [{}]}, {"zip": [["city", "city"]]}, "data:image/png;base64,AAAA", "https://a.example/b.png",
    "http://a.example/b.png", "stills/table.png",
)  # fmt: skip
LIMITS = settings(
    max_examples=200, deadline=timedelta(seconds=20), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of each folder of manifests, every picture a small one."""
    made = tmp_path_factory.mktemp("mutated")
    for source in FOLDERS:
        shutil.copytree(source, made / source.name, ignore=shutil.ignore_patterns("renders*", ".*"))
        for picture in (path for path in (made / source.name).rglob("*") if path.suffix in (".png", ".jpg")):
            shutil.copyfile(CAMPAIGN / "stills/table.png", picture)
    return made


def check(path: Path, data: bytes) -> None:
    """Load a manifest; what comes out must be jobs, or problems that can be shown at their places."""
    path.write_bytes(data)
    try:
        loaded = load(path, LoadOptions(max_jobs=200))
    except Invalid as error:
        problems, fatal = error.problems, True
    else:
        problems, fatal = loaded.warnings, False
        assert len(loaded.jobs) <= 200
        assert len({job.address for job in loaded.jobs}) == len(loaded.jobs)
        for job in loaded.jobs:
            assert job.quote.credits is None or job.quote.credits > 0
            assert canonical(job.request)
    assert any(problem.fatal for problem in problems) == fatal
    for problem in problems:
        show(problem)


def show(problem: Problem) -> None:
    """Print a problem in every way, and look whether its place can be one."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", problem.code)
    assert problem.message
    assert diagnostics.as_text(problem).encode()
    assert all("\n" not in line and line.encode() for line in github_annotations.lines([problem]))
    assert json.dumps(diagnostics.as_json([problem]), ensure_ascii=False).encode()
    if problem.mark is not None:
        assert problem.mark.line >= 1
        assert 1 <= problem.mark.column <= len(problem.mark.source) + 1
        assert problem.mark.width >= 1


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a good manifest and delete, repeat, replace or insert pieces of it; return it with its folder's name."""
    good = text = draw(st.sampled_from(list(GOOD)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        fragment = draw(st.sampled_from(FRAGMENTS) | st.text(max_size=4) | st.just(text[start:end] * 2) | st.just(""))
        text = text[:start] + fragment + text[end:]
    return GOOD[good], text


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every node below the root."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*at, key)
        yield from places(part, (*at, key))


def reach(value: Any, at: tuple[Any, ...]) -> Any:
    """Return the node at a place."""
    for step in at:
        value = value[step]
    return value


def value_of(text: str) -> Any:
    """Return the plain value of a good manifest."""
    document = read_document(text.encode(), "good.yaml")
    assert isinstance(document, Document)
    return document.value


TREES = tuple((folder, value_of(text)) for text, folder in GOOD.items())


NODES = tuple(reach(value, at) for _, value in TREES for at in places(value))
SCALARS = tuple(node for node in (*NODES, *VALUES) if not isinstance(node, dict | list))


@st.composite
def trees(draw: st.DrawFn) -> tuple[str, Any]:
    """Draw a good manifest's value and damage one to three nodes of it; return it with its folder's name."""
    name, good = draw(st.sampled_from(TREES))
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        known = list(places(value))
        if not known:
            break
        *above, key = draw(st.sampled_from(known))
        damage(draw, reach(value, tuple(above)), key, value)
    return name, value


def damage(draw: st.DrawFn, holder: Any, key: Any, whole: Any) -> None:
    """Delete, replace, copy or rename a node, exchange it for one of its type, or damage the text that it holds."""
    here, known = holder[key], list(places(whole))
    kind = draw(st.sampled_from(("delete", "replace", "copy", "rename", "alike", "alike", "text", "text", "text")))
    if kind == "delete":
        del holder[key]
    elif kind == "replace":
        holder[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    elif kind == "copy":
        holder[key] = copy.deepcopy(reach(whole, draw(st.sampled_from(known))))
    elif kind == "rename" and isinstance(holder, dict):
        holder[draw(st.sampled_from([step for at in known for step in at if isinstance(step, str)]))] = holder.pop(key)
    elif kind == "text" and isinstance(here, str):
        at = draw(st.integers(0, len(here)))
        holder[key] = here[:at] + draw(st.sampled_from(FRAGMENTS)) + here[at + draw(st.integers(0, 9)) :]
    elif isinstance(here, dict | list):
        holder[key] = type(here)() if draw(st.booleans()) else [copy.deepcopy(here)] * 2
    else:
        holder[key] = draw(st.sampled_from([other for other in SCALARS if type(other) is type(here)]))


@LIMITS
@given(drawn=texts())
def test_damaged_texts(folder: Path, drawn: tuple[str, str]) -> None:
    """Characters that are deleted, repeated, replaced or inserted never break loading."""
    name, text = drawn
    check(folder / name / "mutated.yaml", text.encode("utf-8", "surrogatepass"))


@LIMITS
@given(
    text=st.sampled_from(list(GOOD)), flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4)
)
def test_damaged_bytes(folder: Path, text: str, flips: list[tuple[int, int]]) -> None:
    """Bytes that are overwritten, in any encoding or none, never break loading."""
    data = bytearray(text.encode())
    for position, byte in flips:
        data[position % len(data)] = byte
    check(folder / GOOD[text] / "mutated.yaml", bytes(data))


@LIMITS
@given(drawn=trees())
def test_damaged_values(folder: Path, drawn: tuple[str, Any]) -> None:
    """Values that are deleted, exchanged, moved or renamed never break loading: the text itself is good YAML."""
    name, value = drawn
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    check(folder / name / "mutated.yaml", text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("text", GOOD, ids=range(len(GOOD)))
def test_undamaged_manifests_load(folder: Path, text: str) -> None:
    """What is damaged here was good before, so that the rest says something."""
    path = folder / GOOD[text] / "good.yaml"
    path.write_text(text, encoding="utf-8")
    assert load(path).jobs


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\xef\xbb\xbfk\x80: 1\n", "encoding", id="byte-order-mark-and-a-bad-byte"),
        pytest.param(
            b"kbatch: 1\nname: x\nprovider: apiframe\ndefaults: {model: kling-2.6, prompt: x}\nshots:\n"
            b"  - {id: a, matrix: {city: [Oslo, Rome]}}\n"
            b"  - {id: b, params: {start_image: \"{{ last_frame('a') }}\"}}\n"
            b"  - {id: c, params: {start_image: \"{{ last_frame('b') }}\"}}\n",
            "ambiguous-frame",
            id="a-chain-behind-a-frame-that-is-not-found",
        ),
    ],
)
def test_what_once_broke_loading(tmp_path: Path, data: bytes, code: str) -> None:
    """Faults that random damage found are told as problems."""
    path = tmp_path / "found.yaml"
    path.write_bytes(data)
    with pytest.raises(Invalid) as caught:
        load(path)
    assert code in {problem.code for problem in caught.value.problems}
