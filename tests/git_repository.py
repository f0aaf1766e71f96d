"""A git repository for a test, apart from the user's own configuration."""

import os
import subprocess
from pathlib import Path

import kbatch


class Repository:
    """A repository in a folder; `git` runs a command there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Test")
        self.git("config", "user.email", "test@example.com")

    def git(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a git command; the merge driver that it may start finds this kbatch."""
        surroundings = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": str(Path(kbatch.__file__).parents[1]),
            **environment,
        }
        return subprocess.run(
            ["git", *words], cwd=self.folder, env=surroundings, capture_output=True, text=True, check=check
        )

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file into the work tree."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def commit(self, message: str = "work") -> str:
        """Commit everything and return the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").stdout.strip()
