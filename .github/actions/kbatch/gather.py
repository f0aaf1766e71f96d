"""Gathers what a run leaves behind into one folder for the job's artifact: lockfile, journal, reports and clips.

`gather.py MANIFEST --reports FOLDER --into FOLDER`. A copy, so that an artifact has one layout wherever the manifest
lies: `campaign.lock.json`, `.kbatch/`, `renders/`, `reports/`. `.kbatch/` holds no key; a lock file of a run stays out.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

KBATCH = (sys.executable, "-P", "-m", "kbatch")


def main() -> int:
    """Copy and report; exit code 0, since what is lacking was never made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--profile", default="")
    parser.add_argument("--lockfile", default="")
    parser.add_argument("--clips", default="renders")
    parser.add_argument("--reports", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    options = parser.parse_args()
    folder, into = options.manifest.parent, options.into
    lockfile = Path(options.lockfile) if options.lockfile else folder / f"{options.manifest.stem}.lock.json"
    into.mkdir(parents=True, exist_ok=True)
    if lockfile.exists():
        shutil.copy2(lockfile, into / lockfile.name)
    for source, name in (
        (lockfile.parent / ".kbatch", ".kbatch"),
        (folder / options.clips, options.clips),
        (options.reports, "reports"),
    ):
        if source.is_dir():
            shutil.copytree(source, into / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock", "*.part"))
    flags = ["--profile", options.profile] if options.profile else []
    flags += ["--lockfile", str(lockfile.resolve())] if options.lockfile else []
    # from the manifest's folder, so that the page's links to clips are those of the artifact
    words = ["report", options.manifest.name, *flags, "--html", "-", "--csv", str((into / "receipts.csv").resolve())]
    done = subprocess.run([*KBATCH, *words], cwd=folder, stdout=subprocess.PIPE, check=False)
    if done.returncode == 0:
        (into / "report.html").write_bytes(done.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
