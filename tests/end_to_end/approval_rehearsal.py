"""Approvals for rehearsals: recorded by whom, when and where a test says."""

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from kbatch.pipeline.approvals.record import ApprovalTerms, make_approval, record_approval
from kbatch.pipeline.saved_plans import read_plan_file
from kbatch.planner.approval.approving import approved_maximum
from kbatch.receipts.approvals.approval import Approval, Person
from kbatch.receipts.approvals.approvals_file import merge, parse, serialize
from tests.campaign_rig import Rig, Said

ANN = Person(name="Ann", email="ann@example.com")
BOB = Person(name="Bob", email="bob@example.com")
DAY = timedelta(days=1)


def save(rig: Rig, *flags: str) -> dict[str, Any]:
    """Save the plan beside the manifest and return it."""
    path = rig.folder / "plan.json"
    assert rig.kbatch("plan", "--out", str(path), *flags).code == 0
    return dict(json.loads(path.read_text(encoding="utf-8")))


def approve(rig: Rig, *flags: str, plan: tuple[str, ...] = ()) -> Said:
    """Save the plan and approve it with the command."""
    save(rig, *plan)
    said = rig.kbatch("approve", *flags, manifest="plan.json")
    assert said.code == 0, said.err
    return said


def approval_of(
    rig: Rig, *, ago: timedelta = timedelta(), by: Person = ANN, maximum: Mapping[str, int] | None = None
) -> Approval:
    """Return an approval for a day of the saved plan, given some time ago; nothing proves it yet."""
    saved = read_plan_file(rig.folder / "plan.json")
    assert saved is not None
    most = dict(maximum or approved_maximum(saved, {}))
    return make_approval(saved, ApprovalTerms(maximum=most, lasts=DAY), by, datetime.now(UTC) - ago)


def record(rig: Rig, approval: Approval, key: Path | None = None) -> Approval:
    """Record an approval as `kbatch approve` does."""
    return record_approval(rig.folder / "campaign.lock.json", approval, key)


def forge(rig: Rig, approval: Approval, **changes: Any) -> None:
    """Write an approval into the file by hand, as a pull request can."""
    path = rig.folder / "campaign.approvals.json"
    known = parse(path.read_bytes(), path.name) if path.exists() else {}
    forged = replace(approval, **changes)
    path.write_bytes(serialize(merge(known, {forged.id: forged})))


def ssh_key(folder: Path, name: str) -> Path:
    """Make an SSH key without a passphrase."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


def signers(path: Path, **keys: Path) -> Path:
    """Write a file of allowed signers: NAME@example.com for each key."""
    lines = [f"{name}@example.com {_public(key)}" for name, key in keys.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text(encoding="utf-8").split()[:2])


def another_machine(rig: Rig, name: str = "another-home") -> None:
    """Go on with another user's state key."""
    rig.monkeypatch.setenv("XDG_STATE_HOME", str(rig.root / name))


def bought(rig: Rig) -> list[int]:
    """Return what every job on the bill was charged."""
    return [line["credits"] for line in rig.charges()]
