"""Reads a faults file: a YAML list of faults; problems carry their line and column.

An entry is `{fault: NAME, at: REQUEST, match: REGEX, provider: NAME, times: N, probability: P}`; only `fault` is
required. Values are read as text, so that `429` and `no` are not converted.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field

import yaml

from kbatch.errors import Invalid, Mark, Problem, did_you_mean
from kbatch.simulator.exchange import PROVIDERS
from kbatch.simulator.faults.faultkinds import KINDS, FaultKind, FaultRule, FaultTarget

_KEYS = ("fault", "at", "match", "provider", "times", "probability")


def rule(name: str, **settings: object) -> FaultRule:
    """Return the rule of a faults file's entry, such as `rule("429", at="poll", times=2)`; Invalid as for a file.

    >>> rule("lost-answer", times=1).place
    <Place.SUBMIT: 'submit'>
    """
    return read_rules(json.dumps([{"fault": name, **settings}], ensure_ascii=False))[0]


def read_rules(text: str, *, file: str = "faults", providers: Collection[str] = PROVIDERS) -> tuple[FaultRule, ...]:
    """Return the rules of a faults file, which may name `providers`; Invalid with every problem, each at its place."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark
        mark = Mark(file=file, line=at.line + 1, column=at.column + 1) if at else Mark(file=file, line=1, column=1)
        raise Invalid([Problem(code="yaml", message=str(error.problem or "not YAML"), mark=mark)]) from error
    except RecursionError as error:
        mark = Mark(file=file, line=1, column=1)
        raise Invalid([Problem(code="yaml", message="nested too deeply for a faults file", mark=mark)]) from error
    except yaml.YAMLError as error:
        mark = Mark(file=file, line=1, column=1)
        raise Invalid([Problem(code="yaml", message=f"not YAML: {error}", mark=mark)]) from error
    reader = _Reader(file=file, lines=text.splitlines(), providers=providers)
    if root is None:
        return ()
    if not isinstance(root, yaml.SequenceNode):
        raise Invalid([reader.problem(root, "faults-file", "a faults file is a list of faults")])
    rules = [reader.read(entry) for entry in root.value]
    if reader.problems:
        raise Invalid(reader.problems)
    return tuple(rule for rule in rules if rule is not None)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads entries node by node, so that `429` and `no` stay texts, and collects problems."""

    file: str
    lines: list[str]
    providers: Collection[str]
    problems: list[Problem] = field(default_factory=list)

    def problem(self, node: yaml.Node, code: str, message: str, hint: str | None = None) -> Problem:
        start, end = node.start_mark, node.end_mark
        source = self.lines[start.line] if start.line < len(self.lines) else ""
        width = end.column - start.column if end.line == start.line else len(source) - start.column
        mark = Mark(file=self.file, line=start.line + 1, column=start.column + 1, width=max(1, width), source=source)
        return Problem(code=code, message=message, mark=mark, hint=hint)

    def complain(self, node: yaml.Node, message: str, hint: str | None = None) -> None:
        self.problems.append(self.problem(node, "faults-file", message, hint))

    def read(self, entry: yaml.Node) -> FaultRule | None:
        before = len(self.problems)
        if not isinstance(entry, yaml.MappingNode):
            self.complain(entry, "a fault is a mapping such as {fault: lost-answer, times: 1}")
            return None
        words = self._words(entry)
        name = words.get("fault")
        if name is None:
            if "fault" not in words and before == len(self.problems):
                self.complain(entry, "a fault needs its name: {fault: NAME}")
            return None
        kind = KINDS.get(name.value)
        if kind is None:
            self.complain(name, f"there is no fault `{name.value}`", did_you_mean(name.value, KINDS))
            return None
        rule = FaultRule(
            name=name.value,
            target=self._target(words.get("at"), name.value, kind),
            match=self._pattern(words.get("match")),
            provider=self._provider(words.get("provider"), name.value, kind),
            times=self._times(words.get("times")),
            probability=self._probability(words.get("probability")),
        )
        return rule if before == len(self.problems) else None

    def _words(self, entry: yaml.MappingNode) -> dict[str, yaml.ScalarNode]:
        words: dict[str, yaml.ScalarNode] = {}
        for key, value in entry.value:
            if not isinstance(key, yaml.ScalarNode) or key.value not in _KEYS:
                shown = key.value if isinstance(key, yaml.ScalarNode) else "…"
                self.complain(key, f"unknown field `{shown}` of a fault", did_you_mean(str(shown), _KEYS))
            elif key.value in words:
                self.complain(key, f"`{key.value}` stands here twice")
            elif not isinstance(value, yaml.ScalarNode):
                self.complain(value, f"`{key.value}` is one word or number")
            else:
                words[key.value] = value
        return words

    def _target(self, node: yaml.ScalarNode | None, name: str, kind: FaultKind) -> FaultTarget:
        if node is None:
            return kind.targets[0]
        if node.value not in kind.targets:
            self.complain(node, f"`{name}` cannot happen at `{node.value}`", did_you_mean(node.value, kind.targets))
            return kind.targets[0]
        return FaultTarget(node.value)

    def _pattern(self, node: yaml.ScalarNode | None) -> re.Pattern[str] | None:
        if node is None:
            return None
        try:
            return re.compile(node.value)
        except re.error as error:
            self.complain(node, f"`{node.value}` is not a regular expression: {error}")
            return None

    def _provider(self, node: yaml.ScalarNode | None, name: str, kind: FaultKind) -> str | None:
        if node is None:
            return None
        if node.value not in self.providers:
            self.complain(node, f"there is no provider `{node.value}`", did_you_mean(node.value, self.providers))
        elif kind.provider not in (None, node.value):
            self.complain(node, f"`{name}` exists for {kind.provider} only")
        return str(node.value)

    def _times(self, node: yaml.ScalarNode | None) -> int | None:
        if node is None:
            return None
        if not re.fullmatch(r"[1-9][0-9]{0,8}", node.value):
            self.complain(node, f"`times` is a whole number from 1, not `{node.value}`", "without it: always")
            return None
        return int(node.value)

    def _probability(self, node: yaml.ScalarNode | None) -> float:
        if node is None:
            return 1.0
        if not re.fullmatch(r"[01](\.[0-9]+)?|\.[0-9]+", node.value) or float(node.value) > 1:
            self.complain(node, f"`probability` is a number from 0 to 1, not `{node.value}`")
            return 1.0
        return float(node.value)
