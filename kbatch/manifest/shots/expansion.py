"""Combinations of each shot: counted before any is made, and refused where they are too many."""

from collections.abc import Mapping

from kbatch.errors import Severity, did_you_mean, nearest
from kbatch.manifest.drafts import Path
from kbatch.manifest.faulty import Faulty
from kbatch.manifest.findings import Findings
from kbatch.manifest.layers import Shot
from kbatch.manifest.matrix.axes import ReadMatrix
from kbatch.manifest.matrix.combinations import Combination, Matrix, count, expand, product_of, work_of
from kbatch.manifest.matrix.labels import label_of
from kbatch.manifest.shots.compiled_shot import ResolveContext

_MOST_RULED = 5_000_000
"""Most comparisons of rules with combinations in one matrix: three seconds of work."""
_RULED_A_JOB = 50


def check_size(context: ResolveContext, common: Matrix, matrices: list[tuple[Shot, Matrix]]) -> set[Path]:
    """Report too many jobs before one is made, and return the places of the shots that can still be expanded.

    `when` is not asked, so it leaves out none of them.
    """
    fit = [pair for pair in matrices if _check_rules(context, pair[1], (*pair[0].path, "matrix"))]
    if not _check_rules(context, common, ("matrix",)) or not fit:
        return set()
    outer = count(common)
    sizes = [(outer * count(matrix) * takes_of(shot), shot) for shot, matrix in fit]
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


def takes_of(shot: Shot) -> int:
    """Return how many renders of each request a shot asks for, 1 where that is faulty."""
    takes = shot.value("takes", 1)
    return 1 if isinstance(takes, Faulty) else int(takes)


def _check_rules(context: ResolveContext, matrix: Matrix, where: Path) -> bool:
    """Report rules whose comparisons with combinations would take minutes, before the first comparison."""
    work, limit = work_of(matrix), max(_MOST_RULED, _RULED_A_JOB * context.wanted.max_jobs)
    if work <= limit:
        return True
    rules = f"{len(matrix.exclude) + len(matrix.include):,} rules over {product_of(matrix):,} combinations"
    hint = "write the wanted combinations as data rows, or as `zip`; rules are for exceptions"
    message = f"{rules} are {work:,} comparisons, at most {limit:,}"
    context.findings.say("too-many-rules", where, message, hint=hint, on_key=True)
    return False


def expand_matrix(findings: Findings, read: ReadMatrix, where: Path) -> tuple[Combination, ...]:
    """Return the combinations of a matrix, and warn of each rule that matches none."""
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


def leave_out(findings: Findings, shot: Shot, combinations: tuple[Combination, ...]) -> tuple[Combination, ...]:
    """Return the combinations without those that a profile's `without` names; a label that matches none is an error.

    A misspelled label would keep what was to be left out, and it would be paid.
    """
    if not shot.without:
        return combinations
    labels: dict[str, set[str]] = {}
    for combination in combinations:
        for axis, label in combination.shown:
            labels.setdefault(axis, set()).add(label)
    for axis, named in shot.without.items():
        for number, label in enumerate(named):
            if label not in labels.get(axis, ()):
                known = sorted(labels.get(axis) or labels)
                what = f"`{axis}` has no label `{label}`" if axis in labels else f"there is no axis `{axis}`"
                hint = did_you_mean(label if axis in labels else axis, known)
                message = f"`without` names nothing of shot `{shot.id}`: {what}"
                findings.say("without-nothing", (*shot.without_path, axis, number), message, hint=hint)
    return tuple(
        combination
        for combination in combinations
        if not any(label in shot.without.get(axis, ()) for axis, label in combination.shown)
    )
