"""Renders a compiled shot into drafts, one per combination and take; each fault is reported once with its jobs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Severity
from kbatch.manifest.drafts import Draft, FrameCall
from kbatch.manifest.faulty import FAULTY, Faulty
from kbatch.manifest.findings import Findings
from kbatch.manifest.matrix.combinations import Combination
from kbatch.manifest.matrix.labels import file_name
from kbatch.manifest.outputs import output_fault
from kbatch.manifest.shots.compiled_shot import CompiledShot, ResolveContext
from kbatch.manifest.templates.faults import Fault, say_fault
from kbatch.manifest.templates.value_text import kind_of, text_of


def draft_all(context: ResolveContext, compiled: CompiledShot) -> Iterator[Draft]:
    """Yield the drafts of a shot in address order; a combination whose `when` is false has none."""
    of = len(compiled.combinations) * compiled.takes if compiled.whole else 0
    fixed = _Fixed.of(context, compiled)
    left_out = 0
    for combination in compiled.combinations:
        name = address_of(compiled.shot.id, combination.shown)
        for take in range(1, compiled.takes + 1):
            address = name if take == 1 else f"{name}@{take}"
            scope = _scope(fixed, combination, take, address)
            render = _Renderer(context.findings, compiled, scope, (address, of), fixed, compiled.faulty)
            when = render.when()
            left_out += when is False
            if when is not False:
                yield _draft(context, render, combination)
    if compiled.whole and left_out == of:
        _warn_no_jobs(context.findings, compiled)


def address_of(shot: str, shown: tuple[tuple[str, str], ...]) -> str:
    """Return a job's readable id, takes apart.

    >>> address_of("hero", (("city", "lisbon"), ("light", "dusk")))
    'hero[city=lisbon,light=dusk]'
    """
    return f"{shot}[{','.join([f'{axis}={label}' for axis, label in shown])}]" if shown else shot


def _warn_no_jobs(findings: Findings, compiled: CompiledShot) -> None:
    origin, shot = compiled.origins.get("when"), compiled.shot
    if origin is not None:
        path, what = origin.path, "`when` is false for every combination"
    elif shot.without:
        path, what = shot.without_path, "`without` leaves out every combination"
    else:
        path, what = (*shot.path, "matrix", "exclude"), "`exclude` leaves out every combination"
    message = f"shot `{shot.id}` has no jobs: {what}"
    findings.say("no-jobs", path, message, hint="remove the shot, or the rule", severity=Severity.WARNING)


def _scope(fixed: "_Fixed", combination: Combination, take: int, address: str) -> dict[str, Any]:
    values = combination.values
    return {**fixed.scope, **values, "matrix": values, "take": take, "slug": file_name(address), **fixed.faulty}


def _frame_function(which: str) -> Callable[..., FrameCall]:
    def frame(*shots: Any, take: int = 1, **axes: Any) -> FrameCall:
        if len(shots) != 1 or not isinstance(shots[0], str):
            raise TypeError(f"`{which}_frame` takes the id of one shot, then axes by name")
        if not isinstance(take, int) or take < 1:
            raise TypeError(f"`take` in `{which}_frame` is a number from 1")
        return FrameCall(which, shots[0], take, tuple(axes.items()))

    return frame


_LAST_FRAME, _FIRST_FRAME = _frame_function("last"), _frame_function("first")


def _draft(context: ResolveContext, render: "_Renderer", combination: Combination) -> Draft:
    compiled, scope, fixed = render.compiled, render.scope, render.fixed
    labels = fixed.labels
    if labels is None:
        labels = {name: render.text(f"labels.{name}") for name in compiled.shot.labels}
        known = {name: FAULTY if f"labels.{name}" in render.faulty else text for name, text in labels.items()}
        scope["shot"], scope["labels"] = {"id": compiled.shot.id, "labels": known}, known
    else:
        scope["shot"], scope["labels"] = fixed.shot, labels
    if "labels.*" in render.faulty:
        scope["labels"] = FAULTY
    if "id" in compiled.shot.faulty:
        scope["shot"] = FAULTY
    provider, model = render.text("provider"), render.text("model")
    prompt = render.text("prompt") if "prompt" in compiled.templates else None
    params = fixed.params
    if params is None:
        params = {name: render.value(f"params.{name}") for name in compiled.shot.params}
        params = {name: value for name, value in params.items() if f"params.{name}" not in render.faulty}
    scope.setdefault("model", FAULTY if "model" in render.faulty else model)
    scope.setdefault("provider", FAULTY if "provider" in render.faulty else provider)
    output = render.text("output")
    fault = None if "output" in render.faulty else output_fault(output)
    if fault is not None:
        shown = output if len(output) <= 80 else output[:79] + "…"
        render.complain("output", Fault("output-name", f"the output name `{shown}` {fault}"))
    return Draft(
        address=render.job[0],
        shot=compiled.shot.id,
        take=scope["take"],
        axes=combination.shown,
        values=combination.values,
        labels=labels,
        provider=provider,
        model=model,
        prompt=prompt,
        params=params,
        default_only=compiled.default_only,
        drop_unsupported=compiled.shot.drop_unsupported,
        output=f"{context.wanted.output_dir}/{output}",
        origins=compiled.origins,
        faulty=render.faulty,
        partial=not compiled.whole,
    )


class _Fixed(Struct, frozen=True, kw_only=True):
    """Fields that are the same for all jobs of a shot: their templates use no name and have no fault.

    `labels` and `params` are the whole of them, which the drafts then share, or None when one of them varies; `shot` is
    the shot with its labels, None when these vary. `scope` is that of every job, before its axes and its labels.
    """

    scope: Mapping[str, Any]
    values: Mapping[str, Any]
    texts: Mapping[str, str]
    labels: Mapping[str, str] | None
    params: Mapping[str, Any] | None
    shot: Mapping[str, Any] | None
    faulty: Mapping[str, Faulty]

    @staticmethod
    def of(context: ResolveContext, compiled: CompiledShot) -> "_Fixed":
        """Render the fields whose templates use no name."""
        rendered = {name: template.render({}) for name, template in compiled.templates.items() if not template.names}
        values = {name: value for name, value in rendered.items() if not isinstance(value, Fault)}
        texts = {name: text for name, value in values.items() if isinstance(text := text_of(value), str)}
        shot, labels = {"id": compiled.shot.id}, _all_of("labels", compiled.shot.labels, texts)
        return _Fixed(
            scope={**context.base, "shot": shot, "last_frame": _LAST_FRAME, "first_frame": _FIRST_FRAME},
            values=values,
            texts=texts,
            labels=labels,
            params=_all_of("params", compiled.shot.params, values),
            shot=None if labels is None else {**shot, "labels": labels},
            faulty=dict.fromkeys(compiled.faulty_names, FAULTY),
        )


def _all_of(group: str, names: Iterable[str], known: Mapping[str, Any]) -> dict[str, Any] | None:
    fields = {name: f"{group}.{name}" for name in names}
    return {name: known[at] for name, at in fields.items()} if known.keys() >= set(fields.values()) else None


class _Renderer(Struct):
    """Renders one job's fields; `faulty` are those that could not be rendered; their faults are reported."""

    findings: Findings
    compiled: CompiledShot
    scope: dict[str, Any]
    job: tuple[str, int]
    fixed: _Fixed
    faulty: frozenset[str]

    def value(self, name: str) -> Any:
        """Return a field's value with its own type."""
        if name in self.fixed.values:
            return self.fixed.values[name]
        if name in self.faulty:
            return FAULTY
        value = self.compiled.templates[name].render(self.scope)
        if isinstance(value, Fault):
            self.complain(name, value)
        return value

    def text(self, name: str) -> str:
        """Return a field's value as text; empty when it cannot be one."""
        if name in self.fixed.texts:
            return self.fixed.texts[name]
        if name in self.faulty:
            return ""
        template = self.compiled.templates[name]
        value = template.render(self.scope)
        text = value if isinstance(value, Fault) else text_of(value)
        if isinstance(text, Fault):
            alone = next(iter(template.names)) if len(template.names) == 1 else None
            self.complain(name, replace(text, word=text.word or alone))
            return ""
        return text

    def when(self) -> bool | None:
        """Return whether the job is wanted, None when that is not known."""
        if "when" not in self.compiled.templates:
            return True
        value = self.value("when")
        if isinstance(value, bool):
            return value
        if not isinstance(value, Fault):
            hint = "compare it with something, such as `city == 'Lisbon'`"
            message = f"`when` is {kind_of(value)}, neither true nor false"
            self.complain("when", Fault("when-not-boolean", message, hint))
        return None

    def complain(self, name: str, fault: Fault) -> None:
        """Report a fault of a field of this job."""
        path = self.compiled.origins[name].path or self.compiled.shot.path
        file = self.compiled.file if name == "prompt" else None
        say_fault(self.findings, fault, path, file=file, jobs=self.job)
        self.faulty |= {name}
