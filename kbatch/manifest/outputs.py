"""Names of outputs: each stays in the output folder, is portable, ends in `.mp4` and belongs to one job."""

import re
import unicodedata

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_LONGEST_PART = 200
_LONGEST_PATH = 400


def output_fault(name: str) -> str | None:
    """Return what is wrong with a rendered output name, None when it is a portable path below the output folder."""
    parts = name.split("/")
    if not name.endswith(".mp4"):
        return "must end in `.mp4`"
    if name.startswith("/") or ".." in parts:
        return "leaves the output folder"
    found = _FORBIDDEN.search(name)
    if found:
        return f"has the character {found.group()!r}, which not every system allows"
    for part in parts:
        if part in ("", "."):
            return "has an empty component"
        if part.startswith("."):
            return "has a component that begins with a dot"
        if part.endswith((" ", ".")) or part.startswith(" "):
            return "has a component with a space or dot at its end"
        if _RESERVED.match(part):
            return f"has the component `{part}`, which Windows reserves"
        if len(part.encode()) > _LONGEST_PART:
            return f"has a component of more than {_LONGEST_PART} bytes"
    if len(name.encode()) > _LONGEST_PATH:
        return f"has more than {_LONGEST_PATH} bytes"
    return None


def same_file(name: str) -> str:
    """Return the form in which two names that some file system takes for one are equal: composed, without case."""
    return unicodedata.normalize("NFC", name).casefold()
