"""Encodes clips: the slate's frames as H.264, and as AAC one quiet note per second where audio was bought, in MP4.

Equal orders give equal bytes. PyAV is imported here and nowhere else in the simulator, so that it is needed for real
clips only.
"""

import array
import io
import math

import av

from kbatch.simulator.clips.boxes import index_first
from kbatch.simulator.clips.orders import FRAMES_PER_SECOND, ClipOrder
from kbatch.simulator.clips.slate import frames

_SOUND_RATE = 16_000
_SOUND_BIT_RATE = 32_000
_BLOCK = 1024
# without mbtree and B-frames: with them x264's vector code lets stale memory into its decisions (seen with the build in
# PyAV 18.1: fourteen different files of one clip in a hundred runs, none with `asm=0` or with these two off)
_X264 = {"preset": "veryfast", "tune": "stillimage", "crf": "24", "threads": "1", "x264-params": "mbtree=0:bframes=0"}


def make_clip(clip: ClipOrder) -> bytes:
    """Return the bytes of an MP4 file; blocking, about a quarter of a second for a clip of five."""
    images = list(frames(clip))
    target = io.BytesIO()
    with av.open(target, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_X264)
        video.width, video.height = images[0].size
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=_SOUND_RATE, layout="mono") if clip.audio else None
        if sound is not None:
            sound.bit_rate = _SOUND_BIT_RATE
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            for block in beat(clip.seconds):
                container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return index_first(target.getvalue())


def beat(seconds: float) -> list[av.AudioFrame]:
    """Return a soft note at every second over a low hum, as frames of at most 1024 samples."""
    one = array.array("h", (_sample(at / _SOUND_RATE) for at in range(_SOUND_RATE))).tobytes()
    total = round(seconds * _SOUND_RATE)
    data = (one * math.ceil(seconds))[: 2 * total]
    blocks = []
    for start in range(0, total, _BLOCK):
        count = min(_BLOCK, total - start)
        block = av.AudioFrame(format="s16", layout="mono", samples=count)
        plane = block.planes[0]
        plane.update(data[2 * start : 2 * (start + count)].ljust(plane.buffer_size, b"\0"))
        block.sample_rate, block.pts = _SOUND_RATE, start
        blocks.append(block)
    return blocks


def _sample(at_s: float) -> int:
    note = math.exp(-9 * at_s) * math.sin(math.tau * 660 * at_s)
    hum = 0.08 * math.sin(math.tau * 110 * at_s)
    return round(5200 * (note + hum))
