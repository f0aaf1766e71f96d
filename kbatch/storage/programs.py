"""Programs as `PATH` has them, in its absolute folders only: a checkout must not bring the program that is started."""

import os
from pathlib import Path


def find_program(name: str) -> str:
    """Return a program's path, its name where `PATH` has none: Windows would look into the present folder first."""
    name = f"{name}.exe" if os.name == "nt" else name
    folders = map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep))
    found = (folder / name for folder in folders if folder.is_absolute())
    return next((str(path) for path in found if path.is_file() and os.access(path, os.X_OK)), name)
