"""Layers: defaults, then the shot, then a profile's override; each value keeps the place that brought it."""

from typing import Any

from kbatch.manifest.layers import Shot, layer_data, layer_matrix, layer_shots, layer_vars

MANIFEST: dict[str, Any] = {
    "provider": "apiframe",
    "vars": {"brand": "Solstice", "light": "dusk"},
    "data": {"products": "a.csv", "cities": "c.csv"},
    "matrix": {"city": ["Lisbon"]},
    "output": {"dir": "renders", "name": "{{ slug }}.mp4"},
    "defaults": {"model": "kling-2.6", "takes": 2, "params": {"duration": 5, "generate_audio": False}},
    "shots": [
        {"id": "hero", "params": {"duration": 10, "mode": "pro"}, "labels": {"market": "eu"}, "prompt": "a ridge"},
        {"id": "reveal", "provider": "aimlapi", "output": "reveal.mp4", "prompt_file": "p.txt", "takes": 1},
    ],
    "profiles": {
        "draft": {
            "vars": {"light": "dawn"},
            "data": {"products": "b.csv"},
            "defaults": {"params": {"aspect_ratio": "1:1", "duration": 3}},
            "override": {
                "model": "kling-2.5-turbo-pro", "takes": 1, "drop_unsupported": True, "labels": {"kind": "draft"},
                "params": {"duration": 5},
            },
        },
        "other": {"provider": "aimlapi", "matrix": {"city": ["Oslo"]}, "output": {"name": "other.mp4"}},
        "one-prompt": {"override": {"prompt": "the same for all"}},
    },
}  # fmt: skip


def shots(profile: str | None = None) -> tuple[Shot, ...]:
    """Return the manifest's shots under a profile."""
    return layer_shots(MANIFEST, profile)


def layer_of(shot: Shot, name: str) -> tuple[Any, str, tuple[Any, ...]]:
    """Return value, layer and place of a field or `params.<name>`."""
    placed = shot.params[name.removeprefix("params.")] if name.startswith("params.") else shot.fields[name]
    return placed.value, placed.origin.layer, placed.origin.path


def test_a_shot_lies_over_the_defaults() -> None:
    """What a shot writes wins, its params key by key; what it does not write comes from the defaults."""
    hero, _ = shots()
    assert layer_of(hero, "model") == ("kling-2.6", "defaults", ("defaults", "model"))
    assert layer_of(hero, "takes") == (2, "defaults", ("defaults", "takes"))
    assert layer_of(hero, "params.duration") == (10, "shot", ("shots", 0, "params", "duration"))
    assert layer_of(hero, "params.generate_audio") == (False, "defaults", ("defaults", "params", "generate_audio"))
    assert layer_of(hero, "provider") == ("apiframe", "manifest", ("provider",))


def test_a_shot_may_set_any_field_of_its_own() -> None:
    """Provider, takes and output of a shot win over the manifest's."""
    _, reveal = shots()
    assert layer_of(reveal, "provider") == ("aimlapi", "shot", ("shots", 1, "provider"))
    assert layer_of(reveal, "output") == ("reveal.mp4", "shot", ("shots", 1, "output"))
    assert reveal.value("takes") == 1


def test_only_defaults_are_weak() -> None:
    """A parameter that only defaults bring may be dropped by a model that lacks it; a shot's own may not."""
    hero, _ = shots()
    assert {name: part.default_only for name, part in hero.params.items()} == {
        "duration": False,
        "mode": False,
        "generate_audio": True,
    }
    assert shots("draft")[1].params["aspect_ratio"].default_only
    assert not shots("draft")[1].params["duration"].default_only


def test_a_profile_overrides_key_by_key() -> None:
    """`override` wins over shots, its params and labels key by key; a profile's defaults lie over the manifest's."""
    hero, reveal = shots("draft")
    assert layer_of(hero, "model") == ("kling-2.5-turbo-pro", "profile", ("profiles", "draft", "override", "model"))
    assert layer_of(hero, "params.duration")[0] == 5
    assert layer_of(hero, "params.mode")[0] == "pro"
    assert layer_of(reveal, "params.aspect_ratio") == (
        "1:1", "profile defaults", ("profiles", "draft", "defaults", "params", "aspect_ratio"),
    )  # fmt: skip
    assert {name: part.value for name, part in hero.labels.items()} == {"market": "eu", "kind": "draft"}
    assert hero.drop_unsupported
    assert not shots()[0].drop_unsupported


def test_a_profile_may_change_what_stands_at_the_top() -> None:
    """Provider and output name of a profile win over the manifest's, below what a shot says itself."""
    hero, reveal = shots("other")
    assert layer_of(hero, "provider") == ("aimlapi", "profile defaults", ("profiles", "other", "provider"))
    assert layer_of(hero, "output") == ("other.mp4", "manifest", ("profiles", "other", "output", "name"))
    assert reveal.value("output") == "reveal.mp4"


def test_a_prompt_and_a_prompt_file_replace_each_other() -> None:
    """A layer above that brings the one takes the other away."""
    assert all("prompt_file" not in shot.fields for shot in shots("one-prompt"))
    assert [shot.value("prompt") for shot in shots("one-prompt")] == ["the same for all"] * 2
    assert "prompt" not in shots()[1].fields


def test_vars_and_data_merge_key_by_key() -> None:
    """A profile changes single variables and data files and leaves the others."""
    assert layer_vars(MANIFEST, "draft") == {"brand": "Solstice", "light": "dawn"}
    found = {name: (part.value, part.origin.path) for name, part in layer_data(MANIFEST, "draft").items()}
    assert found == {
        "products": ("b.csv", ("profiles", "draft", "data", "products")),
        "cities": ("c.csv", ("data", "cities")),
    }


def test_a_matrix_of_a_profile_replaces_the_manifests_whole() -> None:
    """Axes are not merged: a profile has its own matrix or the manifest's."""
    assert layer_matrix(MANIFEST, "other") == ({"city": ["Oslo"]}, ("profiles", "other", "matrix"))
    assert layer_matrix(MANIFEST, "draft") == ({"city": ["Lisbon"]}, ("matrix",))
    assert layer_matrix({}, None) == ({}, ("matrix",))
