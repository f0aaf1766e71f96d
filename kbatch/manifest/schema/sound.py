"""The valid part of a manifest whose form is wrong in places, so that the rest can still be checked.

An unknown field is left out, and the field that it was meant to be counts as reported; a value of a wrong form is
`Faulty`.
"""

from copy import deepcopy
from typing import Any

from msgspec import Struct

from kbatch.errors import nearest
from kbatch.manifest.drafts import Path
from kbatch.manifest.faulty import FAULTY, Faulty

PARAMETERS = {
    *("duration", "aspect_ratio", "mode", "generate_audio", "negative_prompt"),
    *("cfg_scale", "start_image", "end_image", "image_url"),
}
"""Parameters that people write beside `params`; which of them a model has, its card says."""

_SETTINGS = ("budget", "rates", "prices", "output", "run", "name", "kbatch")


class Sound(Struct):
    """A manifest's value without its invalid parts; it is copied before the first change."""

    value: Any
    copied: bool = False

    def leave_out(self, error: Any, base: Path) -> None:
        """Leave out the part that a schema's error names."""
        if not self.copied:
            self.value, self.copied = deepcopy(self.value), True
        where: Path = (*base, *error.absolute_path)
        match error.validator:
            case "additionalProperties":
                for key in [key for key in error.instance if key not in error.schema["properties"]]:
                    self._unknown(where, key, error.schema["properties"])
                if {"prices", "rates"} & set(where):  # half a price is no price
                    self._say(where, FAULTY)
            case "required":
                for key in (key for key in error.validator_value if key not in error.instance):
                    self._say((*where, key), FAULTY)
            case "not" | "minProperties" | "maxProperties" if where[:1] == ("shots",):
                pass
            case "pattern" if "propertyNames" in error.absolute_schema_path:
                pass
            case _:
                self._say(where, Faulty(error.instance))

    def _unknown(self, where: Path, key: str, known: Any) -> None:
        """Leave out an unknown field; the one that it was meant to be is not missing."""
        holder = self._find(where)
        if not isinstance(holder, dict):
            return
        holder.pop(key, None)
        meant = nearest(key, known)
        if "params" in known and key in PARAMETERS and isinstance(holder.setdefault("params", {}), dict):
            holder["params"].setdefault(key, FAULTY)
        elif meant is not None and not _of_settings((*where, meant)):
            holder.setdefault(meant, FAULTY)

    def _say(self, where: Path, faulty: Faulty) -> None:
        """Put `Faulty` at a place; a setting is left out instead, since no check depends on it."""
        if _of_settings(where):
            begin = 2 if where[0] == "profiles" else 0
            holder = self._find(where[: begin + 1])
            if isinstance(holder, dict) and len(where) > begin + 1:
                holder.pop(where[begin + 1], None)
            else:
                self._find(where[:begin]).pop(where[begin], None)
            return
        place, last = self._find(where[:-1]), where[-1]
        if isinstance(place, dict):
            place[str(last)] = faulty
        elif isinstance(place, list):
            place[int(last)] = faulty

    def _find(self, where: Path) -> Any:
        found = self.value
        for step in where:
            if isinstance(found, dict):
                found = found.get(step)
            elif isinstance(found, list) and isinstance(step, int):
                found = found[step]
            else:
                return None
        return found


def _of_settings(where: Path) -> bool:
    """Whether a place is in a part about budget, output or speed and not about jobs."""
    inside = where[2:] if where[:1] == ("profiles",) else where
    return bool(inside) and inside[0] in _SETTINGS
