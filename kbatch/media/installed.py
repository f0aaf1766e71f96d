"""Whether PyAV, from the extra `media`, is installed; checked without importing it."""

from importlib import util

NO_FRAMES = "frames of clips need PyAV, which is not installed"
NO_FRAMES_HINT = "install the extra `media`: pip install 'kbatch-render[media]'"


def can_take_frames() -> bool:
    """Whether PyAV is installed for this interpreter."""
    return util.find_spec("av") is not None
