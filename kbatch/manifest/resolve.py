"""Makes the drafts of a manifest from its variables, data and shots; collects all problems."""

from collections.abc import Mapping
from typing import Any

from kbatch.errors import did_you_mean
from kbatch.manifest.chains import chain
from kbatch.manifest.data import read_data
from kbatch.manifest.drafting import draft_all
from kbatch.manifest.drafts import Draft, Path
from kbatch.manifest.faulty import FAULTY, Faulty, mapping_of
from kbatch.manifest.findings import Findings
from kbatch.manifest.layers import chosen_of, layer_data, layer_vars
from kbatch.manifest.matrix.axes import name_fault
from kbatch.manifest.outputs import check_folder, check_outputs
from kbatch.manifest.shots.compile import compile_shots
from kbatch.manifest.shots.compiled_shot import ResolveContext, ShotTree, Wanted
from kbatch.manifest.templates.template import Templates, find_templates
from kbatch.manifest.yaml.document import Document

__all__ = ["ShotTree", "Wanted", "resolve"]


def resolve(document: Document, tree: ShotTree, wanted: Wanted, findings: Findings) -> tuple[Draft, ...]:
    """Return all drafts of a manifest whose shape was checked; with errors in `findings` they are not complete."""
    manifest = document.value
    names = manifest.get("profiles", {})
    if wanted.profile is not None and (isinstance(names, Faulty) or isinstance(names.get(wanted.profile), Faulty)):
        return ()
    if wanted.profile is not None and wanted.profile not in names:
        hint = did_you_mean(wanted.profile, names) or "the manifest has no profiles"
        findings.say("unknown-profile", ("profiles",), f"there is no profile `{wanted.profile}`", hint=hint)
        return ()
    check_folder(findings, manifest, wanted.profile)
    _check_profile_shots(findings, manifest, wanted.profile)
    base = {
        **_read_vars(manifest, wanted.profile, findings),
        "data": _read_data(manifest, wanted.profile, tree, findings),
    }
    templates = Templates(tree.read)
    every = isinstance(manifest.get("vars"), Faulty) or isinstance(
        chosen_of(manifest, wanted.profile).get("vars"), Faulty
    )
    context = ResolveContext(
        wanted=wanted, tree=tree, templates=templates, base=base, findings=findings, any_name=every
    )
    compiled = compile_shots(context, manifest)
    drafts = [draft for shot_compiled in compiled for draft in draft_all(context, shot_compiled)]
    shots = manifest["shots"] if isinstance(manifest["shots"], list) else []
    hidden = {shot_compiled.shot.id for shot_compiled in compiled if not shot_compiled.whole}
    unsure = hidden | {draft.shot for draft in drafts if "when" in draft.faulty}
    known = (
        None
        if any(not isinstance(shot, dict) for shot in shots)
        else [shot_compiled.shot.id for shot_compiled in compiled]
    )
    drafts = chain(findings, drafts, known, frozenset(unsure))
    profiles = () if wanted.profile else tuple(mapping_of(names))
    check_outputs(findings, drafts, wanted.output_dir, profiles)
    return tuple(drafts)


def _check_profile_shots(findings: Findings, manifest: Mapping[str, Any], profile: str | None) -> None:
    """Report overrides of single shots whose id no shot has."""
    shots = manifest["shots"] if isinstance(manifest["shots"], list) else []
    known = [shot["id"] for shot in shots if isinstance(shot, dict) and isinstance(shot.get("id"), str)]
    if len(known) < len(shots):
        return
    for named in mapping_of(chosen_of(manifest, profile).get("shots")):
        if named not in known:
            where = ("profiles", profile or "", "shots", named)
            message, hint = f"there is no shot `{named}`", did_you_mean(named, known)
            findings.say("unknown-shot", where, message, hint=hint, on_key=True)


def _read_vars(manifest: Mapping[str, Any], profile: str | None, findings: Findings) -> dict[str, Any]:
    variables = layer_vars(manifest, profile)
    found = dict(variables)
    for name, value in variables.items():
        where = _place_of_var(manifest, profile, name)
        hint = name_fault(name)
        if hint is not None:
            findings.say("name-reserved", where, f"`{name}` cannot name a variable", hint=hint, on_key=True)
        templates = list(find_templates(value))
        if hint is not None:
            found.pop(name)
        elif templates:
            found[name] = FAULTY
        for at, _ in templates:
            hint = "variables are plain values; put the template where it is used"
            findings.say("template-in-vars", (*where, *at), f"the variable `{name}` holds a template", hint=hint)
    return {**found, "vars": found}


def _place_of_var(manifest: Mapping[str, Any], profile: str | None, name: str) -> Path:
    theirs = mapping_of(chosen_of(manifest, profile).get("vars"))
    return ("profiles", profile, "vars", name) if profile and name in theirs else ("vars", name)


def _read_data(manifest: Mapping[str, Any], profile: str | None, tree: ShotTree, findings: Findings) -> Any:
    if isinstance(manifest.get("data"), Faulty) or isinstance(chosen_of(manifest, profile).get("data"), Faulty):
        return FAULTY
    data: dict[str, Any] = {}
    for name, placed in layer_data(manifest, profile).items():
        if isinstance(placed.value, Faulty):
            data[name] = FAULTY
            continue
        read = read_data(placed.value, tree.read, findings.document.beside(placed.value))
        for problem in read.problems:
            findings.relay(problem, placed.origin.path)
        data[name] = FAULTY if read.rows is None else read.rows
    return data
