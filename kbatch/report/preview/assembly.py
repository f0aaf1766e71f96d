"""Assembles the film of a cut list, or its contact sheet, cut by cut, and reports each step.

One clip is open at a time. A clip that cannot be decoded is replaced by a simulated one, with a note.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
from PIL import Image

from kbatch.media.frames import NoFrames
from kbatch.report.preview.canvas import Size, canvas_of
from kbatch.report.preview.captions import CaptionPlace, bands
from kbatch.report.preview.clip_orders import shape_of
from kbatch.report.preview.cuts import FilmCut
from kbatch.report.preview.footage import Shot, film, film_poster, film_sound, slate, slate_poster, slate_sound
from kbatch.report.preview.job_images import JobImages
from kbatch.report.preview.movie import Movie, Reel, begin_movie
from kbatch.report.preview.sheet import compose, packed
from kbatch.simulator.clips.orders import FRAMES_PER_SECOND
from kbatch.storage import opened, put, putting

_FASTEST = 30
_BROKEN = (av.FFmpegError, OSError, IndexError, NoFrames)
"""Errors that a file may raise that is no clip; IndexError when it has no video track."""

OnStep = Callable[[FilmCut], None]
"""Called with each cut when it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A finished film or sheet: its seconds (0 for a sheet), its size in pixels, and notes, one sentence each."""

    seconds: float
    size: Size
    notes: tuple[str, ...]


def make_film(target: Path, cuts: Sequence[FilmCut], images: JobImages, on_step: OnStep, *, silent: bool) -> Assembled:
    """Write the film of the cuts as an MP4 file; one that stands there is replaced when the new one is whole."""
    canvas = canvas_of((cut.size or shape_of(cut.job, images.jobs), cut.seconds) for cut in cuts)
    sound = not silent and any(_is_heard(cut) for cut in cuts)
    notes: list[str] = []
    with putting(target) as file:
        movie = begin_movie(file, canvas, fps=_fps(cuts), sound=sound)
        with movie.container:
            for cut, place in zip(cuts, _places(cuts), strict=True):
                notes += _add(movie, cut, place, images)
                on_step(cut)
            movie.finish()
    return Assembled(seconds=movie.ended_s, size=(canvas.width, canvas.height), notes=tuple(notes))


def make_sheet(target: Path, title: str, cuts: Sequence[FilmCut], images: JobImages, on_step: OnStep) -> Assembled:
    """Write the contact sheet of the cuts, a PNG or WebP file by its name's ending; PNG where it has none."""
    notes: list[str] = []

    def posters() -> Iterator[Image.Image]:
        for cut in cuts:
            poster, note = _poster(cut, images)
            notes.extend(note)
            yield poster
            on_step(cut)

    shapes = [(cut.size or shape_of(cut.job, images.jobs), cut.seconds) for cut in cuts]
    sheet = compose(title, cuts, posters(), canvas_of(shapes))
    put(target, packed(sheet, target.suffix or ".png"))
    return Assembled(seconds=0.0, size=sheet.size, notes=tuple(notes))


def _places(cuts: Sequence[FilmCut]) -> Iterator[CaptionPlace]:
    whole, began = sum(cut.seconds for cut in cuts), 0.0
    for number, cut in enumerate(cuts, start=1):
        ends = began + cut.seconds
        yield CaptionPlace(number=number, of=len(cuts), begins=began / whole, ends=ends / whole)
        began = ends


def _fps(cuts: Sequence[FilmCut]) -> int:
    rates = [cut.clip.media.fps for cut in cuts if cut.clip is not None and cut.clip.media.fps]
    return max(FRAMES_PER_SECOND, min(_FASTEST, round(max(rates, default=0))))


def _is_heard(cut: FilmCut) -> bool:
    return bool(cut.clip.media.audio) if cut.clip is not None else cut.job.clip.audio


def _add(movie: Movie, cut: FilmCut, place: CaptionPlace, images: JobImages) -> Iterator[str]:
    """Append a cut, from its clip where that can be decoded, and yield notes about it."""
    stage = (movie.canvas.width, movie.canvas.stage)
    with ExitStack() as files:
        shots, sound = None, None
        if cut.clip is not None:
            path = images.folder / cut.clip.path
            try:
                shots = _begun(film(files.enter_context(opened(path)), stage))
                sound = film_sound(files.enter_context(opened(path)))
            except _BROKEN as error:
                yield f"{cut.address}: its clip cannot be decoded and is shown simulated ({error})"
        if shots is None:
            order = images.order(cut.job)
            shots, sound = slate(order, stage), slate_sound(order)
        heard = sound if movie.audio is not None else None
        movie.add(Reel(shots=shots, sound=heard, bands=bands(cut, place, movie.canvas), seconds=cut.seconds))


def _begun(shots: Iterator[Shot]) -> Iterator[Shot]:
    """Return the same frames once the first one is decoded; NoFrames when there is none."""
    first = next(shots, None)
    if first is None:
        raise NoFrames("no frame of it can be decoded")
    return chain((first,), shots)


def _poster(cut: FilmCut, images: JobImages) -> tuple[Image.Image, tuple[str, ...]]:
    if cut.clip is not None:
        try:
            with opened(images.folder / cut.clip.path) as file:
                return film_poster(file), ()
        except _BROKEN as error:
            note = f"{cut.address}: its clip cannot be decoded and is shown simulated ({error})"
            return slate_poster(images.order(cut.job)), (note,)
    return slate_poster(images.order(cut.job)), ()
