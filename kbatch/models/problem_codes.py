"""Every problem code of this package with its meaning in one line.

A card's rules have codes of their own (`end-image-needs-pro`, `multi-prompt-duration`); `kbatch.manifest.images` has
those of images.
"""

from collections.abc import Mapping

UNKNOWN_PROVIDER = "unknown-provider"
UNKNOWN_MODEL = "unknown-model"
UNKNOWN_VARIANT = "unknown-variant"
UNKNOWN_PARAMETER = "unknown-parameter"
MISSING_PARAMETER = "missing-parameter"
MISSING_PROMPT = "missing-prompt"
WRONG_TYPE = "wrong-type"
NOT_FINITE = "not-finite"
NOT_ALLOWED_VALUE = "not-allowed-value"
OUT_OF_RANGE = "out-of-range"
TOO_LONG = "too-long"
TOO_SHORT = "too-short"
WRONG_FORMAT = "wrong-format"
NOT_UNICODE = "not-unicode"
BAD_JSON = "bad-json"
MISSING_FIELD = "missing-field"
UNKNOWN_FIELD = "unknown-field"
FRAME_NOT_PICTURE = "frame-not-picture"
PICTURE_FORM = "picture-form"
PICTURE_RATIO = "picture-ratio"
SEVERAL_OUTPUTS = "several-outputs"
EXTRA_PARAMETER = "extra-parameter"
EXTRA_TAKEN = "extra-taken"

MEANINGS: Mapping[str, str] = {
    UNKNOWN_PROVIDER: "no card names this provider",
    UNKNOWN_MODEL: "the provider has no such model",
    UNKNOWN_VARIANT: "a price of your own names a variant that the model does not have",
    UNKNOWN_PARAMETER: "the model has no such parameter",
    MISSING_PARAMETER: "the model needs a parameter that is not set",
    MISSING_PROMPT: "the model needs a prompt and the shot has none",
    WRONG_TYPE: "a value of another type than the parameter's; nothing is converted",
    NOT_FINITE: "NaN and infinities cannot be sent",
    NOT_ALLOWED_VALUE: "not one of the listed values",
    OUT_OF_RANGE: "below the least or above the greatest value; nothing is clamped",
    TOO_LONG: "more characters or items than allowed; nothing is cut",
    TOO_SHORT: "empty, or fewer characters or items than needed",
    WRONG_FORMAT: "a text that is not of the parameter's form, such as W:H",
    NOT_UNICODE: "a text with half a surrogate pair, which cannot be sent as UTF-8",
    BAD_JSON: "a text that should hold JSON and does not",
    MISSING_FIELD: "an item of a list lacks a field",
    UNKNOWN_FIELD: "an item of a list has a field that is not known",
    FRAME_NOT_PICTURE: "a clip's frame is given to a parameter that is not a picture",
    PICTURE_FORM: "a picture in a form that the parameter does not take",
    SEVERAL_OUTPUTS: "a request for several clips at once, of which kbatch would fetch one",
    EXTRA_PARAMETER: "parameters under `extra` that no document has: they are sent as written",
    EXTRA_TAKEN: "a name under `extra` that is a documented parameter, the prompt, the model or a webhook",
    PICTURE_RATIO: "a local picture of another shape than the clip, so that it will be cropped or stretched",
}
