"""The tree that a manifest may read: nothing outside it, symlinks resolved first, no dot components."""

import errno
import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from msgspec import Struct, field

from kbatch.errors import Unreadable
from kbatch.storage.reading import MEBIBYTE, digest_of_input, read_bytes

_IN_TREE = "paths are relative to the manifest and stay within its git root, or its folder"


class Folder(Struct):
    """The files that a manifest may name: relative to its folder, within the nearest git root, no dot components.

    `seen` records each file read, by its path relative to the manifest's folder, with its digest.
    """

    base: Path
    root: Path
    seen: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Path) -> "Folder":
        """Return the tree of a manifest: the nearest git root above it, else its own folder."""
        base = manifest.parent.resolve()
        root = next((folder for folder in (base, *base.parents) if (folder / ".git").exists()), base)
        return cls(base=base, root=root)

    def read(self, reference: str, *, limit: int = 64 * MEBIBYTE) -> bytes:
        """Return the bytes of a file named in the manifest; Unreadable says which rule it breaks."""
        path = self._locate(reference)
        try:
            data = read_bytes(path, limit=limit)
        except FileNotFoundError:
            raise Unreadable("file-not-found", f"there is no file `{reference}`") from None
        except OSError as error:
            code = "file-too-large" if error.errno == errno.EFBIG else "file-unreadable"
            raise Unreadable(code, f"`{reference}` cannot be read: {error.strerror}") from error
        self.seen[PurePosixPath(reference).as_posix()] = digest_of_input(data)
        return data

    def _locate(self, reference: str) -> Path:
        check_reference(reference)
        try:
            path = Path(os.path.realpath(self.base / reference))
        except (OSError, ValueError) as error:
            raise Unreadable("file-unreadable", f"`{reference}` cannot be resolved: {error}") from error
        if not path.is_relative_to(self.root):
            raise Unreadable("path-outside-tree", f"`{reference}` leads out of the manifest's tree", hint=_IN_TREE)
        within = self.base if path.is_relative_to(self.base) else self.root
        if any(is_hidden(part) for part in path.relative_to(within).parts):
            raise Unreadable("path-hidden", f"`{reference}` leads to a component that begins with a dot", hint=_IN_TREE)
        return path


def check_reference(reference: str) -> None:
    """Raise Unreadable for what no manifest may name, whatever stands there: absolute paths and hidden components."""
    windows = PureWindowsPath(reference)
    if "\0" in reference or PurePosixPath(reference).is_absolute() or windows.drive or windows.root:
        raise Unreadable("path-outside-tree", f"`{reference}` is not a relative path", hint=_IN_TREE)
    if any(is_hidden(part) for part in windows.parts):
        raise Unreadable("path-hidden", f"`{reference}` has a component that begins with a dot", hint=_IN_TREE)


def is_hidden(part: str) -> bool:
    """Whether a component of a path begins with a dot, `.` and `..` themselves aside."""
    return part.startswith(".") and part not in (".", "..")
