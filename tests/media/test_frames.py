"""Frames out of clips: the first and the last one exactly, with true colours, whatever the clip is like."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageStat

import kbatch
from kbatch.media.frames import NoFrames, extract_frame, take_frame
from kbatch.media.posters import make_poster

SIZES = [(320, 240), (1280, 720)]


def clip_of(
    pictures: Sequence[Image.Image], *, matrix: str | None = None, told: int | None = None, **x264: str
) -> bytes:
    """Return a clip of these pictures, in the colours of a matrix, which the file tells when `told` is its number."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=12, options={"crf": "1", **x264})
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = told or 2
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_image(picture).reformat(format="yuv420p", dst_colorspace=matrix)
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def shades(count: int) -> list[Image.Image]:
    """Return pictures each a little lighter than the one before."""
    return [Image.new("RGB", (64, 64), (number * 10,) * 3) for number in range(count)]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, 0 to 255."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


@pytest.mark.parametrize("frames", [1, 2, 25])
@pytest.mark.parametrize("x264", [{"bf": "3", "g": "250"}, {"bf": "0", "g": "1"}], ids=["b-frames", "all-intra"])
def test_the_first_and_the_last_frame_are_those_that_are_shown_so(frames: int, x264: dict[str, str]) -> None:
    """Not the last key frame, not the last packet: the last picture in the order of the screen."""
    pictures = shades(frames)
    clip = clip_of(pictures, **x264)
    assert difference(take_frame(clip, "first"), pictures[0]) < 3
    assert difference(take_frame(clip, "last"), pictures[-1]) < 3


def test_a_frame_is_an_srgb_png_and_the_same_every_time() -> None:
    """The bytes are repeatable, from bytes and from a file alike, and say that their colours are sRGB."""
    clip = clip_of(shades(5))
    png = extract_frame(clip, "last")
    assert png == extract_frame(io.BytesIO(clip), "last")
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (64, 64))
        assert picture.info["srgb"] == 0


@pytest.mark.parametrize("size", SIZES, ids=["small", "hd"])
@pytest.mark.parametrize(
    ("matrix", "told"), [(None, None), ("ITU709", 1), ("ITU601", 5)], ids=["untold", "bt709", "bt601"]
)
def test_colours_are_those_that_a_player_shows(size: tuple[int, int], matrix: str | None, told: int | None) -> None:
    """A matrix that the file tells is used; an untold one is taken as players do: BT.709 for HD, else BT.601."""
    guessed = matrix or ("ITU709" if size[1] > 576 else "ITU601")
    clip = clip_of([Image.new("RGB", size, (200, 30, 40))], matrix=guessed, told=told)
    assert difference(take_frame(clip, "last"), Image.new("RGB", size, (200, 30, 40))) < 5


def test_what_is_damaged_at_its_end_gives_its_last_decodable_frame() -> None:
    """Frames that cannot be decoded are passed over."""
    pictures = shades(20)
    clip = clip_of(pictures, bf="0", g="1")
    with av.open(io.BytesIO(clip), "r") as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size and packet.pos]
    position, size = packets[-1]
    broken = clip[:position] + b"\xff" * size + clip[position + size :]
    assert difference(take_frame(broken, "last"), pictures[-2]) < 3


@pytest.mark.parametrize("data", [b"", b"no clip at all", clip_of(shades(3))[:400]], ids=["empty", "text", "cut"])
def test_what_is_no_clip_has_no_frames(data: bytes) -> None:
    """The error says that the clip cannot be decoded."""
    with pytest.raises(NoFrames, match="decoded"):
        extract_frame(data, "last")


def test_a_file_without_a_picture_has_no_frames() -> None:
    """A sound alone is no clip."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        sound = file.add_stream("aac", rate=16_000, layout="mono")
        block = av.AudioFrame(format="s16", layout="mono", samples=1024)
        block.sample_rate, block.pts = 16_000, 0
        file.mux(sound.encode(block))
        file.mux(sound.encode(None))
    with pytest.raises(NoFrames):
        extract_frame(out.getvalue(), "first")


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXTINF:1,\nfile://{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {}\n",
        "#EXTM3U\n#EXTINF:1,\n{}\n",
    ],
    ids=["hls", "concat", "hls-by-path"],
)
def test_a_playlist_leads_to_no_other_file(tmp_path: Path, playlist: str) -> None:
    """What stands in the place of a clip is read as MP4 or not at all."""
    (tmp_path / "secret.mp4").write_bytes(clip_of(shades(2)))
    forged = playlist.format(tmp_path / "secret.mp4").encode()
    with pytest.raises(NoFrames):
        take_frame(forged, "first")
    assert make_poster(forged) is None


def test_every_clip_is_opened_in_one_place() -> None:
    """Only `media/containers` opens a clip for reading, so none is opened by guess."""
    package = Path(kbatch.__file__).parent
    openers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\bav\.open\((?![^)]*[\"']w[\"'])", path.read_text(encoding="utf-8"))
    }
    assert openers == {"media/containers.py"}
