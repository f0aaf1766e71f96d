"""Clips, rendered and tiny: what a probe and an eye find in them."""

import io
import os
import subprocess
import sys
from itertools import pairwise
from typing import Any

import av
import pytest
from PIL import Image, ImageChops, ImageStat
from simulator_calls import image

from kbatch.simulator.clips.boxes import walk
from kbatch.simulator.clips.encode import make_clip
from kbatch.simulator.clips.orders import Beat, ClipOrder, StillImage, frame_size
from kbatch.simulator.clips.slate import frames, layout_of, typeset
from kbatch.simulator.clips.tiny import make_tiny

MAKERS = [make_clip, make_tiny]


def order(**changes: Any) -> ClipOrder:
    """Return an order of a short clip with sound, with changes."""
    usual: dict[str, Any] = {"provider": "apiframe", "model": "kling-3.0", "variant": "pro-audio", "audio": True}
    return ClipOrder(**{**usual, "prompt": "A dog runs along the beach", "seconds": 3.0, "ratio": (16, 9), **changes})


def probe(data: bytes) -> dict[str, Any]:
    """Return what FFmpeg's libraries read from a file."""
    with av.open(io.BytesIO(data), "r") as file:
        video = file.streams.video[0]
        return {
            "seconds": (file.duration or 0) / 1_000_000,
            "video_seconds": length(video),
            "size": (video.codec_context.width, video.codec_context.height),
            "fps": float(video.average_rate or 0),
            "video": video.codec_context.name,
            "audio": [length(stream) for stream in file.streams.audio],
        }


def length(stream: av.VideoStream | av.AudioStream) -> float:
    """Return how many seconds a track lasts."""
    return float((stream.duration or 0) * (stream.time_base or 0))


def images(data: bytes) -> list[Image.Image]:
    """Return every decoded frame."""
    with av.open(io.BytesIO(data), "r") as file:
        return [frame.to_image() for frame in file.decode(video=0)]  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("seconds", "audio"), [(3.0, True), (7.0, False), (15.0, True), (3.5, True), (0.5, False)])
def test_duration_and_audio_are_as_ordered(make: Any, seconds: float, audio: bool) -> None:
    """To the millisecond for the file and its video; an audio track of the same length exactly where it was bought."""
    found = probe(make(order(seconds=seconds, audio=audio)))
    assert found["seconds"] == pytest.approx(seconds, abs=0.001)
    assert found["video_seconds"] == pytest.approx(seconds, abs=0.001)
    assert found["fps"] == pytest.approx(12)
    assert len(found["audio"]) == int(audio)
    assert all(length == pytest.approx(seconds, abs=0.001) for length in found["audio"])


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("ratio", "size"),
    [((16, 9), (480, 270)), ((9, 16), (270, 480)), ((1, 1), (480, 480)), ((21, 9), (480, 206)), ((1, 99), (32, 480))],
)
def test_the_size_follows_the_ratio(make: Any, ratio: tuple[int, int], size: tuple[int, int]) -> None:
    """Even sides, the long one 480."""
    assert probe(make(order(ratio=ratio, seconds=0.5)))["size"] == size == frame_size(ratio)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("start", "size"),
    [
        (None, (480, 270)),
        (StillImage(data=image((300, 400))), (360, 480)),
        (StillImage(data=b"\x89PNG broken"), (480, 270)),
        (StillImage(host="pictures.example"), (480, 270)),
    ],
    ids=["none", "portrait", "broken", "remote"],
)
def test_without_a_ratio_the_picture_decides(make: Any, start: StillImage | None, size: tuple[int, int]) -> None:
    """As in image-to-video: the picture's own shape where it can be read, else 16:9."""
    assert probe(make(order(ratio=None, start=start, seconds=0.5)))["size"] == size


@pytest.mark.parametrize("make", MAKERS)
def test_bytes_are_repeatable_and_differ_by_order(make: Any) -> None:
    """The same order gives the same bytes; a prompt, a variant, a picture or a take makes others."""
    base = order(seconds=0.5, audio=False)
    changed = [
        order(seconds=0.5, audio=False, prompt="A cat"),
        order(seconds=0.5, audio=False, variant="pro"),
        order(seconds=0.5, audio=False, take=2),
        order(seconds=0.5, audio=False, start=StillImage(data=image())),
        order(seconds=0.5, audio=False, end=StillImage(data=image())),
    ]
    assert make(base) == make(order(seconds=0.5, audio=False))
    assert len({make(base), *map(make, changed)}) == 6


def test_what_lies_in_memory_does_not_get_into_a_clip() -> None:
    """Renders with other garbage on the heap before each, and other clips between them, are one file."""
    seen, kept = set(), []
    for number in range(8):
        kept.append(os.urandom(number * 1000))
        make_clip(order(seconds=0.5, ratio=(9, 16 - number % 5), prompt="B" * number))
        garbage = [os.urandom(size) for size in (1_000, 20_000, 200_000, 700_000, 3_000_000)]
        del garbage
        seen.add(make_clip(order(seconds=0.5, audio=False)))
    [data] = seen
    assert all(word in data for word in (b"mbtree=0", b"bframes=0", b" threads=1"))  # chance may hide the effect


@pytest.mark.parametrize("make", MAKERS)
def test_a_file_starts_with_its_index(make: Any) -> None:
    """`moov` stands before `mdat`, boxes fill the file to its last byte, and a missing byte is noticed by a walk."""
    data = make(order(seconds=0.5))
    kinds = [kind for kind, _, _ in walk(data)]
    assert kinds[0] == b"ftyp"
    assert kinds[-2:] == [b"moov", b"mdat"]
    with pytest.raises(ValueError, match="does not fit"):
        list(walk(data[:-1]))


def test_the_samples_of_a_tiny_file_lie_in_it() -> None:
    """One byte a frame and one for the sound, each at its own place up to the last byte."""
    data = make_tiny(order(seconds=3.0))
    with av.open(io.BytesIO(data), "r") as file:
        targets = sorted(packet.pos for packet in file.demux() if packet.size and packet.pos is not None)
    assert targets == list(range(len(data) - 37, len(data)))


def test_tiny_files_are_tiny() -> None:
    """Under two kilobytes even for fifteen seconds with sound."""
    assert len(make_tiny(order(seconds=15.0))) < 2000


def test_tiny_files_need_no_pyav() -> None:
    """The server with tiny clips comes up and makes one where `av` cannot be imported."""
    code = (
        "import sys; sys.modules['av'] = None\n"
        "import kbatch.simulator.server, kbatch.simulator.listen\n"
        "from kbatch.simulator.clips.tiny import make_tiny\n"
        "from kbatch.simulator.clips.orders import ClipOrder\n"
        "clip = ClipOrder(provider='a', model='m', variant='v', prompt='p', seconds=5.0, audio=True)\n"
        "print(len(make_tiny(clip)) > 500)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


# what the eye finds


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean) / 3


def test_something_moves_in_every_frame() -> None:
    """An animatic: no two frames that follow each other are the same, and the decoded frames are as many as drawn."""
    seen = images(make_clip(order(audio=False)))
    assert len(seen) == 36
    assert all(difference(one, other) > 0 for one, other in pairwise(seen))


def test_the_prompt_is_on_the_picture() -> None:
    """Another prompt changes the middle of the frame, and there is bright ink on a dark ground."""
    middle = (0, 60, 480, 210)
    shown = images(make_clip(order(seconds=0.5)))[3].crop(middle).convert("L")
    blank = images(make_clip(order(seconds=0.5, prompt="...")))[3].crop(middle).convert("L")
    bright = sum(shown.histogram()[200:])
    assert bright > 4 * sum(blank.histogram()[200:])
    assert ImageStat.Stat(shown).mean[0] < 90


def test_the_start_picture_fades_out_and_the_end_picture_in() -> None:
    """First frame red, last frame blue, neither of them in the middle."""
    start, end = StillImage(data=image(colour="#c00000")), StillImage(data=image(colour="#0000c0"))
    seen = [tuple(frame.crop((470, 60, 471, 61)).tobytes()) for frame in images(make_clip(order(start=start, end=end)))]
    first, middle, last = seen[0], seen[len(seen) // 2], seen[-1]
    assert (first[0] > 150, first[2] < 60) == (True, True)
    assert (last[2] > 150, last[0] < 60) == (True, True)
    assert max(middle) < 130


def test_a_picture_elsewhere_is_a_card_with_its_host() -> None:
    """It is not fetched; two hosts give two cards."""
    one, other = (next(frames(order(start=StillImage(host=host)))) for host in ("a.example", "pictures.example"))
    assert difference(one, other) > 0
    assert difference(one, next(frames(order()))) > 5


def test_a_timeline_shows_each_prompt_in_its_time() -> None:
    """During a beat its prompt is the text, behind it the prompt of the whole."""
    beats = (Beat(prompt="The door opens", seconds=1), Beat(prompt="She enters", seconds=2))
    clip = order(beats=beats)
    found = typeset(clip, layout_of((480, 270)), _face())
    assert [ends for ends, _ in found] == [1.0, 3.0]
    texts = [" ".join(line.text for page in setting.pages for line in page) for _, setting in found]
    assert texts == ["The door opens  A dog runs along the beach", "She enters  A dog runs along the beach"]
    seen = list(frames(clip))
    middle = (0, 60, 480, 210)
    within, across = (
        difference(seen[9].crop(middle), seen[11].crop(middle)),
        difference(seen[11].crop(middle), seen[12].crop(middle)),
    )
    assert across > 3 * within


def _face() -> Any:
    from kbatch.simulator.clips.fonts import typefaces

    return typefaces()[0]


@pytest.mark.parametrize(
    "prompt",
    [
        "Solstice boots on a ridge in Lisbon, golden hour — slow dolly in; café, Привет, Ελλάδα",
        "كلب يركض على الشاطئ عند الغروب",
        "東京の夜景、ネオンの反射する濡れた路地",
        "word " * 799,
        "x" * 4000,
        "line one\nline two\n\nline four",
        "tab\tand\x00nul and \ud800 half a pair",
        "   ",
    ],
    ids=["latin", "arabic", "japanese", "long", "one-word", "paragraphs", "controls", "empty"],
)
@pytest.mark.parametrize("size", [(480, 270), (270, 480), (480, 480), (480, 32), (32, 480)])
def test_every_word_fits_and_none_is_lost(prompt: str, size: tuple[int, int]) -> None:
    """Lines are no wider than the box, pages no higher, and together they are the whole prompt."""
    target, face = layout_of(size), _face()
    width, height = target.box
    [(_, setting)] = typeset(order(prompt=prompt), target, face)
    for page in setting.pages:
        assert len(page) * setting.points <= max(height, setting.points)
        for line in page:
            assert len(line.text) <= 1 or face.width(line.text, setting.points) <= width + 1
    text = "".join(line.text for page in setting.pages for line in page)
    drawn = "".join(prompt.encode("utf-8", "replace").decode().replace("\0", " ").split()) or "(noprompt)"
    assert "".join(text.split()) == drawn
    assert len(setting.pages) <= (12 if min(size) > 32 else 36)  # 36 frames: each page has one at least


def test_a_short_prompt_is_large_and_balanced() -> None:
    """A line that is easy to read is set large, and no word stands alone at the end."""
    target, face = layout_of((480, 270)), _face()
    prompt = "Solstice trail shoe on a ridge in Lisbon, golden hour, slow dolly in"
    [(_, setting)] = typeset(order(prompt=prompt), target, face)
    assert setting.points >= 22
    assert all(len(line.text.split()) > 2 for line in setting.pages[0])


def test_the_clip_can_be_listened_to() -> None:
    """The bought track is not silence, and not loud."""
    with av.open(io.BytesIO(make_clip(order())), "r") as file:
        samples = [value for frame in file.decode(audio=0) for value in memoryview(bytes(frame.planes[0])).cast("f")]
    assert 0.05 < max(map(abs, samples)) < 0.5
