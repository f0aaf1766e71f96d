"""Adds a profile to a manifest's text, all else staying as it was written, comments included."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from kbatch.errors import Mark
from kbatch.manifest.yaml.document import Document

_END = re.compile(r"^\.\.\.(?:\s|$)", re.MULTILINE)
"""Ends a document: nothing may be added behind it."""


def add_profile(text: str, document: Document, name: str, profile: Mapping[str, Any]) -> str:
    """Return the text with a further profile, the first one of its `profiles`; `document` was read from this text.

    The text is to be read again: an unusual layout may make of it what a reader refuses.
    """
    if "\r\n" not in text or text.count("\r\n") != text.count("\n"):
        return _added(text, document, name, profile)
    return _added(text.replace("\r\n", "\n"), document, name, profile).replace("\n", "\r\n")


def _added(text: str, document: Document, name: str, profile: Mapping[str, Any]) -> str:
    if "profiles" in document.value:
        before, after, column = _split(text, document.mark(("profiles",)))
        if after.startswith("{"):
            return before + _inline(after, {name: dict(profile)})
        return f"{before[: len(before) - column]}{_block({name: dict(profile)}, ' ' * column)}{' ' * column}{after}"
    before, after, _ = _split(text, document.mark())
    added = {"profiles": {name: dict(profile)}}
    if after.startswith("{"):
        return before + _inline(after, added)
    if _END.search(text):
        before, after, _ = _split(text, document.mark(("shots",), key=True))
        return f"{before}{_block(added, '')}{after}"
    end = "" if text.endswith("\n") else "\n"
    return f"{text}{end}{_block(added, '')}"


def _split(text: str, at: Mark) -> tuple[str, str, int]:
    """Return the text before and after a place, and its column from 0."""
    lines = text.split("\n")
    here = sum(len(line) + 1 for line in lines[: at.line - 1]) + at.column - 1
    return text[:here], text[here:], at.column - 1


def _inline(after: str, added: Mapping[str, Any]) -> str:
    """Return a flow mapping's text with further keys, the first ones of it."""
    inline = yaml.safe_dump(added, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9).strip()
    more = "" if after[1:].lstrip().startswith("}") else ", "
    return f"{{{inline[1:-1]}{more}{after[1:]}"


def _block(added: Mapping[str, Any], indent: str) -> str:
    """Return the keys as lines, indented; scalars that YAML could take for something else are quoted."""
    dumped = yaml.safe_dump(added, sort_keys=False, allow_unicode=True, width=10**9)
    return "".join(f"{indent}{line}\n" for line in dumped.splitlines())
