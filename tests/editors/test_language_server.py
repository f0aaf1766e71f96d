"""Editors read the manifest schema through yaml-language-server: what they underline, offer and explain."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from language_server import ROOT, LanguageServer, find_server

HEAD = """\
# yaml-language-server: $schema=../schemas/manifest.schema.json
kbatch: 1
name: edited
provider: apiframe
shots:
  - id: hero
    prompt: a ridge at dusk
"""


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    """Return one running server for all tests, since starting Node.js takes most of the time."""
    with LanguageServer(find_server()) as running:
        yield running


@pytest.mark.parametrize("path", sorted((ROOT / "manifests").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_good_manifest_has_nothing_underlined(server: LanguageServer, path: Path) -> None:
    """Every example manifest is accepted as it stands, templates, axes and all."""
    assert server.diagnostics(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        pytest.param("    model: kling-3.0\n    params: {mode: prod}\n", 8, "standard", id="value-not-in-the-enum"),
        pytest.param("    model: kling-2.6\n    params: {mode: pro}\n", 8, "mode", id="parameter-of-another-model"),
        pytest.param("    model: kling-2.6\n    parms: {duration: 5}\n", 8, "parms", id="unknown-field-of-a-shot"),
        pytest.param("    model: kling-9\n", 7, "kling-2.6", id="unknown-model"),
        pytest.param(
            "    model: kling-2.6\nbudgets: {max_credits: 5}\n", 8, "budgets", id="unknown-field-of-the-manifest"
        ),
        pytest.param("    model: kling-3.0\n    params: {duration: 16}\n", 8, "15", id="seconds-over-the-range"),
        pytest.param("    model: kling-2.6\n    takes: two\n", 8, "integer", id="text-for-a-number"),
    ],
)
def test_what_is_wrong_is_underlined(server: LanguageServer, body: str, line: int, words: str) -> None:
    """A mistake is marked in its line (from 0), in words that name it or what is accepted."""
    found = server.diagnostics(HEAD + body)
    assert [one["range"]["start"]["line"] for one in found] == [line]
    assert words in found[0]["message"]


def test_values_of_mode_are_offered(server: LanguageServer) -> None:
    """After `mode:` the model's modes are offered and nothing else."""
    offered = server.completions(HEAD + "    model: kling-3.0\n    params:\n      mode: ‸\n")
    assert {"standard", "pro"} <= set(offered)
    assert not {"16:9", "kling-3.0"} & set(offered)


def test_models_are_offered_with_their_prices(server: LanguageServer) -> None:
    """After `model:` every model is offered, and its words hold the price of each variant and the source's date."""
    offered = server.completions(HEAD + "    model: ‸\n")
    assert {"kling-2.1", "kling-2.5-turbo-pro", "kling-2.6", "kling-3.0"} <= set(offered)
    assert "10s-audio 40" in offered["kling-2.6"]
    assert "2026-11-21" in offered["kling-2.6"]


def test_only_the_parameters_of_the_model_are_offered(server: LanguageServer) -> None:
    """Inside `params` of a shot with a model, the parameters of that model are offered."""
    offered = server.completions(HEAD + "    model: kling-2.5-turbo-pro\n    params:\n      ‸\n")
    assert {"duration", "start_image", "cfg_scale"} <= set(offered)
    assert not {"mode", "generate_audio", "multi_prompt"} & set(offered)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("    model: kling-‸3.0\n", "pro-audio 7", id="price-of-a-model"),
        pytest.param("    model: kling-3.0\n    params: {mo‸de: pro}\n", "dearer", id="default-that-costs-more"),
        pytest.param("    model: kling-3.0\n    params: {dura‸tion: 5}\n", "3 to 15", id="range-of-a-parameter"),
        pytest.param("    model: kling-2.6\n    tak‸es: 2\n", "every take is paid", id="takes-cost"),
    ],
)
def test_hover_tells_prices_and_ranges(server: LanguageServer, text: str, words: str) -> None:
    """Hovering over a model tells what it costs, over a field what it accepts."""
    assert words in server.hover(HEAD + text)
