"""JSON Schema without leniency: `5.0` and `true` are no integers, NaN is no number, a pattern holds for the whole text.

This is jsonschema's own judgement, which names every fault; `strict` asks for it only where a value does not fit.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, TypeChecker, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

__all__ = ["ValidationError", "Validator", "judge_of"]


def _is_integer(_checker: TypeChecker, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: TypeChecker, value: object) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


def _whole_pattern(_validator: Any, pattern: str, value: object, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and re.fullmatch(pattern, value) is None:
        yield ValidationError("the pattern does not match the whole text")


_Strict: type[Validator] = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={"pattern": _whole_pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number}),
)


def judge_of(schema: Mapping[str, Any]) -> Validator:
    """Compile a schema, to be kept: building a validator costs far more than using it."""
    return _Strict(dict(schema))
