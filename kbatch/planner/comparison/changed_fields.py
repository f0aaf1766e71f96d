"""Short description of the difference between two requests, for the reason of a job that is bought again."""

from collections.abc import Mapping
from typing import Any

from kbatch.planner.written_values import as_written


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the differences of two request bodies as texts: `prompt`, `duration 5 → 10`."""
    changes: list[str] = []
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            changes.extend(changed_fields(one, other))
        elif isinstance(one, str | None) and isinstance(other, str | None) and len(str(one)) + len(str(other)) > 40:
            changes.append(name)
        else:
            changes.append(f"{name} {_word(one)} → {_word(other)}")
    return changes


def _word(value: Any) -> str:
    return "unset" if value is None else as_written(value)
