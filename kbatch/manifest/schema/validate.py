"""Validates values as strictly as `strictness` does, which is loaded only when a value does not fit.

It knows nothing of cards or of words for people.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kbatch.manifest.schema.fast_check import fit_of

if TYPE_CHECKING:
    from kbatch.manifest.schema import strictness


class Validator:
    """A schema that was compiled once, to be kept."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._fits = fit_of(schema)

    def is_valid(self, value: Any) -> bool:
        """Whether the schema accepts a value."""
        return self._fits(value) or self._judge.is_valid(value)

    def iter_errors(self, value: Any) -> "Iterable[strictness.ValidationError]":
        """Return the errors of a value in jsonschema's words; empty when it fits."""
        return () if self._fits(value) else self._judge.iter_errors(value)

    @cached_property
    def _judge(self) -> "strictness.Validator":
        from kbatch.manifest.schema.strictness import judge_of  # noqa: PLC0415 - a third of a start, and seldom needed

        return judge_of(self._schema)


def strict_validator(schema: Mapping[str, Any]) -> Validator:
    """Compile a schema."""
    return Validator(schema)
