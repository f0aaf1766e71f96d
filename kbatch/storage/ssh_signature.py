"""SSH signatures by the `ssh-keygen` program: the only module that starts it.

A key is named by its file, its public half or an agent's; nothing of it is read here. Signatures bear the namespace
`kbatch`, so that one which was made for a commit or for another program is none.
"""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from kbatch.errors import Invalid, Problem, Refused
from kbatch.storage.programs import find_program

NAMESPACE = "kbatch"


def sign(data: bytes, key: Path) -> str:
    """Return the armored signature of bytes by a key, whose passphrase ssh-keygen may ask for; Refused without one."""
    done = _run(("-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)), data)
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Refused("not-signed", f"ssh-keygen does not sign with `{key}`: {said[-1] if said else 'no reason given'}")
    return done.stdout.decode("ascii")


def signers_of(data: bytes, signature: str, allowed: bytes) -> frozenset[str]:
    """Return the allowed signers whose signature of these bytes this is, none when it is no one's.

    `allowed` is the content of a file of ssh's allowed signers. Its lines with patterns (`*@example.com`) are left out:
    their keys could sign in any name.
    """
    lines = [line for line in allowed.decode("utf-8", "replace").splitlines() if line.split() and line[0] != "#"]
    named = {line: line.split()[0].strip('"').split(",") for line in lines}
    kept = {line: names for line, names in named.items() if not set("*?!") & set("".join(names))}
    with TemporaryDirectory() as folder:
        signature_path, allowed_path = Path(folder, "signature"), Path(folder, "allowed")
        signature_path.write_text(signature, encoding="utf-8", errors="replace")
        allowed_path.write_text("\n".join(kept) + "\n", encoding="utf-8")
        files = ("-s", str(signature_path), "-f", str(allowed_path))
        if _run(("-Y", "find-principals", *files), b"").returncode != 0:
            return frozenset()
        names = {name for names in kept.values() for name in names if name}
        return frozenset(
            name for name in names if _run(("-Y", "verify", *files, "-n", NAMESPACE, "-I", name), data).returncode == 0
        )


def _run(words: tuple[str, ...], data: bytes) -> "subprocess.CompletedProcess[bytes]":
    try:
        command = [find_program("ssh-keygen"), *words]
        return subprocess.run(command, input=data, capture_output=True, check=False)  # noqa: S603 - no shell
    except OSError as error:
        message = f"ssh-keygen cannot be started: {error.strerror}"
        raise Invalid([Problem(code="no-ssh-keygen", message=message, hint="OpenSSH brings it")]) from None
