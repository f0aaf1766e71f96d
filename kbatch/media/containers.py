"""Opens a clip's file for decoding: as MP4 and as nothing else, whatever its bytes or its name say.

FFmpeg alone would guess: a file that is a playlist or a script (HLS, concat, DASH) leads it to other files and hosts.
An MP4 may name other files for its samples too; that is off, and no protocol is allowed.
"""

import io
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from av.container import InputContainer

_ALONE = {"protocol_whitelist": "none", "enable_drefs": "0", "use_absolute_path": "0"}


def open_clip(clip: bytes | BinaryIO) -> "InputContainer":
    """Return a clip as a container of PyAV, to be closed; av.FFmpegError when it is no MP4."""
    import av  # noqa: PLC0415 - 60 MB that only frames and films need

    return av.open(io.BytesIO(clip) if isinstance(clip, bytes) else clip, "r", format="mp4", options=_ALONE)
