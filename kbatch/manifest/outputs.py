"""Checks output paths: each is inside the output folder, portable, and belongs to one job."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kbatch.manifest.drafts import Draft, Path
from kbatch.manifest.faulty import mapping_of
from kbatch.manifest.findings import Findings
from kbatch.manifest.layers import chosen_of

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_PLAIN = re.compile(r"[a-z][a-z0-9_-]{4,190}\.mp4")
_LONGEST_PART = 200
_LONGEST_PATH = 400


def check_folder(findings: Findings, manifest: Mapping[str, Any], profile: str | None) -> None:
    """Report faults of `output.dir`, the profile's own if it has one."""
    theirs = mapping_of(chosen_of(manifest, profile).get("output"))
    where: Path = ("profiles", profile or "", "output", "dir") if "dir" in theirs else ("output", "dir")
    folder = theirs.get("dir", mapping_of(manifest.get("output")).get("dir", "renders"))
    fault = "ends in a slash" if folder.endswith("/") and folder != "/" else _path_fault(folder, "the manifest's")
    if fault is not None:
        hint = "a folder below the manifest's, such as `renders`"
        findings.say("output-dir", where, f"the output folder `{folder}` {fault}", hint=hint)


def check_outputs(findings: Findings, drafts: Sequence[Draft], folder: str, profiles: Sequence[str]) -> None:
    """Report drafts that share an address or output, or whose output is in the folder of a profile."""
    drafts = [draft for draft in drafts if "output" not in draft.faulty]
    if not profiles and _all_differ(drafts):
        return
    addresses: dict[str, Draft] = {}
    outputs: dict[str, Draft] = {}
    total = Counter(draft.shot for draft in drafts)
    folders = {same_file(name): name for name in profiles}
    for draft in drafts:
        job = (draft.address, 0 if draft.partial else total[draft.shot])
        if addresses.setdefault(draft.address, draft) is not draft:
            message = f"two jobs have the address `{draft.address}`"
            hint = "an `include` makes a combination that is there already"
            findings.say("duplicate-address", _matrix_of(draft), message, hint=hint, on_key=True, jobs=job)
            continue
        path = draft.origins["output"].path or draft.origins["shot"].path
        other = outputs.setdefault(same_file(draft.output), draft)
        if other is not draft:
            message = f"`{other.address}` and `{draft.address}` have the same output `{draft.output}`"
            hint = "the name needs what tells them apart, such as `{{ slug }}`; or give one shot an `output` of its own"
            findings.say("output-collision", path, message, hint=hint, jobs=job)
        first = same_file(draft.output.removeprefix(f"{folder}/").partition("/")[0]) if folders else ""
        if first in folders:
            message = f"the output `{draft.output}` lies in the folder of the profile `{folders[first]}`"
            findings.say("output-collision", path, message, hint="give it another folder", jobs=job)


def _all_differ(drafts: Sequence[Draft]) -> bool:
    """Whether no two drafts share an address or an output, as nearly always."""
    addresses = {draft.address for draft in drafts}
    return len(addresses) == len({same_file(draft.output) for draft in drafts}) == len(drafts)


def _matrix_of(draft: Draft) -> Path:
    return (*draft.origins["shot"].path, "matrix", "include")


def output_fault(name: str) -> str | None:
    """Return what is wrong with a rendered output name, None when it is a portable path below the output folder."""
    if _PLAIN.fullmatch(name):  # longer than any name that Windows reserves: most names are such
        return None
    return _path_fault(name, "the output") if name.endswith(".mp4") else "must end in `.mp4`"


def _path_fault(name: str, whose: str) -> str | None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        return f"leads out of {whose} folder"
    found = _FORBIDDEN.search(name)
    if found:
        return f"has the character {found.group()!r}, which not every system allows"
    if len(name.encode()) > _LONGEST_PATH:
        return f"has more than {_LONGEST_PATH} bytes"
    return next((fault for fault in map(_part_fault, parts) if fault is not None), None)


def _part_fault(part: str) -> str | None:
    if part in ("", "."):
        return "has an empty component"
    if part.startswith("."):
        return "has a component that begins with a dot"
    if part.endswith((" ", ".")) or part.startswith(" "):
        return "has a component with a space or dot at its end"
    if _RESERVED.match(part):
        return f"has the component `{part}`, which Windows reserves"
    return f"has a component of more than {_LONGEST_PART} bytes" if len(part.encode()) > _LONGEST_PART else None


def same_file(name: str) -> str:
    """Return a normal form in which two names are equal if any file system treats them as one: composed, no case."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
