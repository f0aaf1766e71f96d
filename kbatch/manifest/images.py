"""Images that a manifest names: a URL, a `data:` URI or a file of its tree, checked before anything is spent.

An image that the provider might refuse or rotate after payment is refused here: one that does not decode, is too large,
or carries a rotation that the provider may or may not apply. Only the given tree is read, and nothing is cached.
"""

import base64
import binascii
import hashlib
import io
import re
import struct
import warnings
import zlib
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from msgspec import Struct

from kbatch.errors import Complaint, Unreadable
from kbatch.manifest.yaml.source import LFS_HINT, is_lfs_pointer

LARGEST_BYTES = 25_000_000
LARGEST_PIXELS = 50_000_000
_USUAL_SCANS = 12
"""A progressive JPEG has 3 to 10 scans; each over 50 million pixels takes half a second."""
_ORIENTATION = 0x0112
_URL = re.compile(r"https?:|[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise for damaged files; its own errors are OSError."""


class ImageTree(Protocol):
    """The files that a manifest may read."""

    def read(self, reference: str, *, limit: int) -> bytes:
        """Return a file's bytes; Unreadable when it may not or cannot be read."""


class RemoteImage(Struct, frozen=True, kw_only=True):
    """An image at a URL; the provider fetches it, kbatch does not."""

    url: str


class InlineImage(Struct, frozen=True, kw_only=True):
    """An image in a `data:` URI: the SHA-256 of its bytes in hex, and the bytes as Base64 text."""

    digest: str
    media_type: str
    data: str


class LocalImage(Struct, frozen=True, kw_only=True):
    """A file of the manifest's tree: path as written, SHA-256 in hex, size in bytes, width and height in pixels."""

    path: str
    digest: str
    size: int
    media_type: str
    width: int
    height: int


ImageSource = RemoteImage | InlineImage | LocalImage


class _Measure(Struct, frozen=True, kw_only=True):
    media_type: str
    width: int
    height: int


def read_image(text: str, tree: ImageTree) -> ImageSource | Complaint:
    """Read one image reference; a complaint has an empty `field`, since only the caller knows the parameter.

    Codes: picture-empty, picture-url, picture-insecure-url, picture-url-secret, picture-data, picture-too-large,
    picture-type, picture-damaged, picture-pixels, picture-orientation, and those of an unreadable file.
    """
    if not text.strip():
        return _complaint("picture-empty", "the picture is an empty text", "a URL, a data: URI or a path")
    if text[:5].lower() == "data:":
        return _read_inline(text)
    if _URL.match(text):
        return _read_url(text)
    try:
        data = tree.read(text, limit=LARGEST_BYTES)
    except Unreadable as error:
        if error.code == "file-too-large":
            return _too_large(f"`{text}`")
        return _complaint(error.code, error.message, error.hint)
    measure = _measure(data, f"`{text}`")
    if isinstance(measure, Complaint):
        return measure
    return LocalImage(
        path=text,
        digest=hashlib.sha256(data).hexdigest(),
        size=len(data),
        media_type=measure.media_type,
        width=measure.width,
        height=measure.height,
    )


def _read_url(text: str) -> RemoteImage | Complaint:
    said = f"`{text if len(text) <= 80 else text[:79] + '…'}`"
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return _complaint("picture-url", f"{said} is not a URL")
    if parts.scheme not in ("http", "https"):
        message = f"pictures cannot be fetched by `{parts.scheme}:`"
        return _complaint("picture-url", message, "use an https URL or a file")
    if not host or not text.isprintable() or " " in text:
        return _complaint("picture-url", f"{said} is not a URL")
    if "@" in parts.netloc:
        hint = "the provider fetches the picture and the lockfile keeps the URL: use one without user and password"
        return _complaint("picture-url-secret", f"the picture's URL on `{host}` holds a user or a password", hint)
    if parts.scheme == "http" and not _is_loopback(host):
        return _complaint("picture-insecure-url", f"{said} is plain http", "use https; plain http is for loopback only")
    return RemoteImage(url=text)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _read_inline(text: str) -> InlineImage | Complaint:
    head, comma, body = text[5:].partition(",")
    declared, *settings = (word.strip().lower() for word in head.split(";"))
    if not comma:
        return _complaint("picture-data", "the data: URI has no comma before its data", "data:image/png;base64,…")
    if not declared.startswith("image/"):
        return _complaint("picture-data", f"the data: URI holds `{declared or 'text/plain'}`, not a picture")
    if len(body) > 3 * LARGEST_BYTES:
        return _too_large("the data: URI")
    try:
        if "base64" in settings:
            data = base64.b64decode(re.sub(r"\s", "", body), validate=True)
        else:
            data = unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        return _complaint("picture-data", "the data: URI does not hold valid Base64")
    if len(data) > LARGEST_BYTES:
        return _too_large("the data: URI")
    measure = _measure(data, "the data: URI")
    if isinstance(measure, Complaint):
        return measure
    if declared.replace("image/jpg", "image/jpeg") != measure.media_type:
        message = f"the data: URI says `{declared}` and holds `{measure.media_type}`"
        return _complaint("picture-type", message, f"write data:{measure.media_type};base64,…")
    digest = hashlib.sha256(data).hexdigest()
    return InlineImage(digest=digest, media_type=measure.media_type, data=base64.b64encode(data).decode())


def _measure(data: bytes, what: str) -> _Measure | Complaint:
    """Decode a whole image and return its type and size, or the complaint about it."""
    media_type = _media_type(data)
    if is_lfs_pointer(data):
        return _complaint("git-lfs-pointer", f"{what} is a pointer of Git LFS, not the picture itself", LFS_HINT)
    if media_type is None:
        return _complaint("picture-type", f"{what} is not a picture that can be sent", "PNG, JPEG, WebP or GIF")
    from PIL import Image  # noqa: PLC0415 - a manifest without pictures does not wait for it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the number of pixels is checked here
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            width, height = image.size
            if width * height > LARGEST_PIXELS:
                return _too_many_pixels(what, f"{width} × {height} pixels")
            if _scans(data, media_type) * width * height > LARGEST_PIXELS * _USUAL_SCANS:
                return _too_many_scans(what, _scans(data, media_type))
            image.load()
            orientation = image.getexif().get(_ORIENTATION)
    except Image.DecompressionBombError:
        return _too_many_pixels(what, "far more pixels than a picture")
    except _BROKEN:
        return _complaint("picture-damaged", f"{what} cannot be decoded: it is damaged or cut short")
    if orientation in range(2, 9):
        hint = "open it and save it upright, without the rotation mark: whether a provider turns it is not documented"
        message = f"{what} is stored turned or mirrored (EXIF orientation {orientation})"
        return _complaint("picture-orientation", message, hint)
    return _Measure(media_type=media_type, width=width, height=height)


def _media_type(data: bytes) -> str | None:
    """Return the media type by the first bytes; a file's name and the decoder (MPO for some JPEGs) can mislead."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in _MAGIC.items() if data.startswith(magic)), None)


def _too_large(what: str) -> Complaint:
    return _complaint("picture-too-large", f"{what} is larger than {LARGEST_BYTES // 1_000_000} MB", "save it smaller")


def _scans(data: bytes, media_type: str) -> int:
    """Return the number of scans of a JPEG, each of which decodes all pixels; coded data holds no marker bytes."""
    return max(0, data.count(b"\xff\xda") - _USUAL_SCANS) if media_type == "image/jpeg" else 0


def _too_many_scans(what: str, scans: int) -> Complaint:
    message = f"{what} is written in {scans + _USUAL_SCANS:,} passes, which takes far too long to decode"
    return _complaint("picture-scans", message, "save it anew")


def _too_many_pixels(what: str, how_many: str) -> Complaint:
    most = f"at most {LARGEST_PIXELS // 1_000_000} million are decoded"
    return _complaint("picture-pixels", f"{what} has {how_many}; {most}", "save it smaller")


def _complaint(code: str, message: str, hint: str | None = None) -> Complaint:
    return Complaint(code=code, field=(), message=message, hint=hint)
