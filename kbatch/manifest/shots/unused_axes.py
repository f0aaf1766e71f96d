"""Axes that make identical jobs: a shot's own that it does not use, a top-level one that no shot uses."""

from kbatch.errors import Severity
from kbatch.manifest.drafts import Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.matrix.combinations import Matrix
from kbatch.manifest.shots.compiled_shot import CompiledShot


def warn_unused_axes(findings: Findings, compiled: list[CompiledShot], common: Matrix, where: Path) -> None:
    """Warn of each axis that only repeats jobs."""
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
