"""Origins of a job's values: the layer and line of each, and the names that its template uses.

This module only reads a manifest and a finished job; the manifest stage decides which value counts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kbatch.errors import Mark
from kbatch.manifest.data import read_rows
from kbatch.manifest.drafts import Draft, Frame, Origin, Path
from kbatch.manifest.layers import layer_data, layer_matrix, layer_vars
from kbatch.manifest.matrix.combinations import equal
from kbatch.manifest.matrix.labels import label_of
from kbatch.manifest.templates.template import find_templates
from kbatch.manifest.yaml.document import Document
from kbatch.manifest.yaml.source import read_text
from kbatch.models.body import parameters_of
from kbatch.models.extra import EXTRA
from kbatch.planner.jobs import Job
from kbatch.report.data.references import dotted_names

_RULES = ("include", "exclude", "zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One name that a template took: `what` says in words which variable, axis or row it is, `mark` where it stands."""

    name: str
    value: Any
    what: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value of a job: the layer that brought it in words, its place, its template and what that used.

    `file` is the prompt file when the text stands there; a chained picture's value is its description.
    """

    name: str
    value: Any
    what: str
    mark: Mark | None = None
    file: str | None = None
    template: str | None = None
    uses: tuple[Use, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a manifest's values are looked up in: its document, its profile, and its tree's files by relative name."""

    document: Document
    profile: str | None
    read: Callable[[str], bytes]


def values_of(job: Job, texts: Texts) -> tuple[Value, ...]:
    """Return every value of a job's request, then its labels, `when` and output, with their origins."""
    return tuple(_values(job, texts))


def dropped_of(job: Job, texts: Texts) -> tuple[Value, ...]:
    """Return the parameters that were written and left out, since the model has none of that name."""
    params = job.draft.params
    return tuple(replace(_value(job, f"params.{name}", params[name], texts), name=name) for name in job.dropped)


def _values(job: Job, texts: Texts) -> Iterator[Value]:
    draft = job.draft
    yield _value(job, "provider", draft.provider, texts)
    yield _value(job, "model", draft.model, texts)
    if draft.prompt is not None:
        yield _value(job, "prompt", draft.prompt, texts)
    for name, value in parameters_of(job.card, job.request).items():
        if name in job.defaulted:
            own = ", kbatch's own" if job.card.parameters[name].get("default_by") == "kbatch" else ""
            yield Value(name=name, value=value, what=f"default of the card {job.card.key}{own}")
        elif name in draft.params:
            found = _value(job, f"params.{name}", draft.params[name], texts)
            yield replace(found, name=name)
        else:
            found = _value(job, f"params.{EXTRA}", value, texts)
            yield replace(found, name=name, what=f"extra, sent as written, from {found.what}")
    for name, label in draft.labels.items():
        yield replace(_value(job, f"labels.{name}", label, texts), name=f"label {name}")
    if "when" in draft.origins:
        yield _value(job, "when", True, texts)
    yield _value(job, "output", draft.output, texts)


def _value(job: Job, field: str, value: Any, texts: Texts) -> Value:
    origin = job.draft.origins[field]
    written = _written(texts.document.value, origin.path) if origin.path else "{{ slug }}.mp4"
    file = str(written) if origin.path and origin.path[-1] == "prompt_file" else None
    text = _text(texts.read(file), file) if file else written
    if field == "when" and isinstance(text, str) and not any(find_templates(text)):
        text = f"{{{{ {text} }}}}"
    sources = [source for _, source in find_templates(text)]
    frame = f"the {value.which} frame of {value.address}" if isinstance(value, Frame) else None
    return Value(
        name=field,
        value=value if frame is None else frame,
        what=_layer(origin, texts.profile),
        mark=texts.document.mark(origin.path) if origin.path else None,
        file=file,
        template=sources[0] if len(sources) == 1 else " … ".join(sources) or None,
        uses=tuple(_uses(job, sources, texts)),
    )


def _text(data: bytes, file: str) -> str:
    text = read_text(data, file)
    return text if isinstance(text, str) else ""


def _written(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _layer(origin: Origin, profile: str | None) -> str:
    words = {"profile": f"profile {profile}", "profile defaults": f"defaults of profile {profile}"}
    return words.get(origin.layer, "kbatch's default" if origin.layer == "default" else origin.layer)


# what a template used


def _uses(job: Job, sources: list[str], texts: Texts) -> Iterator[Use]:
    names = dict.fromkeys(name for source in sources for name in dotted_names(source, texts.read))
    seen = set()
    for name in names:
        use = _use(job, name, texts)
        if use is not None and use.name not in seen:
            seen.add(use.name)
            yield use


def _use(job: Job, name: str, texts: Texts) -> Use | None:
    """Return what a dotted name stands for; None for functions, such as `last_frame`."""
    draft, steps = job.draft, name.split(".")
    root = steps[0]
    if root in ("vars", "matrix") and len(steps) > 1:
        steps = steps[1:]
    if root == "data" and len(steps) > 1:
        return _use_data(steps[1], texts)
    if root in ("vars", "data", "matrix"):
        return Use(name=root, value=None, what=f"all of `{root}`")
    variables = layer_vars(texts.document.value, texts.profile)
    if steps[0] in draft.values and root != "vars":
        reached, value = _follow(draft.values[steps[0]], steps)
        what, mark = _axis(draft, steps[0], texts)
        return Use(name=reached, value=value, what=what, mark=mark)
    if steps[0] in variables:
        reached, value = _follow(variables[steps[0]], steps)
        path = _path_of_var(steps[0], texts)
        what = "vars" if path[0] == "vars" else f"vars of profile {texts.profile}"
        return Use(name=reached, value=value, what=what, mark=texts.document.mark(path))
    own = {
        "take": draft.take,
        "shot": {"id": draft.shot, "labels": draft.labels},
        "labels": draft.labels,
        "model": draft.model,
        "provider": draft.provider,
        "slug": None,
    }
    if root not in own:
        return None
    reached, value = _follow(own[root], steps)
    return Use(name=reached, value=value, what="the address as a file name" if root == "slug" else "this job")


def _follow(value: Any, steps: list[str]) -> tuple[str, Any]:
    """Walk down mappings as far as the steps lead; return the name reached, methods left out, and its value."""
    reached = steps[:1]
    for step in steps[1:]:
        if not isinstance(value, Mapping) or step not in value:
            break
        value = value[step]
        reached.append(step)
    return ".".join(reached), value


def _use_data(name: str, texts: Texts) -> Use | None:
    placed = layer_data(texts.document.value, texts.profile).get(name)
    if placed is None:
        return None
    rows = read_rows(placed.value, texts.read, placed.value)
    many = f"{len(rows):,} rows" if isinstance(rows, list) else "rows"
    what, mark = f"{many} of {placed.value}", texts.document.mark(placed.origin.path)
    return Use(name=f"data.{name}", value=None, what=what, mark=mark)


def _path_of_var(name: str, texts: Texts) -> Path:
    profile = texts.document.value.get("profiles", {}).get(texts.profile, {}) if texts.profile else {}
    return ("profiles", texts.profile or "", "vars", name) if name in profile.get("vars", {}) else ("vars", name)


# axes


def _axis(draft: Draft, name: str, texts: Texts) -> tuple[str, Mark | None]:
    """Return in words where an axis's value was written, and its place."""
    common, common_path = layer_matrix(texts.document.value, texts.profile)
    shot_path = draft.origins["shot"].path
    own = _written(texts.document.value, shot_path).get("matrix", {})
    for matrix, path, whose in ((own, (*shot_path, "matrix"), ""), (common, (*common_path,), " of every shot")):
        if name in matrix and name not in _RULES:
            found = _point(draft, name, matrix[name], (*path, name), texts)
            if found is not None:
                return f"axis{whose}{found[0]}", found[1]
        for index in reversed(range(len(matrix.get("include", [])))):
            rule = matrix["include"][index]
            if name in rule and (_is_template(rule[name]) or _means(draft, name, rule[name])):
                return f"`include` of the matrix{whose}", texts.document.mark((*path, "include", index, name))
        if name in matrix:
            return f"axis{whose}, from a template", texts.document.mark((*path, name))
    return "matrix", None


def _is_template(value: Any) -> bool:
    return any(find_templates(value))


def _means(draft: Draft, name: str, written: Any) -> bool:
    value = draft.values[name]
    if isinstance(written, Mapping) and isinstance(value, Mapping):
        return all(key in value and equal(value[key], part) for key, part in written.items())
    return equal(value, written) or label_of(value) == written


def _point(draft: Draft, name: str, written: Any, path: Path, texts: Texts) -> tuple[str, Mark] | None:
    """Return the listed value or the data row that an axis took; None where it took neither."""
    value, label = draft.values[name], dict(draft.axes).get(name)
    if isinstance(written, list):
        for index, point in enumerate(written):
            if equal(point, value) or (label is not None and label_of(point) == label):
                return "", texts.document.mark((*path, index))
    for used in dotted_names(written, texts.read) if isinstance(written, str) else ():
        data = used.removeprefix("data.").split(".")[0]
        placed = layer_data(texts.document.value, texts.profile).get(data)
        rows = (
            read_rows(placed.value, texts.read, placed.value)
            if placed is not None and used.startswith("data.")
            else None
        )
        if placed is not None and isinstance(rows, list):
            row = next((index for index, row in enumerate(rows, start=1) if equal(row, value)), None)
            if row is not None:
                return f", row {row:,} of {placed.value}", texts.document.mark(path)
    return None
