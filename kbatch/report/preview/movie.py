"""Joins cuts to one film: H.264 and AAC in an MP4 file, written as it goes; one frame at a time is in memory.

Cuts stand at the sum of the true durations: each is rounded to a frame for itself, so that no error adds up.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import av
from av.video.frame import PictureType
from av.video.plane import VideoPlane
from PIL import Image

from kbatch.report.preview.canvas import Box, Canvas, centred
from kbatch.report.preview.footage import BYTES_A_SAMPLE, RATE, Shot, in_yuv

_X264 = {"preset": "superfast", "crf": "23"}
_KEYFRAME_S = 5
_SOUND_BIT_RATE = 128_000
_BLOCK = 1024
_BT709 = 1
_LIMITED = 1
_SLACK_S = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reel:
    """A cut ready to be joined: its frames, at least one, its sound (None: silent), its bands, and its seconds."""

    shots: Iterator[Shot]
    sound: Iterator[bytes] | None
    bands: Sequence[Image.Image]
    seconds: float


@dataclass(slots=True, kw_only=True)
class Movie:
    """A film that is being written; `ended_s` is how long it is so far."""

    container: av.container.OutputContainer
    canvas: Canvas
    fps: int
    video: av.VideoStream
    audio: av.AudioStream | None
    ended_s: float = 0.0
    frames: int = 0
    samples: int = 0

    def add(self, reel: Reel) -> None:
        """Append a cut: its frames in time, the last one held to its end, and as much sound as it has seconds."""
        began, self.ended_s = self.ended_s, self.ended_s + reel.seconds
        first, last = self.frames, max(self.frames + 1, round(self.ended_s * self.fps))
        sound = _Sound(reel.sound)
        looks = [_Look.of(band, self.canvas) for band in reel.bands]
        following = _on_grid(reel.shots, (number / self.fps - began for number in range(first, last)))
        for number, shot in enumerate(following, start=first):
            look = looks[min(len(looks) - 1, (number - first) * len(looks) // (last - first))]
            frame = look.composed(shot)
            frame.pict_type = PictureType.I if number == first else PictureType.NONE
            frame.pts = number
            self.container.mux(self.video.encode(frame))
            self._hear(sound, (number + 1) / self.fps)
        self.frames = last

    def _hear(self, sound: "_Sound", until_s: float) -> None:
        """Encode the sound up to a moment of the film."""
        if self.audio is None:
            return
        while (wanted := min(_BLOCK, round(until_s * RATE) - self.samples)) > 0:
            block = av.AudioFrame(format="s16", layout="stereo", samples=wanted)
            plane = block.planes[0]
            plane.update(sound.take(wanted).ljust(plane.buffer_size, b"\0"))
            block.sample_rate, block.pts = RATE, self.samples
            self.container.mux(self.audio.encode(block))
            self.samples += wanted

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self.container.mux(self.video.encode(None))
        if self.audio is not None:
            self.container.mux(self.audio.encode(None))


def begin_movie(file: BinaryIO, canvas: Canvas, *, fps: int, sound: bool) -> Movie:
    """Return a film that is written into a seekable file; close its container when it is finished."""
    container = av.open(file, "w", format="mp4")
    video = container.add_stream("libx264", rate=fps, options=_X264)
    video.width, video.height, video.pix_fmt = canvas.width, canvas.height, "yuv420p"
    context = video.codec_context
    context.colorspace, context.color_range = _BT709, _LIMITED
    context.gop_size = fps * _KEYFRAME_S
    audio = container.add_stream("aac", rate=RATE, layout="stereo") if sound else None
    if audio is not None:
        audio.bit_rate = _SOUND_BIT_RATE
    return Movie(container=container, canvas=canvas, fps=fps, video=video, audio=audio)


def _on_grid(shots: Iterator[Shot], moments: Iterable[float]) -> Iterator[av.VideoFrame]:
    """Yield for each moment the frame that is on the screen then: the last that has begun, the first before it."""
    shown, coming = next(shots)[1], next(shots, None)
    for moment in moments:
        while coming is not None and coming[0] <= moment + _SLACK_S:
            shown, coming = coming[1], next(shots, None)
        yield shown


@dataclass(slots=True)
class _Sound:
    """Sound that can be taken in pieces of any length; silence follows its end."""

    source: Iterator[bytes] | None
    rest: bytes = b""

    def take(self, samples: int) -> bytes:
        wanted = samples * BYTES_A_SAMPLE
        while self.source is not None and len(self.rest) < wanted:
            piece = next(self.source, None)
            if piece is None:
                self.source = None
            else:
                self.rest += piece
        taken, self.rest = self.rest[:wanted], self.rest[wanted:]
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """A frame without its picture, letterbox and band, as YUV planes."""

    planes: tuple[bytes, ...]
    canvas: Canvas

    @classmethod
    def of(cls, band: Image.Image, canvas: Canvas) -> "_Look":
        whole = Image.new("RGB", (canvas.width, canvas.height))
        whole.paste(band, (0, canvas.stage))
        drawn = in_yuv(whole, whole.size)
        planes = tuple(
            bytes(_pasted(bytes(plane.buffer_size), plane.line_size, part, (0, 0, plane.width, plane.height)))
            for plane, part in zip(_blank(canvas).planes, drawn.planes, strict=True)
        )
        return cls(planes=planes, canvas=canvas)

    def composed(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Return a frame with the picture, which fits the stage, in the middle of it."""
        whole = _blank(self.canvas)
        box = centred((picture.width, picture.height), (self.canvas.width, self.canvas.stage))
        for index, (plane, part) in enumerate(zip(whole.planes, picture.planes, strict=True)):
            left, top, width, height = (length // (2 if index else 1) for length in box)
            plane.update(bytes(_pasted(self.planes[index], plane.line_size, part, (left, top, width, height))))
        return whole


def _blank(canvas: Canvas) -> av.VideoFrame:
    return av.VideoFrame(canvas.width, canvas.height, "yuv420p")


def _pasted(inputs: bytes, row: int, part: VideoPlane, box: Box) -> bytearray:
    """Return the bytes of a plane, `row` bytes a line, with a part of another laid over it."""
    data, source = bytearray(inputs), memoryview(part)
    left, top, width, height = box
    if row == width == part.line_size:
        data[top * row : (top + height) * row] = source[: height * row]
        return data
    for line in range(height):
        at = (top + line) * row + left
        data[at : at + width] = source[line * part.line_size : line * part.line_size + width]
    return data
