"""Makes drafts of a manifest: layers, matrices, templates and chains, all problems collected.

The size is counted before anything is rendered. A template's names are checked against all that its scope can hold
before its first rendering, so that a typing error is one message and not one a job.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kbatch.manifest.axes import Reading, read_matrix
from kbatch.manifest.chains import Jobs, in_order, upstream_of
from kbatch.manifest.data import read_rows
from kbatch.manifest.document import Document
from kbatch.manifest.drafts import Draft, FrameCall, Origin, Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.labels import file_name
from kbatch.manifest.layers import Placed, Shot, layer_data, layer_matrix, layer_shots, layer_vars
from kbatch.manifest.matrix import EMPTY, Combination, Matrix, expand, most
from kbatch.manifest.outputs import output_fault, same_file
from kbatch.manifest.template import Fault, Template, Templates, check_names, is_template
from kbatch.problems import Problem, Severity, Unreadable, did_you_mean

COUNT_LIMIT = 2_000_000
_ALWAYS = frozenset(("vars", "data", "matrix", "shot", "take", "slug", "labels", "last_frame", "first_frame"))


class Tree(Protocol):
    """What a manifest may read beside itself: bytes by a relative path, `Unreadable` where a rule forbids it."""

    def read(self, reference: str, *, limit: int = ...) -> bytes:
        """Return a file's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a manifest is resolved: a profile by name, where outputs go, and how many jobs are too many."""

    profile: str | None = None
    output_dir: str = "renders"
    max_jobs: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """A shot with everything compiled that its jobs share."""

    shot: Shot
    combinations: tuple[Combination, ...]
    templates: Mapping[str, Template]
    origins: Mapping[str, Origin]
    weak: frozenset[str]
    takes: int
    literal: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    """What all shots of one manifest share while it is resolved."""

    wanted: Wanted
    tree: Tree
    templates: Templates
    base: Mapping[str, Any]
    findings: Findings


def resolve(document: Document, tree: Tree, wanted: Wanted, findings: Findings) -> tuple[Draft, ...]:
    """Return all drafts of a manifest whose shape was checked before; with errors in `findings` they are not complete."""
    manifest = document.value
    if wanted.profile is not None and wanted.profile not in manifest.get("profiles", {}):
        names = manifest.get("profiles", {})
        hint = did_you_mean(wanted.profile, names) or "the manifest has no profiles"
        findings.say("unknown-profile", ("profiles",), f"there is no profile `{wanted.profile}`", hint=hint)
        return ()
    templates = Templates(lambda name: tree.read(name))
    base = _base_scope(manifest, wanted.profile, tree, findings)
    maker = _Maker(wanted=wanted, tree=tree, templates=templates, base=base, findings=findings)
    sheets = _read_sheets(maker, manifest)
    if findings.fatal:
        return ()
    drafts = [draft for sheet in sheets for draft in _draft_all(maker, sheet)]
    drafts = _chain(maker, drafts, [sheet.shot.id for sheet in sheets])
    _check_outputs(findings, drafts)
    return tuple(drafts)


def _base_scope(manifest: Mapping[str, Any], profile: str | None, tree: Tree, findings: Findings) -> dict[str, Any]:
    variables = layer_vars(manifest, profile)
    data: dict[str, Any] = {}
    for name, placed in layer_data(manifest, profile).items():
        rows = read_rows(placed.value, lambda name: tree.read(name))
        if isinstance(rows, Problem):
            findings.say(rows.code, placed.origin.path, rows.message, hint=rows.hint, mark=rows.mark)
            rows = []
        data[name] = rows
    for name, value in variables.items():
        if name in _ALWAYS:
            message = f"`{name}` has a meaning of its own in templates"
            findings.say("name-reserved", ("vars", name), message, hint="choose another name", on_key=True)
        elif is_template(value):
            hint = "variables are plain values; put the template where it is used"
            findings.say("template-in-vars", ("vars", name), f"the variable `{name}` holds a template", hint=hint)
    return {**variables, "vars": variables, "data": data}


# shots with their matrices


def _read_sheets(maker: _Maker, manifest: Mapping[str, Any]) -> list[_Sheet]:
    findings, base = maker.findings, maker.base
    reading = Reading(templates=maker.templates, scope=base, findings=findings)
    names = frozenset(base)
    written, where = layer_matrix(manifest, maker.wanted.profile)
    common = read_matrix(written, where, reading, names)
    shots = layer_shots(manifest, maker.wanted.profile)
    _check_ids(findings, shots)
    if common is None:
        return []
    taken = names | _names_of(common)
    matrices = [(shot, read_matrix(shot.matrix, (*shot.path, "matrix"), reading, taken)) for shot in shots]
    if findings.fatal or not _check_size(maker, common, matrices):
        return []
    outer = _expand(findings, common, where)
    sheets = []
    for shot, matrix in matrices:
        if matrix is not None:
            inner = _expand(findings, matrix, (*shot.path, "matrix"))
            crossed = tuple(
                Combination((*one.shown, *other.shown), {**one.values, **other.values}) for one in outer for other in inner
            )
            sheet = _compile(maker, shot, crossed, _names_of(common) | _names_of(matrix))
            if sheet is not None:
                sheets.append(sheet)
    return sheets


def _check_ids(findings: Findings, shots: tuple[Shot, ...]) -> None:
    first: dict[str, int] = {}
    for index, shot in enumerate(shots):
        if shot.id in first:
            line = findings.document.mark(("shots", first[shot.id], "id")).line
            findings.say("duplicate-shot", (*shot.path, "id"), f"shot `{shot.id}` stands already in line {line}")
        first.setdefault(shot.id, index)


def _names_of(matrix: Matrix) -> frozenset[str]:
    return frozenset(matrix.axes) | {name for rule in matrix.include for name in rule}


def _check_size(maker: _Maker, common: Matrix, matrices: list[tuple[Shot, Matrix | None]]) -> bool:
    """Refuse too many jobs before one is made; exclusions count only where counting them is cheap."""
    total = 0
    largest: tuple[int, Shot | None] = (0, None)
    for shot, matrix in matrices:
        size = _size(common) * _size(matrix or EMPTY) * int(shot.value("takes", 1))
        total += size
        largest = max(largest, (size, shot), key=lambda pair: pair[0])
    if total <= maker.wanted.max_jobs:
        return True
    shot_with_most = largest[1]
    path = shot_with_most.path if shot_with_most else ()
    share = f", {largest[0]:,} of them in shot `{shot_with_most.id}`" if shot_with_most and len(matrices) > 1 else ""
    message = f"the matrix makes {total:,} jobs{share}; at most {maker.wanted.max_jobs:,} are allowed"
    maker.findings.say("too-many-jobs", path, message, hint=f"`--max-jobs {total}` allows them")
    return False


def _size(matrix: Matrix) -> int:
    bound = most(matrix)
    if bound > COUNT_LIMIT or not (matrix.exclude or matrix.include):
        return bound
    return len(expand(matrix).combinations)


def _expand(findings: Findings, matrix: Matrix, where: Path) -> tuple[Combination, ...]:
    expanded = expand(matrix)
    for kind, index in expanded.idle:
        message = f"this {kind} matches no combination"
        findings.say("rule-matches-nothing", (*where, kind, index), message, severity=Severity.WARNING)
    return expanded.combinations


# compiling a shot


def _compile(maker: _Maker, shot: Shot, combinations: tuple[Combination, ...], axes: frozenset[str]) -> _Sheet | None:
    known = frozenset(maker.base) | axes | _ALWAYS
    findings = maker.findings
    placed = _texts_of(maker, shot)
    if placed is None:
        return None
    templates: dict[str, Template] = {}
    literal: dict[str, Any] = {}
    for name, part in placed.items():
        if not isinstance(part.value, str):
            literal[name] = part.value
            continue
        make = maker.templates.expression if name == "when" else maker.templates.compile
        template = make(part.value)
        extra = frozenset(("model", "provider")) if name == "output" else frozenset()
        faults = [template] if isinstance(template, Fault) else check_names(template, known | extra)
        for fault in faults:
            findings.say(fault.code, part.origin.path, fault.message, hint=fault.hint, word=fault.word)
        if isinstance(template, Template):
            templates[name] = template
    sheet = _Sheet(
        shot=shot,
        combinations=combinations,
        templates=templates,
        origins={"shot": Origin(layer="shot", path=shot.path)} | {name: part.origin for name, part in placed.items()},
        weak=frozenset(name for name, part in shot.params.items() if part.weak),
        takes=int(shot.value("takes", 1)),
        literal=literal,
    )
    _warn_unused_axes(findings, sheet)
    return sheet


def _texts_of(maker: _Maker, shot: Shot) -> dict[str, Placed] | None:
    """Return all that may hold a template, by field name, `params.<name>` or `labels.<name>`."""
    placed = {name: shot.fields[name] for name in ("provider", "model", "prompt", "when", "output") if name in shot.fields}
    if "model" not in placed or "provider" not in placed:
        missing = "model" if "model" not in placed else "provider"
        hint = f"write `{missing}` in the shot or under `defaults`"
        maker.findings.say(f"missing-{missing}", shot.path, f"shot `{shot.id}` has no {missing}", hint=hint)
        return None
    if "prompt_file" in shot.fields:
        part = shot.fields["prompt_file"]
        try:
            text = maker.tree.read(part.value, limit=256 * 1024).decode("utf-8-sig")
        except Unreadable as error:
            maker.findings.say(error.code, part.origin.path, error.message, hint=error.hint)
            return None
        except UnicodeDecodeError:
            maker.findings.say("encoding", part.origin.path, f"`{part.value}` is not UTF-8", hint="save it as UTF-8")
            return None
        placed["prompt"] = Placed(text, part.origin)
    placed.setdefault("output", Placed("{{ slug }}.mp4", Origin(layer="default", path=())))
    placed.update((f"params.{name}", part) for name, part in shot.params.items())
    placed.update((f"labels.{name}", part) for name, part in shot.labels.items())
    return placed


def _warn_unused_axes(findings: Findings, sheet: _Sheet) -> None:
    used = {name for key, template in sheet.templates.items() if key != "output" for name in template.names}
    if used & {"matrix", "last_frame", "first_frame"}:
        return
    for axis, values in sheet.shot.matrix.items():
        if axis not in ("include", "exclude", "zip") and axis not in used:
            count = len(values) if isinstance(values, list) else "several"
            message = f"no template of shot `{sheet.shot.id}` uses the axis `{axis}`: its {count} values make identical jobs"
            hint = "identical jobs are bought once; `takes` buys several renders of one request"
            path = (*sheet.shot.path, "matrix", axis)
            findings.say("unused-axis", path, message, hint=hint, on_key=True, severity=Severity.WARNING)


# rendering the jobs


def _draft_all(maker: _Maker, sheet: _Sheet) -> Iterator[Draft]:
    of = len(sheet.combinations) * sheet.takes
    shot = {"id": sheet.shot.id}
    for combination in sheet.combinations:
        name = _address(sheet.shot.id, combination.shown)
        for take in range(1, sheet.takes + 1):
            address = name if take == 1 else f"{name}@{take}"
            scope = {
                **maker.base,
                **combination.values,
                "matrix": combination.values,
                "shot": shot,
                "take": take,
                "slug": file_name(address),
                "last_frame": _frame_function("last"),
                "first_frame": _frame_function("first"),
            }
            draft = _draft(maker, sheet, combination, scope, (address, of))
            if draft is not None:
                yield draft


def _address(shot: str, shown: tuple[tuple[str, str], ...]) -> str:
    """Return a job's readable id, takes apart.

    >>> _address("hero", (("city", "lisbon"), ("light", "dusk")))
    'hero[city=lisbon,light=dusk]'
    """
    return f"{shot}[{','.join(f'{axis}={label}' for axis, label in shown)}]" if shown else shot


def _frame_function(which: str) -> Callable[..., FrameCall]:
    def frame(shot: str, *, take: int = 1, **axes: Any) -> FrameCall:
        return FrameCall(which, str(shot), int(take), tuple(axes.items()))

    return frame


def _draft(maker: _Maker, sheet: _Sheet, combination: Combination, scope: dict[str, Any], job: tuple[str, int]) -> Draft | None:
    render = _Renderer(maker.findings, sheet, scope, job)
    when = render("when", True)
    if not isinstance(when, bool):
        if not isinstance(when, Fault):
            render.complain("when", "when-not-boolean", f"`when` is {when!r}, neither true nor false")
        return None
    if not when:
        return None
    labels = {name: render(f"labels.{name}") for name in sheet.shot.labels}
    shot_scope = {"id": sheet.shot.id, "labels": labels}
    scope["shot"], scope["labels"] = shot_scope, labels
    provider, model = render("provider"), render("model")
    prompt = render("prompt")
    params = {name: render(f"params.{name}") for name in sheet.shot.params}
    scope.setdefault("model", model)
    scope.setdefault("provider", provider)
    output = render("output")
    values = (provider, model, prompt, output, *params.values(), *labels.values())
    if any(isinstance(value, Fault) for value in values):
        return None
    fault = output_fault(str(output))
    if fault is not None:
        render.complain("output", "output-name", f"the output name `{output}` {fault}")
        return None
    address, _ = job
    return Draft(
        address=address,
        shot=sheet.shot.id,
        take=scope["take"],
        axes=combination.shown,
        values=combination.values,
        labels={name: str(value) for name, value in labels.items()},
        provider=str(provider),
        model=str(model),
        prompt=None if prompt is None else str(prompt),
        params=params,
        weak=sheet.weak,
        drop_unsupported=sheet.shot.drop_unsupported,
        output=f"{maker.wanted.output_dir}/{output}",
        origins=sheet.origins,
    )


@dataclass(slots=True)
class _Renderer:
    """Renders one job's fields; a fault is said once with the jobs that have it."""

    findings: Findings
    sheet: _Sheet
    scope: dict[str, Any]
    job: tuple[str, int]

    def __call__(self, name: str, default: Any = None) -> Any:
        template = self.sheet.templates.get(name)
        if template is None:
            return self.sheet.literal.get(name, default)
        value = template.render(self.scope)
        if isinstance(value, Fault):
            self.complain(name, value.code, value.message, value.hint, value.word)
        return value

    def complain(self, name: str, code: str, message: str, hint: str | None = None, word: str | None = None) -> None:
        path = self.sheet.origins[name].path or self.sheet.shot.path
        self.findings.say(code, path, message, hint=hint, word=word, jobs=self.job)


# what concerns several jobs


def _chain(maker: _Maker, drafts: list[Draft], shots: list[str]) -> list[Draft]:
    """Return the drafts with every frame call replaced by the job it means."""
    if not any(isinstance(value, FrameCall) for draft in drafts for value in draft.params.values()):
        return drafts
    jobs = Jobs.of(drafts, shots)
    chained = [_find_frames(maker.findings, jobs, draft) for draft in drafts]
    if maker.findings.fatal:
        return chained
    _, cycle = in_order({draft.address: upstream_of(draft.params) for draft in chained})
    if cycle:
        by_address = {draft.address: draft for draft in chained}
        first = by_address[cycle[0]]
        name = next(name for name, value in first.params.items() if getattr(value, "address", None) == cycle[1])
        places = " → ".join(f"`{address}`" for address in cycle)
        lines = ", ".join(
            str(maker.findings.document.mark(_frame_path(by_address[address])).line) for address in cycle[:-1]
        )
        message = f"these jobs wait for each other: {places} (lines {lines})"
        maker.findings.say("cycle", first.origins[f"params.{name}"].path, message)
    return chained


def _frame_path(draft: Draft) -> Path:
    name = next(name for name, value in draft.params.items() if hasattr(value, "which"))
    return draft.origins[f"params.{name}"].path


def _find_frames(findings: Findings, jobs: Jobs, draft: Draft) -> Draft:
    calls = {name: value for name, value in draft.params.items() if isinstance(value, FrameCall)}
    if not calls:
        return draft
    params = dict(draft.params)
    for name, call in calls.items():
        found = jobs.find(call, draft)
        if isinstance(found, Fault):
            path = draft.origins[f"params.{name}"].path
            job = (draft.address, len(jobs.by_shot[draft.shot]))
            findings.say(found.code, path, found.message, hint=found.hint, word=found.word, jobs=job)
        else:
            params[name] = found
    return replace(draft, params=params)


def _check_outputs(findings: Findings, drafts: list[Draft]) -> None:
    addresses: dict[str, Draft] = {}
    outputs: dict[str, Draft] = {}
    for draft in drafts:
        other = addresses.setdefault(draft.address, draft)
        if other is not draft:
            message = f"two jobs have the address `{draft.address}`"
            findings.say("duplicate-address", draft.origins["shot"].path, message, hint="an `include` repeats a combination")
            continue
        other = outputs.setdefault(same_file(draft.output), draft)
        if other is not draft:
            message = f"`{other.address}` and `{draft.address}` have the same output `{draft.output}`"
            hint = "use `{{ slug }}` in the output name, which differs for each job"
            findings.say("output-collision", draft.origins["output"].path, message, hint=hint, jobs=(draft.address, len(drafts)))
