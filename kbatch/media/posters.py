"""Poster images of clips for reports: the first frame as a small JPEG, made with PyAV where it is installed."""

import io
from typing import Any

from kbatch.media.containers import open_clip

_WIDTH = 384
_QUALITY = 62


def can_make_posters() -> bool:
    """Whether PyAV, which the extras `media` and `sim` bring, is installed."""
    try:
        import av  # noqa: F401, PLC0415 - 60 MB that a report can do without
    except ImportError:
        return False
    return True


def make_poster(clip: bytes, *, width: int = _WIDTH) -> bytes | None:
    """Return the first frame of a clip as a JPEG of at most `width` pixels, None when none can be decoded."""
    import av  # noqa: PLC0415 - see above

    try:
        with open_clip(clip) as container:
            frame: Any = next(iter(container.decode(video=0)))
            picture = frame.to_image()
    except (av.FFmpegError, IndexError, StopIteration):
        return None
    picture.thumbnail((width, width))
    out = io.BytesIO()
    picture.convert("RGB").save(out, format="JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return out.getvalue()
