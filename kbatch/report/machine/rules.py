"""The meaning of every problem code and its remedy, in a sentence or two, for formats that list rules.

The catalog and the lint explain their own codes where they are made; a model card's rules explain themselves.
"""

from collections.abc import Iterable, Mapping

from kbatch.models import problem_codes as catalog
from kbatch.models.cards import Card
from kbatch.models.own.own_cards import MEANINGS as OWN_CARDS
from kbatch.planner import cost_warnings, disputed

FILES: Mapping[str, str] = {
    "empty-file": "The file holds nothing; `kbatch init` writes a manifest to begin with.",
    "encoding": "The file is not UTF-8; save it as UTF-8.",
    "file-not-found": "A file that is named does not exist; paths are relative to the manifest.",
    "file-too-large": "The file is larger than what is read; rows belong in a file under `data`.",
    "file-unreadable": "The system does not let this file be read.",
    "git-lfs-pointer": "A file is only the pointer that Git LFS leaves in its place; `git lfs pull` brings the file.",
    "name-encoding": "A clip's name has letters that the file system's encoding lacks; `PYTHONUTF8=1` makes it UTF-8.",
    "path-hidden": "A path has a component that begins with a dot; such files are never read.",
    "path-outside-tree": "A path leads out of the manifest's git root or folder; what it names must lie within.",
}
YAML: Mapping[str, str] = {
    "alias-bomb": "Aliases repeat more values than any manifest needs; rows belong in a file under `data`.",
    "bad-key": "A key is not a plain word; a template needs quotes.",
    "bad-number": "A number cannot be held or sent: infinite, not a number, or far too long.",
    "control-character": "The text has a character that YAML does not allow; often an invisible one; retype the place.",
    "duplicate-key": "A key occurs twice in one mapping, and only one can count; remove the other.",
    "line-separator": "A character that editors show as nothing ends a line to YAML; remove it, or write its escape.",
    "lost-text": "A `#` ends an unquoted text; what stands behind it is a comment and is not sent; use quotes.",
    "merge-key": "`<<` is not supported; what is shared belongs under `defaults`.",
    "second-document": "A second YAML document begins; one file holds one manifest.",
    "tab": "A tab cannot indent; use spaces.",
    "too-deep": "Values are nested deeper than any manifest needs, or an alias contains itself.",
    "too-many-values": "The file holds more values than are read; rows belong in a file under `data`.",
    "unused-anchor": "A word such as `&name` is an anchor to YAML and no part of the text; use quotes.",
    "yaml-syntax": "The text is not YAML; the place is where reading stopped, and the cause is there or just before.",
    "yaml-tag": "A tag such as `!!int` is not supported; quote a value to make it text.",
}
FORM: Mapping[str, str] = {
    "bad-form": "A text is not of the form that its field asks for.",
    "both-given": "Two fields exclude each other; keep one of them.",
    "missing-id": "A shot has no `id`, which names its jobs.",
    "not-a-manifest": "The file is YAML but no manifest; begin with `kbatch: 1`, `name:` and `shots:`.",
    "not-allowed": "A value is none of those that its field accepts.",
    "duplicate-shot": "Two shots have one `id`; addresses would be ambiguous.",
    "missing-model": "A shot has no model; write `model` in the shot or under `defaults`.",
    "missing-provider": "A shot has no provider; write `provider` at the top, under `defaults` or in the shot.",
    "unknown-profile": "The manifest has no profile of this name.",
}
MATRIX: Mapping[str, str] = {
    "axis-empty": "An axis has no values, so its shot would have no jobs.",
    "axis-label": "A value of an axis has no label; a mapping is labelled by its `id`, `key`, `slug` or `name`.",
    "axis-label-long": "A value would be named by thousands of characters; a mapping with an `id` is named by that.",
    "axis-label-twice": "Two values of an axis have one label, so two jobs would have one address; give each an `id`.",
    "axis-name": "An axis has a name that templates cannot use: letters, digits and `_` only.",
    "axis-not-a-list": "An axis is not a list of values, nor a template that yields one.",
    "duplicate-address": "Two jobs have one address; an `include` repeats a combination.",
    "no-jobs": "Nothing is left to render: `exclude`, `when` or `without` leaves out every combination.",
    "name-reserved": "A name has a meaning of its own in templates; choose another.",
    "name-taken": "An axis, a variable and a top-level axis share a name; rename one.",
    "rule-matches-nothing": "An `include` or `exclude` matches no combination, so it does nothing.",
    "too-many-rules": "A matrix has more rules than its combinations can be held against; write axes or data rows.",
    "too-many-jobs": "The matrix makes more jobs than are allowed; `--max-jobs` allows more.",
    "unknown-axis": "There is no axis of this name.",
    "unused-axis": "Nothing of the request uses an axis, so its values make identical jobs, which are bought once.",
    "when-not-boolean": "`when` is neither true nor false.",
    "unknown-shot": "A profile overrides a shot that the manifest does not have.",
    "without-nothing": "A profile's `without` names an axis or a label that the shot does not have.",
    "zip-length": "Zipped axes are not equally long, so they cannot advance together.",
    "zip-twice": "An axis is zipped twice.",
}
TEMPLATES: Mapping[str, str] = {
    "ambiguous-frame": "`last_frame(…)` means several jobs; name the axis that tells them apart.",
    "cycle": "Jobs wait for each other's frames, so none could begin.",
    "data-format": "A data file is not what its name says, or not a list of rows.",
    "no-frames": "Chained shots need PyAV to take frames of clips; the extra `media` brings it, and `run` needs it.",
    "no-such-job": "Nothing has this address; axes that both jobs have match by value.",
    "not-text": "A mapping, list or empty value stands inside a text; name one of its fields.",
    "output-collision": "Two jobs have one output file; use `slug` in its name, which differs for each job.",
    "output-dir": "The output folder is not a portable path within the manifest's own folder.",
    "output-name": "An output name is not a portable path below the output folder that ends in `.mp4`.",
    "template-failed": "A template cannot be rendered with the values of this job.",
    "template-in-vars": "A variable holds a template; variables are plain values, templates stand where they are used.",
    "template-syntax": "A template is not written as Jinja2 asks.",
    "template-too-much": "A template does more work, or makes a longer text, than any prompt needs.",
    "template-unsafe": "A template uses what is not allowed: attributes of Python's own, files, network or clock.",
    "unknown-name": "A template uses a name that is neither variable, axis nor data.",
    "unknown-shot": "There is no shot with this `id`.",
}
PICTURES: Mapping[str, str] = {
    "picture-damaged": "A picture cannot be decoded: it is damaged or cut short.",
    "picture-data": "A data: URI does not hold what it should.",
    "picture-empty": "A picture is an empty text; write a URL, a data: URI or a path.",
    "picture-insecure-url": "A picture's URL is not https, so anyone on the way could exchange it.",
    "picture-orientation": "A picture is stored turned, and providers may or may not turn it; save it upright.",
    "picture-scans": "A JPEG is written in so many passes that decoding it takes minutes; save it anew.",
    "picture-pixels": "A picture has far more pixels than a clip; save it smaller.",
    "picture-too-large": "A picture is larger than providers take; save it smaller.",
    "picture-type": "A file is not a picture that can be sent: PNG, JPEG, WebP or GIF.",
    "picture-url": "A picture's URL cannot be fetched by a provider.",
    "picture-url-secret": "A picture's URL holds a password or a signature, which would stand in the lockfile.",
}


_MODELS = "`kbatch models MODEL` lists what a model accepts, with defaults and prices."


def meanings(cards: Iterable[Card]) -> dict[str, str]:
    """Return the meaning of each code, including the codes of these cards' rules."""
    rules = {rule.code: rule.description for card in cards for rule in card.rules}
    lint = {**cost_warnings.MEANINGS, **disputed.MEANINGS}
    own = {**FILES, **YAML, **FORM, **MATRIX, **TEMPLATES, **PICTURES, **OWN_CARDS, **lint}
    models = {code: f"{_sentence(words)} {_MODELS}" for code, words in {**catalog.MEANINGS, **rules}.items()}
    return {**{code: _sentence(words) for code, words in own.items()}, **models}


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")
