"""MP4 boxes (ISO/IEC 14496-12): writes them, walks over them, and moves `moov` first for fast start.

Codecs and frames are in `tiny` and `encode`.
"""

import struct
from collections.abc import Iterator


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return one box: size, four letters, content."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box with version and flags in front of its content."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def walk(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each box at one level; ValueError when a box does not fit."""
    at, end = start, len(data) if end is None else end
    while at < end:
        if at + 8 > end:
            raise ValueError("a box without a head")
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > end:
            raise ValueError(f"box {kind!r} does not fit")
        yield kind, at, at + size
        at += size


def index_first(data: bytes) -> bytes:
    """Return the same file with `moov` before `mdat`, as clips on the web are; chunk offsets move along.

    PyAV cannot do this itself in memory: FFmpeg's `faststart` opens the output a second time by name.
    """
    found = {kind: data[start:end] for kind, start, end in walk(data)}
    starts = {kind: start for kind, start, _ in walk(data)}
    if starts[b"moov"] < starts[b"mdat"]:
        return data
    before = b"".join(content for kind, content in found.items() if kind not in (b"moov", b"mdat"))
    shift = len(before) + len(found[b"moov"]) - starts[b"mdat"]
    return before + _shifted(found[b"moov"], shift) + found[b"mdat"]


def _shifted(moov: bytes, by: int) -> bytes:
    out = bytearray(moov)
    for start in _tables(moov, 8, len(moov), (b"trak", b"mdia", b"minf", b"stbl")):
        (count,) = struct.unpack_from(">I", moov, start + 12)
        for at in range(start + 16, start + 16 + 4 * count, 4):
            (offset,) = struct.unpack_from(">I", moov, at)
            struct.pack_into(">I", out, at, offset + by)
    return bytes(out)


def _tables(data: bytes, start: int, end: int, path: tuple[bytes, ...]) -> Iterator[int]:
    for kind, first, last in walk(data, start, end):
        if not path and kind == b"stco":
            yield first
        elif path and kind == path[0]:
            yield from _tables(data, first + 8, last, path[1:])
