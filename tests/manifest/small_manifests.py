"""Small manifests for tests of the manifest stage: texts in, drafts and problems out, files in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent

from kbatch.errors import Problem, Unreadable
from kbatch.manifest.drafts import Draft
from kbatch.manifest.findings import Findings
from kbatch.manifest.resolve import Wanted, resolve
from kbatch.manifest.schema.form import check_form
from kbatch.manifest.schema.manifest_schema import shape_schema
from kbatch.manifest.schema.validate import strict_validator
from kbatch.manifest.yaml.document import Document, read_document

HEAD = """\
kbatch: 1
name: example
provider: apiframe
defaults: {model: kling-2.5-turbo-pro}
"""
SHAPE = shape_schema(("aimlapi", "apiframe"))
MANIFEST = strict_validator(SHAPE)
SHOT = strict_validator({"$ref": "#/$defs/shot", "$defs": SHAPE["$defs"]})


class Files:
    """The files of a manifest, in memory."""

    def __init__(self, files: Mapping[str, bytes | str] | None = None) -> None:
        self.files = {name: text.encode() if isinstance(text, str) else text for name, text in (files or {}).items()}

    def read(self, reference: str, *, limit: int = 1_000_000) -> bytes:
        """Return a file's bytes."""
        if reference not in self.files:
            raise Unreadable("file-not-found", f"there is no file `{reference}`")
        if len(self.files[reference]) > limit:
            raise Unreadable("file-too-large", f"`{reference}` cannot be read")
        return self.files[reference]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a text came to."""

    drafts: tuple[Draft, ...]
    problems: tuple[Problem, ...]

    @property
    def addresses(self) -> list[str]:
        """The addresses of all drafts, in order."""
        return [draft.address for draft in self.drafts]

    @property
    def prompts(self) -> list[str | None]:
        """The prompts of all drafts, in order."""
        return [draft.prompt for draft in self.drafts]

    @property
    def codes(self) -> list[str]:
        """The codes of all problems, by place."""
        return [problem.code for problem in self.problems]


def document_of(text: str | bytes, file: str = "m.yaml") -> Document:
    """Return a text that is good YAML, read."""
    document = read_document(text if isinstance(text, bytes) else text.encode(), file)
    assert isinstance(document, Document), document
    return document


def resolved(text: str, files: Mapping[str, bytes | str] | None = None, wanted: Wanted | None = None) -> Resolved:
    """Return what `HEAD` with this text comes to."""
    document = document_of(HEAD + dedent(text))
    findings = Findings(document)
    sound = check_form(document, MANIFEST, SHOT, findings)
    drafts = () if sound is None else resolve(sound, Files(files), wanted or Wanted(), findings)
    return Resolved(drafts, findings.problems())


def drafted(text: str, files: Mapping[str, bytes | str] | None = None, wanted: Wanted | None = None) -> Resolved:
    """Return what a text without problems comes to."""
    found = resolved(text, files, wanted)
    assert found.problems == ()
    return found
