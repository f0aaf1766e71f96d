"""The boxes of an MP4 file (ISO/IEC 14496-12): offsets of each box, and integers read with bounds checks.

A box that is larger than its parent raises `DamagedFile` and is never cut to fit. Bytes after the last box of a file
with description and media are padding, which players ignore too.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

_MOST_BOXES = 100_000
_NEEDED = {"moov", "mdat"}
_KNOWN = b"moov moof mdat mfra sidx emsg free skip wide udta meta uuid pdin ftyp styp".split()


class DamagedFile(ValueError):
    """The bytes are not what a whole file has; the message says what and where. It never leaves this package."""


class Short(DamagedFile):
    """Bytes are missing at the end of the file."""


class Box(Struct, frozen=True, kw_only=True):
    """One box: its four-letter kind and the offsets of its content, without the header."""

    kind: str
    start: int
    end: int


def boxes_of_file(reader: BinaryIO, size: int) -> tuple[Box, ...]:
    """Return the outermost boxes, which fill a whole file to its last byte but for padding; Short when some lack."""
    boxes: list[Box] = []
    place = 0
    while place < size:
        reader.seek(place)
        head = reader.read(16)
        try:
            boxes.append(_box(head, place, size))
        except DamagedFile:
            if _is_padding(head, {box.kind for box in boxes}):
                break
            raise
        place = boxes[-1].end
        if len(boxes) > _MOST_BOXES:
            raise DamagedFile("more boxes than any clip has")
    return tuple(boxes)


def _is_padding(head: bytes, kinds: set[str]) -> bool:
    """Whether what follows is no part of a clip: not the beginning of a box as clips have them."""
    if not kinds >= _NEEDED:
        return False
    return "moof" not in kinds if len(head) < 8 else head[4:8] not in _KNOWN


def boxes_in(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes that stand side by side in `data[start:end]`; a rest too short for one is padding."""
    end = len(data) if end is None else end
    while end - start >= 8:
        try:
            box = _box(data[start : start + 16], start, end)
        except Short as short:
            raise DamagedFile(str(short)) from short
        yield box
        start = box.end


def find(data: bytes, path: str, start: int = 0, end: int | None = None) -> Box | None:
    """Return the first box down a path such as `mdia/minf/stbl`, None where a part of it is missing."""
    found = None
    for kind in path.split("/"):
        found = next((box for box in boxes_in(data, start, end) if box.kind == kind), None)
        if found is None:
            return None
        start, end = found.start, found.end
    return found


def number(data: bytes, place: int, size: int, end: int) -> int:
    """Return the big-endian number of `size` bytes at `place`, which must lie before `end`."""
    if place + size > end:
        raise DamagedFile(f"a box ends before the number at byte {place}")
    return int.from_bytes(data[place : place + size], "big")


def numbers(data: bytes, place: int, count: int, end: int) -> tuple[int, ...]:
    """Return `count` big-endian numbers of four bytes, all of which must lie before `end`."""
    if place + 4 * count > end:
        raise DamagedFile(f"a table at byte {place} claims {count} numbers, more than its box holds")
    return struct.unpack_from(f">{count}I", data, place)


def _box(head: bytes, place: int, limit: int) -> Box:
    if limit - place < 8 or len(head) < 8:
        raise Short(f"{limit - place} stray bytes at byte {place}")
    size, kind = struct.unpack_from(">I4s", head)
    # QuickTime's own kinds may begin with the copyright sign.
    if not all(32 <= letter < 127 or letter == 0xA9 for letter in kind):
        raise DamagedFile(f"no box at byte {place}")
    name = kind.decode("latin-1")
    header = 8
    if size == 1:
        if len(head) < 16:
            raise Short(f"the box `{name}` at byte {place} ends within its header")
        header, size = 16, int.from_bytes(head[8:16], "big")
    end = limit if size == 0 else place + size
    if size and size < header:
        raise DamagedFile(f"the box `{name}` at byte {place} claims {size} bytes, less than its header")
    if end > limit:
        raise Short(f"the box `{name}` at byte {place} ends {end - limit} bytes beyond what is there")
    return Box(kind=name, start=place + header, end=end)
