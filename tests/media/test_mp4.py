"""Clips built box by box, then cut, damaged and replaced by what servers send instead."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbatch.media.mp4 import NotWhole, ProbedMedia, differences_from_purchase, probe

TICKS = 12_288


def box(kind, *parts, size=None, wide=False):
    """Return a box with its header; `size` lies about it, 0 means "to the end"."""
    content = b"".join(parts)
    if wide:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content) if size is None else size) + content
    return struct.pack(">I4s", 8 + len(content) if size is None else size, kind) + content


def table(kind, *rows):
    """Return a full box with a count and rows of four-byte numbers."""
    numbers = [number for row in rows for number in row]
    return box(kind, struct.pack(f">II{len(numbers)}I", 0, len(rows), *numbers))


def length(kind, timescale, ticks, *, version=0):
    """Return an `mvhd` or `mdhd`."""
    form = ">B3xQQIQ" if version else ">B3xIIII"
    return box(kind, struct.pack(form, version, 0, 0, timescale, ticks), bytes(80 if kind == b"mvhd" else 4))


def track(number, handler, samples, *, size=(64, 48), ticks=None, version=0):
    """Return a `trak` around a sample table."""
    head = struct.pack(">B3xQQI" if version else ">B3xIII", version, 0, 0, number)
    tkhd = box(b"tkhd", head, bytes(60 if not version else 64), struct.pack(">HHHH", size[0], 0, size[1], 0))
    declared = length(b"mdhd", TICKS, 2 * TICKS if ticks is None else ticks, version=version)
    name = box(b"hdlr", bytes(8), handler, bytes(13))
    return box(b"trak", tkhd, box(b"mdia", declared, name, box(b"minf", box(b"stbl", *samples))))


def samples_at(offset, *, sizes=(100, 50, 50), seconds=2, uniform=0, wide=False):
    """Return the tables of three samples in two chunks, the second chunk behind the first."""
    first = (uniform or sizes[0]) + (uniform or sizes[1])
    chunks = [(0, offset), (0, offset + first)] if wide else [(offset,), (offset + first,)]
    return (
        table(b"stts", (3, seconds * TICKS // 3)),
        table(b"stsc", (1, 2, 1), (2, 1, 1)),
        box(b"stsz", struct.pack(f">III{0 if uniform else 3}I", 0, uniform, 3, *(() if uniform else sizes))),
        table(b"co64" if wide else b"stco", *chunks),
    )


FTYP = box(b"ftyp", b"isom", bytes(4), b"isom")
MEDIA = bytes(200)
AT = len(FTYP) + 8


def clip(*, video=None, sound=None, mdat=None, more=(), movie=None):
    """Return ftyp, mdat and moov with a video and a sound track."""
    video = track(1, b"vide", samples_at(AT)) if video is None else video
    sound = track(2, b"soun", ()) if sound is None else sound
    movie = length(b"mvhd", 1000, 2000) if movie is None else movie
    return FTYP + (box(b"mdat", MEDIA) if mdat is None else mdat) + box(b"moov", movie, video, sound, *more)


WHOLE = clip()
TWO_SECONDS = ProbedMedia(duration=2.0, width=64, height=48, fps=1.5, audio=True)


def moof(*, number=1, ticks=None, default=None, count=3):
    """Return one fragment of `count` samples with ticks of their own, a default, or neither."""
    flags = (0x8 if default else 0) | 0x20000
    tfhd = box(b"tfhd", struct.pack(">II", flags, number), struct.pack(">I", default) if default else b"")
    rows = struct.pack(f">{2 * count}I", *([ticks, 9] * count)) if ticks else b""
    trun = box(b"trun", struct.pack(">III", 0x301 if ticks else 0x1, count, 0), rows)
    return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", tfhd, trun)) + box(b"mdat", bytes(27))


def fragmented(*fragments, trex=0):
    """Return a file whose `moov` has no samples and whose fragments have them all."""
    extends = box(b"mvex", box(b"trex", struct.pack(">IIIII", 0, 1, 1, trex, 0), bytes(4)))
    empty = track(1, b"vide", (table(b"stts"),), ticks=0)
    return FTYP + box(b"moov", length(b"mvhd", 1000, 0), empty, extends) + b"".join(fragments)


@pytest.mark.parametrize(
    ("data", "media"),
    [
        pytest.param(WHOLE, TWO_SECONDS, id="plain"),
        pytest.param(
            clip(sound=b""), ProbedMedia(duration=2.0, width=64, height=48, fps=1.5, audio=False), id="silent"
        ),
        pytest.param(clip(mdat=box(b"mdat", MEDIA[:-8], wide=True)), TWO_SECONDS, id="64-bit-size"),
        pytest.param(clip(video=track(1, b"vide", samples_at(AT), version=1)), TWO_SECONDS, id="64-bit-times"),
        pytest.param(clip(video=track(1, b"vide", samples_at(AT, wide=True))), TWO_SECONDS, id="64-bit-offsets"),
        pytest.param(clip(video=track(1, b"vide", samples_at(AT, uniform=60))), TWO_SECONDS, id="uniform-sizes"),
        pytest.param(
            clip(movie=length(b"mvhd", 1000, 9000), video=track(1, b"vide", samples_at(AT), ticks=9 * TICKS)),
            TWO_SECONDS,
            id="samples-count-and-not-what-is-declared",
        ),
        pytest.param(
            clip(video=track(1, b"vide", (), ticks=5 * TICKS)),
            ProbedMedia(duration=5.0, width=64, height=48, fps=None, audio=True),
            id="no-samples-but-a-declared-length",
        ),
        pytest.param(
            clip(video=track(1, b"vide", (), ticks=0)),
            ProbedMedia(duration=2.0, width=64, height=48, fps=None, audio=True),
            id="only-the-movie-declares-a-length",
        ),
        pytest.param(
            clip(video=track(1, b"vide", (), ticks=2**32 - 1)),
            ProbedMedia(duration=2.0, width=64, height=48, fps=None, audio=True),
            id="a-length-of-all-ones-is-unknown",
        ),
        pytest.param(
            clip(
                video=track(
                    1,
                    b"vide",
                    (*samples_at(AT), box(b"stsd", bytes(40), struct.pack(">HH", 80, 60), bytes(50))),
                    size=(0, 0),
                )
            ),
            ProbedMedia(duration=2.0, width=80, height=60, fps=1.5, audio=True),
            id="size-only-in-the-description",
        ),
        pytest.param(
            fragmented(moof(ticks=TICKS), moof(default=TICKS // 3), moof(number=7, ticks=TICKS)),
            ProbedMedia(duration=4.0, width=64, height=48, fps=1.5, audio=False),
            id="fragments-with-own-and-default-ticks",
        ),
        pytest.param(
            fragmented(moof(), moof(), trex=TICKS),
            ProbedMedia(duration=6.0, width=64, height=48, fps=1.0, audio=False),
            id="fragments-with-the-movies-default",
        ),
    ],
)
def test_a_whole_clip_is_read(data, media):
    """Each documented way to say length, size and audio is understood, from bytes and from a reader."""
    assert probe(data) == media
    assert probe(io.BytesIO(data)) == media


def description_first(last):
    """Return a file whose `moov` stands before its media, the box `last`."""
    moov = box(b"moov", length(b"mvhd", 1000, 2000), track(1, b"vide", samples_at(0)))
    at = len(FTYP) + len(moov) + 8
    return FTYP + box(b"moov", length(b"mvhd", 1000, 2000), track(1, b"vide", samples_at(at))) + last


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(WHOLE, id="moov-last"),
        pytest.param(description_first(box(b"mdat", MEDIA)), id="mdat-last"),
        pytest.param(description_first(box(b"mdat", MEDIA, size=0)), id="mdat-to-the-end"),
        pytest.param(fragmented(moof(ticks=TICKS), moof(ticks=TICKS)), id="fragments"),
    ],
)
def test_missing_bytes_are_noticed(data):
    """A clip without its last bytes, be it one, is not whole; the clip itself is."""
    assert isinstance(probe(data), ProbedMedia)
    assert [cut for cut in range(1, 60) if isinstance(probe(data[:-cut]), ProbedMedia)] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"\n <!DOCTYPE html><html>", "this is text, not a video: `<!DOCTYPE html><html>`", id="html"),
        pytest.param(b'{"error": "\x1b[2J"}', 'this is text, not a video: `{"error": " [2J"}`', id="json"),
        pytest.param(b"GIF89a" + bytes(90), "this is a GIF, not MP4", id="gif"),
        pytest.param(b"\x1aE\xdf\xa3" + bytes(90), "this is WebM, not MP4", id="webm"),
        pytest.param(b"\x89PNG" + bytes(90), "no box at byte 0", id="png"),
        pytest.param(b"Access denied", "this is text, not a video: `Access denied`", id="plain-text"),
        pytest.param(box(b"JUNK", bytes(30)), "this is no MP4: it begins with a box `JUNK`", id="other-boxes"),
        pytest.param(FTYP, "no `moov` box: the clip's description is missing", id="no-moov"),
        pytest.param(FTYP + box(b"mdat", MEDIA), "no `moov` box: the clip's description is missing", id="no-moov-mdat"),
        pytest.param(clip(video=b""), "no video track", id="only-sound"),
        pytest.param(clip(sound=box(b"trak")), "a track without tkhd, mdhd or hdlr", id="empty-track"),
        pytest.param(clip(mdat=b""), "bytes beyond the media", id="samples-without-media"),
        pytest.param(clip(mdat=box(b"mdat", MEDIA, size=2**31)), "beyond what is there", id="absurd-size"),
        pytest.param(clip(mdat=box(b"mdat", MEDIA, size=2**63, wide=True)), "beyond what is there", id="absurd-64-bit"),
        pytest.param(clip(mdat=box(b"mdat", MEDIA, size=7)), "less than its header", id="size-below-header"),
        pytest.param(clip(more=[box(b"trak", size=5000)]), "beyond what is there", id="nested-beyond-its-parent"),
        pytest.param(
            clip(video=track(1, b"vide", (table(b"stts"), box(b"stts", b"")), ticks=0), movie=b""),
            "the clip has no length",
            id="no-length",
        ),
        pytest.param(
            clip(video=track(1, b"vide", (box(b"stts", struct.pack(">II", 0, 2**32 - 1)),))),
            "more than its box holds",
            id="a-table-that-lies",
        ),
        pytest.param(
            clip(video=track(1, b"vide", (), ticks=90_000 * TICKS)), "longer than a day", id="longer-than-a-day"
        ),
        pytest.param(clip(video=track(1, b"vide", samples_at(AT), size=(0, 0))), "0 by 0 pixels", id="no-picture"),
        pytest.param(
            clip(video=track(1, b"vide", samples_at(AT), size=(60_000, 9))), "60000 by 9 pixels", id="absurd-picture"
        ),
        pytest.param(FTYP + struct.pack(">I4sQ", 1, b"moov", 2**40), "beyond what is there", id="absurd-moov"),
    ],
)
def test_what_is_no_whole_clip_is_named(data, words):
    """Each fault has its own words."""
    found = probe(data)
    assert isinstance(found, NotWhole)
    assert words in found.message


@pytest.mark.parametrize(
    "after",
    [b"\0", bytes(8), bytes(4096), b"\n<!-- cached -->\n", b"\0\0\0\0junk", b"\xff" * 40],
    ids=["a-zero", "zeros", "a-page-of-zeros", "a-comment", "no-box-of-a-clip", "ones"],
)
@pytest.mark.parametrize("clip", [WHOLE, description_first(box(b"mdat", MEDIA))], ids=["moov-last", "mdat-last"])
def test_padding_behind_a_clip_is_no_fault(clip, after):
    """Description and media are whole: what some hosts append is passed over, as players do."""
    assert probe(clip + after) == probe(clip)
    assert isinstance(probe(clip), ProbedMedia)


@pytest.mark.parametrize(
    ("data", "cut", "blank"),
    [
        (WHOLE[:-1], True, False),
        (FTYP, True, False),
        (b"\x1aE\xdf\xa3" + bytes(90), False, False),
        (b"<html>", False, True),
        (b"", False, True),
    ],
    ids=["cut", "only-the-beginning", "webm", "a-page", "nothing"],
)
def test_what_is_no_clip_says_whether_it_is_worth_keeping(data, cut, blank):
    """A cut one may come whole later, another container never will, and a page is nothing that was bought."""
    found = probe(data)
    assert (found.cut, found.blank) == (cut, blank)


def test_no_prefix_of_a_clip_is_whole():
    """A clip that is cut anywhere is noticed."""
    assert [size for size in range(len(WHOLE)) if isinstance(probe(WHOLE[:size]), ProbedMedia)] == []


@settings(deadline=None, max_examples=300)
@given(data=st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: WHOLE[:40] + data))
def test_no_bytes_make_the_probe_raise(data):
    """Any bytes give an answer."""
    assert isinstance(probe(data), ProbedMedia | NotWhole)


@settings(deadline=None, max_examples=500)
@given(
    data=st.sampled_from([WHOLE, fragmented(moof(ticks=TICKS), moof(default=9))]),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
def test_no_damage_makes_the_probe_raise(data, changes):
    """Bytes overwritten anywhere in a clip give an answer."""
    damaged = bytearray(data)
    for anywhere, content in changes:
        place = anywhere % len(damaged)
        damaged[place : place + len(content)] = content
    assert isinstance(probe(bytes(damaged)), ProbedMedia | NotWhole)


@pytest.mark.parametrize(
    ("media", "seconds", "audio", "count"),
    [
        pytest.param(TWO_SECONDS, 2, True, 0, id="as-bought"),
        pytest.param(TWO_SECONDS, 2.5, True, 0, id="half-a-second-off"),
        pytest.param(TWO_SECONDS, 2.51, True, 1, id="more-than-half-a-second-short"),
        pytest.param(TWO_SECONDS, 1.49, False, 1, id="more-than-half-a-second-long"),
        pytest.param(TWO_SECONDS, None, False, 0, id="a-length-was-not-bought"),
        pytest.param(TWO_SECONDS, 2, False, 0, id="audio-that-was-not-bought"),
        pytest.param(
            ProbedMedia(duration=5.0, width=1, height=1, fps=None, audio=False), 10, True, 2, id="short-and-silent"
        ),
    ],
)
def test_what_was_delivered_is_compared_with_what_was_bought(media, seconds, audio, count):
    """A length off by more than half a second and a missing audio track are told, each in a sentence."""
    assert len(differences_from_purchase(media, seconds=seconds, audio=audio)) == count


@pytest.mark.parametrize(
    ("size", "ratio", "right"),
    [
        ((1280, 720), "16:9", True), ((1284, 716), "16:9", True), ((720, 1280), "16:9", False),
        ((1024, 1024), "16:9", False), ((960, 720), "16:9", False), ((720, 1280), "9:16", True),
        ((640, 480), None, True), ((None, None), "16:9", True),
    ],
)  # fmt: skip
def test_a_shape_that_was_not_bought_is_told(size, ratio, right):
    """A tenth more or less is how models round; upright for lying, or square for wide, is another shape."""
    media = ProbedMedia(duration=5.0, width=size[0], height=size[1], fps=24.0, audio=False)
    reasons = differences_from_purchase(media, seconds=5.0, audio=False, ratio=ratio)
    assert bool(reasons) is not right


@pytest.mark.parametrize("flags", ["", "faststart", "frag_keyframe+empty_moov"])
@pytest.mark.parametrize("audio", [True, False], ids=["sound", "silent"])
def test_files_of_a_real_muxer_are_read_and_their_cuts_noticed(tmp_path, flags, audio):
    """What FFmpeg writes, plain, with the description first, and in fragments."""
    av = pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", options={"movflags": flags} if flags else {}) as out:
        picture = out.add_stream("mpeg4", rate=12)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("aac", rate=8000) if audio else None
        for _ in range(18):
            out.mux(picture.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(picture.encode(None))
        if sound is not None:
            for _ in range(11):
                frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
                frame.sample_rate = 8000
                frame.planes[0].update(bytes(frame.planes[0].buffer_size))
                out.mux(sound.encode(frame))
            out.mux(sound.encode(None))
    data = path.read_bytes()
    with path.open("rb") as reader:
        assert probe(reader) == ProbedMedia(duration=1.5, width=64, height=48, fps=12.0, audio=audio)
    assert [cut for cut in range(1, 9) if isinstance(probe(data[:-cut]), ProbedMedia)] == []
