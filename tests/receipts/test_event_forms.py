"""The fast way of reading events says what the strict one says, of whatever is written; facts are as strict as lines.

The strict one judges a line that differs from what kbatch writes, such as one with a blank before it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, convert
from msgspec.structs import asdict
from receipt_samples import SHA, Teller, data_of

from kbatch.receipts.event_data import DATA
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.receipts.lifecycle import RUN_KINDS, Kind

MOMENTS = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z\n", "2026-1-1T00:00:00Z", "٢026-01-01T00:00:00Z")
TEXTS = ("", "x", "é\u2028\x85\x7f\n\\/", "\ud83d", "submit", "lost", SHA, SHA.upper(), SHA + "\n", *MOMENTS)
NUMBERS = (0, 1, -1, 2**63, 2**64, 10**400, 0.0, -0.0, 5.0, 23.976, -0.5, 1e16, 1e-7, 1e308)
SCALARS = (None, True, False, *TEXTS, *NUMBERS)
BEYOND_JSON = (float("nan"), float("inf"), -float("inf"), (), ("x",), (1, {"x": ()}), {1: 2}, {None: 1}, b"x", {"x"})

values = st.recursive(
    st.sampled_from(SCALARS) | st.text(max_size=3) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "job_id", "é", ""]), inner),
    max_leaves=4,
)
told = values | st.sampled_from(BEYOND_JSON) | st.lists(st.sampled_from(BEYOND_JSON), min_size=1, max_size=1)


def outcome(make: Callable[[], Any]) -> Any:
    """Return what was made, or the type and the words of the error."""
    try:
        return make()
    except (ValueError, TypeError) as error:
        return type(error), str(error)


def exactly(one: Any, other: Any) -> bool:
    """Whether two values are the same in type too, all the way down: `5`, `5.0` and `True` are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(exactly(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(exactly, one, other))
    if isinstance(one, Event):
        return exactly(asdict(one), asdict(other))
    return bool(one == other) and repr(one) == repr(other)


@st.composite
def near_misses(draw: st.DrawFn, good: Mapping[str, Any], inserted: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Return fields like the good ones, some of them changed, taken away or added, also within objects."""
    fields = dict(good)
    for name in draw(st.lists(st.sampled_from([*good, "extra"]), max_size=2)):
        inner = fields.get(name)
        if isinstance(inner, dict) and inner and draw(st.booleans()):
            fields[name] = draw(near_misses(inner, inserted))
        elif draw(st.integers(0, 3)):
            fields[name] = draw(inserted)
        else:
            fields.pop(name, None)
    return fields


def misses(good: Mapping[str, Any], values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield fields like the good ones, each time another of them at any depth taken away or replaced, or one added."""
    for name in (*good, "extra"):
        yield {other: value for other, value in good.items() if other != name}
        yield from ({**good, name: value} for value in values)
        if isinstance(good.get(name), dict):
            yield from ({**good, name: inner} for inner in misses(good[name], values))


def written(fields: Mapping[str, Any]) -> bytes:
    """Return fields as a line, as kbatch writes them."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def line_fields(kind: Kind) -> dict[str, Any]:
    """Return the fields of a good line."""
    event = Teller().tell_run(kind) if kind in RUN_KINDS else Teller().tell(kind)
    fields: dict[str, Any] = json.loads(event.to_line())
    return fields


def same_line(fields: Mapping[str, Any]) -> None:
    """Hold a line as kbatch writes it and the same with a blank before it to be one event, or one complaint."""
    line = written(fields)
    assert exactly(outcome(lambda: Event.from_line(line)), outcome(lambda: Event.from_line(b" " + line))), line


def same_fact(kind: Kind, data: dict[str, Any]) -> None:
    """Hold data to be refused as a fact when its line would be refused, and else to read back from its line."""
    owner: dict[str, Any] = {} if kind in RUN_KINDS else {"fingerprint": "fp", "attempt": 1}
    made = outcome(lambda: Fact(data=DATA[kind](**data), **owner))
    if isinstance(made, Fact):
        line = stamp(made, at=MOMENTS[0], run="r", sequence=1).to_line()
        assert Event.from_line(line).data == made.data
        return
    try:
        line = written({**line_fields(kind), "data": data})
    except (TypeError, ValueError):
        return
    with pytest.raises(ValueError, match=r"\S"):
        Event.from_line(line)


@pytest.mark.parametrize("kind", Kind)
def test_every_single_fault_is_judged_alike(kind: Kind) -> None:
    """Each field with each value that is almost right or far from it: in a line and in a fact."""
    for fields in misses(line_fields(kind), SCALARS):
        same_line(fields)
    for data in misses(data_of(kind), (*SCALARS, *BEYOND_JSON, *([value] for value in BEYOND_JSON))):
        same_fact(kind, data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(Kind).flatmap(lambda kind: near_misses(line_fields(kind), values)))
def test_a_line_is_judged_alike_however_it_is_spelled(fields: dict[str, Any]) -> None:
    """Faults at several places at once, and values of any kind."""
    same_line(fields)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(Kind).flatmap(lambda kind: st.tuples(st.just(kind), near_misses(data_of(kind), told))))
def test_a_fact_is_judged_as_its_line_is(told: tuple[Kind, dict[str, Any]]) -> None:
    """The same of what is told."""
    same_fact(*told)


def doubled(value: Any) -> Iterator[str]:
    """Yield the JSON of a value, as kbatch writes it, each time with another name of another object standing twice."""
    if not isinstance(value, dict):
        return
    members = {name: written({name: value[name]})[1:-1].decode() for name in sorted(value)}
    for name, member in members.items():
        yield "{" + ",".join([*members.values(), member]) + "}"
        yield "{" + ",".join(f"{text},{text}" if other == name else text for other, text in members.items()) + "}"
        for inner in doubled(value[name]):
            texts = {**members, name: f"{json.dumps(name)}:{inner}"}
            yield "{" + ",".join(texts.values()) + "}"


@pytest.mark.parametrize("kind", Kind)
def test_a_name_that_stands_twice_is_refused_wherever_it_stands(kind: Kind) -> None:
    """Of two values of one name one would vanish, in a line that is otherwise as kbatch writes it."""
    lines = list(doubled(line_fields(kind)))
    assert len(lines) > 14
    for line in lines:
        with pytest.raises(ValueError, match="twice"):
            Event.from_line(line.encode())


@pytest.mark.parametrize("kind", Kind)
def test_what_a_fact_keeps_is_its_own(kind: Kind) -> None:
    """No object or list of the data is shared with whoever told it, at any depth, and an equal fact is equal."""
    data = convert(json.loads(json.dumps(data_of(kind))), DATA[kind])
    owner: dict[str, Any] = {} if kind in RUN_KINDS else {"fingerprint": "fp", "attempt": 1}
    fact = Fact(data=data, **owner)
    assert fact == Fact(data=data, **owner)

    def containers(value: Any) -> set[int]:
        fields = asdict(value) if isinstance(value, Struct) else value
        inner = fields.values() if isinstance(fields, dict) else fields if isinstance(fields, list) else ()
        own = {id(value)} if isinstance(value, dict | list | Struct) else set()
        return own.union(*map(containers, inner))

    assert containers(fact.data).isdisjoint(containers(data))


def test_a_float_that_two_writers_spell_differently_reads_back() -> None:
    """Journals hold `1e+16` or `1e16`, as the one or the other wrote it."""
    intended = Teller().tell(Kind.INTENDED, request={"seed": 1e16, "cfg_scale": 1.5e-7})
    fields = json.loads(intended.to_line())
    for line in (intended.to_line(), written(fields)):
        assert Event.from_line(line) == intended
