"""Events as lines: every one reads back as it was, and what is not exactly an event is refused with its fault."""

import json
import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec import to_builtins
from receipt_samples import MEDIA, Teller, data_of

from kbatch.receipts.event_data import Delivered, Ended, Intended, Lost
from kbatch.receipts.events import Event, Fact
from kbatch.receipts.lifecycle import RUN_KINDS, Kind
from kbatch.receipts.receipt import Media
from kbatch.storage import packaged

SCHEMA = Draft202012Validator(json.loads(packaged("events.schema.json")))
OTHERS = ("", "x", 0, -1, 7, 1.5, True, None, [], ["x"], [""], [1], {}, {"x": 1}, {"x": {}}, {"x": None})


def sample(kind: Kind) -> Event:
    """Return an event of this kind."""
    return Teller().tell_run(kind) if kind in RUN_KINDS else Teller().tell(kind)


def accepts(fields: Any) -> bool:
    """Say whether the reader takes these fields for an event."""
    try:
        Event.from_line(json.dumps(fields).encode())
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("kind", Kind)
def test_a_line_reads_back_as_its_event(kind: Kind) -> None:
    """One line of sorted ASCII JSON, valid by the schema, that gives the same event."""
    event = sample(kind)
    line = event.to_line()
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert Event.from_line(line) == event
    fields = json.loads(line)
    assert list(fields) == sorted(fields)
    SCHEMA.validate(fields)


def test_any_text_survives_its_line() -> None:
    """Newlines, quotes, other scripts and half a surrogate pair, as a cut error text may hold, stay in one line."""
    message = 'a\nb"\r\u2028é語\ud83d\\'
    line = Teller().tell(Kind.LOST, message=message).to_line()
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert to_builtins(Event.from_line(line).data)["message"] == message


def test_any_number_survives_its_line() -> None:
    """Whole numbers beyond 64 bits, and floats of any size, in what a provider or a manifest may hold."""
    request = {"seed": 2**70, "small": -(2**64), "cfg_scale": 1e22, "strength": 5e-324}
    line = Teller().tell(Kind.INTENDED, request=request).to_line()
    assert to_builtins(Event.from_line(line).data)["request"] == request
    with pytest.raises(ValueError, match=r"`data\.media\.duration` must be a number"):
        Fact(
            fingerprint="fp",
            attempt=1,
            data=Delivered(**data_of(Kind.DELIVERED, media=Media(**{**MEDIA, "duration": 10**400}))),
        )


@pytest.mark.parametrize("kind", Kind)
def test_reader_and_schema_agree_on_every_mutation(kind: Kind) -> None:
    """A field taken away, added or replaced, at the top or in the data, is judged alike by both."""
    good = json.loads(sample(kind).to_line())
    mutants: list[dict[str, Any]] = []
    for holder in (lambda fields: fields, lambda fields: fields["data"], lambda fields: fields["data"].get("media")):
        mutants += _mutants(good, holder)
    judged = {json.dumps(mutant): (accepts(mutant), SCHEMA.is_valid(mutant)) for mutant in mutants}
    assert [(text, ours, theirs) for text, (ours, theirs) in judged.items() if ours != theirs] == []
    assert {ours for ours, _ in judged.values()} == {True, False}


def _mutants(good: dict[str, Any], holder: Callable[[dict[str, Any]], Any]) -> list[dict[str, Any]]:
    def mutant(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        copy = json.loads(json.dumps(good))
        change(holder(copy))
        return copy

    if holder(good) is None:
        return []
    changes: list[Callable[[dict[str, Any]], Any]] = [lambda fields: fields.update(extra=1)]
    for name in holder(good):
        changes.append(lambda fields, name=name: fields.pop(name))
        changes += [lambda fields, name=name, other=other: fields.update({name: other}) for other in OTHERS]
    return [mutant(change) for change in changes]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"kind": "acepted"}, "`kind` must be one of"),
        ({"run": ""}, "in an event `lost`: `run` must be a string that is not empty"),
        ({"sequence": 0}, "in an event `lost`: `sequence` must be a whole number, at least 1"),
        ({"at": "2026-01-01 10:00"}, "in an event `lost`: `at` must be a time in UTC"),
        ({"extra": 1}, "in an event `lost`: `extra` is an unknown field"),
        ({"fingerprint": None}, "in an event `lost`: `fingerprint` must be a text without NUL"),
        ({"data": {"sent_at": "2026-01-01T00:00:00Z"}}, "in an event `lost`: `data` lacks the field `message`"),
        (
            {"data": {**data_of(Kind.LOST), "mesage": ""}},
            "in an event `lost`: `data.mesage` is an unknown field (did you mean `message`?)",
        ),
    ],
    ids=["kind", "run", "sequence", "time", "extra", "no-fingerprint", "data-lacks", "data-extra"],
)
def test_what_is_no_event_is_refused_with_its_fault(change: dict[str, Any], fault: str) -> None:
    """The complaint says what is wrong and where."""
    fields = {**json.loads(Teller().tell(Kind.LOST).to_line()), **change}
    with pytest.raises(ValueError, match=re.escape(fault)):
        Event.from_line(json.dumps(fields).encode())


@pytest.mark.parametrize("line", [b"", b"{", b'"x"', b"null", b"[" * 100_000, b"\xff", b'{"kind": NaN}'])
def test_what_is_no_json_object_is_a_value_error(line: bytes) -> None:
    """No bytes get past the reader as anything but an event."""
    with pytest.raises(ValueError, match=r"\S"):
        Event.from_line(line)


def test_facts_are_checked_and_cut_loose_when_they_are_made() -> None:
    """A wrong fact cannot exist, and later changes of what it was made from do not reach it."""
    data = {**data_of(Kind.INTENDED), "inputs": MappingProxyType({"a": {"b": ("c",)}})}
    fact = Fact(fingerprint="fp", attempt=1, data=Intended(**data))
    data["request"]["prompt"] = "another"
    assert isinstance(fact.data, Intended)
    assert fact.data.request["prompt"] == "a ridge"
    assert fact.data.inputs == {"a": {"b": ["c"]}}
    with pytest.raises(ValueError, match="an event `lost` needs fingerprint and attempt"):
        Fact(data=Lost(**data_of(Kind.LOST)))
    with pytest.raises(ValueError, match="belongs to no attempt"):
        Fact(fingerprint="fp", attempt=1, data=Ended(exit_code=0, finished=True))
    with pytest.raises(ValueError, match="Out of range"):
        Fact(fingerprint="fp", attempt=1, data=Intended(**{**data, "request": {"cfg_scale": float("inf")}}))
