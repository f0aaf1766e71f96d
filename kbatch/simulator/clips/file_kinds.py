"""Media type of an uploaded file, by its first bytes, and the parser of multipart bodies."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, section 5.1.1

_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"\x1a\x45\xdf\xa3", 0, "video/webm"),
    (b"ftypqt  ", 4, "video/quicktime"),
    (b"ftypM4A", 4, "audio/mp4"),
    (b"ftyp", 4, "video/mp4"),
    (b"ID3", 0, "audio/mpeg"),
    (b"OggS", 0, "audio/ogg"),
)

EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
}
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart body; `filename` is None when the part is no file."""

    name: str
    filename: str | None
    data: bytes


def media_type_of(data: bytes) -> str | None:
    """Return the media type of bytes of a kind in `EXTENSIONS`, None for others."""
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06:
        return "audio/mpeg"  # a frame's sync word, with a layer that is not reserved
    return next((kind for magic, at, kind in _MAGIC if data[at : at + len(magic)] == magic), None)


def parts_of(content_type: str, body: bytes) -> tuple[Part, ...]:
    """Return the parts of a `multipart/form-data` body (RFC 7578); ValueError for what a strict server refuses."""
    from python_multipart.exceptions import FormParserError  # noqa: PLC0415 - only uploads need it
    from python_multipart.multipart import MultipartParser, parse_options_header  # noqa: PLC0415

    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise ValueError("Expected multipart/form-data with a boundary")
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError("The boundary must have 1 to 70 of the characters that RFC 2046 allows")
    reading = _Reading()
    try:
        parser = MultipartParser(boundary, reading.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise ValueError(f"Invalid multipart data: {error}") from error
    if not reading.ended:
        raise ValueError("The multipart body does not end with its boundary")
    return tuple(_part(head, bytes(data), parse_options_header) for head, data in reading.parts)


class _Reading:
    """State of the parser: headers and data of each part, and whether the last boundary was read."""

    def __init__(self) -> None:
        self.parts: list[tuple[dict[bytes, bytes], bytearray]] = []
        self.ended = False
        self._name = self._value = b""

    def callbacks(self) -> Any:
        """Return the parser's callbacks by their names there."""
        names = ("part_begin", "part_data", "header_field", "header_value", "header_end", "end")
        return {f"on_{name}": getattr(self, f"_{name}") for name in names}

    def _part_begin(self) -> None:
        self.parts.append(({}, bytearray()))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1][1].extend(data[start:end])

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self.parts[-1][0][self._name.lower()] = self._value
        self._name = self._value = b""

    def _end(self) -> None:
        self.ended = True


def _part(head: Mapping[bytes, bytes], data: bytes, options_of: Callable[..., Any]) -> Part:
    disposition, options = options_of(head.get(b"content-disposition"))
    if disposition != b"form-data" or b"name" not in options:
        raise ValueError("A part of the multipart body has no Content-Disposition with a name")
    filename = options.get(b"filename")
    return Part(
        name=options[b"name"].decode("utf-8", "replace"),
        filename=None if filename is None else filename.decode("utf-8", "replace"),
        data=data,
    )
