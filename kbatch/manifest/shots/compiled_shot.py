"""A compiled shot, and the context in which a manifest's shots are resolved."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from kbatch.manifest.drafts import Origin
from kbatch.manifest.findings import Findings
from kbatch.manifest.layers import Shot
from kbatch.manifest.matrix.combinations import Combination, Matrix
from kbatch.manifest.templates.template import Template, Templates
from kbatch.manifest.yaml.source import SourceText


class ShotTree(Protocol):
    """The files that a manifest may read, by relative path; `Unreadable` where a rule forbids it."""

    def read(self, reference: str, *, limit: int = ...) -> bytes:
        """Return a file's bytes."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Options of resolving: a profile by name, the output folder, and the largest number of jobs."""

    profile: str | None = None
    output_dir: str = "renders"
    max_jobs: int = 10_000


class CompiledShot(Struct, frozen=True, kw_only=True):
    """A shot with the compiled parts that its jobs share.

    `combinations` are those of its own matrix crossed with the top-level one, `templates` and `origins` by field name,
    `params.<name>` or `labels.<name>`; `file` is the text of a prompt file.

    `faulty` are the fields that cannot be had, `faulty_names` the names that have no value, since faults were said;
    only of a `whole` shot are all combinations known.
    """

    shot: Shot
    matrix: Matrix
    combinations: tuple[Combination, ...]
    templates: Mapping[str, Template]
    origins: Mapping[str, Origin]
    file: SourceText | None
    default_only: frozenset[str]
    takes: int
    faulty: frozenset[str] = frozenset()
    faulty_names: frozenset[str] = frozenset()
    whole: bool = True


class ResolveContext(Struct, frozen=True, kw_only=True):
    """The context that all shots of one manifest share; `base` is the scope without axes."""

    wanted: Wanted
    tree: ShotTree
    templates: Templates
    base: Mapping[str, Any]
    findings: Findings
    any_name: bool = False
