"""Records approvals beside the lockfile, sealed and, where a key is given, signed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from kbatch import storage
from kbatch.errors import Invalid, Problem
from kbatch.planner.approval.approving import approved_plan
from kbatch.planner.approval.saved_plan import SavedPlan
from kbatch.receipts.approvals.approval import Approval, Person
from kbatch.receipts.approvals.approvals_file import SUFFIX, Approvals, merge, parse, serialize
from kbatch.receipts.journal.history import ignore_in_git, state_folder, stem_of
from kbatch.receipts.journal.seals import Seals
from kbatch.storage.ssh_signature import sign
from kbatch.storage.state_key import make_key

_MOST_BYTES = 256 * storage.MEBIBYTE
PURPOSE = "approval"


class ApprovalTerms(Struct, frozen=True, kw_only=True):
    """What an approver says beside the plan: the maximum by provider, for how long, and a note."""

    maximum: dict[str, int]
    lasts: timedelta
    note: str = ""


def approvals_path(lockfile: Path) -> Path:
    """Return the file of approvals that belongs to a lockfile: `campaign.approvals.json` for `campaign.lock.json`."""
    return lockfile.parent / f"{stem_of(lockfile)}{SUFFIX}"


def read_approvals(path: Path) -> Approvals:
    """Return the approvals in a file, none where it does not exist; StateUnreadable when it cannot be read."""
    data = storage.read_if_there(path, limit=_MOST_BYTES)
    return {} if data is None else parse(data, str(path))


def make_approval(saved: SavedPlan, terms: ApprovalTerms, by: Person | None, now: datetime) -> Approval:
    """Return an approval of a saved plan from now on; Invalid when git and CI name no person."""
    if by is None:
        hint = "`git config user.name` names you; a CI job is named by its actor"
        raise Invalid([Problem(code="no-approver", message="nothing says who approves", hint=hint)])
    return Approval(
        digest=saved.digest,
        by=by,
        at=_moment(now),
        expires_at=_moment(now + terms.lasts),
        maximum=terms.maximum,
        plan=approved_plan(saved),
        note=terms.note,
    )


def record_approval(lockfile: Path, approval: Approval, key: Path | None = None) -> Approval:
    """Add an approval to the file beside a lockfile, sealed with this user's key, and return it.

    An SSH `key` signs it too.
    """
    signature = None if key is None else sign(approval.statement, key)
    path = approvals_path(lockfile)
    ignore_in_git(state_folder(lockfile))
    with storage.Lock(state_folder(lockfile) / f"{path.name.removesuffix('.json')}.lock"):
        seals = Seals(key=make_key().secret, stem=stem_of(lockfile))
        sealed = replace(approval, seal=seals.of(PURPOSE, approval.statement), signature=signature)
        storage.write_atomic(storage.resolve(path).real, serialize(merge(read_approvals(path), {sealed.id: sealed})))
    return sealed


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
