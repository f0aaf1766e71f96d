"""Shots with their combinations and their texts compiled: all that is shared by the jobs of a shot, before rendering.

The size is counted before anything is expanded. A template's names are checked against all that its scope can hold
before its first rendering, so that a typing error is one message and not one a job.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from kbatch.errors import Problem, Severity, Unreadable, nearest
from kbatch.manifest.drafts import Origin, Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.layers import Placed, Shot, layer_matrix, layer_shots
from kbatch.manifest.matrix.axes import ALWAYS, AxisReading, read_matrix
from kbatch.manifest.matrix.combinations import EMPTY, Combination, Matrix, count, cross, expand, product_of, work_of
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
    """What a manifest may read beside itself: bytes by a relative path, `Unreadable` where a rule forbids it."""

    def read(self, reference: str, *, limit: int = ...) -> bytes:
        """Return a file's bytes."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What of a manifest is resolved: a profile by name, where outputs go, and how many jobs are too many."""

    profile: str | None = None
    output_dir: str = "renders"
    max_jobs: int = 10_000


class ShotSheet(Struct, frozen=True, kw_only=True):
    """A shot with everything compiled that its jobs share.

    `combinations` are those of its own matrix crossed with the top-level one, `templates` and `origins` by field name,
    `params.<name>` or `labels.<name>`; `file` is the text of a prompt file.
    """

    shot: Shot
    matrix: Matrix
    combinations: tuple[Combination, ...]
    templates: Mapping[str, Template]
    origins: Mapping[str, Origin]
    file: SourceText | None
    weak: frozenset[str]
    takes: int


class Maker(Struct, frozen=True, kw_only=True):
    """What all shots of one manifest share while it is resolved; `base` is the scope without axes."""

    wanted: Wanted
    tree: ShotTree
    templates: Templates
    base: Mapping[str, Any]
    findings: Findings


def read_sheets(maker: Maker, manifest: Mapping[str, Any]) -> list[ShotSheet]:
    """Return the sheets of all shots; empty, with problems said, when a matrix is wrong or makes too many jobs."""
    findings = maker.findings
    names = frozenset(maker.base)
    reading = AxisReading(templates=maker.templates, scope=maker.base, findings=findings, taken=names)
    written, where = layer_matrix(manifest, maker.wanted.profile)
    shots = layer_shots(manifest, maker.wanted.profile)
    _check_ids(findings, shots)
    common = read_matrix(written, where, reading)
    if common is None:
        return []
    inner = AxisReading(templates=maker.templates, scope=maker.base, findings=findings, taken=names | _names_of(common))
    matrices = [(shot, read_matrix(shot.matrix, (*shot.path, "matrix"), inner) or EMPTY) for shot in shots]
    if findings.fatal or not _check_size(maker, common, matrices):
        return []
    outer = _expand(findings, common, where)
    sheets = []
    for shot, matrix in matrices:
        own = _expand(findings, matrix, (*shot.path, "matrix"))
        sheets.append(_compile(maker, shot, matrix, cross(outer, own), _names_of(common)))
    made = [sheet for sheet in sheets if sheet is not None]
    if not findings.fatal:
        _warn_unused_axes(findings, made, common, where)
    return made


def _check_ids(findings: Findings, shots: tuple[Shot, ...]) -> None:
    first: dict[str, Path] = {}
    for shot in shots:
        if not slug(shot.id):
            message = f"`id` cannot be `{shot.id}`: it has neither a letter nor a digit, of which names are made"
            findings.say("bad-form", (*shot.path, "id"), message, hint="for example `hero`")
        if shot.id in first:
            line = findings.document.mark((*first[shot.id], "id")).line
            hint = "addresses begin with the id, so each shot needs its own"
            findings.say(
                "duplicate-shot", (*shot.path, "id"), f"shot `{shot.id}` stands already in line {line}", hint=hint
            )
        first.setdefault(shot.id, shot.path)


def _names_of(matrix: Matrix) -> frozenset[str]:
    return frozenset(matrix.axes) | {name for rule in matrix.include for name in rule}


def _check_size(maker: Maker, common: Matrix, matrices: list[tuple[Shot, Matrix]]) -> bool:
    """Refuse too many jobs before one is made; `when` is not asked, so it leaves out none of them."""
    named = [(shot.path, matrix) for shot, matrix in matrices]
    if not all(_check_rules(maker, matrix, (*where, "matrix")) for where, matrix in [((), common), *named]):
        return False
    outer = count(common)
    sizes = [(outer * count(matrix) * int(shot.value("takes", 1)), shot) for shot, matrix in matrices]
    total = sum(size for size, _ in sizes)
    if total <= maker.wanted.max_jobs:
        return True
    size, largest = max(sizes, key=lambda pair: pair[0])
    share = f", {size:,} of them in shot `{largest.id}`" if len(matrices) > 1 else ""
    message = f"the matrix makes {total:,} jobs{share}; at most {maker.wanted.max_jobs:,} are allowed"
    maker.findings.say("too-many-jobs", largest.path, message, hint=f"`--max-jobs {total}` allows them")
    return False


def _check_rules(maker: Maker, matrix: Matrix, where: Path) -> bool:
    """Refuse rules that would be held against combinations for minutes, before one is."""
    work, limit = work_of(matrix), max(_MOST_RULED, _RULED_A_JOB * maker.wanted.max_jobs)
    if work <= limit:
        return True
    rules = f"{len(matrix.exclude) + len(matrix.include):,} rules over {product_of(matrix):,} combinations"
    hint = "write the wanted combinations as data rows, or as `zip`; rules are for exceptions"
    message = f"{rules} are {work:,} comparisons, at most {limit:,}"
    maker.findings.say("too-many-rules", where, message, hint=hint, on_key=True)
    return False


def _expand(findings: Findings, matrix: Matrix, where: Path) -> tuple[Combination, ...]:
    expanded = expand(matrix)
    for kind, index in expanded.idle:
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


def _compile(
    maker: Maker, shot: Shot, matrix: Matrix, combinations: tuple[Combination, ...], common: frozenset[str]
) -> ShotSheet | None:
    read = _texts_of(maker, shot)
    if read is None:
        return None
    placed, file = read
    known = frozenset(maker.base) | common | _names_of(matrix) | ALWAYS
    templates: dict[str, Template] = {}
    for name, part in placed.items():
        in_file = file if name == "prompt" else None
        bare = name == "when" and isinstance(part.value, str)
        compiled = maker.templates.expression(part.value) if bare else maker.templates.structure(part.value)
        faults = [compiled] if isinstance(compiled, Fault) else check_names(compiled, _known(name, known, compiled))
        for fault in faults:
            say_fault(maker.findings, fault, part.origin.path or shot.path, file=in_file)
        if isinstance(compiled, Template):
            templates[name] = compiled
    return ShotSheet(
        shot=shot,
        matrix=matrix,
        combinations=combinations,
        templates=templates,
        origins={"shot": Origin(layer="shot", path=shot.path)} | {name: part.origin for name, part in placed.items()},
        file=file,
        weak=frozenset(name for name, part in shot.params.items() if part.weak),
        takes=int(shot.value("takes", 1)),
    )


def _known(field: str, names: frozenset[str], template: Template) -> frozenset[str]:
    """Return the names that a field's template can use: labels come after `when`, the model before the output."""
    if not template.names:
        return names
    if field == "output":
        return names | {"model", "provider"}
    return names - _NOT_BEFORE_LABELS if field == "when" or field.startswith("labels.") else names


def _texts_of(maker: Maker, shot: Shot) -> tuple[dict[str, Placed], SourceText | None] | None:
    """Return all that may hold a template, by field name, and the prompt file's text if there is one."""
    placed = {name: shot.fields[name] for name in _TEXT_FIELDS if name in shot.fields}
    missing = [name for name in ("model", "provider") if name not in placed]
    for name in missing:
        hint = f"write `{name}` in the shot or under `defaults`"
        maker.findings.say(f"missing-{name}", shot.path, f"shot `{shot.id}` has no {name}", hint=hint)
    file = None
    if "prompt_file" in shot.fields:
        part = shot.fields["prompt_file"]
        file = _read_prompt(maker, part)
        if file is None:
            return None
        placed["prompt"] = Placed(file.text, part.origin)
    if missing:
        return None
    placed.setdefault("output", Placed("{{ slug }}.mp4", Origin(layer="default", path=())))
    placed.update((f"params.{name}", part) for name, part in shot.params.items())
    placed.update((f"labels.{name}", part) for name, part in shot.labels.items())
    return placed, file


def _read_prompt(maker: Maker, part: Placed) -> SourceText | None:
    """Read a prompt file."""
    findings = maker.findings
    file = findings.document.beside(part.value)
    try:
        text = read_text(maker.tree.read(part.value, limit=_PROMPT_LIMIT), file)
    except Unreadable as error:
        findings.say(error.code, part.origin.path, error.message, hint=error.hint)
        return None
    if isinstance(text, Problem):
        findings.say(text.code, part.origin.path, text.message, hint=text.hint, mark=text.mark)
        return None
    return SourceText(file, text, plain=True)


def _warn_unused_axes(findings: Findings, sheets: list[ShotSheet], common: Matrix, where: Path) -> None:
    """Say which axes make identical jobs: a shot's own that it does not use, a top-level one that no shot uses."""
    used = {sheet.shot.path: _used_names(sheet) for sheet in sheets}
    for axis in common.axes:
        if not any(_uses(names, common, axis) for names in used.values()):
            named = any(_uses(_names_in_output(sheet), common, axis) for sheet in sheets)
            message = f"{_only(named, 'no template')} uses the axis `{axis}`"
            _warn_unused(findings, (*where, axis), message, len(common.axes[axis]), named)
    for sheet in sheets:
        for axis, points in sheet.matrix.axes.items():
            if not _uses(used[sheet.shot.path], sheet.matrix, axis):
                named = _uses(_names_in_output(sheet), sheet.matrix, axis)
                message = f"{_only(named, f'no template of shot `{sheet.shot.id}`')} uses the axis `{axis}`"
                _warn_unused(findings, (*sheet.shot.path, "matrix", axis), message, len(points), named)


def _uses(names: frozenset[str], matrix: Matrix, axis: str) -> bool:
    """Whether a name varies with the axis: the axis itself, one zipped with it, or one that an include adds to it."""
    together = {axis}.union(*(group for group in matrix.zips if axis in group))
    together.update(name for rule in matrix.include if axis in rule for name in rule)
    return "matrix" in names or bool(names & together)


def _used_names(sheet: ShotSheet) -> frozenset[str]:
    """Return the names that change what is bought; a frame of another shot matches by every axis."""
    names = frozenset().union(*(part.names for name, part in sheet.templates.items() if name != "output"))
    return names | {"matrix"} if names & {"last_frame", "first_frame"} else names


def _names_in_output(sheet: ShotSheet) -> frozenset[str]:
    return sheet.templates["output"].names if "output" in sheet.templates else frozenset()


def _only(in_output: bool, none: str) -> str:
    return "only the output's name" if in_output else none


def _warn_unused(findings: Findings, path: Path, message: str, values: int, named: bool) -> None:
    hint = "identical jobs are bought once; `takes` buys several renders of one request"
    copies = f"{values} copies of one clip" if named else "identical jobs"
    said = f"{message}: its {values} values make {copies}"
    findings.say("unused-axis", path, said, hint=hint, on_key=True, severity=Severity.WARNING)
