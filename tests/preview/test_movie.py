"""Films: cuts at the true durations, pictures letterboxed, sound in its place, one frame at a time in memory."""

import array
import io
import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import av
import pytest
from PIL import Image

from kbatch.report.preview.canvas import Canvas
from kbatch.report.preview.footage import BYTES_A_SAMPLE, RATE, Shot, film, film_sound, in_yuv
from kbatch.report.preview.movie import Reel, begin_movie

CANVAS = Canvas(width=160, stage=90, band=38)
RED, GREEN, BLUE = (200, 20, 20), (20, 160, 20), (30, 30, 200)
Colour = tuple[int, int, int]


def reel(colour: Colour, seconds: float, *, size: tuple[int, int] = (160, 90), fps: int = 12, **more: object) -> Reel:
    """Return a cut of one colour that lasts `seconds`."""
    picture = Image.new("RGB", size, colour)
    shots = ((number / fps, in_yuv(picture, size)) for number in range(max(1, math.ceil(seconds * fps))))
    bands = [Image.new("RGB", (160, 38))]
    whole: dict[str, object] = {"shots": shots, "sound": None, "bands": bands, "seconds": seconds}
    return Reel(**{**whole, **more})  # type: ignore[arg-type]


def film_of(*reels: Reel, fps: int = 24, sound: bool = False) -> bytes:
    """Return the film of these cuts."""
    out = io.BytesIO()
    movie = begin_movie(out, CANVAS, fps=fps, sound=sound)
    with movie.container:
        for each in reels:
            movie.add(each)
        movie.finish()
    return out.getvalue()


def frames_of(data: bytes) -> list[tuple[float, Image.Image]]:
    """Return every frame with its second."""
    with av.open(io.BytesIO(data), "r") as file:
        return [(float(frame.time or 0), frame.to_image()) for frame in file.decode(video=0)]  # type: ignore[no-untyped-call]


def loudness(data: bytes, begins: float, ends: float) -> float:
    """Return the loudest sample between two moments, 0 to 1."""
    loudest = 0.0
    with av.open(io.BytesIO(data), "r") as file:
        for frame in file.decode(audio=0):
            samples = memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples]
            first, last = (round((moment - float(frame.time or 0)) * RATE) for moment in (begins, ends))
            heard = samples[max(0, first) : max(0, last)]
            loudest = max(loudest, max(heard, default=0.0), -min(heard, default=0.0))
    return loudest


def close(picture: Image.Image, at: tuple[int, int], colour: Colour) -> bool:
    """Tell whether a pixel has about this colour."""
    found = picture.getpixel(at)
    assert isinstance(found, tuple)
    return all(abs(one - other) <= 12 for one, other in zip(found, colour, strict=True))


def tone(seconds: float) -> Iterator[bytes]:
    """Yield a note in odd pieces."""
    samples = array.array("h", (v for n in range(round(seconds * RATE)) for v in [round(9000 * math.sin(n / 20))] * 2))
    data = samples.tobytes()
    for start in range(0, len(data), 777 * BYTES_A_SAMPLE):
        yield data[start : start + 777 * BYTES_A_SAMPLE]


@pytest.mark.parametrize("fps", [12, 25])
def test_cuts_stand_at_the_sum_of_the_true_durations(fps: int) -> None:
    """To the nearest frame each, also after many odd ones: no error adds up."""
    lengths = [1.041667, 0.7, 2.04, 0.33, 1.96] * 4
    colours = [RED, GREEN, BLUE]
    film = film_of(*(reel(colours[at % 3], seconds) for at, seconds in enumerate(lengths)), fps=fps)
    frames = frames_of(film)
    begun = [0.0]
    for (_, before), (at, picture) in pairwise(frames):
        if not any(close(before, (80, 45), colour) and close(picture, (80, 45), colour) for colour in colours):
            begun.append(at)
    wanted = [sum(lengths[:number]) for number in range(len(lengths))]
    assert len(begun) == len(wanted)
    assert all(abs(one - other) <= 0.5 / fps + 1e-6 for one, other in zip(begun, wanted, strict=True))
    assert len(frames) == round(sum(lengths) * fps)


def test_a_picture_of_another_shape_is_letterboxed() -> None:
    """It stands in the middle, black beside it, the band below untouched."""
    band = Image.new("RGB", (160, 38), (90, 90, 90))
    [(_, picture), *_] = frames_of(film_of(reel(RED, 0.5, size=(50, 90), bands=[band])))
    assert picture.size == (160, 128)
    assert close(picture, (80, 45), RED)
    assert close(picture, (10, 45), (0, 0, 0))
    assert close(picture, (150, 45), (0, 0, 0))
    assert close(picture, (80, 110), (90, 90, 90))


def test_a_clip_that_is_too_short_holds_its_last_frame_and_a_long_one_is_cut() -> None:
    """A cut has exactly its seconds, whatever its file has."""
    short = reel(GREEN, 1.0, shots=reel(RED, 0.1).shots)
    long = reel(BLUE, 0.5, shots=reel(BLUE, 3.0).shots)
    frames = frames_of(film_of(short, long))
    assert len(frames) == 36
    assert close(frames[23][1], (80, 45), RED)
    assert close(frames[24][1], (80, 45), BLUE)


def test_bands_take_turns_while_their_cut_is_shown() -> None:
    """Each page of a prompt is on the screen for an equal share of the clip."""
    colours = (RED, GREEN, BLUE)
    bands = [Image.new("RGB", (160, 38), colour) for colour in colours]
    frames = frames_of(film_of(reel(RED, 1.0, bands=bands)))
    shown = [[close(frame, (80, 110), colour) for colour in colours].index(True) for _, frame in frames]
    assert shown == [0] * 8 + [1] * 8 + [2] * 8


def test_sound_stands_under_its_own_clip() -> None:
    """A clip without sound is silent, one that is too short goes on in silence, the track is as long as the film."""
    film = film_of(reel(RED, 1.0), reel(GREEN, 1.5, sound=tone(1.0)), reel(BLUE, 1.0, sound=tone(5.0)), sound=True)
    assert loudness(film, 0.0, 0.95) < 0.01
    assert loudness(film, 1.1, 1.9) > 0.2
    assert loudness(film, 2.1, 2.4) < 0.01
    assert loudness(film, 2.6, 3.4) > 0.2
    with av.open(io.BytesIO(film), "r") as file:
        (track,) = file.streams.audio
        assert float((track.duration or 0) * (track.time_base or Fraction(0))) == pytest.approx(3.5, abs=0.05)


def test_a_silent_film_has_no_track() -> None:
    """Sound that is not asked for is not there."""
    with av.open(io.BytesIO(film_of(reel(RED, 0.5, sound=tone(0.5)))), "r") as file:
        assert not file.streams.audio


def test_a_film_is_written_while_its_pictures_are_drawn() -> None:
    """Frames do not gather: long before the last picture is asked for, most of the film is in the file."""
    out = io.BytesIO()
    movie = begin_movie(out, CANVAS, fps=12, sound=False)
    sizes: list[int] = []

    def shots() -> Iterator[Shot]:
        noise = [in_yuv(Image.effect_noise((160, 90), 90.0).convert("RGB"), (160, 90)) for _ in range(7)]
        for number in range(400):
            sizes.append(out.tell())
            yield number / 12, noise[number % 7]

    with movie.container:
        movie.add(reel(RED, 400 / 12, shots=shots()))
        movie.finish()
    assert sizes[150] > 0
    assert sizes[300] > out.tell() / 2


def test_a_film_can_be_footage_again() -> None:
    """Pictures in the colours in which they went in, at the size of the stage, and the sound as it was."""
    made = film_of(reel(RED, 1.0, sound=tone(1.0)), reel(BLUE, 1.0), sound=True)
    shots = list(film(io.BytesIO(made), (80, 64)))
    assert [round(at * 24) for at, _ in shots] == list(range(48))
    assert {(frame.width, frame.height) for _, frame in shots} == {(80, 64)}
    again = film_of(Reel(shots=iter(shots), sound=film_sound(io.BytesIO(made)), bands=[Image.new("RGB", (160, 38))],
                         seconds=2.0), sound=True)  # fmt: skip
    frames = frames_of(again)
    assert close(frames[10][1], (80, 20), RED)
    assert close(frames[40][1], (80, 20), BLUE)
    assert loudness(again, 0.2, 0.9) > 0.2
    assert loudness(again, 1.1, 1.9) < 0.01


@pytest.mark.parametrize("cut", [500, 3000, 8000], ids=["no-index", "few-frames", "most-frames"])
def test_a_file_that_breaks_off_is_shown_as_far_as_it_goes(cut: int) -> None:
    """What is missing raises av's own error at the beginning, or ends the pictures early; nothing hangs."""
    whole = film_of(reel(RED, 2.0), reel(BLUE, 2.0))
    try:
        shown = len(list(film(io.BytesIO(whole[: min(cut, len(whole) - 100)]), (80, 64))))
    except (av.FFmpegError, IndexError):
        shown = 0
    assert shown < 96
