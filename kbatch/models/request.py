"""Makes the request body from a draft and its card; price and fingerprint are computed from that same body.

`complete` returns the body that will be sent, with every default explicit and images as tokens. Every value of the
shot is in the body or refused. All complaints are returned at once, with codes of `kbatch.models.problem_codes`; a
complaint about an absent field carries the path where the field belongs.
"""

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Complaint, Severity
from kbatch.manifest.drafts import Draft, Frame
from kbatch.manifest.images import ImageSource, InlineImage, LocalImage, RemoteImage
from kbatch.manifest.places import Place, put_at
from kbatch.models import problem_codes
from kbatch.models.body import body_of, digest_token, frame_token
from kbatch.models.cards import Card
from kbatch.models.image_paths import label_of, places
from kbatch.models.parameter_messages import shown, too_long
from kbatch.models.parameters import check, is_unicode, not_unicode

ReadImage = Callable[[str], ImageSource | Complaint]


class Input(Struct, frozen=True, kw_only=True):
    """An image of a request: its place in the parameters, its token in the body, and its source."""

    place: Place
    token: str
    image: ImageSource | Frame

    @property
    def parameter(self) -> str:
        """The place in words: a parameter's name, or `elements[0].image`."""
        return label_of(self.place)


class Prepared(Struct, frozen=True, kw_only=True):
    """A request without its prompt; `values` are its parameters, each image as a token."""

    values: Mapping[str, Any]
    inputs: tuple[Input, ...]
    dropped: tuple[str, ...]
    defaulted: tuple[str, ...]
    complaints: tuple[Complaint, ...]


class Completed(Struct, frozen=True, kw_only=True):
    """A draft completed by its card; `request` is None when a complaint is fatal.

    `dropped` are parameters that were left out because the model lacks them, `defaulted` those that the card filled.
    """

    request: Mapping[str, Any] | None
    inputs: tuple[Input, ...]
    dropped: tuple[str, ...]
    defaulted: tuple[str, ...]
    complaints: tuple[Complaint, ...]


def complete(card: Card, draft: Draft, read_image: ReadImage, *, drop_unsupported: bool = False) -> Completed:
    """Return the body of a draft: exactly what will be sent, except that each image is a token.

    `read_image` reads an image reference; `drop_unsupported` (an option of profiles) also drops the shot's own
    parameters that the model lacks.

    >>> complete(card, draft, pictures).request                                   # doctest: +SKIP
    {'prompt': 'a ridge', 'model': 'kling-2.5-turbo-pro', 'klingParams': {'duration': 5, 'start_image': 'sha256:…'}}
    """
    return with_prompt(card, prepare(card, draft, read_image, drop_unsupported=drop_unsupported), draft.prompt)


def prepare(card: Card, draft: Draft, read_image: ReadImage, *, drop_unsupported: bool = False) -> Prepared:
    """Return the part of a request that does not depend on its prompt, with the complaints about it."""
    checked = check(card, draft.params, draft.default_only, drop_unsupported=drop_unsupported)
    found = [_read_input(card, *image, read_image) for image in places(card.images, draft.params)]
    inputs = tuple(each for each in found if isinstance(each, Input))
    faults = tuple(each for each in found if isinstance(each, Complaint))
    values = dict(checked.values)
    for each in inputs:
        values = put_at({**values, each.place[0]: values.get(str(each.place[0]))}, each.place, each.token)
    return Prepared(
        values=values,
        inputs=inputs,
        dropped=checked.dropped,
        defaulted=checked.defaulted,
        complaints=(*checked.complaints, *faults, *_check_ratios(card, inputs, checked.values)),
    )


def with_prompt(card: Card, prepared: Prepared, prompt: str | None) -> Completed:
    """Return a prepared request with its prompt, checked."""
    complaints = (*check_prompt(card, prompt), *prepared.complaints)
    fatal = any(complaint.fatal for complaint in complaints)
    return Completed(
        request=None if fatal else body_of(card, prompt, prepared.values),
        inputs=prepared.inputs,
        dropped=prepared.dropped,
        defaulted=prepared.defaulted,
        complaints=complaints,
    )


def check_prompt(card: Card, prompt: str | None) -> tuple[Complaint, ...]:
    """Return the complaints about a prompt, or about its absence."""
    field, most = ("prompt",), card.prompt.get("maxLength")
    if prompt is None:
        if "prompt" not in card.required:
            return ()
        hint = "write `prompt` or `prompt_file`"
        return (
            Complaint(
                code=problem_codes.MISSING_PROMPT, field=field, message=f"`{card.model}` needs a prompt", hint=hint
            ),
        )
    if not prompt.strip():
        way_out = None if "prompt" in card.required else "leave `prompt` out when there is nothing to say"
        return (Complaint(code=problem_codes.TOO_SHORT, field=field, message="the prompt is empty", hint=way_out),)
    if most is not None and len(prompt) > most:
        return (too_long("the prompt", field, prompt, most),)
    return () if is_unicode(prompt) else (not_unicode(field, "the prompt"),)


def _check_ratios(card: Card, inputs: tuple[Input, ...], params: Mapping[str, Any]) -> tuple[Complaint, ...]:
    """Warn of local images for a frame whose ratio is over 2 % off the clip's, since the model crops or stretches."""
    ratio = params.get(card.ratio) if card.ratio else None
    wide, _, high = str(ratio).partition(":")
    if not (wide.isdigit() and high.isdigit() and int(wide) and int(high)):
        return ()
    off = [
        (part.parameter, part.image)
        for part in inputs
        if part.place in ((card.start,), (card.end,))
        and isinstance(part.image, LocalImage)
        and not 0.98 <= part.image.width * int(high) / (part.image.height * int(wide)) <= 1.02
    ]
    return tuple(
        Complaint(
            code=problem_codes.PICTURE_RATIO,
            field=("params", name),
            message=f"`{name}` has {image.width} × {image.height} pixels, the clip is {ratio}: it will not fit",
            hint="crop the picture to the clip's shape, or the model crops or stretches it as it likes",
            severity=Severity.WARNING,
        )
        for name, image in off
    )


def _read_input(card: Card, path: str, place: Place, value: object, read_image: ReadImage) -> Input | Complaint:
    name, field = label_of(place), ("params", *place)
    if isinstance(value, Frame):
        image: ImageSource | Frame | Complaint = value
    elif isinstance(value, str):
        image = read_image(value)
    else:
        message = f"`{name}` must be a picture, not {shown(value)}"
        hint = "a URL, a data: URI or a path relative to the manifest"
        return Complaint(code=problem_codes.WRONG_TYPE, field=field, message=message, hint=hint)
    if isinstance(image, Complaint):
        return replace(image, field=field)
    form, token = _form_and_token(image)
    if form not in card.images[path]:
        message = f"`{name}` of `{card.model}` takes a URL only, not {_FORMS[form]}"
        hint = "publish the picture and write its URL"
        return Complaint(code=problem_codes.PICTURE_FORM, field=field, message=message, hint=hint)
    return Input(place=place, token=token, image=image)


_FORMS = {"data": "a data: URI", "file": "a local file or a clip's frame"}


def _form_and_token(image: ImageSource | Frame) -> tuple[str, str]:
    match image:
        case RemoteImage(url=url):
            return "url", url
        case InlineImage(digest=digest):
            return "data", digest_token(digest)
        case LocalImage(digest=digest):
            return "file", digest_token(digest)
        case Frame(which=which, address=address):
            return "file", frame_token(which, address)
        case _:
            assert_never(image)
