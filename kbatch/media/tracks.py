"""The tracks of an MP4 file: their kind, size, length, and how far into the file their samples reach.

Plain files keep sample tables in `moov`; fragmented ones repeat `moof` with the lengths of their own samples.
"""

from collections.abc import Iterable
from itertools import accumulate

from msgspec import Struct
from msgspec.structs import replace

from kbatch.media.boxes import Box, DamagedFile, boxes_in, find, number, numbers


class Track(Struct, frozen=True, kw_only=True):
    """One track: `ticks` are the length in parts of a second (`timescale` a second), `reach` the last sample's end."""

    number: int
    kind: str
    width: int
    height: int
    timescale: int
    ticks: int
    samples: int
    reach: int


def read_track(data: bytes, box: Box) -> Track:
    """Read a `trak`: the sample table's own length where it has samples, else the one that `mdhd` declares."""
    header, media = find(data, "tkhd", box.start, box.end), find(data, "mdia", box.start, box.end)
    about = find(data, "mdhd", media.start, media.end) if media else None
    handler = find(data, "hdlr", media.start, media.end) if media else None
    if header is None or media is None or about is None or handler is None:
        raise DamagedFile("a track without tkhd, mdhd or hdlr")
    wide = number(data, header.start, 1, header.end) == 1
    timescale, declared = read_length(data, about)
    table = find(data, "minf/stbl", media.start, media.end)
    samples, ticks = _sample_times(data, table) if table else (0, 0)
    width, height = _picture_size(data, header, table)
    return Track(
        number=number(data, header.start + (20 if wide else 12), 4, header.end),
        kind=data[handler.start + 8 : min(handler.start + 12, handler.end)].decode("latin-1"),
        width=width,
        height=height,
        timescale=timescale,
        ticks=ticks or declared,
        samples=samples,
        reach=_reach(data, table) if table else 0,
    )


def read_length(data: bytes, box: Box) -> tuple[int, int]:
    """Return timescale and length in its ticks of an `mvhd` or `mdhd`; a length of all ones is unknown, 0."""
    wide = number(data, box.start, 1, box.end) == 1
    size = 8 if wide else 4
    timescale = number(data, box.start + (20 if wide else 12), 4, box.end)
    ticks = number(data, box.start + (24 if wide else 16), size, box.end)
    return timescale, 0 if ticks == 256**size - 1 else ticks


def _picture_size(data: bytes, header: Box, table: Box | None) -> tuple[int, int]:
    """Return width and height: the last two numbers of `tkhd` are 16.16, else the sample's own description."""
    if header.end - header.start < 84:
        raise DamagedFile("a track header that is too short")
    size = tuple(number(data, header.end - back, 2, header.end) for back in (8, 4))
    described = find(data, "stsd", table.start, table.end) if table and 0 in size else None
    if described is not None and described.end - described.start >= 44:
        size = tuple(number(data, described.start + place, 2, described.end) for place in (40, 42))
    return size[0], size[1]


def _table(data: bytes, table: Box, kind: str, columns: int) -> tuple[int, ...]:
    box = find(data, kind, table.start, table.end)
    if box is None:
        return ()
    rows = number(data, box.start + 4, 4, box.end)
    return numbers(data, box.start + 8, rows * columns, box.end)


def _sample_times(data: bytes, table: Box) -> tuple[int, int]:
    rows = _table(data, table, "stts", 2)
    return sum(rows[::2]), sum(count * ticks for count, ticks in zip(rows[::2], rows[1::2], strict=True))


def _reach(data: bytes, table: Box) -> int:
    """Return where the last sample ends in the file: chunk offsets, samples a chunk, bytes a sample."""
    offsets = _table(data, table, "stco", 1)
    if not offsets and find(data, "co64", table.start, table.end):
        halves = _table(data, table, "co64", 2)
        offsets = tuple(high << 32 | low for high, low in zip(halves[::2], halves[1::2], strict=True))
    sizes = find(data, "stsz", table.start, table.end)
    if not offsets or sizes is None:
        return max(offsets, default=0)
    uniform, count = numbers(data, sizes.start + 4, 2, sizes.end)
    ends = () if uniform else tuple(accumulate(numbers(data, sizes.start + 12, count, sizes.end), initial=0))
    runs = _table(data, table, "stsc", 3)
    starts = dict(zip(runs[::3], runs[1::3], strict=True))
    reach = first = a_chunk = 0
    for chunk, offset in enumerate(offsets, start=1):
        a_chunk = starts.get(chunk, a_chunk)
        last = min(first + a_chunk, count)
        reach = max(reach, offset + (uniform * (last - first) if uniform else ends[last] - ends[first]))
        first = last
    return reach


def add_fragments(track: Track, defaults: int, fragments: Iterable[bytes]) -> Track:
    """Return the track with the samples of its fragments added; `defaults` are the ticks a sample of `trex`."""
    samples = ticks = 0
    for data in fragments:
        for box in boxes_in(data):
            header = find(data, "tfhd", box.start, box.end) if box.kind == "traf" else None
            if header is None or number(data, header.start + 4, 4, header.end) != track.number:
                continue
            each = _default_ticks(data, header, defaults)
            for run in boxes_in(data, box.start, box.end):
                if run.kind == "trun":
                    count, length = _run(data, run, each)
                    samples, ticks = samples + count, ticks + length
    kept = track.ticks if track.samples or not samples else 0
    return replace(track, samples=track.samples + samples, ticks=kept + ticks)


def default_ticks(data: bytes, movie: Box, track: Track) -> int:
    """Return the ticks a sample that `mvex/trex` sets for a track's fragments, 0 when it sets none."""
    extends = find(data, "mvex", movie.start, movie.end)
    for box in boxes_in(data, extends.start, extends.end) if extends else ():
        if box.kind == "trex" and number(data, box.start + 4, 4, box.end) == track.number:
            return number(data, box.start + 12, 4, box.end)
    return 0


def _default_ticks(data: bytes, header: Box, otherwise: int) -> int:
    flags = number(data, header.start + 1, 3, header.end)
    if not flags & 0x8:
        return otherwise
    return number(data, header.start + 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0), 4, header.end)


def _run(data: bytes, run: Box, each: int) -> tuple[int, int]:
    flags = number(data, run.start + 1, 3, run.end)
    count = number(data, run.start + 4, 4, run.end)
    if not flags & 0x100:
        return count, count * each
    first = run.start + 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    columns = sum(1 for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit)
    return count, sum(numbers(data, first, count * columns, run.end)[::columns])
