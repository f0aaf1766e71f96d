"""Clips of about a kilobyte without decodable frames, for tests that need no image.

The MP4 structure (ISO/IEC 14496-12) is real: duration, size, frame rate and the presence of an audio track are as
ordered, so that reading the boxes gives the same result as for a rendered clip. Needs no PyAV.
"""

import struct
from dataclasses import dataclass

from kbatch.simulator.clips.boxes import box, full_box
from kbatch.simulator.clips.orders import FRAMES_PER_SECOND, ClipOrder, digest_of_clip, frame_count, frame_size
from kbatch.simulator.clips.stills import ratio_of

_MOVIE_SCALE = 1000
_VIDEO_STEP = 1000
_SOUND_RATE = 48_000
_UNITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_H264 = box(b"avcC", bytes([1, 66, 0xC0, 30, 0xFF, 0xE0, 0]))  # baseline, no parameter sets
_AAC = full_box(b"esds", bytes.fromhex("031900010004114015000000000000000000000005021188060102"))  # LC, 48 kHz, mono


@dataclass(frozen=True, slots=True, kw_only=True)
class _Track:
    """One track: `samples` of one byte each and `step` ticks long, in one chunk at `offset`."""

    number: int
    kind: bytes
    head: bytes
    entry: bytes
    scale: int
    samples: int
    step: int
    offset: int
    size: tuple[int, int] = (0, 0)


def make_tiny(clip: ClipOrder) -> bytes:
    """Return the bytes of a clip that declares `clip`'s duration, size and audio; other orders give other bytes."""
    head = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomavc1mp41") + box(b"free", digest_of_clip(clip).encode())
    first_sample = len(head) + len(_movie(clip, 0)) + 8
    samples = bytes(frame_count(clip.seconds) + int(clip.audio))
    return head + _movie(clip, first_sample) + box(b"mdat", samples)


def _movie(clip: ClipOrder, first_sample: int) -> bytes:
    size, frames = frame_size(ratio_of(clip)), frame_count(clip.seconds)
    video = _Track(
        number=1,
        kind=b"vide",
        head=full_box(b"vmhd", bytes(8), flags=1),
        entry=_video_entry(size),
        scale=FRAMES_PER_SECOND * _VIDEO_STEP,
        samples=frames,
        step=_VIDEO_STEP,
        offset=first_sample,
        size=size,
    )
    sound = _Track(
        number=2,
        kind=b"soun",
        head=full_box(b"smhd", bytes(4)),
        entry=box(b"mp4a", struct.pack(">6xH8x2H4xI", 1, 1, 16, _SOUND_RATE << 16), _AAC),
        scale=_SOUND_RATE,
        samples=1,
        step=round(clip.seconds * _SOUND_RATE),
        offset=first_sample + frames,
    )
    length = round(clip.seconds * _MOVIE_SCALE)
    times = struct.pack(">4I", 0, 0, _MOVIE_SCALE, length)
    rest = struct.pack(">IH10x", 0x10000, 0x100) + _UNITY + bytes(24) + struct.pack(">I", 3)
    tracks = [_track(track, length) for track in ((video, sound) if clip.audio else (video,))]
    return box(b"moov", full_box(b"mvhd", times, rest), *tracks)


def _track(track: _Track, length: int) -> bytes:
    width, height = track.size
    place = struct.pack(">5I8x4H", 0, 0, track.number, 0, length, 0, 0, 0 if width else 0x100, 0)
    head = full_box(b"tkhd", place, _UNITY, struct.pack(">2I", width << 16, height << 16), flags=3)
    ticks = track.samples * track.step
    times = full_box(b"mdhd", struct.pack(">4I2H", 0, 0, track.scale, ticks, 0x55C4, 0))
    name = full_box(b"hdlr", bytes(4), track.kind, bytes(12), b"simulated\0")
    here = box(b"dinf", full_box(b"dref", struct.pack(">I", 1), full_box(b"url ", flags=1)))
    table = box(
        b"stbl",
        full_box(b"stsd", struct.pack(">I", 1), track.entry),
        full_box(b"stts", struct.pack(">3I", 1, track.samples, track.step)),
        full_box(b"stsc", struct.pack(">4I", 1, 1, track.samples, 1)),
        full_box(b"stsz", struct.pack(">2I", 1, track.samples)),
        full_box(b"stco", struct.pack(">2I", 1, track.offset)),
    )
    return box(b"trak", head, box(b"mdia", times, name, box(b"minf", track.head, here, table)))


def _video_entry(size: tuple[int, int]) -> bytes:
    return box(b"avc1", struct.pack(">6xH16x2H2I4xH32xHh", 1, *size, 0x480000, 0x480000, 1, 24, -1), _H264)
