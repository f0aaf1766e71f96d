"""`extra:` in params: parameters that no document has, sent as written where the card's parameters stand.

It never says what a documented parameter, the prompt, the model or a webhook says, by whatever spelling; it holds JSON
only and is bounded. What it does to a price nobody has written down, so that a run needs `--allow-extra`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kbatch.errors import Complaint, Severity
from kbatch.manifest.places import leaves
from kbatch.models import problem_codes
from kbatch.models.cards import Card
from kbatch.models.fingerprint import canonical
from kbatch.models.parameter_messages import shown

EXTRA = "extra"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_MOST_BYTES = 16 * 1024
"""Far more than any parameter that a vendor forgot to document needs."""
_MOST_LEVELS = 8
_TAKEN = ("prompt", "model", EXTRA)
_HOOK = "webhook"


def read_extra(card: Card, written: Any) -> tuple[Mapping[str, Any], tuple[Complaint, ...]]:
    """Return the parameters to send, none where something is wrong with them, and the complaints."""
    faults = tuple(_faults(card, written))
    if faults:
        return {}, faults
    names = ", ".join(f"`{name}`" for name in written)
    message = f"{names}: sent as written, since the card of `{card.model}` has no such parameter"
    hint = "a run needs `--allow-extra`, or approval of its plan; `--first 1` buys one job to look at"
    warning = Complaint(
        code=problem_codes.EXTRA_PARAMETER, field=_FIELD, message=message, hint=hint, severity=Severity.WARNING
    )
    return written, (warning,)


_FIELD = ("params", EXTRA)


def _faults(card: Card, written: Any) -> Iterator[Complaint]:
    if not isinstance(written, Mapping) or not written:
        message = f"`{EXTRA}` must be a mapping of parameters, not {shown(written) if written else 'empty'}"
        yield Complaint(code=problem_codes.WRONG_TYPE, field=_FIELD, message=message)
        return
    taken = {_bare(name): name for name in (*card.parameters, *_TAKEN, *([card.body_key] if card.body_key else []))}
    for name in written:
        at = (*_FIELD, name)
        if not _NAME.fullmatch(name):
            message = f"{shown(name)} is no name of a parameter: letters, digits and `_`"
            yield Complaint(code=problem_codes.WRONG_FORMAT, field=at, message=message, on_key=True)
        elif _bare(name) in taken or _bare(name).startswith(_HOOK):
            said = f"`{taken.get(_bare(name), name)}` is said elsewhere"
            message = f"`{EXTRA}` cannot set {shown(name)}: {said}, and what it sets is not checked"
            hint = f"write `{taken[_bare(name)]}` under `params`" if taken.get(_bare(name)) in card.parameters else None
            yield Complaint(code=problem_codes.EXTRA_TAKEN, field=at, message=message, hint=hint, on_key=True)
    for place, value in leaves(written):
        if not (value is None or isinstance(value, str | int | float | bool)):
            message = f"{shown(value)} cannot be sent: `{EXTRA}` holds JSON only"
            yield Complaint(code=problem_codes.WRONG_TYPE, field=(*_FIELD, *place), message=message)
            return
        if len(place) > _MOST_LEVELS:
            message = f"`{EXTRA}` is nested deeper than {_MOST_LEVELS} levels"
            yield Complaint(code=problem_codes.TOO_LONG, field=_FIELD, message=message)
            return
    yield from _unsendable(written)


def _unsendable(written: Any) -> Iterator[Complaint]:
    try:
        size = len(canonical(written))
    except UnicodeEncodeError:
        message = f"`{EXTRA}` has half a character (a lone surrogate), which cannot be sent"
        yield Complaint(code=problem_codes.NOT_UNICODE, field=_FIELD, message=message)
        return
    except ValueError:
        message = f"`{EXTRA}` has a number that cannot be sent: infinite, or none at all"
        yield Complaint(code=problem_codes.NOT_FINITE, field=_FIELD, message=message)
        return
    if size > _MOST_BYTES:
        message = f"`{EXTRA}` has {size:,} bytes, {size - _MOST_BYTES:,} more than the {_MOST_BYTES:,} allowed"
        yield Complaint(code=problem_codes.TOO_LONG, field=_FIELD, message=message)


def _bare(name: str) -> str:
    """Return a name without the marks of its spelling: `aspectRatio` and `Aspect_Ratio` are `aspectratio`."""
    return name.replace("_", "").lower()
