"""Checks and prices a manifest without a key, and writes the page for its reviewers whatever comes of it.

`plan.py MANIFEST --page FILE [--base BRANCH] [-- FLAGS]`. What is wrong with the manifest stands in the page too, under
the same marker, so that no older plan stays in the comment. Ends with the exit code of `kbatch plan`.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from kbatch.report.markdown.markdown import marker

KBATCH = (sys.executable, "-P", "-m", "kbatch")
_MOST = 20_000
"""Characters of a complaint that a comment shows; the log has all."""


def refused(manifest: Path, profile: str | None, said: str) -> str:
    """Return the page of a manifest that has no plan."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", said).strip()[:_MOST]
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))  # longer than any in the text
    name = manifest.as_posix()
    words = "**There is no plan, and nothing to agree to.** kbatch says why:"
    return f"{marker('plan', name, profile)}\n\n## Plan for `{name}`\n\n{words}\n\n{fence}text\n{text}\n{fence}\n"


def base_of(branch: str) -> list[str]:
    """Return the flag that compares with a branch of `origin`, which is fetched; none where it cannot be had."""
    ref = f"refs/remotes/origin/{branch}"
    words = ["git", "fetch", "--quiet", "--no-tags", "--depth=1", "origin", f"+refs/heads/{branch}:{ref}"]
    if subprocess.run(words, check=False).returncode == 0:
        return ["--compare-to", f"git:origin/{branch}"]
    print(f"::warning title=kbatch plan::{branch} cannot be fetched, so the plan is compared with nothing")
    return []


def main() -> int:
    """Write the page and return the plan's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--page", type=Path, required=True)
    parser.add_argument("--base", default="")
    parser.add_argument("--profile", default="")
    parser.add_argument("--args", default="", help="further flags of `kbatch plan`, in one word")
    options = parser.parse_args()
    flags = [*(["--profile", options.profile] if options.profile else []), *shlex.split(options.args)]
    compare = base_of(options.base) if options.base else []
    words = [*KBATCH, "plan", str(options.manifest), *flags, *compare, "--format", "markdown"]
    done = subprocess.run(words, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace")
    sys.stderr.write(said)
    page = done.stdout.decode(errors="replace")
    if not page.startswith("<!-- kbatch:"):
        page = refused(options.manifest, options.profile or None, said)
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(f"\n{page}\n")
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text(page, encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
