"""Pictures of what is not bought yet: files, data, and chained frames, drawn through a whole chain."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from kbatch.pipeline.load import LoadedManifest
from kbatch.receipts.receipt import Output
from kbatch.report.preview.clip_orders import shape_of
from kbatch.report.preview.job_images import JobImages
from kbatch.simulator.clips.encode import make_clip
from kbatch.simulator.clips.orders import ClipOrder
from kbatch.simulator.clips.slate import frames
from tests.preview.conftest import Campaign

CHAIN = """
defaults: {model: kling-3.0, params: {duration: 3, aspect_ratio: 1:1, generate_audio: false}}
shots:
  - id: last
    prompt: three
    params: {start_image: "{{ last_frame('middle') }}", end_image: "{{ first_frame('middle') }}"}
  - {id: middle, prompt: two, params: {start_image: "{{ last_frame('first') }}"}}
  - {id: first, prompt: one, params: {start_image: a.png}}
"""


def pictures_of(loaded: LoadedManifest, **clips: Output) -> JobImages:
    """Return what finds the pictures of a campaign."""
    jobs = {job.address: job for job in loaded.jobs}
    return JobImages(folder=loaded.folder, tree=loaded.tree, jobs=jobs, clips=clips)


def order(pictures: JobImages, address: str) -> ClipOrder:
    """Return the simulator's order of a job."""
    return pictures.order(pictures.jobs[address])


def looks_like(data: bytes, picture: Image.Image) -> bool:
    """Tell whether an encoded picture shows about the same."""
    with Image.open(io.BytesIO(data)) as one:
        small = one.convert("RGB").resize((120, 120))
    return max(ImageStat.Stat(ImageChops.difference(small, picture.convert("RGB").resize((120, 120)))).mean) < 6


@pytest.fixture
def chain(campaign: Campaign, tmp_path: Path) -> LoadedManifest:
    """Return a chain of three shots, written in the wrong order, that begins with a file."""
    Image.new("RGB", (200, 200), (190, 30, 30)).save(tmp_path / "a.png")
    return campaign(CHAIN)


def test_a_chain_that_is_not_bought_goes_through_every_clip(chain: LoadedManifest) -> None:
    """Each clip begins with the last frame of the one before it, though none of them exists."""
    pictures = pictures_of(chain)
    third = order(pictures, "last")
    second, first = order(pictures, "middle"), order(pictures, "first")
    assert third.start is not None
    assert third.end is not None
    assert second.start is not None
    assert first.start is not None
    assert looks_like(first.start.data, Image.new("RGB", (1, 1), (190, 30, 30)))
    assert looks_like(second.start.data, list(frames(first))[-1])
    assert looks_like(third.start.data, list(frames(second))[-1])
    assert looks_like(third.end.data, next(frames(second)))
    assert not looks_like(third.end.data, list(frames(second))[-1])


def test_a_bought_clip_gives_its_own_frame(chain: LoadedManifest, tmp_path: Path) -> None:
    """Where the upstream's clip is here, its frame is taken and nothing before it is looked at."""
    bought = ClipOrder(provider="x", model="bought", variant="", prompt="real", seconds=1.0, audio=False, ratio=(1, 1))
    (tmp_path / "middle.mp4").write_bytes(make_clip(bought))
    third = order(pictures_of(chain, middle=Output(path="middle.mp4")), "last")
    assert third.start is not None
    assert looks_like(third.start.data, list(frames(bought))[-1])


def test_a_clip_that_cannot_be_decoded_gives_a_card_with_its_address(chain: LoadedManifest, tmp_path: Path) -> None:
    """A preview never fails for one broken file."""
    (tmp_path / "middle.mp4").write_bytes(b"no clip")
    third = order(pictures_of(chain, middle=Output(path="middle.mp4")), "last")
    assert third.start is not None
    assert (third.start.data, third.start.host) == (b"", "middle")


def test_a_long_chain_whose_every_link_needs_two_frames(campaign: Campaign) -> None:
    """Three hundred links, first and last frame of each before it: every frame is made once, and no stack overflows."""
    frames = "start_image: \"{{{{ last_frame('s{p}') }}}}\", end_image: \"{{{{ first_frame('s{p}') }}}}\""
    link = f"- {{{{id: s{{n}}, prompt: p{{n}}, params: {{{{{frames}}}}}}}}}"
    shots = ["- {id: s0, prompt: p0}"] + [link.format(n=n, p=n - 1) for n in range(1, 300)]
    loaded = campaign("defaults: {model: kling-3.0, params: {duration: 3}}\nshots:\n  " + "\n  ".join(shots))
    pictures = pictures_of(loaded)
    missing = pictures._missing(pictures.jobs["s299"])
    assert len(missing) == len(set(missing)) == 2 * 299
    places = {frame: at for at, frame in enumerate(missing)}
    needed = [(part.image, frame) for frame in missing for part in pictures.jobs[frame.address].inputs]
    assert all(places[upstream] < places[frame] for upstream, frame in needed)  # type: ignore[index]


def test_data_and_urls_stand_for_themselves(campaign: Campaign) -> None:
    """An inline picture is shown; a remote one is not fetched, its host is."""
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, format="PNG")
    data = base64.b64encode(out.getvalue()).decode()
    loaded = campaign(
        "defaults: {model: kling-2.5-turbo-pro}\nshots:\n"
        f"  - {{id: inline, prompt: a, params: {{start_image: 'data:image/png;base64,{data}'}}}}\n"
        "  - {id: remote, prompt: b, params: {start_image: 'https://pictures.example/secret.png?sig=1'}}\n"
    )
    pictures = pictures_of(loaded)
    inline, remote = order(pictures, "inline").start, order(pictures, "remote").start
    assert inline is not None
    assert remote is not None
    assert inline.data == out.getvalue()
    assert (remote.data, remote.host) == (b"", "pictures.example")


def test_shapes_follow_the_order_else_the_start_picture(campaign: Campaign, tmp_path: Path) -> None:
    """As ordered; without an order the local picture's or the upstream's, through a chain; else 16:9."""
    Image.new("RGB", (300, 400), "teal").save(tmp_path / "a.png")
    loaded = campaign(
        "defaults: {provider: aimlapi, model: kling-video/v2.1/pro/image-to-video}\nshots:\n"
        "  - {id: file, params: {image_url: a.png}}\n"
        "  - {id: chained, params: {image_url: \"{{ last_frame('file') }}\"}}\n"
        "  - {id: remote, params: {image_url: 'https://a.example/b.png'}}\n"
        "  - {id: asked, provider: apiframe, model: kling-2.6, prompt: x, params: {aspect_ratio: 9:16}}\n"
    )
    jobs = {job.address: job for job in loaded.jobs}
    shapes = {address: shape_of(job, jobs) for address, job in jobs.items()}
    assert shapes == {"file": (300, 400), "chained": (300, 400), "remote": (16, 9), "asked": (9, 16)}


def test_a_timeline_is_drawn_beat_by_beat(campaign: Campaign) -> None:
    """A `multi_prompt` becomes the beats of the simulated clip, and a take shows its number."""
    loaded = campaign(
        "shots:\n  - id: hero\n    model: kling-3.0\n    prompt: whole\n    takes: 2\n    params:\n      duration: 5\n"
        "      multi_prompt: [{prompt: one, duration: 2}, {prompt: two, duration: 3}]\n"
    )
    clip = order(pictures_of(loaded), "hero@2")
    assert [(beat.prompt, beat.seconds) for beat in clip.beats] == [("one", 2.0), ("two", 3.0)]
    assert (clip.take, clip.seconds, clip.audio) == (2, 5.0, True)
