"""Compiles shots: their combinations and templates, which all jobs of a shot share, before rendering.

The number of jobs is counted before anything is expanded. A template's names are checked against its possible scope
before the first rendering, so that a typing error is one message and not one per job.
"""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Problem, Severity, Unreadable, nearest
from kbatch.manifest.drafts import Origin, Path
from kbatch.manifest.faulty import Faulty
from kbatch.manifest.findings import Findings
from kbatch.manifest.layers import LayeredValue, Shot, layer_matrix, layer_shots
from kbatch.manifest.matrix.axes import ALWAYS, RESERVED, AxisReading, ReadMatrix, read_matrix
from kbatch.manifest.matrix.combinations import Combination, Matrix, count, cross, expand, product_of, work_of
from kbatch.manifest.matrix.labels import label_of, slug
from kbatch.manifest.templates.faults import Fault, say_fault
from kbatch.manifest.templates.template import Template, Templates, check_names
from kbatch.manifest.yaml.source import SourceText, read_text

_MOST_RULED = 5_000_000
"""Rules held against combinations in one matrix: three seconds of work."""
_RULED_A_JOB = 50
_PROMPT_LIMIT = 64 * 1024
_TEXT_FIELDS = ("provider", "model", "prompt", "when", "output")
_NOT_BEFORE_LABELS = frozenset(("labels",))


class ShotTree(Protocol):
    """The files that a manifest may read, by relative path; `Unreadable` where a rule forbids it."""

    def read(self, reference: str, *, limit: int = ...) -> bytes:
        """Return a file's bytes."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What of a manifest is resolved: a profile by name, where outputs go, and how many jobs are too many."""

    profile: str | None = None
    output_dir: str = "renders"
    max_jobs: int = 10_000


class CompiledShot(Struct, frozen=True, kw_only=True):
    """A shot with everything compiled that its jobs share.

    `combinations` are those of its own matrix crossed with the top-level one, `templates` and `origins` by field name,
    `params.<name>` or `labels.<name>`; `file` is the text of a prompt file.

    `faulty` are the fields that cannot be had, `faulty_names` the names that have no value, since faults were said;
    only of a `whole` sheet are all combinations known.
    """

    shot: Shot
    matrix: Matrix
    combinations: tuple[Combination, ...]
    templates: Mapping[str, Template]
    origins: Mapping[str, Origin]
    file: SourceText | None
    default_only: frozenset[str]
    takes: int
    faulty: frozenset[str] = frozenset()
    faulty_names: frozenset[str] = frozenset()
    whole: bool = True


class ResolveContext(Struct, frozen=True, kw_only=True):
    """What all shots of one manifest share while it is resolved; `base` is the scope without axes."""

    wanted: Wanted
    tree: ShotTree
    templates: Templates
    base: Mapping[str, Any]
    findings: Findings
    any_name: bool = False


class _Crossed(Struct, frozen=True, kw_only=True):
    """A shot with its matrix and its combinations, the top-level axes' among them; `common` are the names of these."""

    shot: Shot
    read: ReadMatrix
    combinations: tuple[Combination, ...]
    common: frozenset[str]
    faulty: frozenset[str]
    whole: bool
    named: bool
    any_name: bool


def compile_shots(context: ResolveContext, manifest: Mapping[str, Any]) -> list[CompiledShot]:
    """Return the sheets of all shots, each as far as its own faults and those of the top-level matrix allow."""
    findings = context.findings
    names, every = frozenset(context.base), context.any_name
    reading = AxisReading(
        templates=context.templates, scope=context.base, findings=findings, taken=names, any_name=every
    )
    written, where = layer_matrix(manifest, context.wanted.profile)
    shots = layer_shots(manifest, context.wanted.profile)
    nameless = _check_ids(findings, shots)
    common = read_matrix(written, where, reading)
    inner = replace(reading, taken=names | _names_of(common.matrix))
    matrices = [(shot, read_matrix(shot.matrix, (*shot.path, "matrix"), inner)) for shot in shots]
    small = _check_size(context, common.matrix, [(shot, read.matrix) for shot, read in matrices])
    outer = _expand(findings, common, where) if small else ()
    compiled = []
    for shot, read in matrices:
        fits = shot.path in small
        own = _expand(findings, read, (*shot.path, "matrix")) if fits else ()
        crossed = _Crossed(
            shot=shot,
            read=read,
            combinations=cross(outer, own) if fits else (),
            common=_names_of(common.matrix) | common.faulty,
            faulty=common.faulty | read.faulty,
            whole=fits and common.whole and read.whole,
            named=shot.path not in nameless,
            any_name=every or common.any_name or read.any_name,
        )
        compiled.append(_compile(context, crossed))
    _warn_unused_axes(findings, compiled, common.matrix, where)
    return compiled


def _check_ids(findings: Findings, shots: tuple[Shot, ...]) -> frozenset[Path]:
    """Say which ids cannot be, and return the places of the shots whose jobs have no name of their own."""
    first: dict[str, Path] = {}
    nameless = {shot.path for shot in shots if "id" in shot.faulty}
    for shot in shots:
        if shot.path in nameless:
            continue
        if not slug(shot.id):
            message = f"`id` cannot be `{shot.id}`: it has neither a letter nor a digit, of which names are made"
            findings.say("bad-form", (*shot.path, "id"), message, hint="for example `hero`")
            nameless.add(shot.path)
        if shot.id in first:
            line = findings.document.mark((*first[shot.id], "id")).line
            hint = "addresses begin with the id, so each shot needs its own"
            message = f"shot `{shot.id}` stands already in line {line}"
            findings.say("duplicate-shot", (*shot.path, "id"), message, hint=hint)
            nameless |= {shot.path, first[shot.id]}
        first.setdefault(shot.id, shot.path)
    return frozenset(nameless)


def _names_of(matrix: Matrix) -> frozenset[str]:
    return frozenset(matrix.axes) | {name for rule in matrix.include for name in rule}


def _check_size(context: ResolveContext, common: Matrix, matrices: list[tuple[Shot, Matrix]]) -> set[Path]:
    """Refuse too many jobs before one is made, and return the places of the shots that can be expanded all the same.

    `when` is not asked, so it leaves out none of them.
    """
    fit = [pair for pair in matrices if _check_rules(context, pair[1], (*pair[0].path, "matrix"))]
    if not _check_rules(context, common, ("matrix",)) or not fit:
        return set()
    outer = count(common)
    sizes = [(outer * count(matrix) * _takes_of(shot), shot) for shot, matrix in fit]
    total = sum(size for size, _ in sizes)
    if total <= context.wanted.max_jobs:
        return {shot.path for shot, _ in fit}
    size, largest = max(sizes, key=lambda pair: pair[0])
    share = f", {size:,} of them in shot `{largest.id}`" if len(matrices) > 1 else ""
    message = f"the matrix makes {total:,} jobs{share}; at most {context.wanted.max_jobs:,} are allowed"
    context.findings.say("too-many-jobs", largest.path, message, hint=f"`--max-jobs {total}` allows them")
    left, small = context.wanted.max_jobs, set()
    for size, shot in sorted(sizes, key=lambda pair: pair[0]):
        left -= size
        if left >= 0:
            small.add(shot.path)
    return small


def _takes_of(shot: Shot) -> int:
    takes = shot.value("takes", 1)
    return 1 if isinstance(takes, Faulty) else int(takes)


def _check_rules(context: ResolveContext, matrix: Matrix, where: Path) -> bool:
    """Refuse rules that would be held against combinations for minutes, before one is."""
    work, limit = work_of(matrix), max(_MOST_RULED, _RULED_A_JOB * context.wanted.max_jobs)
    if work <= limit:
        return True
    rules = f"{len(matrix.exclude) + len(matrix.include):,} rules over {product_of(matrix):,} combinations"
    hint = "write the wanted combinations as data rows, or as `zip`; rules are for exceptions"
    message = f"{rules} are {work:,} comparisons, at most {limit:,}"
    context.findings.say("too-many-rules", where, message, hint=hint, on_key=True)
    return False


def _expand(findings: Findings, read: ReadMatrix, where: Path) -> tuple[Combination, ...]:
    matrix, unsure = read.matrix, read.faulty | read.short
    expanded = expand(matrix)
    for kind, index in expanded.idle:
        if not unsure.isdisjoint(matrix.exclude[index]):
            continue
        message, hint = f"this {kind} matches no combination", "an earlier rule left them out"
        for name, value in matrix.exclude[index].items():
            values = {point.label: str(point.value) for point in matrix.axes[name]}
            label = label_of(value) or ""
            if label not in values and not isinstance(value, Mapping):
                near = nearest(label, values)
                message = f"{message}: `{name}` has no value `{value}`"
                hint = f"did you mean `{values[near]}`?" if near else f"values: {', '.join(list(values.values())[:12])}"
                break
        findings.say("rule-matches-nothing", (*where, kind, index), message, hint=hint, severity=Severity.WARNING)
    return expanded.combinations


def _compile(context: ResolveContext, crossed: _Crossed) -> CompiledShot:
    shot, names = crossed.shot, _names_of(crossed.read.matrix) | crossed.faulty
    placed, file, faulty = _texts_of(context, shot)
    known = frozenset(context.base) | crossed.common | names | ALWAYS
    compiling = _Compiling(
        context=context, crossed=crossed, known=known, file=file, faulty_names=_faulty_names(crossed)
    )
    templates: dict[str, Template] = {}
    origins = {"shot": Origin(layer="shot", path=shot.path)} | {name: part.origin for name, part in placed.items()}
    if "when" in placed:
        when = compiling.compile("when", placed.pop("when"))
        if when is None:  # which combinations are left out is not known, so none is judged by its axes
            faulty.add("when")
            axes = crossed.common | names
            unknown = axes | {"matrix", "slug"} if axes else axes
            compiling = replace(compiling, faulty_names=compiling.faulty_names | unknown)
        else:
            templates["when"] = when
    for name, part in sorted(placed.items(), key=lambda item: not item[0].startswith("labels.")):
        compiled = compiling.compile(name, part)
        if compiled is None:
            faulty.add(name)
        else:
            templates[name] = compiled
    takes_faulty = isinstance(shot.value("takes"), Faulty)
    return CompiledShot(
        shot=shot,
        matrix=crossed.read.matrix,
        combinations=crossed.combinations[:1] if "when" in faulty else crossed.combinations,
        templates=templates,
        origins=origins,
        file=file,
        default_only=frozenset(name for name, part in shot.params.items() if part.default_only),
        takes=_takes_of(shot),
        faulty=frozenset(faulty) - {"when"} | (frozenset() if crossed.named else {"output"}),
        faulty_names=compiling.faulty_names,
        whole=crossed.whole and not takes_faulty and "when" not in faulty and crossed.named,
    )


def _faulty_names(crossed: _Crossed) -> frozenset[str]:
    """Return the names without a value; a job's own name is one of them where the label of an axis is not known."""
    return crossed.faulty | {"slug"} if crossed.faulty else crossed.faulty


class _Compiling(Struct, frozen=True, kw_only=True):
    """What compiling the fields of a shot needs: `known` names, and those of them that have no value to go by."""

    context: ResolveContext
    crossed: _Crossed
    known: frozenset[str]
    file: SourceText | None
    faulty_names: frozenset[str]

    def compile(self, name: str, part: LayeredValue) -> Template | None:
        """Return a field's template; None when it is wrong, which is said, or needs what was said."""
        text = self.file.text if self.file is not None and name == "prompt" else str(part.value)
        if isinstance(part.value, Faulty) or any(
            re.search(rf"\b{word}\b", text) for word in self.faulty_names & RESERVED
        ):
            return None
        templates = self.context.templates
        bare = name == "when" and isinstance(part.value, str)
        compiled = templates.expression(part.value) if bare else templates.structure(part.value)
        if isinstance(compiled, Fault):
            self._say(name, part, compiled)
            return None
        faults = check_names(compiled, _known(name, self.known, compiled))
        for fault in () if self.crossed.any_name else faults:
            self._say(name, part, fault)
        return None if faults or not self.faulty_names.isdisjoint(compiled.names) else compiled

    def _say(self, name: str, part: LayeredValue, fault: Fault) -> None:
        in_file = self.file if name == "prompt" else None
        say_fault(self.context.findings, fault, part.origin.path or self.crossed.shot.path, file=in_file)


def _known(field: str, names: frozenset[str], template: Template) -> frozenset[str]:
    """Return the names that a field's template can use: labels come after `when`, the model before the output."""
    if not template.names:
        return names
    if field == "output":
        return names | {"model", "provider"}
    return names - _NOT_BEFORE_LABELS if field == "when" or field.startswith("labels.") else names


def _texts_of(context: ResolveContext, shot: Shot) -> tuple[dict[str, LayeredValue], SourceText | None, set[str]]:
    """Return all that may hold a template by field name, a prompt file's text, and the fields that cannot be had."""
    placed = {name: shot.fields[name] for name in _TEXT_FIELDS if name in shot.fields}
    faulty = {name for name in shot.faulty if name not in placed and name != "id"}
    for name in ("model", "provider"):
        if name not in placed and name not in faulty:
            hint = f"write `{name}` in the shot or under `defaults`"
            context.findings.say(f"missing-{name}", shot.path, f"shot `{shot.id}` has no {name}", hint=hint)
            faulty.add(name)
    file = None
    if "prompt_file" in shot.fields:
        part = shot.fields["prompt_file"]
        file = None if isinstance(part.value, Faulty) else _read_prompt(context, part)
        if file is None:
            faulty.add("prompt")
            placed.pop("prompt", None)
        else:
            placed["prompt"] = LayeredValue(file.text, part.origin)
    placed.setdefault("output", LayeredValue("{{ slug }}.mp4", Origin(layer="default", path=())))
    placed.update((f"params.{name}", part) for name, part in shot.params.items())
    placed.update((f"labels.{name}", part) for name, part in shot.labels.items())
    return placed, file, faulty


def _read_prompt(context: ResolveContext, part: LayeredValue) -> SourceText | None:
    """Read a prompt file."""
    findings = context.findings
    file = findings.document.beside(part.value)
    try:
        text = read_text(context.tree.read(part.value, limit=_PROMPT_LIMIT), file)
    except Unreadable as error:
        findings.say(error.code, part.origin.path, error.message, hint=error.hint)
        return None
    if isinstance(text, Problem):
        findings.say(text.code, part.origin.path, text.message, hint=text.hint, mark=text.mark)
        return None
    return SourceText(file, text, plain=True)


def _warn_unused_axes(findings: Findings, compiled: list[CompiledShot], common: Matrix, where: Path) -> None:
    """Say which axes make identical jobs: a shot's own that it does not use, a top-level one that no shot uses."""
    used = {shot_compiled.shot.path: _used_names(shot_compiled) for shot_compiled in compiled}
    for axis in common.axes if all(map(_is_sound, compiled)) and compiled else ():
        if not any(_uses(names, common, axis) for names in used.values()):
            named = any(_uses(_names_in_output(shot_compiled), common, axis) for shot_compiled in compiled)
            message = f"{_only(named, 'no template')} uses the axis `{axis}`"
            _warn_unused(findings, (*where, axis), message, len(common.axes[axis]), named)
    for shot_compiled in filter(_is_sound, compiled):
        for axis, points in shot_compiled.matrix.axes.items():
            if not _uses(used[shot_compiled.shot.path], shot_compiled.matrix, axis):
                named = _uses(_names_in_output(shot_compiled), shot_compiled.matrix, axis)
                message = f"{_only(named, f'no template of shot `{shot_compiled.shot.id}`')} uses the axis `{axis}`"
                _warn_unused(findings, (*shot_compiled.shot.path, "matrix", axis), message, len(points), named)


def _is_sound(shot_compiled: CompiledShot) -> bool:
    return shot_compiled.whole and not shot_compiled.faulty


def _uses(names: frozenset[str], matrix: Matrix, axis: str) -> bool:
    """Whether a name varies with the axis: the axis itself, one zipped with it, or one that an include adds to it."""
    together = {axis}.union(*(group for group in matrix.zips if axis in group))
    together.update(name for rule in matrix.include if axis in rule for name in rule)
    return "matrix" in names or bool(names & together)


def _used_names(shot_compiled: CompiledShot) -> frozenset[str]:
    """Return the names that change what is bought; a frame of another shot matches by every axis."""
    names = frozenset().union(*(part.names for name, part in shot_compiled.templates.items() if name != "output"))
    return names | {"matrix"} if names & {"last_frame", "first_frame"} else names


def _names_in_output(shot_compiled: CompiledShot) -> frozenset[str]:
    return shot_compiled.templates["output"].names if "output" in shot_compiled.templates else frozenset()


def _only(in_output: bool, none: str) -> str:
    return "only the output's name" if in_output else none


def _warn_unused(findings: Findings, path: Path, message: str, values: int, named: bool) -> None:
    hint = "identical jobs are bought once; `takes` buys several renders of one request"
    copies = f"{values} copies of one clip" if named else "identical jobs"
    said = f"{message}: its {values} values make {copies}"
    findings.say("unused-axis", path, said, hint=hint, on_key=True, severity=Severity.WARNING)
