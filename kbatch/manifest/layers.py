"""Merges the layers of a manifest: defaults, then the shot, then a profile's override; the last one counts.

Every value keeps its layer and path, so that a complaint and `kbatch explain` can name both.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kbatch.manifest.drafts import Origin, Path
from kbatch.manifest.faulty import ALL_PARAMS, mapping_of

WEAK_LAYERS = ("defaults", "profile defaults")


class LayeredValue(Struct, frozen=True):
    """A value as it was written, with its origin."""

    value: Any
    origin: Origin

    @property
    def default_only(self) -> bool:
        """Whether only defaults set it, so that it is dropped for a model without such a parameter."""
        return self.origin.layer in WEAK_LAYERS


class Shot(Struct, frozen=True, kw_only=True):
    """A shot after layering, templates not yet rendered; `fields` holds all but params and labels.

    `without` are the labels that a profile leaves out, by axis. `faulty` are fields that may have been written in a
    part that could not be read.
    """

    id: str
    path: Path
    fields: Mapping[str, LayeredValue]
    params: Mapping[str, LayeredValue]
    labels: Mapping[str, LayeredValue]
    matrix: Mapping[str, Any]
    drop_unsupported: bool
    without: Mapping[str, tuple[str, ...]] = {}
    without_path: Path = ()
    faulty: frozenset[str] = frozenset()

    def value(self, field: str, default: Any = None) -> Any:
        """Return a field's value as written."""
        placed = self.fields.get(field)
        return default if placed is None else placed.value


def chosen_of(manifest: Mapping[str, Any], profile: str | None) -> dict[str, Any]:
    """Return the fields of the chosen profile, none where no profile is chosen or it cannot be read."""
    return mapping_of(mapping_of(manifest.get("profiles")).get(profile)) if profile else {}


def layer_shots(manifest: Mapping[str, Any], profile: str | None) -> tuple[Shot, ...]:
    """Return the manifest's shots with all layers applied, in manifest order."""
    chosen = chosen_of(manifest, profile)
    base: Path = ("profiles", profile) if profile else ()
    override = chosen.get("override", {})
    named = chosen if "name" in mapping_of(chosen.get("output")) else manifest
    names_at: Path = (*base, "output") if named is chosen else ("output",)
    below = [
        ("manifest", (), {key: manifest[key] for key in ("provider",) if key in manifest}),
        ("profile defaults", base, {key: chosen[key] for key in ("provider",) if key in chosen}),
        (
            "manifest",
            names_at,
            {"output": named["output"]["name"]} if "name" in mapping_of(named.get("output")) else {},
        ),
        ("defaults", ("defaults",), manifest.get("defaults", {})),
        ("profile defaults", (*base, "defaults"), chosen.get("defaults", {})),
    ]
    above = ("profile", (*base, "override"), override)
    singles = mapping_of(chosen.get("shots"))
    shots = manifest["shots"]
    return tuple(
        _layer(
            shot,
            ("shots", index),
            (*below, ("shot", ("shots", index), shot), above, *_single(singles, (*base, "shots"), shot.get("id"))),
        )
        for index, shot in enumerate(shots if isinstance(shots, list) else ())
        if isinstance(shot, dict)
    )


def _single(singles: Mapping[str, Any], base: Path, named: Any) -> tuple[tuple[str, Path, Any], ...]:
    """Return the layer that a profile has for one shot, none where it has none."""
    return (("profile", (*base, named), singles[named]),) if isinstance(named, str) and named in singles else ()


def layer_vars(manifest: Mapping[str, Any], profile: str | None) -> dict[str, Any]:
    """Return the manifest's variables, those of the profile over them key by key."""
    chosen = chosen_of(manifest, profile)
    return {**mapping_of(manifest.get("vars")), **mapping_of(chosen.get("vars"))}


def layer_data(manifest: Mapping[str, Any], profile: str | None) -> dict[str, LayeredValue]:
    """Return the data files by name, those of the profile over the manifest's."""
    chosen = chosen_of(manifest, profile)
    layers = (("manifest", (), manifest), ("profile", ("profiles", profile or ""), chosen))
    return {
        key: LayeredValue(value, Origin(layer=layer, path=(*path, "data", key)))
        for layer, path, values in layers
        for key, value in mapping_of(values.get("data")).items()
    }


def layer_matrix(manifest: Mapping[str, Any], profile: str | None) -> tuple[Mapping[str, Any], Path]:
    """Return the top-level matrix and its place; a profile's own replaces the manifest's whole."""
    chosen = chosen_of(manifest, profile)
    if "matrix" in chosen:
        return chosen["matrix"], ("profiles", profile or "", "matrix")
    return manifest.get("matrix", {}), ("matrix",)


def _layer(shot: Mapping[str, Any], path: Path, layers: tuple[tuple[str, Path, Mapping[str, Any]], ...]) -> Shot:
    fields: dict[str, LayeredValue] = {}
    params: dict[str, LayeredValue] = {}
    labels: dict[str, LayeredValue] = {}
    drop = False
    without: dict[str, tuple[str, ...]] = {}
    without_path: Path = ()
    faulty = set()
    for layer, where, values in layers:
        if not isinstance(values, dict):
            faulty |= {"model", "provider", "prompt", ALL_PARAMS}
            continue
        for name, value in values.items():
            if name in ("params", "labels"):
                into = params if name == "params" else labels
                faulty |= set() if isinstance(value, dict) else {f"{name}.*"}
                for key, part in mapping_of(value).items():
                    into[key] = LayeredValue(part, Origin(layer=layer, path=(*where, name, key)))
            elif name == "drop_unsupported":
                drop = bool(value)
            elif name == "without":
                left_out = mapping_of(value).items()
                without = {axis: tuple(labels) for axis, labels in left_out if isinstance(labels, list)}
                without_path = (*where, name)
            elif name not in ("id", "matrix"):
                if name in ("prompt", "prompt_file"):
                    fields.pop("prompt_file" if name == "prompt" else "prompt", None)
                at = (*where, "name") if layer == "manifest" and name == "output" else (*where, name)
                fields[name] = LayeredValue(value, Origin(layer=layer, path=at))
    named = shot["id"]
    if not isinstance(named, str):
        faulty.add("id")
        named = str(path[-1] if named.raw is None else named.raw)
    return Shot(
        id=named,
        path=path,
        fields=fields,
        params=params,
        labels=labels,
        matrix=shot.get("matrix", {}),
        drop_unsupported=drop,
        without=without,
        without_path=without_path,
        faulty=frozenset(faulty),
    )
