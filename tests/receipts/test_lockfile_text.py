"""The lockfile as text: one spelling, read back as it was, and every way of being wrong said with its line."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from receipt_samples import DONE, FAILED, LOST, Teller, lockfiles

from kbatch.errors import StateUnreadable
from kbatch.models.cards import Catalog
from kbatch.receipts.fold import fold
from kbatch.receipts.json_text import write_json
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.audit import audit
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, parse_trusted, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.storage import packaged

SCHEMA = Draft202012Validator(json.loads(packaged("lockfile.schema.json")))
NO_CARDS = Catalog(cards=(), by_key={})
OTHERS = ("", "x", 0, -1, 1.5, True, None, ["x"], {}, {"x": 1}, "unknown", "2026-01-01T00:00:00Z")
NAME = "campaign.lock.json"


def full() -> Lockfile:
    """Return a lockfile in which everything that may be written is written."""
    teller = Teller()
    events = [
        *teller.tell_all(*DONE, Kind.REPORTED, Kind.MOVED, Kind.ACCEPTED_AS_IS),
        *teller.tell_all(*FAILED, attempt=2, job_id="job-2"),
        *teller.tell_all(*DONE[:4], Kind.DELIVERED_WRONG, attempt=3, job_id="job-3"),
        *teller.tell_all(Kind.INTENDED, Kind.REFUSED, attempt=4),
        *[teller.tell(kind, "lost") for kind in LOST],
    ]
    entry = IndexEntry(fingerprint="fp", path="renders/moved.mp4")
    return Lockfile(
        manifest="campaign.yaml",
        jobs={"hero[city=lisbon]": entry, "hero[city=são-paulo]@2": entry},
        renders=fold(events),
        profiles={"draft": {"hero": entry}},
    )


def unreadable(data: bytes | str) -> StateUnreadable:
    """Return the complaint about this lockfile."""
    with pytest.raises(StateUnreadable) as caught:
        parse(data.encode() if isinstance(data, str) else data, NAME)
    return caught.value


@settings(max_examples=100, deadline=None)
@given(lockfiles)
def test_a_lockfile_reads_back_as_it_was_and_is_valid(lockfile: Lockfile) -> None:
    """What is written is read as the same value, is written again with the same bytes, and fits its schema."""
    data = serialize(lockfile)
    again = parse(data, NAME)
    assert again == lockfile
    assert serialize(again) == data
    SCHEMA.validate(json.loads(data))


def test_the_text_is_made_for_review() -> None:
    """Sorted names, two spaces, other scripts as they are, a newline at the end, nulls where nothing is known."""
    data = serialize(full())
    assert data == (json.dumps(json.loads(data), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    assert '"hero[city=são-paulo]@2"'.encode() in data
    receipt = json.loads(data)["renders"]["lost"]
    assert (receipt["job_id"], receipt["output"], receipt["finished_at"]) == (None, None, None)
    assert receipt["credits"] == {"planned": 15, "reported": None}
    assert receipt["error"]["message"] == "cut off after sending"


def test_what_is_seldom_is_written_only_then() -> None:
    """A plain receipt has the documented fields and no other; lists, marks and profiles come with what they say."""
    plain = json.loads(serialize(Lockfile(manifest="m", renders=fold(Teller().tell_all(*DONE)))))
    assert set(plain) == {"lockfile_version", "manifest", "jobs", "renders"}
    fields = "provider model variant state origin job_id attempt request inputs credits submitted_at finished_at"
    assert set(plain["renders"]["fp"]) == {*fields.split(), "output", "error"}
    seldom = json.loads(serialize(full()))
    assert set(seldom) - set(plain) == {"profiles"}
    assert set(seldom["renders"]["fp"]) - set(plain["renders"]["fp"]) == {"also", "failed", "last_attempt"}
    assert [one["state"] for one in seldom["renders"]["fp"]["also"]] == ["done"]
    assert seldom["renders"]["fp"]["also"][0]["accepted_as_is"] is True
    assert [one["job_id"] for one in seldom["renders"]["fp"]["failed"]] == [None, "job-2"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(_json)
def test_the_writer_writes_what_json_dumps_writes(value: Any) -> None:
    """The fast writer differs from the standard library's in time, and in how it spells extreme floats."""
    written = write_json(value)
    assert json.loads(written) == value
    assert _short(written) == _short((json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def _short(text: bytes) -> bytes:
    """Spell numbers one way: `1e+16` is `1e16`, `1e-05` is `0.00001`."""
    return re.sub(rb"\d+(?:\.\d+)?(?:e[+-]?\d+)?", lambda found: repr(float(found[0])).encode(), text)


def test_half_a_surrogate_pair_is_written_as_its_escape() -> None:
    """A server's text cut in the middle of a character does not make the lockfile unwritable."""
    teller = Teller()
    events = [*teller.tell_all(*DONE[:2]), teller.tell(Kind.FAILED, message="cut \ud83d")]
    lockfile = Lockfile(manifest="m", renders=fold(events))
    assert parse(serialize(lockfile), NAME).renders["fp"].error == lockfile.renders["fp"].error


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_marks_of_an_unfinished_merge_are_named(newline: str) -> None:
    """A conflict that git left says its line and the command that merges without losing a render."""
    lines = serialize(full()).decode().splitlines()
    lines[9:9] = ["<<<<<<< HEAD", '"x": 1', "=======", '"x": 2', ">>>>>>> other"]
    error = unreadable(newline.join(lines))
    assert error.message == f"{NAME}:10: an unfinished merge (`<<<<<<<`)"
    assert error.hint is not None
    assert "kbatch lock merge" in error.hint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", ":1: is empty"),
        (b" \n\n", ":1: is empty"),
        (b"{\n  \xff", ":2: is not UTF-8"),
        (b'{\n  "a": 1,\n}', ":3: is not JSON: "),
        (b'{\n  "a": 1', ":2: is not JSON: "),
        (b"[]", ":1: must be an object"),
        (b'{\n  "a": NaN}', ":1: holds `NaN`"),
        (b'{\n  "a": 1e999}', ":1: holds `1e999`"),
        (b"[" * 100_000, ":1: is nested too deeply"),
        (b'{\n\n  "lockfile_version": 2,\n  "more": []}', ":3: has lockfile_version 2, this kbatch reads 1"),
    ],
    ids=["empty", "blank", "bytes", "comma", "torn", "list", "nan", "infinity", "deep", "newer"],
)
def test_what_is_no_lockfile_is_an_error_with_its_line(data: bytes, message: str) -> None:
    """Nothing unreadable passes for an empty lockfile, and every complaint has a way out."""
    error = unreadable(data)
    assert (NAME + message) in error.message
    assert error.hint


def test_a_byte_order_mark_before_a_lockfile_changes_nothing() -> None:
    """An editor of Windows that saved a lockfile with a mark before it has lost no receipt."""
    data = serialize(full())
    marked = b"\xef\xbb\xbf" + data
    assert parse(marked, NAME) == parse(data, NAME)
    assert audit(marked, NAME, NO_CARDS) == audit(data, NAME, NO_CARDS)


def test_a_newer_lockfile_asks_for_a_newer_kbatch() -> None:
    """The way out of a newer format is to upgrade, whatever else that format changed."""
    assert "upgrade" in str(unreadable('{"lockfile_version": 2}').hint)


@pytest.mark.parametrize(
    ("old", "new", "shown", "fault"),
    [
        ('"state": "delivered-wrong"', '"state": "deliverd"', '"deliverd"', "`renders.fp.state` must be one of"),
        ('"attempt": 3', '"attempt": "3"', '"attempt": "3"', "`renders.fp.attempt` must be a whole number"),
        ('"attempt": 3', '"attempt": 3.0', '"attempt": 3.0', "`renders.fp.attempt` must be a whole number"),
        ('"job_id": "job-3"', '"job_id": null', '"job_id": null', "`renders.fp.job_id` must not be null in state"),
        ('"model": "kling-2.6",\n      "origin"', '"origin"', '"fp": {', "`renders.fp` lacks the field `model`"),
        ('"job_id": "job-2"', '"job": "job-2"', '"job": "job-2"', "`renders.fp.failed[1].job` is an unknown field"),
        ('"profiles"', '"profils"', '"profils"', "`profils` is an unknown field (did you mean `profiles`?)"),
        ('"width": 1280', '"width": "x"', '"width": "x"', "`renders.fp.also[0].output.media.width` must be a whole"),
    ],
    ids=["state", "text-attempt", "float-attempt", "job-id", "missing", "unknown-deep", "unknown-top", "deep"],
)
def test_a_wrong_shape_is_named_with_its_line(old: str, new: str, shown: str, fault: str) -> None:
    """The complaint names the field by its path, and the line on which it, or what lacks it, stands."""
    text = serialize(full()).decode()
    assert old in text
    broken = text.replace(old, new, 1)
    message = unreadable(broken).message
    assert fault in message
    line = int(message.removeprefix(f"{NAME}:").partition(":")[0])
    assert shown in broken.splitlines()[line - 1]


def test_a_receipt_that_stands_twice_is_refused_with_its_line() -> None:
    """Two receipts under one fingerprint, as a merge by hand leaves them, would lose a paid render in silence."""
    text = '{"lockfile_version": 1, "manifest": "m", "jobs": {},\n "renders": {\n  "a": {},\n  "b": {},\n  "a": {}}}'
    assert unreadable(text).message == f"{NAME}:5: has `a` twice"


def test_reader_and_schema_agree_on_every_mutation() -> None:
    """Each field of a full lockfile taken away, renamed or replaced is judged alike by the reader and the schema."""
    good = json.loads(serialize(full()))
    judged = []
    for text in _mutants(good):
        mutant = json.loads(text)
        judged.append((text, _reads(mutant), SCHEMA.is_valid(mutant)))
    assert [text for text, ours, theirs in judged if ours != theirs] == []
    assert {ours for _, ours, _ in judged} == {True, False}


def _reads(fields: Any) -> bool:
    try:
        parse(json.dumps(fields).encode(), NAME)
    except StateUnreadable:
        return False
    return True


def _mutants(good: Any) -> Iterator[str]:
    """Yield the whole as JSON with one field changed: every field of every object but those of requests."""
    yield json.dumps([good])
    for holder in list(_objects(good)):
        holder["extra"] = 1
        yield json.dumps(good)
        del holder["extra"]
        for name in list(holder):
            kept = holder.pop(name)
            yield json.dumps(good)
            for other in OTHERS:
                holder[name] = other
                yield json.dumps(good)
            holder[name] = kept


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name not in ("request", "lost"):
                yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


@settings(max_examples=200, deadline=None)
@given(lockfiles)
def test_what_kbatch_wrote_itself_is_read_to_the_same(lockfile: Lockfile) -> None:
    """The quick way for a lockfile that is known by its digest gives what the strict way gives, whatever is in it."""
    data = serialize(lockfile)
    assert parse_trusted(data) == parse(data, NAME)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"lockfile_version": 2, "manifest": "m", "jobs": {}, "renders": {}}']
)
def test_bytes_that_are_no_lockfile_are_left_to_the_strict_way(text: str) -> None:
    """Known by their digest or not: what does not read as a lockfile gets its line and its way out."""
    assert parse_trusted(text.encode()) is None
