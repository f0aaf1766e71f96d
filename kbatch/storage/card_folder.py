"""A folder of model cards that the user names: bounded, and read through no link that came with a repository."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from kbatch.storage.links import LinkRefused, judge, resolve
from kbatch.storage.reading import MEBIBYTE, read_bytes

MOST_CARDS = 1_000
_MOST_BYTES = MEBIBYTE
"""A card has some 10 KB."""
_MOST_LEVELS = 8
"""`<provider>/<model>.json`, where a model's name is a path itself."""


def cards_in(folder: Path) -> Iterator[tuple[str, bytes | OSError]]:
    """Yield each JSON file below a folder by its path in it, in a stable order: its bytes, or why it cannot be read.

    OSError when the folder cannot be listed, LinkRefused when git tracks a link on the way to it.
    """
    resolve(folder)
    for number, path in enumerate(_below(folder, 0)):
        if number == MOST_CARDS:
            raise OSError(errno.EFBIG, f"more than {MOST_CARDS:,} cards", str(folder))
        name = path.relative_to(folder).as_posix()
        try:
            judge(path)
            yield name, read_bytes(path, limit=_MOST_BYTES)
        except OSError as error:
            yield name, error


def _below(folder: Path, level: int) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if entry.is_symlink():
                raise LinkRefused(path, "is a symbolic link to a folder, cards are read from the folder itself only")
            if level < _MOST_LEVELS:
                yield from _below(path, level + 1)
        elif entry.name.endswith(".json"):
            yield path
