"""Checks that a clip is whole, and reads its length, picture size, frame rate and audio.

Reading the boxes detects one missing byte, which decoders do not: each box must end where the next begins, the last one
within the file, and no sample may be beyond the file's end. Padding after the last box is allowed. No media is decoded,
so a wrong picture in a whole file is not detected; a fragmented file cut between two fragments is whole, but short.
"""

import io
from collections.abc import Sequence
from typing import BinaryIO

from msgspec import Struct

from kbatch.media.boxes import Box, DamagedFile, Short, boxes_in, boxes_of_file, find
from kbatch.media.tracks import Track, add_fragments, default_ticks, read_length, read_track

_MOST_METADATA = 16 * 1024 * 1024
_LONGEST_S = 24 * 3600
_LARGEST_SIDE = 16_384
_SHAPE = 0.1
_TOLERANCE_S = 0.5
_OTHERS = (
    ("WebM", b"\x1aE\xdf\xa3", 0),
    ("AVI", b"AVI ", 8),
    ("Ogg", b"OggS", 0),
    ("FLV", b"FLV\x01", 0),
    ("an MPEG stream", b"\0\0\x01\xba", 0),
    ("a GIF", b"GIF8", 0),
    ("WebP", b"WEBP", 8),
)
"""Other containers by the bytes that they begin with, and at which byte those stand."""
_FIRST_KINDS = {"ftyp", "styp", "moov", "mdat", "wide", "free", "skip"}


class ProbedMedia(Struct, frozen=True, kw_only=True):
    """Properties of a whole clip: seconds, pixels, frames a second (None when not stated), audio track."""

    duration: float
    width: int
    height: int
    fps: float | None
    audio: bool


class NotWhole(Struct, frozen=True, kw_only=True):
    """Why a file is no whole clip: its end is missing (`cut`), or it contains nothing of a clip (`blank`)."""

    message: str
    cut: bool = False
    blank: bool = False


class _Blank(DamagedFile):
    """Nothing, or a text such as an error page."""


def probe(source: bytes | BinaryIO) -> ProbedMedia | NotWhole:
    """Read a clip from bytes or a seekable reader; any bytes give an answer, a reader's OSError is its own."""
    reader = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        return _probe(reader)
    except DamagedFile as damage:
        return NotWhole(message=str(damage), cut=isinstance(damage, Short), blank=isinstance(damage, _Blank))


def differences_from_purchase(
    media: ProbedMedia, *, seconds: float | None, audio: bool, ratio: str | None = None
) -> tuple[str, ...]:
    """Return the differences between a clip and its purchase, in words; `seconds` None leaves the length unchecked.

    The aspect ratio may differ from `ratio`, such as `16:9`, by a tenth: models round to whole blocks.
    """
    reasons = []
    if seconds is not None and abs(media.duration - seconds) > _TOLERANCE_S:
        reasons.append(f"the clip is {media.duration:g} s long, {seconds:g} s were bought")
    if audio and not media.audio:
        reasons.append("the clip has no audio track, audio was bought")
    wide, _, high = (ratio or "").partition(":")
    if wide and high and media.width and media.height:
        asked, got = int(wide) / int(high), media.width / media.height
        if not 1 - _SHAPE <= got / asked <= 1 + _SHAPE:
            reasons.append(f"the clip has {media.width} × {media.height} pixels, {ratio} was bought")
    return tuple(reasons)


def _probe(reader: BinaryIO) -> ProbedMedia:
    size = reader.seek(0, io.SEEK_END)
    boxes = _outer_boxes(reader, size)
    movie = _read_only(reader, [box for box in boxes if box.kind == "moov"][:1])
    if not movie:
        raise Short("no `moov` box: the clip's description is missing")
    data = movie[0]
    tracks = [read_track(data, box) for box in boxes_in(data) if box.kind == "trak"]
    reach = max((track.reach for track in tracks), default=0)
    media_end = max((box.end for box in boxes if box.kind == "mdat"), default=0)
    if reach > media_end:
        raise Short(f"the last sample ends {reach - media_end} bytes beyond the media")
    video = next((track for track in tracks if track.kind == "vide"), None)
    if video is None:
        raise DamagedFile("no video track")
    fragments = _read_only(reader, [box for box in boxes if box.kind == "moof"])
    if fragments:
        if next(box.kind for box in reversed(boxes) if box.kind in ("moof", "mdat")) == "moof":
            raise Short("the last fragment is without its media")
        whole = Box(kind="moov", start=0, end=len(data))
        video = add_fragments(video, default_ticks(data, whole, video), fragments)
    return _media(video, _seconds(data, video), any(track.kind == "soun" for track in tracks))


def _outer_boxes(reader: BinaryIO, size: int) -> tuple[Box, ...]:
    if size == 0:
        raise _Blank("the file is empty")
    reader.seek(0)
    begins = reader.read(40).lstrip(b"\xef\xbb\xbf \t\r\n")
    if begins[:1] in (b"<", b"{") or _is_ascii_text(begins):
        shown = "".join(letter if letter.isprintable() else " " for letter in begins.decode("ascii", "replace"))
        raise _Blank(f"this is text, not a video: `{shown}`")
    other = next((name for name, mark, at in _OTHERS if begins[at : at + len(mark)] == mark), None)
    if other is not None:
        raise DamagedFile(f"this is {other}, not MP4: kbatch cannot tell its length and sound")
    boxes = boxes_of_file(reader, size)
    if boxes[0].kind not in _FIRST_KINDS:
        raise DamagedFile(f"this is no MP4: it begins with a box `{boxes[0].kind}`")
    return boxes


def _is_ascii_text(begins: bytes) -> bool:
    return all(32 <= letter < 127 or letter in b"\t\r\n" for letter in begins)


def _read_only(reader: BinaryIO, boxes: Sequence[Box]) -> list[bytes]:
    if sum(box.end - box.start for box in boxes) > _MOST_METADATA:
        raise DamagedFile(f"the clip's description is larger than {_MOST_METADATA} bytes")
    contents = []
    for box in boxes:
        reader.seek(box.start)
        contents.append(reader.read(box.end - box.start))
    return contents


def _seconds(data: bytes, video: Track) -> float:
    """Return the video track's length, else the one that the whole movie declares."""
    timescale, ticks = video.timescale, video.ticks
    if not (timescale and ticks):
        movie = find(data, "mvhd")
        timescale, ticks = read_length(data, movie) if movie else (0, 0)
    if not (timescale and ticks):
        raise DamagedFile("the clip has no length")
    if ticks > timescale * _LONGEST_S:
        raise DamagedFile("the clip claims to be longer than a day")
    return ticks / timescale


def _media(video: Track, seconds: float, audio: bool) -> ProbedMedia:
    if not (0 < video.width <= _LARGEST_SIDE and 0 < video.height <= _LARGEST_SIDE):
        raise DamagedFile(f"the picture claims {video.width} by {video.height} pixels")
    fps = round(video.samples / seconds, 3) if video.samples > 1 else None
    return ProbedMedia(duration=round(seconds, 3), width=video.width, height=video.height, fps=fps, audio=audio)
