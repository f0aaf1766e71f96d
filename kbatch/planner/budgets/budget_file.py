"""The file of budgets: a YAML list of envelopes, read as strictly as a manifest.

Only a flag, the environment or a caller of the Python API names it, never a manifest, which may come from a stranger:
it bounds what manifests may spend, and its commands run as this user.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from kbatch.errors import Invalid, Mark, Problem, did_you_mean
from kbatch.manifest.yaml.document import Document, read_document
from kbatch.planner.budgets.envelopes import Envelope, Threshold
from kbatch.receipts.shapes import Amount, NonEmpty, ShapeError, shaped

_PERCENT = re.compile(r"(?:[1-9][0-9]?|100)%")


class MatchJson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a purchase must have been made for; everything that is named must match."""

    label: Annotated[Mapping[NonEmpty, str], Meta(description="Labels by name")] = {}
    campaign: Annotated[NonEmpty | None, Meta(description="The `name` of a manifest")] = None
    actor: Annotated[NonEmpty | None, Meta(description="Who ran it: the CI's actor, else git's user")] = None


class EnvelopeJson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An envelope as it is written."""

    name: Annotated[NonEmpty, Meta(description="How messages and commands call it")]
    max_credits: Annotated[
        Mapping[str, Amount],
        Meta(description="Credits by provider; they are never added up", extra_json_schema={"minProperties": 1}),
    ]
    period: Annotated[Literal["month"] | None, Meta(description="Without it for all time")] = None
    match: Annotated[MatchJson, Meta(description="Without it every purchase counts")] = field(default_factory=MatchJson)
    at: Annotated[
        Mapping[str, NonEmpty],
        Meta(
            description="A command by percent, called once when so much is used or held, with JSON on stdin",
            extra_json_schema={"propertyNames": {"pattern": f"^{_PERCENT.pattern}$"}},
        ),
    ] = {}
    paths: Annotated[
        list[NonEmpty],
        Meta(description="Lockfiles and folders with lockfiles, relative to this file; by default this file's folder"),
    ] = []


def read_envelopes(data: bytes, file: str, providers: Collection[str]) -> tuple[Envelope, ...]:
    """Return the envelopes of a file; Invalid with all that is wrong with it, each with its place."""
    document = read_document(data, file)
    if not isinstance(document, Document):
        raise Invalid(document)
    if not isinstance(document.value, list) or not document.value:
        message = "a file of budgets is a list of envelopes, with one at least"
        hint = "begin with `- name: …`"
        raise Invalid([Problem(code="bad-budgets", message=message, mark=document.mark(), hint=hint)])
    found: list[Envelope] = []
    problems: list[Problem] = []
    for index, value in enumerate(document.value):
        try:
            written = shaped(value, EnvelopeJson)
        except ShapeError as error:
            place = _place(document, (index, *error.path))
            problems.append(Problem(code="bad-envelope", message=str(error), mark=place))
            continue
        wrong = list(_faults(written, index, document, providers, {one.name for one in found}))
        problems += wrong
        found += [] if wrong else [_envelope(written, document.mark((index,)))]
    if problems:
        raise Invalid(problems)
    return tuple(found)


def _place(document: Document, where: tuple[str | int, ...]) -> Mark:
    """Return the mark of the innermost value on a path that is there."""
    try:
        return document.mark(where)
    except (KeyError, IndexError, TypeError, ValueError):
        return _place(document, where[:-1])


def _faults(
    written: EnvelopeJson, index: int, document: Document, providers: Collection[str], names: Collection[str]
) -> Iterator[Problem]:
    if written.name in names:
        message = f"two envelopes are called `{written.name}`"
        yield Problem(code="bad-envelope", message=message, mark=document.mark((index, "name")))
    if not written.max_credits:
        message = f"`{written.name}` bounds nothing: `max_credits` names no provider"
        yield Problem(code="bad-envelope", message=message, mark=document.mark((index, "max_credits")))
    for provider in written.max_credits:
        if provider not in providers:
            mark = document.mark((index, "max_credits", provider), key=True)
            message, hint = f"`{provider}` is no provider", did_you_mean(provider, providers)
            yield Problem(code="unknown-provider", message=message, mark=mark, hint=hint)
    for percent, command in written.at.items():
        if not _PERCENT.fullmatch(percent):
            mark = document.mark((index, "at", percent), key=True)
            yield Problem(code="bad-envelope", message=f"`{percent}` is no part: 1% to 100%", mark=mark)
        try:
            words = shlex.split(command)
        except ValueError as error:
            message = f"the command cannot be read: {error}"
            yield Problem(code="bad-envelope", message=message, mark=document.mark((index, "at", percent)))
        else:
            if not words or not words[0]:
                mark = document.mark((index, "at", percent))
                yield Problem(code="bad-envelope", message="the command is empty", mark=mark)


def _envelope(written: EnvelopeJson, mark: Mark) -> Envelope:
    at = [Threshold(percent=int(key[:-1]), command=tuple(shlex.split(words))) for key, words in written.at.items()]
    return Envelope(
        name=written.name,
        max_credits=written.max_credits,
        monthly=written.period == "month",
        labels=written.match.label,
        campaign=written.match.campaign,
        actor=written.match.actor,
        at=tuple(sorted(at, key=lambda one: one.percent)),
        paths=tuple(written.paths),
        mark=mark,
    )
