"""Images that a manifest names: accepted ones, and refused ones with their codes."""

import base64
import hashlib
import io
import struct
import zlib
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kbatch.errors import Complaint, Unreadable
from kbatch.manifest.images import LARGEST_BYTES, InlineImage, LocalImage, RemoteImage, read_image


class Files:
    """A tree of files in memory, with the limit kept as a real one keeps it."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def read(self, reference: str, *, limit: int) -> bytes:
        """Return a file's bytes."""
        if reference not in self.files:
            raise Unreadable("file-not-found", f"there is no file `{reference}`", hint="look again")
        if len(self.files[reference]) > limit:
            raise Unreadable("file-too-large", f"`{reference}` cannot be read")
        return self.files[reference]


def picture(form: str = "PNG", size: tuple[int, int] = (4, 3), **more: object) -> bytes:
    """Return the bytes of a small picture."""
    file = io.BytesIO()
    Image.new("RGB", size, (200, 120, 40)).save(file, form, **more)  # type: ignore[arg-type]
    return file.getvalue()


def turned(form: str, orientation: int) -> bytes:
    """Return a picture that carries an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(form, exif=exif.tobytes())


def png_that_claims(width: int, height: int) -> bytes:
    """Return a PNG whose header declares a size that its few bytes do not hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def inline(data: bytes, media_type: str = "image/png") -> str:
    """Return a data: URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def read_file(data: bytes, name: str = "a.png") -> object:
    """Read one file as a picture."""
    return read_image(name, Files({name: data}))


@pytest.mark.parametrize(
    ("form", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif")]
)
def test_a_file_is_measured_whatever_its_name(form: str, media_type: str) -> None:
    """Type, size in bytes and pixels, and digest come from the bytes; a wrong suffix does not matter."""
    data = picture(form, (40, 30))
    digest = hashlib.sha256(data).hexdigest()
    expected = LocalImage(path="a.x", digest=digest, size=len(data), media_type=media_type, width=40, height=30)
    assert read_file(data, "a.x") == expected


def test_a_data_uri_is_known_by_its_bytes() -> None:
    """Spaces and line breaks in the Base64 text, as YAML folds it, and the case of the type do not count."""
    data = picture()
    digest = hashlib.sha256(data).hexdigest()
    plain = InlineImage(digest=digest, media_type="image/png", data=base64.b64encode(data).decode())
    assert read_image(inline(data), Files({})) == plain
    folded = inline(data).replace("image/png", "IMAGE/PNG")
    folded = folded[:60] + "\n  " + folded[60:]
    assert read_image(folded, Files({})) == plain
    percent = "data:image/png," + "".join(f"%{byte:02x}" for byte in data)
    assert read_image(percent, Files({})) == plain
    assert read_image(inline(picture("JPEG"), "image/jpg"), Files({})).media_type == "image/jpeg"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.png",
        "HTTPS://example.org/a.png?x=1#y",
        "https://example.org:8443/ü.png",
        "http://127.0.0.1:8000/a.png",
        "http://localhost/a.png",
        "http://[::1]:80/a.png",
    ],
)
def test_a_url_passes_as_it_is(url: str) -> None:
    """https anywhere, plain http on loopback only; nothing of it is changed."""
    assert read_image(url, Files({})) == RemoteImage(url=url)


BIG = b"\x89PNG\r\n\x1a\n" + b"\0" * LARGEST_BYTES
REFUSED: dict[str, tuple[str, bytes | None, str]] = {
    "empty": ("  ", None, "picture-empty"),
    "plain-http": ("http://example.org/a.png", None, "picture-insecure-url"),
    "plain-http-that-looks-local": ("http://127.0.0.1.example.org/a.png", None, "picture-insecure-url"),
    "private-address": ("http://192.168.1.7/a.png", None, "picture-insecure-url"),
    "another-scheme": ("ftp://example.org/a.png", None, "picture-url"),
    "file-url": ("file:///etc/passwd", None, "picture-url"),
    "no-host": ("https:///a.png", None, "picture-url"),
    "no-slashes": ("https:example.org/a.png", None, "picture-url"),
    "bad-port": ("https://example.org:port/a.png", None, "picture-url"),
    "bad-brackets": ("https://[::1/a.png", None, "picture-url"),
    "space-in-url": ("https://example.org/a b.png", None, "picture-url"),
    "line-break-in-url": ("https://example.org/a\n.png", None, "picture-url"),
    "password-in-url": ("https://me:secret@example.org/a.png", None, "picture-url-secret"),
    "not-there": ("b.png", None, "file-not-found"),
    "no-picture": ("a.png", b"hello", "picture-type"),
    "nothing": ("a.png", b"", "picture-type"),
    "svg": ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture-type"),
    "tiff": ("a.png", picture("TIFF"), "picture-type"),
    "only-a-head": ("a.png", b"\x89PNG\r\n\x1a\n", "picture-damaged"),
    "cut-png": ("a.png", picture(size=(64, 64))[:-30], "picture-damaged"),
    "cut-jpeg": ("a.png", picture("JPEG", (64, 64))[:-40], "picture-damaged"),
    "cut-webp": ("a.png", picture("WEBP", (64, 64))[:-20], "picture-damaged"),
    "too-large": ("a.png", BIG, "picture-too-large"),
    "bomb": ("a.png", png_that_claims(60_000, 60_000), "picture-pixels"),
    "many-pixels": ("a.png", png_that_claims(10_000, 5_001), "picture-pixels"),
    "claims-more-than-it-has": ("a.png", png_that_claims(5_000, 5_000), "picture-damaged"),
    "turned-jpeg": ("a.png", turned("JPEG", 6), "picture-orientation"),
    "mirrored-png": ("a.png", turned("PNG", 2), "picture-orientation"),
    "turned-webp": ("a.png", turned("WEBP", 8), "picture-orientation"),
    "data-without-comma": ("data:image/png;base64", None, "picture-data"),
    "data-of-text": ("data:text/plain;base64,AAAA", None, "picture-data"),
    "data-of-nothing-said": ("data:,hello", None, "picture-data"),
    "data-not-base64": ("data:image/png;base64,####", None, "picture-data"),
    "data-without-padding": ("data:image/png;base64,AAA", None, "picture-data"),
    "data-that-is-no-picture": (inline(b"hello"), None, "picture-type"),
    "data-of-another-type": (inline(picture("JPEG")), None, "picture-type"),
    "data-too-large": (inline(BIG), None, "picture-too-large"),
    "data-turned": (inline(turned("JPEG", 3), "image/jpeg"), None, "picture-orientation"),
}


@pytest.mark.parametrize(("text", "data", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_a_complaint(text: str, data: bytes | None, code: str) -> None:
    """Each fault has its code, an error, before anything is spent; no password is repeated."""
    found = read_image(text, Files({} if data is None else {"a.png": data}))
    assert isinstance(found, Complaint)
    assert (found.code, found.field, found.fatal) == (code, (), True)
    assert "secret" not in found.message + (found.hint or "")
    assert len(found.message) < 200


def test_an_upright_picture_may_say_so() -> None:
    """Orientation 1 is upright; a value that EXIF does not know says nothing."""
    for orientation in (0, 1, 9):
        assert isinstance(read_file(turned("JPEG", orientation)), LocalImage)


def test_a_jpeg_that_holds_several_is_still_a_jpeg() -> None:
    """What phones write (MPO) begins with an ordinary JPEG and is sent as one."""
    data = picture("MPO", (8, 8), save_all=True, append_images=[Image.new("RGB", (8, 8))])
    found = read_file(data)
    assert isinstance(found, LocalImage)
    assert (found.media_type, found.width) == ("image/jpeg", 8)


def test_the_trees_own_words_reach_the_user() -> None:
    """A file that may not be read keeps the code, message and hint of the refusal."""
    found = read_image("b.png", Files({}))
    assert found == Complaint(code="file-not-found", field=(), message="there is no file `b.png`", hint="look again")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([picture(form, (24, 16)) for form in ("PNG", "JPEG", "WEBP", "GIF")]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
def test_damage_never_raises(data: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    """Whatever bytes are flipped or missing, the answer is a picture or a complaint."""
    spoilt = bytearray(data)
    for place, value in changes:
        spoilt[place % len(spoilt)] = value
    assert isinstance(read_file(bytes(spoilt[: len(spoilt) - cut % 40])), LocalImage | Complaint)


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60)
    | st.text(max_size=40).map("https://".__add__)
    | st.text(max_size=40).map("data:image/".__add__)
)
def test_no_text_raises(text: str) -> None:
    """Any text at all is a picture or a complaint."""
    assert isinstance(read_image(text, Files({})), RemoteImage | Complaint)
