"""What a user lets count as proof of an approval: a policy, allowed signers, a reviewed branch; never a manifest's.

A policy and a file of signers come from outside the checkout, or from a revision of it (`git:REF:PATH`): in a pull
request the checkout is its author's, who could add himself.
"""

import os
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Invalid, Problem, Refused, Unreadable
from kbatch.manifest.yaml.document import Document, read_document
from kbatch.pipeline.approvals.record import PURPOSE, approvals_path, read_approvals
from kbatch.planner.approval.validity import NO_POLICY, ApprovalPolicy, Proof
from kbatch.receipts.approvals.approval import Approval
from kbatch.receipts.approvals.approvals_file import Approvals, parse
from kbatch.receipts.journal.history import stem_of
from kbatch.receipts.journal.seals import Seals
from kbatch.receipts.shapes import ShapeError, shaped
from kbatch.storage import MEBIBYTE, read_bytes
from kbatch.storage.git.git_program import Objects, commit_of, tracks
from kbatch.storage.git.revision_tree import open_revision
from kbatch.storage.ssh_signature import signers_of
from kbatch.storage.state_key import find_key

GIT = "git:"
_MOST_BYTES = 10 * MEBIBYTE
_FROM_REVISION = "keep it outside the repository, or name a revision that only review changes: `git:REF:PATH`"


class ApprovalTrust(Struct, frozen=True, kw_only=True):
    """The policy, the content of the file of allowed signers, and the revision that approvals are read from."""

    policy: ApprovalPolicy = NO_POLICY
    signers: bytes | None = None
    revision: str | None = None


class TrustSources(Struct, frozen=True, kw_only=True):
    """The places that the command line and the environment name: each is a file, or `git:REF:PATH`."""

    policy: str | None = None
    allowed_signers: str | None = None
    require_signed: bool = False
    revision: str | None = None


def read_trust(sources: TrustSources, folder: Path) -> ApprovalTrust:
    """Return what counts; Invalid when a source cannot be read, Refused when a checkout could have changed it."""
    policy = NO_POLICY if sources.policy is None else _read_policy(sources.policy, folder)
    if sources.require_signed:
        policy = replace(policy, require_signed=True)
    named = sources.allowed_signers
    if named is None and policy.allowed_signers is not None:
        named = _beside(sources.policy or "", policy.allowed_signers)
    if policy.require_signed and named is None:
        message = "only signed approvals count, and nothing says whose signature is allowed"
        raise Invalid([Problem(code="no-signers", message=message, hint="`--allowed-signers FILE`, or in the policy")])
    signers = None if named is None else _read(named, folder)
    return ApprovalTrust(policy=policy, signers=signers, revision=sources.revision)


def _read_policy(source: str, folder: Path) -> ApprovalPolicy:
    document = read_document(_read(source, folder), source)
    if not isinstance(document, Document):
        raise Invalid(document)
    try:
        return shaped(document.value, ApprovalPolicy)
    except ShapeError as error:
        place = document.mark(error.path, key="unknown field" in error.message)
        words = f"`{error.path[-1]}` {error.message}" if error.path else error.message
        raise Invalid([Problem(code="bad-policy", message=words, mark=place)]) from None


def _beside(source: str, name: str) -> str:
    """Return a file that is named relative to its policy, at the same revision."""
    revision, _, path = source.removeprefix(GIT).partition(":") if source.startswith(GIT) else ("", "", source)
    found = os.path.normpath(Path(path).parent / name)
    return f"{GIT}{revision}:{Path(found).as_posix()}" if revision else found


def _read(source: str, folder: Path) -> bytes:
    if source.startswith(GIT):
        return _read_revision(source, folder)
    path = Path(source)
    try:
        data = read_bytes(path, limit=_MOST_BYTES)
    except (OSError, Unreadable) as error:
        why = error.strerror if isinstance(error, OSError) else error.message
        raise Invalid([Problem(code="file-unreadable", message=f"`{source}` cannot be read: {why}")]) from None
    if tracks(path):
        message = f"`{source}` is tracked by git, so that whoever writes a branch decides whose approvals count"
        raise Refused("policy-in-checkout", message, hint=_FROM_REVISION)
    return data


def _read_revision(source: str, folder: Path) -> bytes:
    revision, _, path = source.removeprefix(GIT).partition(":")
    if not (revision and path):
        hint = "`git:REF:PATH`, with a path from the repository's root: `git:origin/main:.github/approvals.yaml`"
        raise Invalid([Problem(code="bad-source", message=f"`{source}` names no file of a revision", hint=hint)])
    commit = commit_of(folder, revision)
    try:
        with Objects(folder) as objects:
            return objects.read(f"{commit}:{path}", limit=_MOST_BYTES)
    except Unreadable:
        message = f"there is no `{path}` at {revision}"
        raise Invalid([Problem(code="file-not-found", message=message)]) from None


def trusted_approvals(lockfile: Path, trust: ApprovalTrust) -> Approvals:
    """Return the approvals of a lockfile, from the revision that is trusted, else from the file beside it."""
    path = approvals_path(lockfile)
    if trust.revision is None:
        return read_approvals(path)
    revision = trust.revision.removeprefix(GIT)
    if not trust.revision.startswith(GIT) or not revision:
        message = f"`{trust.revision}` names no revision"
        raise Invalid([Problem(code="bad-source", message=message, hint="`git:REF`, such as `git:origin/main`")])
    with open_revision(lockfile.parent, revision) as opened:
        try:
            data = opened.tree(lockfile.parent).read_own(path.name, limit=_MOST_BYTES)
        except Unreadable as error:
            if error.code != "file-not-found":
                raise
            return {}
    return parse(data, f"{trust.revision}:{path.name}")


def prove(approval: Approval, lockfile: Path, trust: ApprovalTrust) -> Proof:
    """Return what proves who made an approval."""
    signed: frozenset[str] = frozenset()
    if approval.signature is not None and trust.signers is not None:
        signed = signers_of(approval.statement, approval.signature, trust.signers)
    key = find_key() if approval.seal else None
    sealed = key is not None and _seals(key, lockfile).verifies(PURPOSE, approval.statement, approval.seal or "")
    return Proof(sealed=sealed, reviewed=trust.revision is not None, signers=signed)


def _seals(key: bytes, lockfile: Path) -> Seals:
    return Seals(key=key, stem=stem_of(lockfile))


def describe(proof: Proof, trust: ApprovalTrust) -> str:
    """Return what proves an approval, in words."""
    words: list[Any] = []
    if proof.signers:
        words.append(f"signed by {' alias '.join(sorted(proof.signers))}")
    if proof.reviewed:
        words.append(f"read from {trust.revision}")
    if proof.sealed:
        words.append("sealed by this user")
    return ", ".join(words)
