"""Seals: one byte, another campaign or another key, and a line is nobody's word any more; it stays readable."""

import pytest

from kbatch.receipts.event_data import Ended
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.receipts.journal.seals import Seals, with_seal

KEY = bytes(range(32))
SEALS = Seals(key=KEY, stem="campaign")
LINE = stamp(Fact(data=Ended(exit_code=0, finished=True)), at="2026-01-01T00:00:00.000Z", run="r", sequence=7).to_line()
SEALED = with_seal(LINE, SEALS.seal_line(LINE))


def test_a_sealed_line_is_an_event_and_its_own_proof() -> None:
    """It reads as the event with its seal, writes as the same bytes, and holds with and without its newline."""
    event = Event.from_line(SEALED[:-1])
    assert event.to_line() == SEALED
    assert event.seal == SEALS.seal_line(LINE)
    assert SEALS.verifies_line(SEALED)
    assert SEALS.verifies_line(SEALED[:-1])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(LINE, id="no-seal"),
        pytest.param(SEALED.replace(b'"finished":true', b'"finished":false'), id="another-word"),
        pytest.param(SEALED.replace(b'"sequence":7', b'"sequence":8'), id="another-number"),
        pytest.param(SEALED.replace(b'"run":"r"', b'"run":"s"'), id="another-run"),
        pytest.param(with_seal(LINE, "0" * 64), id="a-guess"),
        pytest.param(with_seal(LINE, SEALS.seal_line(LINE).upper()), id="capitals"),
        pytest.param(with_seal(LINE, Seals(key=KEY, stem="other").seal_line(LINE)), id="another-campaign"),
        pytest.param(with_seal(LINE, Seals(key=bytes(32), stem="campaign").seal_line(LINE)), id="another-key"),
        pytest.param(with_seal(LINE, SEALS.of("index", LINE)), id="another-purpose"),
        pytest.param(SEALED[:-2] + b',"x":1}\n', id="a-field-behind-it"),
        pytest.param(b"", id="empty"),
    ],
)
def test_what_was_changed_or_moved_does_not_hold(line: bytes) -> None:
    """The seal covers every byte, what it is for and whose it is."""
    assert not SEALS.verifies_line(line)


def test_no_key_is_shown() -> None:
    """Neither the value nor its seals print the key."""
    assert KEY.hex() not in repr(SEALS)
    assert repr(KEY) not in repr(SEALS)
