"""Makes drafts of a manifest: variables and data, sheets, drafts, chains, outputs; all problems collected."""

from collections.abc import Mapping
from typing import Any

from kbatch.errors import did_you_mean
from kbatch.manifest.chains import chain
from kbatch.manifest.data import read_data
from kbatch.manifest.drafting import draft_all
from kbatch.manifest.drafts import Draft, Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.layers import layer_data, layer_vars
from kbatch.manifest.matrix.axes import name_fault
from kbatch.manifest.outputs import check_folder, check_outputs
from kbatch.manifest.shots import Maker, ShotTree, Wanted, read_sheets
from kbatch.manifest.templates.template import Templates, find_templates
from kbatch.manifest.yaml.document import Document

__all__ = ["ShotTree", "Wanted", "resolve"]


def resolve(document: Document, tree: ShotTree, wanted: Wanted, findings: Findings) -> tuple[Draft, ...]:
    """Return all drafts of a manifest whose shape was checked; with errors in `findings` they are not complete."""
    manifest = document.value
    if wanted.profile is not None and wanted.profile not in manifest.get("profiles", {}):
        names = manifest.get("profiles", {})
        hint = did_you_mean(wanted.profile, names) or "the manifest has no profiles"
        findings.say("unknown-profile", ("profiles",), f"there is no profile `{wanted.profile}`", hint=hint)
        return ()
    check_folder(findings, manifest, wanted.profile)
    base = {
        **_read_vars(manifest, wanted.profile, findings),
        "data": _read_data(manifest, wanted.profile, tree, findings),
    }
    templates = Templates(tree.read)
    maker = Maker(wanted=wanted, tree=tree, templates=templates, base=base, findings=findings)
    sheets = read_sheets(maker, manifest)
    if findings.fatal:
        return ()
    drafts = [draft for sheet in sheets for draft in draft_all(maker, sheet)]
    drafts = chain(findings, drafts, [sheet.shot.id for sheet in sheets])
    profiles = () if wanted.profile else tuple(manifest.get("profiles", {}))
    check_outputs(findings, drafts, wanted.output_dir, profiles)
    return tuple(drafts)


def _read_vars(manifest: Mapping[str, Any], profile: str | None, findings: Findings) -> dict[str, Any]:
    variables = layer_vars(manifest, profile)
    for name, value in variables.items():
        where = _place_of_var(manifest, profile, name)
        hint = name_fault(name)
        if hint is not None:
            findings.say("name-reserved", where, f"`{name}` cannot name a variable", hint=hint, on_key=True)
        for at, _ in find_templates(value):
            hint = "variables are plain values; put the template where it is used"
            findings.say("template-in-vars", (*where, *at), f"the variable `{name}` holds a template", hint=hint)
    return {**variables, "vars": variables}


def _place_of_var(manifest: Mapping[str, Any], profile: str | None, name: str) -> Path:
    theirs = manifest.get("profiles", {}).get(profile, {}).get("vars", {}) if profile else {}
    return ("profiles", profile, "vars", name) if profile and name in theirs else ("vars", name)


def _read_data(manifest: Mapping[str, Any], profile: str | None, tree: ShotTree, findings: Findings) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, placed in layer_data(manifest, profile).items():
        read = read_data(placed.value, tree.read, findings.document.beside(placed.value))
        for problem in read.problems:
            findings.relay(problem, placed.origin.path)
        data[name] = read.rows or []
    return data
