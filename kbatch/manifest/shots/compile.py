"""Compiles shots: their combinations and templates, which all jobs of a shot share, before rendering."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kbatch.manifest.drafts import Origin, Path
from kbatch.manifest.faulty import Faulty
from kbatch.manifest.findings import Findings
from kbatch.manifest.layers import Shot, layer_matrix, layer_shots
from kbatch.manifest.matrix.axes import ALWAYS, AxisReading, ReadMatrix, read_matrix
from kbatch.manifest.matrix.combinations import Combination, Matrix, cross
from kbatch.manifest.matrix.labels import slug
from kbatch.manifest.shots.compiled_shot import CompiledShot, ResolveContext
from kbatch.manifest.shots.expansion import check_size, expand_matrix, leave_out, takes_of
from kbatch.manifest.shots.shot_templates import TemplateCompiler, texts_of
from kbatch.manifest.shots.unused_axes import warn_unused_axes
from kbatch.manifest.templates.template import Template


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
    """Return all shots compiled, each as far as its own faults and those of the top-level matrix allow."""
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
    small = check_size(context, common.matrix, [(shot, read.matrix) for shot, read in matrices])
    outer = expand_matrix(findings, common, where) if small else ()
    compiled = []
    for shot, read in matrices:
        fits = shot.path in small
        own = expand_matrix(findings, read, (*shot.path, "matrix")) if fits else ()
        crossed = _Crossed(
            shot=shot,
            read=read,
            combinations=leave_out(findings, shot, cross(outer, own)) if fits else (),
            common=_names_of(common.matrix) | common.faulty,
            faulty=common.faulty | read.faulty,
            whole=fits and common.whole and read.whole,
            named=shot.path not in nameless,
            any_name=every or common.any_name or read.any_name,
        )
        compiled.append(_compile(context, crossed))
    warn_unused_axes(findings, compiled, common.matrix, where)
    return compiled


def _check_ids(findings: Findings, shots: tuple[Shot, ...]) -> frozenset[Path]:
    """Report invalid and repeated ids, and return the places of the shots that have one."""
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


def _compile(context: ResolveContext, crossed: _Crossed) -> CompiledShot:
    shot, names = crossed.shot, _names_of(crossed.read.matrix) | crossed.faulty
    placed, file, faulty = texts_of(context, shot)
    known = frozenset(context.base) | crossed.common | names | ALWAYS
    compiling = TemplateCompiler(
        context=context,
        shot=shot,
        any_name=crossed.any_name,
        known=known,
        file=file,
        faulty_names=_faulty_names(crossed),
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
        takes=takes_of(shot),
        faulty=frozenset(faulty) - {"when"} | (frozenset() if crossed.named else {"output"}),
        faulty_names=compiling.faulty_names,
        whole=crossed.whole and not takes_faulty and "when" not in faulty and crossed.named,
    )


def _faulty_names(crossed: _Crossed) -> frozenset[str]:
    """Return the names without a value; a job's own name is one of them where the label of an axis is not known."""
    return crossed.faulty | {"slug"} if crossed.faulty else crossed.faulty
