"""What the bytes of an uploaded file are, told by their first bytes, and how a multipart body is taken apart."""

import re
from dataclasses import dataclass
from email.message import Message

_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"\x1a\x45\xdf\xa3", 0, "video/webm"),
    (b"ftypqt  ", 4, "video/quicktime"),
    (b"ftyp", 4, "video/mp4"),
)

EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart body; `filename` is None when the part is no file."""

    name: str
    filename: str | None
    data: bytes


def kind_of(data: bytes) -> str | None:
    """Return the media type of PNG, JPEG, WebP, GIF, MP4, WebM or MOV bytes, None for all else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, at, kind in _MAGIC if data[at : at + len(magic)] == magic), None)


def parts_of(content_type: str, body: bytes) -> tuple[Part, ...]:
    """Return the parts of a `multipart/form-data` body (RFC 7578); ValueError when it is not one."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise ValueError("Expected multipart/form-data with a boundary")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise ValueError("The multipart body does not end with its boundary")
    return tuple(_part(piece) for piece in pieces[1:-1])


def _part(piece: bytes) -> Part:
    head, gap, data = piece.partition(b"\r\n\r\n")
    if not gap:
        raise ValueError("A part of the multipart body has no head")
    for line in head.split(b"\r\n"):
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name.strip().lower() == "content-disposition":
            return Part(name=_word(value, "name") or "", filename=_word(value, "filename"), data=data)
    raise ValueError("A part of the multipart body has no Content-Disposition")


def _word(value: str, name: str) -> str | None:
    found = re.search(rf';\s*{name}="((?:[^"\\]|\\.)*)"', value) or re.search(rf";\s*{name}=([^;\s]+)", value)
    return found.group(1) if found else None
