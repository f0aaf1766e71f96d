"""Finds the fonts of this system and draws text with the first ones that have its characters.

Pillow's own font lacks most of the world's letters, so the usual folders of Linux, macOS and Windows are searched. A
text that one font covers is drawn in one go, which keeps right-to-left order and joined letters (with Pillow's raqm);
otherwise it is drawn run by run, each in the first font that has its characters.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from unicodedata import bidirectional

from PIL import Image, ImageDraw, ImageFont

from kbatch.storage import names_in

_SANS = ("DejaVuSans", "NotoSans-Regular", "SegoeUI", "segoeui", "Arial Unicode", "Arial", "arial", "Helvetica")
_BOLD = ("DejaVuSans-Bold", "NotoSans-Bold", "segoeuib", "Arial Bold", "arialbd", *_SANS)
_MONO = ("DejaVuSansMono", "NotoSansMono-Regular", "Menlo", "SFNSMono", "consola", "LiberationMono-Regular", *_SANS)
_SCRIPTS = (
    "NotoSansCJK", "NotoSansJP", "NotoSansSC", "SourceHanSans", "wqy", "DroidSansFallback", "ipag", "VL-", "PingFang",
    "Hiragino", "msyh", "YuGoth", "meiryo", "malgun", "AppleSDGothic", "NotoSansArabic", "NotoNaskh", "GeezaPro",
    "NotoSansHebrew", "NotoSansDevanagari", "NotoSansThai", "Nirmala", "leelawui", "NotoSansSymbols", "seguisym",
    "Symbola", "unifont",
)  # fmt: skip
_SEARCHED_AT_MOST = 400
_NO_CHARACTER = "\U0010fffe"
_PROBE_POINTS = 24

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True, kw_only=True)
class Typeface:
    """A list of font files in order of preference; empty stands for Pillow's own font."""

    files: tuple[str, ...]

    def width(self, text: str, points: float) -> float:
        """Return how wide a line is, in pixels."""
        return sum(_font(file, points).getlength(run) for run, file in self.runs(text))

    def draw(self, pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, points: float, colour: Colour) -> None:
        """Draw a line from its left end; `at` is the top of the letters' line."""
        left, top = at
        ascent = _font(self.files[0] if self.files else "", points).getmetrics()[0]
        for run, file in self.runs(text):
            font = _font(file, points)
            pen.text((left, top + ascent), run, font=font, fill=colour, anchor="ls")
            left += font.getlength(run)

    def runs(self, text: str) -> list[tuple[str, str]]:
        """Return the pieces of a line, each with the file of the font that draws it."""
        whole = next((file for file in self.files if all(_has(file, sign) for sign in text)), None)
        if whole is not None or not self.files:
            return [(text, whole or "")]
        pieces: list[tuple[str, str]] = []
        for sign in text:
            file = self._for(sign)
            if pieces and pieces[-1][1] == file:
                pieces[-1] = (pieces[-1][0] + sign, file)
            else:
                pieces.append((sign, file))
        return pieces

    def lacks(self, text: str) -> bool:
        """Tell whether some character has no font here and will show as an empty box."""
        return any(not _has(self._for(sign), sign) for sign in set(text))

    def _for(self, sign: str) -> str:
        return next((file for file in self.files if _has(file, sign)), self.files[0] if self.files else "")


@cache
def typefaces() -> tuple[Typeface, Typeface, Typeface]:
    """Return the faces for prompts, for tags (bold) and for the status line (of one width), as this system has them."""
    found = list(_found())
    rest = _named(_SCRIPTS, found) + [str(path) for path in found[:_SEARCHED_AT_MOST] if not _slanted(path.stem)]
    sans, bold, mono = (tuple(dict.fromkeys(_named(names, found) + rest)) for names in (_SANS, _BOLD, _MONO))
    return Typeface(files=sans), Typeface(files=bold), Typeface(files=mono)


def right_to_left(text: str) -> bool:
    """Return whether the first strong letter of a text is right-to-left, such as Hebrew or Arabic."""
    strong = (bidirectional(sign) for sign in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def _found() -> Iterator[Path]:
    home, windows = Path.home(), os.environ.get("WINDIR", "C:/Windows")
    folders = (
        Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts",
        Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts",
        Path(windows) / "Fonts", home / "AppData/Local/Microsoft/Windows/Fonts",
    )  # fmt: skip
    for folder in folders:
        for ending in ("ttf", "ttc", "otf"):
            yield from names_in(folder, f"**/*.{ending}")


def _named(names: Sequence[str], found: list[Path]) -> list[str]:
    exact = [str(path) for name in names for path in found if path.stem == name]
    begun = [str(path) for name in names for path in found if path.stem.startswith(name) and not _slanted(path.stem)]
    return exact + begun


def _slanted(stem: str) -> bool:
    return any(word in stem for word in ("Italic", "Oblique", "Emoji", "Thin", "ExtraLight"))


@lru_cache(maxsize=512)
def _font(file: str, points: float) -> Font:
    if not file:
        own = ImageFont.load_default(points)
        assert isinstance(own, ImageFont.FreeTypeFont)
        return own
    return ImageFont.truetype(file, points)


@lru_cache(maxsize=65_536)
def _has(file: str, sign: str) -> bool:
    if sign.isspace() or not sign.isprintable():
        return True
    try:
        return _shape(file, sign) != _shape(file, _NO_CHARACTER)
    except OSError:
        return False


@lru_cache(maxsize=4096)
def _shape(file: str, sign: str) -> tuple[tuple[int, int], bytes]:
    font = ImageFont.truetype(file, _PROBE_POINTS, layout_engine=ImageFont.Layout.BASIC) if file else _font("", 24)
    box = font.getbbox(sign)
    glyph = Image.new("L", (64, 64))
    ImageDraw.Draw(glyph).text((8, 8), sign, font=font, fill=255)
    return (int(box[2]), int(box[3])), glyph.tobytes()
