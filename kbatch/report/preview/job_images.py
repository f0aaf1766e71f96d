"""The pictures of jobs that have no clip here: files, data and frames of other jobs' clips, made only once each.

A frame of a job that has no clip either is drawn by the simulator, from that job's own pictures: a whole chain can be
looked at before any of it is bought.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from kbatch.manifest.drafts import Frame
from kbatch.manifest.images import InlineImage, LocalImage, RemoteImage
from kbatch.media.frames import NoFrames, take_frame
from kbatch.planner.jobs import Job
from kbatch.receipts.receipt import Output
from kbatch.report.preview.canvas import LONG_SIDE
from kbatch.report.preview.clip_orders import order_of
from kbatch.simulator.clips.orders import ClipOrder, StillImage, frame_count
from kbatch.simulator.clips.slate import painter
from kbatch.storage import Folder, examine

_QUALITY = 90


@dataclass(slots=True, kw_only=True)
class JobImages:
    """Finds pictures; `jobs` are all of the manifest, `clips` those clips that are on this disk, both by address."""

    folder: Path
    tree: Folder
    jobs: Mapping[str, Job]
    clips: Mapping[str, Output]
    _frames: dict[Frame, StillImage] = field(default_factory=dict)

    def order(self, job: Job) -> ClipOrder:
        """Return the simulator's order of a job, all its pictures found."""
        for frame in self._missing(job):
            self._frames[frame] = self._frame(frame)
        return self._order(job)

    def _missing(self, job: Job) -> list[Frame]:
        """Return the frames that have to be made for a job, those first that others need."""
        ordered: list[Frame] = []
        seen: set[Frame] = set()
        waiting = [(frame, False) for frame in _frames_of(job)]
        while waiting:
            frame, ready = waiting.pop()
            if ready:
                ordered.append(frame)
            elif frame not in seen and frame not in self._frames:
                seen.add(frame)
                waiting.append((frame, True))
                if frame.address not in self.clips:
                    waiting.extend((need, False) for need in _frames_of(self.jobs[frame.address]))
        return ordered

    def _order(self, job: Job) -> ClipOrder:
        return order_of(job, {part.parameter: self._picture(part.image) for part in job.inputs})

    def _picture(self, picture: RemoteImage | InlineImage | LocalImage | Frame) -> StillImage:
        match picture:
            case RemoteImage(url=url):
                return StillImage(host=urlsplit(url).netloc)
            case InlineImage(data=data):
                return StillImage(data=base64.b64decode(data))
            case LocalImage(path=path):
                return StillImage(data=self.tree.read(path))
            case Frame():
                return self._frames[picture]

    def _frame(self, frame: Frame) -> StillImage:
        clip = self.clips.get(frame.address)
        if clip is None:
            order = self._order(self.jobs[frame.address])
            last = frame_count(order.seconds) - 1
            return StillImage(data=_packed(painter(order, LONG_SIDE)(0 if frame.which == "first" else last)))
        try:
            taken = examine(self.folder / clip.path, lambda file: take_frame(file, frame.which))
        except (NoFrames, OSError):
            return StillImage(host=frame.address)
        taken.thumbnail((LONG_SIDE, LONG_SIDE))
        return StillImage(data=_packed(taken))


def _frames_of(job: Job) -> list[Frame]:
    return [part.image for part in job.inputs if isinstance(part.image, Frame)]


def _packed(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, format="JPEG", quality=_QUALITY)
    return out.getvalue()
