"""Events as values and as JSON lines with sorted keys, in ASCII.

A `Fact` is given to the journal, which adds time, run and sequence and so makes it an `Event`. A fact is validated when
it is created, a line when it is read. The types of `event_data` are the shape of both.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, Union

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import force_setattr

from kbatch.receipts.event_data import DATA, EventData
from kbatch.receipts.json_text import parse_json
from kbatch.receipts.lifecycle import RUN_KINDS, Kind
from kbatch.receipts.shapes import Count, Moment, NonEmpty, ShapeError, Storable, shaped

_Data = TypeVar("_Data", bound=EventData)

_Fingerprint = Annotated[Storable, Meta(description="The fingerprint of the job")]
_Attempt = Annotated[Count, Meta(description="Which purchase of the fingerprint")]

_WRITER = msgspec.json.Encoder(order="sorted")
_ASCII = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_UNWRITABLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)


class Fact(Struct, frozen=True, kw_only=True):
    """An event without its stamp, of an attempt or of the run (`fingerprint` None); may raise ShapeError."""

    data: EventData
    fingerprint: str | None = None
    attempt: int | None = None

    def __post_init__(self) -> None:
        of_run = self.kind in RUN_KINDS
        if of_run != (self.fingerprint is None) or of_run != (self.attempt is None):
            belongs = "belongs to no attempt" if of_run else "needs fingerprint and attempt"
            raise ShapeError(f"an event `{self.kind.value}` {belongs}")
        force_setattr(self, "data", _copy_data(self.data))

    @property
    def kind(self) -> Kind:
        """The kind of the event."""
        return self.data.kind


class Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """A fact with its stamp; each kind has a class of its own (`EVENTS`), which gives the type of its data.

    `at` is later than all earlier events of the journal. `seal` is not verified here (`seals`).
    """

    kind: ClassVar[Kind]
    at: Annotated[Moment, Meta(description="When; later than every earlier line")]
    run: Annotated[NonEmpty, Meta(description="The run's id")]
    sequence: Annotated[Count, Meta(description="Counts the run's events, from 1")]
    fingerprint: _Fingerprint | None
    attempt: _Attempt | None
    data: EventData
    seal: Annotated[
        NonEmpty | UnsetType,
        Meta(description="In a journal: the HMAC-SHA256 of the line by its user's key, in hex"),
    ] = UNSET

    def to_line(self) -> bytes:
        """Return the event as one line of JSON, its newline included."""
        return write_line(self)

    @staticmethod
    def from_line(line: bytes) -> "Event":
        """Read one line; json.JSONDecodeError or UnicodeDecodeError for invalid JSON, ShapeError for another shape."""
        return _parse_own_line(line) or _parse_checked(line)


def write_line(event: Event | Mapping[str, Any]) -> bytes:
    """Return an event, or its fields, as one line of JSON, its newline included."""
    try:
        line = _WRITER.encode(event)
        if line.isascii():
            return line + b"\n"
    except _UNWRITABLE:  # half a surrogate pair, as a cut text may hold
        pass
    return _ASCII.encode(msgspec.to_builtins(event)).encode("ascii") + b"\n"


def _event_type(kind: Kind) -> type[Event]:
    owner: tuple[Any, Any] = (None, None) if kind in RUN_KINDS else (_Fingerprint, _Attempt)
    event: Any = msgspec.defstruct(
        f"{DATA[kind].__name__}Event",
        [("fingerprint", owner[0]), ("attempt", owner[1]), ("data", DATA[kind])],
        bases=(Event,),
        namespace={"kind": kind, "__doc__": DATA[kind].__doc__},
        tag=kind.value,
        frozen=True,
        kw_only=True,
    )
    return event  # type: ignore[no-any-return]


EVENTS: Mapping[Kind, type[Event]] = {kind: _event_type(kind) for kind in DATA}
"""The class of each kind's events, tagged by `kind` in JSON."""

_READER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[tuple(EVENTS.values())])  # noqa: UP007 - made of a tuple


def stamp(fact: Fact, *, at: str, run: str, sequence: int) -> Event:
    """Return the fact as the event number `sequence` of a run."""
    return EVENTS[fact.kind](
        at=at, run=run, sequence=sequence, fingerprint=fact.fingerprint, attempt=fact.attempt, data=fact.data
    )


def _parse_own_line(line: bytes) -> Event | None:
    """Return the event of a line that `to_line` wrote, byte for byte; None for any other line.

    The comparison excludes what the decoder ignores, such as duplicate names.
    """
    try:
        event = _READER.decode(line)
    except _UNREADABLE:
        return None
    return event if event.to_line()[:-1] == line else None


def _parse_checked(line: bytes) -> Event:
    fields = parse_json(line.decode("utf-8"))
    kind = shaped(fields, _Head).kind
    try:
        return shaped(fields, EVENTS[kind])
    except ShapeError as error:
        raise ShapeError(f"in an event `{kind.value}`: {error}") from None


class _Head(Struct):
    kind: Kind


@cache
def _reader(data: type[_Data]) -> msgspec.json.Decoder[_Data]:
    return msgspec.json.Decoder(data)


def _copy_data(data: _Data) -> _Data:
    """Return a validated copy of data in new containers; strings are shared.

    Data that is decoded as equal is valid; other data goes through the standard library and the checks.
    """
    try:
        copy: _Data = _reader(type(data)).decode(_WRITER.encode(data))
        if copy == data:
            return copy
    except (*_UNWRITABLE, *_UNREADABLE):
        pass
    text = json.dumps(msgspec.to_builtins(data, enc_hook=_as_object), allow_nan=False)
    try:
        return shaped(json.loads(text), type(data))
    except ShapeError as error:
        raise ShapeError(f"in an event `{data.kind.value}`: {error.within('data')}") from None


def _as_object(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
