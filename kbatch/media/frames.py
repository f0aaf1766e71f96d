"""Takes single frames out of a clip with PyAV, which the extra `media` brings; imported only when a frame is needed."""

import io

from kbatch.problems import ExitCode, KbatchError


class NoFrames(KbatchError):
    """PyAV is not installed, or the clip has no picture that can be decoded."""

    exit_code = ExitCode.NOT_AS_ASKED


def extract_frame(clip: bytes, which: str) -> bytes:
    """Return the `first` or `last` decodable frame of a clip as an sRGB PNG; NoFrames when there is none."""
    try:
        import av  # noqa: PLC0415 - 60 MB that only chained pictures need
    except ImportError as error:
        hint = "install kbatch with the extra `media`"
        raise NoFrames("frames of clips need PyAV, which is not installed", hint=hint) from error
    try:
        with av.open(io.BytesIO(clip)) as container:
            found = None
            for frame in container.decode(video=0):
                found = frame
                if which == "first":
                    break
            if found is None:
                raise NoFrames("the clip has no frame that can be decoded")
            out = io.BytesIO()
            found.to_image().save(out, format="PNG")
            return out.getvalue()
    except (av.FFmpegError, IndexError) as error:
        raise NoFrames(f"the clip cannot be decoded: {error}") from error
