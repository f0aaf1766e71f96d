"""Start and end images as frames: decoded where the simulator has their bytes, else a card with the host's name."""

import io

from PIL import Image, ImageDraw, ImageOps

from kbatch.simulator.clips.fonts import Typeface
from kbatch.simulator.clips.orders import ClipOrder, Ratio, StillImage

_UNDECODABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
_WIDE: Ratio = (16, 9)
_INK = (196, 204, 220)


def ratio_of(clip: ClipOrder) -> Ratio:
    """Return the clip's aspect ratio: as ordered, else that of the start image, else 16:9."""
    if clip.ratio is not None:
        return clip.ratio
    if clip.start is None or not clip.start.data:
        return _WIDE
    try:
        with Image.open(io.BytesIO(clip.start.data)) as image:
            return image.size
    except _UNDECODABLE:
        return _WIDE


def still(image: StillImage, size: tuple[int, int], what: str, face: Typeface) -> Image.Image:
    """Return a picture that fills `size`, cropped about its middle; `what` (start, end) is written on a placeholder."""
    if image.data:
        try:
            with Image.open(io.BytesIO(image.data)) as source:
                return ImageOps.fit(ImageOps.exif_transpose(source).convert("RGB"), size, Image.Resampling.LANCZOS)
        except _UNDECODABLE:
            return _card(size, what, "cannot be decoded", face)
    return _card(size, what, image.host, face)


def _card(size: tuple[int, int], what: str, host: str, face: Typeface) -> Image.Image:
    width, height = size
    card = Image.new("RGB", size, (38, 46, 66))
    pen = ImageDraw.Draw(card)
    for start in range(-height, width, 26):
        pen.line([(start, height), (start + height, 0)], fill=(44, 53, 76), width=9)
    points = max(8, min(15, width // 26))
    lines = [f"{what} picture", host]
    top = height * 0.1
    for line, bold in zip(lines, (False, True), strict=True):
        while points > 6 and face.width(line, points) > width * 0.9:
            points -= 1
        face.draw(pen, ((width - face.width(line, points)) / 2, top), line, points, _INK if bold else (140, 150, 172))
        top += points * 1.5
    return card
