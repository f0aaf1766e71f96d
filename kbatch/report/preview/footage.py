"""Where an animatic's pictures and sounds come from: a clip's file, decoded piece by piece, or the simulator's slate.

Pictures come as (seconds from the clip's start, frame in YUV of the wanted size), in order; sound as 16-bit stereo.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO

import av
from PIL import Image

from kbatch.media.containers import open_clip
from kbatch.media.frames import NoFrames, as_picture, colours_of
from kbatch.report.preview.canvas import Size, fitted
from kbatch.simulator.clips.encode import beat
from kbatch.simulator.clips.orders import FRAMES_PER_SECOND, ClipOrder, frame_count
from kbatch.simulator.clips.slate import painter
from kbatch.simulator.clips.stills import ratio_of

RATE = 48_000
BYTES_A_SAMPLE = 4
_MATRIX = "ITU709"
_POSTER_SHARE = 0.1

Shot = tuple[float, av.VideoFrame]


def film(file: BinaryIO, stage: Size) -> Iterator[Shot]:
    """Yield the frames of a clip, as far as they can be decoded; av.FFmpegError when it is no film at all."""
    with open_clip(file) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        began: float | None = None
        for frame in _decoded(container.demux(stream)):
            if isinstance(frame, av.VideoFrame) and frame.time is not None:
                began = frame.time if began is None else began
                yield frame.time - began, _scaled(frame, fitted((frame.width, frame.height), stage)[2:])


def slate(clip: ClipOrder, stage: Size) -> Iterator[Shot]:
    """Yield the frames of a clip that does not exist, drawn at the size at which they are shown."""
    size = fitted(ratio_of(clip), stage)[2:]
    draw = painter(clip, max(size))
    for number in range(frame_count(clip.seconds)):
        yield number / FRAMES_PER_SECOND, in_yuv(draw(number), size)


def film_poster(file: BinaryIO) -> Image.Image:
    """Return the frame in the middle of a clip; NoFrames when there is none."""
    with open_clip(file) as container:
        stream = container.streams.video[0]
        length = float((stream.duration or 0) * (stream.time_base or 0))
        container.seek(int(length / 2 / (stream.time_base or 1)), stream=stream)
        found = None
        for frame in _decoded(container.demux(stream)):
            if isinstance(frame, av.VideoFrame):
                found = frame
                if frame.time is not None and frame.time >= length / 2:
                    break
        if found is None:
            raise NoFrames("the clip has no frame that can be decoded")
        return as_picture(found)


def slate_poster(clip: ClipOrder) -> Image.Image:
    """Return a frame in which the words stand over what is left of the start picture."""
    return painter(clip)(round((frame_count(clip.seconds) - 1) * _POSTER_SHARE))


def in_yuv(picture: Image.Image, size: Size) -> av.VideoFrame:
    """Return a picture as a frame of this size, in the film's colours."""
    return _scaled(av.VideoFrame.from_image(picture), size)  # type: ignore[no-untyped-call]


def film_sound(file: BinaryIO) -> Iterator[bytes]:
    """Yield the sound of a clip, which begins with silence where its track begins late; nothing without a track."""
    with open_clip(file) as container:
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        frames = (frame for frame in _decoded(container.demux(stream)) if isinstance(frame, av.AudioFrame))
        first = next(frames, None)
        if first is not None:
            late = round(max(0.0, min(first.time or 0.0, 60.0)) * RATE)
            yield bytes(late * BYTES_A_SAMPLE)
            yield from _resampled(chain((first,), frames))


def slate_sound(clip: ClipOrder) -> Iterator[bytes]:
    """Yield the sound of a clip that does not exist: a beat a second where audio was asked for."""
    if clip.audio:
        yield from _resampled(beat(clip.seconds))


def _decoded(packets: Iterator["av.Packet[Any]"]) -> Iterator[object]:
    """Yield what can be decoded; a damaged packet is passed over, and a file that breaks off ends there."""
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _scaled(frame: av.VideoFrame, size: Size) -> av.VideoFrame:
    scaling = "BILINEAR" if (frame.width, frame.height) == size else "BICUBIC"
    return frame.reformat(
        *size, format="yuv420p", src_colorspace=colours_of(frame), dst_colorspace=_MATRIX, interpolation=scaling
    )


def _resampled(frames: Iterable[av.AudioFrame]) -> Iterator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
    for frame in chain(frames, (None,)):
        for each in resampler.resample(frame):
            yield bytes(each.planes[0])[: each.samples * BYTES_A_SAMPLE]
