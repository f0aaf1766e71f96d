"""The shape of a manifest as JSON Schema (draft 2020-12): every field with its type, description and examples.

It holds the rules that need no model: fields that are not known are refused, and a template may stand
where a value is expected. What a model accepts is added for editors by `editor`, and checked in kbatch's own words by
`requests`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from kbatch.manifest.schema.schema_parts import BY_PROVIDER, MATRIX_PARTS, MONEY_PARTS, OUTPUT_NAME, Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEMPLATE = "^[\\s\\S]*(\\{\\{|\\{%)[\\s\\S]*$"
_SLUG = "^(?![.-])[^\\u0000-\\u002c/\\u003a-\\u005e\\u0060\\u007b-\\u007f]+$"
_ID = "^(?![.-])[^\\s@,=*?\\[\\]{}/\\\\'\"`]+$"

SHOT_FIELDS: Schema = {
    "model": {"$ref": "#/$defs/model"},
    "provider": {"$ref": "#/$defs/provider"},
    "labels": {
        "title": "Labels",
        "description": "Names of your own to select and sum up jobs by; changing one buys nothing",
        "type": "object",
        "additionalProperties": {"type": ["string", "integer", "number", "boolean"]},
        "examples": [{"market": "eu"}],
    },
    "prompt": {
        "title": "Prompt",
        "description": "What the clip shows; a Jinja2 template over vars, axes and data",
        "type": "string",
        "examples": ["{{ brand }} on a ridge in {{ city }}, {{ light }}, slow dolly in"],
    },
    "prompt_file": {
        "title": "Prompt file",
        "description": "A file with the prompt's template, relative to the manifest's folder",
        "type": "string",
        "minLength": 1,
        "examples": ["prompts/reveal.j2"],
    },
    "takes": {
        "title": "Takes",
        "description": "How many renders of the same request are bought; every take is paid",
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "examples": [2],
    },
    "params": {"$ref": "#/$defs/params"},
    "when": {
        "title": "When",
        "description": "An expression; combinations for which it is false are left out",
        "type": ["string", "boolean"],
        "examples": ["city != 'Tokyo' or light == 'dusk'"],
    },
    "output": OUTPUT_NAME,
}


_OVERRIDE_FIELDS: Schema = {
    **SHOT_FIELDS,
    "drop_unsupported": {
        "title": "Drop unsupported",
        "description": "Leave out parameters that the model lacks, also a shot's own; the plan names them",
        "type": "boolean",
        "default": False,
    },
}
_EXCLUSIVE: Schema = {"not": {"type": "object", "required": ["prompt", "prompt_file"]}}
_PROFILE_FIELDS = ("provider", "vars", "data", "matrix", "defaults", "budget", "rates", "prices", "output", "run")

_MANIFEST: Schema = {
    "$schema": DIALECT,
    "title": "kbatch manifest",
    "description": "A video campaign: shots, what they are multiplied by, and what may be spent on them",
    "type": "object",
    "required": ["kbatch", "name", "shots"],
    "additionalProperties": False,
    "properties": {
        "kbatch": {"title": "Format version", "description": "The version of this format: 1", "const": 1},
        "name": {
            "title": "Name",
            "description": "The campaign's name as a slug: lower case letters, digits, `.`, `_` and `-`",
            "type": "string",
            "pattern": _SLUG,
            "maxLength": 100,
            "examples": ["solstice-launch"],
        },
        "provider": {"$ref": "#/$defs/provider"},
        "vars": {"$ref": "#/$defs/vars"},
        "data": {"$ref": "#/$defs/data"},
        "matrix": {"$ref": "#/$defs/matrix"},
        "defaults": {"$ref": "#/$defs/defaults"},
        "profiles": {
            "title": "Profiles",
            "description": "Named overlays, chosen by `--profile`; each has outputs of its own, receipts are shared",
            "type": "object",
            "propertyNames": {
                "description": "A slug, since it names a folder: lower case letters, digits, `.`, `_` and `-`",
                "pattern": _SLUG,
                "examples": ["draft"],
            },
            "additionalProperties": {"$ref": "#/$defs/profile"},
        },
        "budget": {"$ref": "#/$defs/budget"},
        "rates": {"$ref": "#/$defs/rates"},
        "prices": {"$ref": "#/$defs/prices"},
        "output": {"$ref": "#/$defs/output"},
        "run": {"$ref": "#/$defs/run"},
        "shots": {
            "title": "Shots",
            "description": "What is rendered: each shot is one job for every combination of its axes and each take",
            "type": "array",
            "minItems": 1,
            "items": {"$ref": "#/$defs/shot"},
        },
    },
}

_PARTS: Schema = {
    "template": {
        "description": "A Jinja2 template; one that is a single expression keeps its value's type",
        "type": "string",
        "pattern": TEMPLATE,
        "examples": ["{{ seconds }}"],
    },
    "provider": {
        "title": "Provider",
        "description": "Whose API renders; may be a template",
        "type": "string",
        "minLength": 1,
        "examples": ["apiframe"],
    },
    "model": {
        "title": "Model",
        "description": "Which model renders, by its API's name; may be a template, so that models are an axis",
        "type": "string",
        "minLength": 1,
        "examples": ["kling-2.6"],
    },
    "params": {
        "title": "Parameters",
        "description": "The model's parameters by the names of its API; `kbatch models MODEL` lists them",
        "type": "object",
        "examples": [{"duration": 5, "aspect_ratio": "16:9"}],
    },
    "defaults": {
        "title": "Defaults",
        "description": "Stands under every shot; the plan says which parameters a shot's model lacks and leaves out",
        "type": "object",
        "additionalProperties": False,
        "properties": SHOT_FIELDS,
        **_EXCLUSIVE,
    },
    "override": {
        "title": "Override",
        "description": "Wins over every shot, its `params` key by key",
        "type": "object",
        "additionalProperties": False,
        "properties": _OVERRIDE_FIELDS,
        **_EXCLUSIVE,
    },
    "shot_override": {
        "title": "Override of one shot",
        "description": "Wins over that shot and over `override`, its `params` key by key",
        "type": "object",
        "additionalProperties": False,
        "properties": {**_OVERRIDE_FIELDS, "without": {"$ref": "#/$defs/without"}},
        **_EXCLUSIVE,
    },
    "without": {
        "title": "Without",
        "description": "Leaves out the combinations that have one of these labels on an axis",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        "examples": [{"city": ["tokyo"]}],
    },
    "shot": {
        "title": "Shot",
        "description": "One prompt with its parameters and the axes that it is multiplied by",
        "type": "object",
        "required": ["id"],
        "additionalProperties": False,
        "properties": {
            "id": {
                "title": "Id",
                "description": "The shot's name in addresses: unique, without spaces, quotes or @ , = * ? / [ ] { }",
                "type": "string",
                "pattern": _ID,
                "maxLength": 100,
                "examples": ["hero"],
            },
            **SHOT_FIELDS,
            "matrix": {"$ref": "#/$defs/matrix"},
        },
        **_EXCLUSIVE,
    },
    "profile": {
        "title": "Profile",
        "description": "Lies over the manifest: `vars` and `defaults` merge key by key, `override` wins over shots",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "override": {"$ref": "#/$defs/override"},
            "shots": {
                "title": "Overrides of single shots",
                "description": "By the id of a shot; wins over `override`",
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/shot_override"},
                "examples": [{"hero": {"takes": 1, "without": {"city": ["tokyo"]}}}],
            },
            **{name: {"$ref": f"#/$defs/{name}"} for name in _PROFILE_FIELDS},
        },
        "examples": [{"override": {"model": "kling-2.5-turbo-pro", "takes": 1, "drop_unsupported": True}}],
    },
    **MATRIX_PARTS,
    **MONEY_PARTS,
}


def shape_schema(providers: Iterable[str]) -> Schema:
    """Return the manifest's schema without any model's parameters; `$defs` hold its parts for checking them apart.

    A mapping by provider takes the names of `providers` only: with any other a ceiling would hold nothing.
    """
    schema: Schema = _with_names({**_MANIFEST, "$defs": _PARTS}, sorted(providers))
    return schema


def _with_names(part: Any, names: Sequence[str]) -> Any:
    """Return a copy of a schema in which names of providers stand where `BY_PROVIDER` does."""
    if isinstance(part, list):
        return [_with_names(one, names) for one in part]
    if not isinstance(part, dict):
        return part
    named: dict[str, Any] = {}
    for key, value in part.items():
        if key == BY_PROVIDER:
            named["properties"] = {name: _with_names(value, names) for name in names}
        else:
            named[key] = _with_names(value, names)
    return named
