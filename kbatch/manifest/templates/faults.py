"""Faults of templates, and their conversion to problems with marks."""

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Mark
from kbatch.manifest.drafts import Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.yaml.source import SourceText


class Fault(Struct, frozen=True):
    """What is wrong with a template; `word` is what to look for in its source, `line` counts from 1 within it.

    The same text serves many jobs, so it has no place of its own. `at` is the place inside a list or mapping of texts,
    `mark` a place in an imported file.
    """

    code: str
    message: str
    hint: str | None = None
    word: str | None = None
    line: int | None = None
    at: Path = ()
    mark: Mark | None = None


ECHO = Fault("", "")
"""The fault of a template that needs a faulty value."""


def say_fault(
    findings: Findings, fault: Fault, path: Path, *, file: SourceText | None = None, jobs: tuple[str, int] | None = None
) -> None:
    """Add a fault of the text that was written at `path`, or in `file` when `path` only names that file."""
    if not fault.code:
        return
    document, where = findings.document, (*path, *fault.at)
    mark = None
    if fault.mark is not None:
        mark = replace(fault.mark, file=document.beside(fault.mark.file))
    elif file is not None:
        found = file.find(fault.word) if fault.word else None
        mark = found or (file.of_line(fault.line - 1) if fault.line else None)
    elif fault.line is not None and fault.word is None:
        mark = document.mark_line(where, fault.line)
    findings.say(fault.code, where, fault.message, hint=fault.hint, word=fault.word, mark=mark, jobs=jobs)
