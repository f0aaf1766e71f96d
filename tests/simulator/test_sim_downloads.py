"""Ranges at the clip host, as RFC 9110 has them."""

import pytest

from kbatch.simulator.clips.downloads import deliver
from kbatch.simulator.exchange import Reply, SimulatedRequest

DATA = bytes(range(200))
FILE = Reply(status=200, headers={"content-type": "video/mp4"})


def get(**headers: str) -> Reply:
    """Return the answer to a GET of the 200 bytes with these headers."""
    return deliver(FILE, DATA, SimulatedRequest(method="GET", path="/clips/x.mp4", headers=headers))


def test_a_whole_file_offers_ranges_and_a_tag() -> None:
    """200 with every byte; the tag is of the content."""
    reply = get()
    assert (reply.status, reply.body, reply.headers["accept-ranges"]) == (200, DATA, "bytes")
    other = deliver(FILE, DATA[:-1], SimulatedRequest(method="GET", path="/clips/x.mp4"))
    assert reply.headers["etag"] == get().headers["etag"] != other.headers["etag"]


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, 199),
        ("bytes=150-", 150, 199),
        ("bytes=10-19", 10, 19),
        ("bytes=190-999", 190, 199),
        ("bytes=-5", 195, 199),
        ("bytes=-999", 0, 199),
        (" bytes=10-19 ", 10, 19),
    ],
)
def test_a_range_gives_exactly_its_bytes(header: str, first: int, last: int) -> None:
    """206, the bytes, and where they lie."""
    reply = get(range=header)
    assert (reply.status, reply.body) == (206, DATA[first : last + 1])
    assert reply.headers["content-range"] == f"bytes {first}-{last}/200"


@pytest.mark.parametrize("header", ["bytes=200-", "bytes=999-1000", "bytes=-0"])
def test_a_range_outside_the_file_is_416(header: str) -> None:
    """With the true length and no body."""
    reply = get(range=header)
    assert (reply.status, reply.body, reply.headers["content-range"]) == (416, b"", "bytes */200")


@pytest.mark.parametrize("header", ["", "bytes=", "bytes=-", "bytes=9-5", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b"])
def test_a_range_that_is_none_is_ignored(header: str) -> None:
    """200 and the whole, as a server may."""
    assert (get(range=header).status, get(range=header).body) == (200, DATA)


def test_a_resume_of_another_file_starts_anew() -> None:
    """`If-Range` with another tag gives the whole; with the right one the part."""
    tag = get().headers["etag"]
    assert get(range="bytes=100-", **{"if-range": tag}).status == 206
    assert get(range="bytes=100-", **{"if-range": '"other"'}).status == 200
