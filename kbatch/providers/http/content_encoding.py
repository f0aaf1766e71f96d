"""The body of a clip's answer as it should have come: without a compression that was not asked for.

`Accept-Encoding: identity` goes along, and some hosts compress all the same; others say that they did and did not.
The first bytes decide, not the header.
"""

import zlib

from kbatch.providers.http.transport import StreamedResponse, TransportError

_ZLIB = ("gzip", "x-gzip", "deflate")
_GZIP = b"\x1f\x8b"
_VIDEOS = (b"\x1aE\xdf\xa3", b"OggS", b"RIFF", b"FLV\x01", b"\0\0\x01\xba")
_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip")
_PIECE = 256 * 1024


class Body:
    """An answer's body in pieces, decoded where that is known; `begins` are its first bytes as they came."""

    def __init__(self, answer: StreamedResponse, first: bytes) -> None:
        self.begins = first
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        encoded = encoding in _ZLIB and not is_video(first) and (encoding == "deflate" or first.startswith(_GZIP))
        self.encoded = encoded
        self._answer = answer
        self._first = first
        self._decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if encoded else None

    async def read(self) -> bytes:
        """Return the next piece, empty at the end; Cut when it ends early or cannot be decoded."""
        if self._decoder is None:
            piece, self._first = self._first, b""
            if not piece:
                piece = await self._answer.read()
            return piece
        return await self._decoded(self._decoder)

    async def _decoded(self, decoder: "zlib._Decompress") -> bytes:
        while not decoder.eof:
            data = decoder.unconsumed_tail or self._first
            self._first = b""
            if not data:
                data = await self._answer.read()
                if not data:
                    raise TransportError("the compressed body ends early", maybe_sent=True)
            try:
                piece = decoder.decompress(data, _PIECE)
            except zlib.error as error:
                raise TransportError(f"the compressed body cannot be read: {error}", maybe_sent=True) from error
            if piece:
                return piece
        return b""


def is_video(begins: bytes) -> bool:
    """Whether bytes begin as a clip does, whatever the answer's headers say of them."""
    return begins[4:8] in _BOXES or begins.startswith(_VIDEOS)
