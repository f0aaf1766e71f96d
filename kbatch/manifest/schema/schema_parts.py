"""Parts of the manifest's shape: variables and axes, money, outputs, the run."""

from typing import Any

Schema = dict[str, Any]

BY_PROVIDER = "by-provider"
"""Stands in a part for `properties` that are the names of providers, all with this one form."""

ACCOUNT_NAME = "^[a-z][a-z0-9_]{0,31}$"
"""What the environment can have as the end of a variable, in lower case."""

OUTPUT_NAME: Schema = {
    "title": "Output name",
    "description": "The clip's file below `output.dir`, a template that ends in .mp4",
    "type": "string",
    "minLength": 1,
    "examples": ["{{ shot.id }}/{{ slug }}.mp4"],
}


def _by_provider(value: Schema, **more: Any) -> Schema:
    """Return a mapping by provider, whose names `shape_schema` fills in."""
    return {
        "type": "object",
        **more,
        "additionalProperties": False,
        BY_PROVIDER: value,
    }


_SCALAR: Schema = {"type": ["string", "integer", "number", "boolean"]}
_ROWS: Schema = {"type": "array", "items": {"type": "object", "minProperties": 1}}

MATRIX_PARTS: Schema = {
    "vars": {
        "title": "Variables",
        "description": "Values for templates, by bare name or under `vars`",
        "type": "object",
        "examples": [{"brand": "Solstice"}],
    },
    "data": {
        "title": "Data",
        "description": "Files with rows, by name: CSV, JSON, JSONL or YAML, relative to the manifest's folder",
        "type": "object",
        "additionalProperties": {"type": "string", "minLength": 1},
        "examples": [{"products": "data/products.csv"}],
    },
    "axis": {
        "title": "Axis",
        "description": "Scalars, mappings labelled by id, key, slug or name, or a template that yields a list",
        "anyOf": [
            {"type": "array", "items": {"anyOf": [_SCALAR, {"type": "object", "minProperties": 1}]}},
            {"$ref": "#/$defs/template"},
        ],
        "examples": [["Lisbon", "Tokyo"], "{{ data.products }}"],
    },
    "matrix": {
        "title": "Matrix",
        "description": "Axes by name, the first one outermost; every combination is a job and is paid",
        "type": "object",
        "properties": {
            "include": {
                **_ROWS,
                "description": "Extends the combinations that it does not contradict, else adds one",
                "examples": [[{"city": "Oslo", "light": "polar night"}]],
            },
            "exclude": {
                **_ROWS,
                "description": "Leaves out the combinations that have all these values",
                "examples": [[{"city": "Tokyo", "light": "golden hour"}]],
            },
            "zip": {
                "description": "Axes of equal length that advance together",
                "type": "array",
                "items": {"type": "array", "minItems": 2, "items": {"type": "string"}},
                "examples": [[["city", "country"]]],
            },
        },
        "additionalProperties": {"$ref": "#/$defs/axis"},
        "examples": [{"city": ["Lisbon", "Tokyo"], "light": ["golden hour", "blue hour"]}],
    },
}


_RATE: Schema = {
    "credits": {"type": "integer", "minimum": 1, "description": "Credits for one clip"},
    "credits_per_second": {"type": "integer", "minimum": 1, "description": "Credits for each second of a clip"},
}

MONEY_PARTS: Schema = {
    "credits": {
        "description": "Credits: a bare number where one provider is used, else by provider",
        "anyOf": [
            {"type": "integer", "minimum": 0},
            _by_provider({"type": "integer", "minimum": 0, "description": "Credits of this provider"}, minProperties=1),
        ],
    },
    "budget": {
        "title": "Budget",
        "description": "What may be spent, checked at planning and before every submit",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "max_credits": {
                "$ref": "#/$defs/credits",
                "title": "Most credits",
                "description": "Bounds this run together with all that the lockfile's receipts were charged",
                "examples": [{"apiframe": 2000}, 2000],
            },
            "max_credits_per_job": {
                "$ref": "#/$defs/credits",
                "title": "Most credits for one job",
                "description": "A job that costs more is refused",
                "examples": [105],
            },
        },
    },
    "rates": {
        "title": "Rates",
        "description": "What a credit costs, by provider, for totals in USD",
        **_by_provider(
            {
                "description": "What a credit of this provider costs",
                "type": "object",
                "required": ["usd_per_credit"],
                "additionalProperties": False,
                "properties": {
                    "usd_per_credit": {
                        "type": "number",
                        "minimum": 1e-8,  # a fiftieth of the cheapest there is: below it a total looks like nothing
                        "maximum": 1000,
                        "description": "US dollars for one credit",
                    }
                },
            }
        ),
        "examples": [{"apiframe": {"usd_per_credit": 0.01}}],
    },
    "rate": {
        "description": "A price in whole credits, for a clip or for each of its seconds",
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": _RATE,
    },
    "price": {
        "title": "Price of your own",
        "description": "One price for all variants of a model, prices for single variants, or both",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            **_RATE,
            "variants": {
                "description": "Prices of single variants, which win over the one for all",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/$defs/rate"},
                "examples": [{"pro-audio": {"credits_per_second": 8}}],
            },
        },
        "not": {"type": "object", "required": ["credits", "credits_per_second"]},
        "examples": [{"credits_per_second": 262500}],
    },
    "prices": {
        "title": "Prices of your own",
        "description": "By provider/model: raises a price; to fill an unknown one or to lower one needs trust",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/price"},
        "examples": [{"aimlapi/kling-video/v2.1/pro/image-to-video": {"credits_per_second": 262500}}],
    },
    "output": {
        "title": "Output",
        "description": "Where clips are written, relative to the manifest",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "dir": {"type": "string", "minLength": 1, "description": "The folder of all clips", "default": "renders"},
            "name": {**OUTPUT_NAME, "default": "{{ slug }}.mp4"},
        },
        "examples": [{"dir": "renders", "name": "{{ shot.id }}/{{ slug }}.mp4"}],
    },
    "run": {
        "title": "Run",
        "description": "How it is run, and which accounts pay; nothing here changes what is bought",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "concurrency": {
                "title": "Concurrency",
                "description": "How many jobs may render at once: a bare number, or by provider",
                "anyOf": [
                    {"type": "integer", "minimum": 1},
                    _by_provider({"type": "integer", "minimum": 1, "description": "Jobs at this provider"}),
                ],
                "examples": [{"apiframe": 8, "aimlapi": 4}],
            },
            "accounts": {
                "title": "Accounts",
                "description": "Which accounts pay, by provider: names with weights. The key of `bob` is in "
                "`APIFRAME_API_KEY_BOB`; `default` is the plain variable",
                **_by_provider(
                    {
                        "type": "object",
                        "minProperties": 1,
                        "maxProperties": 20,
                        "propertyNames": {"pattern": ACCOUNT_NAME},
                        "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 20},
                        "description": "Weights by account name, 1 to 20",
                    }
                ),
                "examples": [{"apiframe": {"default": 1, "bob": 1}}],
            },
        },
    },
}
