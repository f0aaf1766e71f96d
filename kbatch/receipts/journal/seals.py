"""Seals prove that a line of state was written by this user, for this lockfile, and was not changed.

A seal is the HMAC-SHA256, in hex, of the purpose, the lockfile's stem and the covered bytes. So a line cannot be moved
to another campaign's state, and files of a checkout have no valid seal. A line without a valid seal is still read, like
a lockfile, but it never justifies spending, skipping a check or choosing an image.
"""

import hmac
import re

from msgspec import Struct

_BEHIND = b',"sequence":'  # the last field of a line; within data its quotes would be escaped
_SEAL = re.compile(rb',"seal":"([0-9a-f]{64})"(?=,"sequence":\d+\}\n?\Z)')


class Seals(Struct, frozen=True, kw_only=True):
    """Creates and verifies the seals of one lockfile's state with a user's key."""

    key: bytes
    stem: str

    def __repr__(self) -> str:
        return f"Seals(stem={self.stem!r})"

    def of(self, purpose: str, data: bytes) -> str:
        """Return the seal of bytes for a purpose, such as `index`."""
        return hmac.digest(self.key, f"kbatch-{purpose}-1\0{self.stem}\0".encode() + data, "sha256").hex()

    def verifies(self, purpose: str, data: bytes, seal: str) -> bool:
        """Whether this user sealed these bytes for this purpose and this lockfile."""
        return hmac.compare_digest(self.of(purpose, data).encode(), seal.encode())

    def seal_line(self, line: bytes) -> str:
        """Return the seal of a journal's line, its newline included."""
        return self.of("event", line)

    def verifies_line(self, line: bytes) -> bool:
        """Whether a journal's line, its newline aside or not, bears this user's seal."""
        found = _SEAL.search(line)
        if found is None:
            return False
        unsealed = line[: found.start()] + line[found.end() :].rstrip(b"\n") + b"\n"
        return self.verifies("event", unsealed, found[1].decode())


def with_seal(line: bytes, seal: str) -> bytes:
    """Return a journal's line with the field `seal`, in its place among the sorted names."""
    at = line.rindex(_BEHIND)
    return b'%b,"seal":"%b"%b' % (line[:at], seal.encode(), line[at:])
