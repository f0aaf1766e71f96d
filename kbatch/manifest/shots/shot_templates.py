"""Templates of one shot: its texts, a prompt file's among them, compiled and their names checked.

A template's names are checked against its possible scope before the first rendering, so that a typing error is one
message and not one per job.
"""

import re

from msgspec import Struct

from kbatch.errors import Problem, Unreadable
from kbatch.manifest.drafts import Origin
from kbatch.manifest.faulty import Faulty
from kbatch.manifest.layers import LayeredValue, Shot
from kbatch.manifest.matrix.axes import RESERVED
from kbatch.manifest.shots.compiled_shot import ResolveContext
from kbatch.manifest.templates.faults import Fault, say_fault
from kbatch.manifest.templates.template import Template, check_names
from kbatch.manifest.yaml.source import SourceText, read_text

_PROMPT_LIMIT = 64 * 1024
_TEXT_FIELDS = ("provider", "model", "prompt", "when", "output")
_NOT_BEFORE_LABELS = frozenset(("labels",))


class TemplateCompiler(Struct, frozen=True, kw_only=True):
    """Compiles the fields of a shot: `known` are the names in scope, `faulty_names` those without a value."""

    context: ResolveContext
    shot: Shot
    any_name: bool
    known: frozenset[str]
    file: SourceText | None
    faulty_names: frozenset[str]

    def compile(self, name: str, part: LayeredValue) -> Template | None:
        """Return a field's template; None when it is faulty, which is reported, or needs a faulty value."""
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
        for fault in () if self.any_name else faults:
            self._say(name, part, fault)
        return None if faults or not self.faulty_names.isdisjoint(compiled.names) else compiled

    def _say(self, name: str, part: LayeredValue, fault: Fault) -> None:
        in_file = self.file if name == "prompt" else None
        say_fault(self.context.findings, fault, part.origin.path or self.shot.path, file=in_file)


def _known(field: str, names: frozenset[str], template: Template) -> frozenset[str]:
    """Return the names that a field's template can use: labels come after `when`, the model before the output."""
    if not template.names:
        return names
    if field == "output":
        return names | {"model", "provider"}
    return names - _NOT_BEFORE_LABELS if field == "when" or field.startswith("labels.") else names


def texts_of(context: ResolveContext, shot: Shot) -> tuple[dict[str, LayeredValue], SourceText | None, set[str]]:
    """Return all texts that may hold a template by field name, a prompt file's text, and the faulty fields."""
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
    """Return a prompt file's text, None when it cannot be read, which is reported."""
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
