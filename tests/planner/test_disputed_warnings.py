"""What a vendor's documents disagree on is said of the jobs that send it, once a model and parameter."""

import json
from pathlib import Path

import pytest

from kbatch.models.rules import Dispute
from kbatch.pipeline.load import LoadOptions, load
from kbatch.planner.disputed import DISPUTED, UNCONFIRMED
from kbatch.providers.registry import full_catalog

BEAT = "{prompt: a, duration: 1}, "
HEAD = "kbatch: 1\nname: x\nprovider: apiframe\nmatrix: {n: [1, 2, 3]}\n"


def warned(tmp_path: Path, shots: str) -> list[tuple[int, str, int, int]]:
    """Return line, message, jobs hit and jobs of the model of each warning."""
    path = tmp_path / "m.yaml"
    path.write_text(HEAD + shots, encoding="utf-8")
    found = [one for one in load(path).warnings if one.code == DISPUTED]
    return [(one.mark.line, one.message, one.jobs.hit, one.jobs.of) for one in found if one.mark and one.jobs]


@pytest.mark.parametrize(
    ("model", "params", "words"),
    [
        ("kling-2.1", "cfg_scale: 0.5", ["no `cfg_scale`"]),
        ("kling-2.1", "aspect_ratio: '16:9'", ["no `aspect_ratio`"]),
        ("kling-2.1", "mode: pro", []),
        ("kling-2.5-turbo-pro", "cfg_scale: 0.5", ["`guidance_scale` in place of `cfg_scale`"]),
        ("kling-2.5-turbo-pro", "aspect_ratio: '9:16'", []),
        ("kling-2.6", "aspect_ratio: '21:9'", ["only 16:9, 9:16 and 1:1"]),
        ("kling-2.6", "aspect_ratio: '1:1'", []),
        ("kling-3.0", "aspect_ratio: '4:3'", ["only 16:9, 9:16 and 1:1"]),
        ("kling-3.0", f"duration: 6, multi_prompt: [{BEAT * 6}]", []),
        ("kling-3.0", f"duration: 7, multi_prompt: [{BEAT * 7}]", ["six beats"]),
    ],
)
def test_each_dispute_is_said_where_it_is_sent(tmp_path: Path, model: str, params: str, words: list[str]) -> None:
    """A warning stands at the parameter's line, with all jobs counted, and only where the request has it."""
    found = warned(
        tmp_path, f"shots:\n  - id: a\n    model: {model}\n    prompt: p {{{{ n }}}}\n    params: {{{params}}}\n"
    )
    assert [(line, hit, of) for line, _, hit, of in found] == [(9, 3, 3)] * len(words)
    assert all(word in message for word, (_, message, _, _) in zip(words, found, strict=True))


def test_a_dispute_is_said_once_for_all_shots(tmp_path: Path) -> None:
    """Two shots that send it are one warning, at the first, with the jobs of both."""
    shot = "  - {id: %s, model: kling-2.1, prompt: '%s {{ n }}', params: {cfg_scale: 0.5}}\n"
    more = "  - {id: c, model: kling-2.1, prompt: 'c {{ n }}'}\n"
    found = warned(tmp_path, "shots:\n" + shot % ("a", "a") + shot % ("b", "b") + more)
    assert [(line, hit, of) for line, _, hit, of in found] == [(6, 6, 9)]


def test_what_only_defaults_send_is_one_line_a_model(tmp_path: Path) -> None:
    """A card whose defaults send two disputed parameters is warned of once, at the model, with all its jobs."""
    packaged = Path(__file__).parents[2] / "schemas" / "models" / "apiframe" / "kling-2.1.json"
    card = json.loads(packaged.read_bytes())
    card["parameters"]["cfg_scale"]["default"] = 0.5
    card["parameters"]["aspect_ratio"]["default"] = "16:9"
    folder = tmp_path / "cards" / "apiframe"
    folder.mkdir(parents=True)
    (folder / "kling-2.1.json").write_text(json.dumps(card))
    path = tmp_path / "m.yaml"
    path.write_text(HEAD + "shots:\n  - id: a\n    model: kling-2.1\n    prompt: 'p {{ n }}'\n", encoding="utf-8")
    found = [one for one in load(path, LoadOptions(models=tmp_path / "cards")).warnings if one.code == DISPUTED]
    assert [(one.mark and one.mark.line, one.jobs and one.jobs.hit) for one in found] == [(7, 3)]
    assert found[0].message.endswith("; sent by default: `aspect_ratio`, `cfg_scale`")


@pytest.mark.parametrize(
    ("fields", "params", "concerned"),
    [
        ({}, {"p": 0}, True),
        ({}, {}, False),
        ({"agreed": ("a",)}, {"p": "a"}, False),
        ({"agreed": ("a",)}, {"p": "b"}, True),
        ({"most": 2}, {"p": "[1, 2]"}, False),
        ({"most": 2}, {"p": [1, 2, 3]}, True),
        ({"most": 2}, {"p": "no list"}, False),
        ({"most": 2}, {"p": 7}, False),
    ],
)
def test_what_a_dispute_concerns(fields: dict[str, object], params: dict[str, object], concerned: bool) -> None:
    """Every value, all but the agreed ones, or lists that are longer than agreed."""
    made = Dispute(parameter="p", what="w", instead="i", title="t", read="2026-11-30", **fields)  # type: ignore[arg-type]
    assert made.concerns(params) is concerned


def test_what_no_document_confirms_is_said_once_a_model(tmp_path: Path) -> None:
    """Two shots of one such model are one warning at the first, with all their jobs; another model has none."""
    packaged = Path(__file__).parents[2] / "schemas" / "models" / "apiframe" / "kling-2.6.json"
    folder = tmp_path / "cards" / "apiframe"
    folder.mkdir(parents=True)
    (folder / "kling-2.6.json").write_text(json.dumps({**json.loads(packaged.read_bytes()), "unconfirmed": ["a key"]}))
    shot = "  - {id: %s, model: %s, prompt: '%s {{ n }}'}\n"
    path = tmp_path / "m.yaml"
    shots = (("a", "kling-2.6"), ("b", "kling-2.6"), ("c", "kling-2.1"))
    path.write_text(HEAD + "shots:\n" + "".join(shot % (name, model, name) for name, model in shots), encoding="utf-8")
    (found,) = [one for one in load(path, LoadOptions(models=tmp_path / "cards")).warnings if one.code == UNCONFIRMED]
    assert found.mark
    assert found.jobs
    assert (found.mark.line, found.jobs.hit, found.jobs.of, found.jobs.first) == (6, 6, 9, "a[n=1]")
    assert found.message == "not confirmed by the vendor for `kling-2.6`: a key"
    assert found.hint == "`--first 1` tries it with one job"


def test_the_packaged_cards_say_what_is_unconfirmed() -> None:
    """Each packaged card rests on documents of the vendor."""
    assert [card.model for card in full_catalog().cards if card.unconfirmed] == []
