"""Extracts single frames of a clip with PyAV, from the extra `media`; imported only when a frame is needed."""

import io
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kbatch.errors import ExitCode, KbatchError
from kbatch.media.containers import open_clip
from kbatch.media.installed import NO_FRAMES, NO_FRAMES_HINT

if TYPE_CHECKING:
    import av

_UNTOLD = 2
_LARGEST_SD_HEIGHT = 576
_BT601, _BT709 = "ITU601", "ITU709"


class NoFrames(KbatchError):
    """PyAV is not installed, or the clip has no picture that can be decoded."""

    exit_code = ExitCode.NOT_AS_ASKED


def extract_frame(clip: bytes | BinaryIO, which: str) -> bytes:
    """Return the `first` or `last` decodable frame of a clip as an sRGB PNG; NoFrames when there is none.

    The last frame is the last that is shown. Equal clips give equal bytes: a resumed chain has the same picture.
    """
    marked = PngInfo()
    marked.add(b"sRGB", b"\0")
    out = io.BytesIO()
    take_frame(clip, which).save(out, format="PNG", pnginfo=marked)
    return out.getvalue()


def take_frame(clip: bytes | BinaryIO, which: str) -> Image.Image:
    """Return the `first` or `last` decodable frame of a clip in RGB; NoFrames when there is none."""
    try:
        import av  # noqa: PLC0415 - 60 MB that only chained pictures need
    except ImportError as error:
        raise NoFrames(NO_FRAMES, hint=NO_FRAMES_HINT) from error
    found = None
    try:
        with open_clip(clip) as container:
            for packet in container.demux(video=0):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue  # what follows may still be whole
                found = next(iter(frames if which == "first" else reversed(frames)), found)
                if found is not None and which == "first":
                    break
            if found is not None:
                return as_picture(found)
    except (av.FFmpegError, IndexError) as error:
        raise NoFrames(f"the clip cannot be decoded: {error}") from error
    raise NoFrames("the clip has no frame that can be decoded")


def as_picture(frame: "av.VideoFrame") -> Image.Image:
    """Return a decoded frame in RGB, its colours taken for what `colours_of` says."""
    picture: Image.Image = frame.to_image(src_colorspace=colours_of(frame))  # type: ignore[no-untyped-call]
    return picture


def colours_of(frame: "av.VideoFrame") -> str | None:
    """Return the colour matrix of a frame that states none, by its height, as players do; else None."""
    if frame.colorspace != _UNTOLD or frame.format.is_rgb:
        return None
    return _BT709 if frame.height > _LARGEST_SD_HEIGHT else _BT601
