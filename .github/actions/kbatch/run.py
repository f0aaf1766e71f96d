"""Runs what was approved within a deadline, and fetches the clips that this runner lacks.

`run.py MANIFEST --deadline MINUTES …`. At the deadline, and when the job is cancelled, kbatch gets SIGTERM: it stops
within 5 s with everything saved, what renders goes on at the provider, and the same job started again goes on with it.
Ends with the larger concern of `kbatch run` and `kbatch pull`.
"""

import argparse
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

KBATCH = (sys.executable, "-P", "-m", "kbatch")
GRACE_S = 30.0
"""How long a stopped kbatch may take; it promises 5 s."""
CONCERNS = (70, 130, 5, 4, 3, 2, 1, 0)
"""Exit codes, the largest concern first."""


class Deadline:
    """The time that is left to all commands together; a signal to this process ends it at once."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.over = False
        self._child: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self.over = True
        if self._child is not None:
            self._child.terminate()

    def run(self, words: list[str]) -> int:
        """Run a kbatch command; return its exit code, 130 when no time is left for it."""
        left = self.end - time.monotonic()
        if self.over or left <= 0:
            return 130
        self._child = subprocess.Popen([*KBATCH, *words], stdin=subprocess.DEVNULL)
        try:
            code = self._child.wait(left)
        except subprocess.TimeoutExpired:
            print("::warning title=kbatch::the deadline is over: what renders goes on at its provider, "
                  "and this job started again goes on with it", file=sys.stderr)  # fmt: skip
            self._stop()
            code = self._killed_after_grace()
        return code if code >= 0 else 130

    def _killed_after_grace(self) -> int:
        assert self._child is not None
        try:
            return self._child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()


def main() -> int:
    """Run, then pull; return the larger concern."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--deadline", type=float, required=True, help="in minutes")
    parser.add_argument("--profile", default="")
    parser.add_argument("--lockfile", default="")
    parser.add_argument("--args", default="", help="further flags of `kbatch run`, in one word")
    parser.add_argument("--approve", default="", help="the digest that was approved")
    parser.add_argument("--approved-from", default="", help="without a digest: approvals of this revision, git:REF")
    parser.add_argument("--reports", type=Path, required=True, help="the folder for JUnit and events")
    parser.add_argument("--pull", choices=("true", "false"), default="true")
    options = parser.parse_args()
    options.reports.mkdir(parents=True, exist_ok=True)
    given = {"--profile": options.profile, "--lockfile": options.lockfile}
    state = [word for flag, value in given.items() if value for word in (flag, value)]
    recorded = ["--approved-from", options.approved_from] if options.approved_from else []
    consent = ["--approve", options.approve] if options.approve else recorded
    reports = ["--junit", str(options.reports / "run.xml"), "--events", str(options.reports / "events.jsonl")]
    deadline = Deadline(options.deadline * 60)
    codes = [deadline.run(["run", str(options.manifest), *state, *shlex.split(options.args), *consent, *reports])]
    if options.pull == "true" and codes[0] != 2:  # `pull` never buys, so it follows a refusal too
        codes.append(
            deadline.run(["pull", str(options.manifest), *state, "--junit", str(options.reports / "pull.xml")])
        )
    return min(codes, key=lambda code: CONCERNS.index(code) if code in CONCERNS else -1)


if __name__ == "__main__":
    sys.exit(main())
