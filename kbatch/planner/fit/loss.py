"""The loss of an edit in points, so that two ways to save can be compared: the lowest sum is the least loss.

The points are a convention and no measurement; `kbatch fit --help` and the design page print them.
"""

from kbatch.planner.jobs import Job

NOT_MADE = 100
"""A clip that is not made at all: the whole of it."""
TAKE_NOT_MADE = 30
"""A further take that is not made: the first one is still there to be used."""
OTHER_MODEL = 40
"""Another model: the whole look changes, which is worse than one weaker setting."""
WEAKER_SETTING = 20
"""A cheaper value of a setting that prices a clip, such as `mode`."""
SILENT = 15
"""No sound, which an edit can add."""
SECONDS = 60
"""All seconds of a clip; a shorter clip loses its share, rounded up."""
LOST_PICTURE = 30
"""A picture that the other model cannot take."""
LOST_PARAMETER = 10
"""Another parameter that the other model cannot take."""

POINTS = (
    (NOT_MADE, "a clip that is not made"),
    (TAKE_NOT_MADE, "a further take that is not made"),
    (OTHER_MODEL, "another model"),
    (LOST_PICTURE, "a picture that it cannot take"),
    (LOST_PARAMETER, "another parameter that it cannot take"),
    (SECONDS, "all seconds of a clip; a shorter one loses its share"),
    (WEAKER_SETTING, "a cheaper setting, such as `mode`"),
    (SILENT, "no sound"),
)
"""The same as a table, for help and reports."""


def loss_of(before: Job, after: Job | None) -> int:
    """Return what a job loses when it becomes another one, or none at all."""
    if after is None:
        return TAKE_NOT_MADE if before.draft.take > 1 else NOT_MADE
    lost: int = -(-SECONDS * max(0, before.clip.duration_s - after.clip.duration_s) // before.clip.duration_s)
    if before.clip.audio and not after.clip.audio:
        lost += SILENT
    if after.model != before.model:
        lost += OTHER_MODEL
        for name in lost_parameters(before, after):
            lost += LOST_PICTURE if name in before.card.image_parameters else LOST_PARAMETER
        return lost
    card = before.card
    settings = {part.parameter for part in card.pricing.variant} - {card.duration, card.audio}
    changed = [name for name in settings if before.params.get(name) != after.params.get(name)]
    return lost + WEAKER_SETTING * len(changed)


def lost_parameters(before: Job, after: Job) -> tuple[str, ...]:
    """Return what was written for a job and its other model cannot take, sound and seconds apart."""
    card = before.card
    said = (*before.defaulted, card.duration, card.audio)
    return tuple(name for name in after.dropped if name in before.params and name not in said)
