"""Whose approvals count: a pull request brings records, keys and policies of its own, and none of them spends."""

import os
from pathlib import Path

import pytest

from kbatch.storage.ssh_signature import signers_of
from tests.campaign_rig import Rig
from tests.end_to_end.approval_rehearsal import (
    ANN,
    BOB,
    another_machine,
    approval_of,
    approve,
    bought,
    forge,
    record,
    save,
    signers,
    ssh_key,
)
from tests.git_repository import Repository

ONE = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a}\n"


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder outside the repository with the keys `ann` and `eve`, and Ann among the allowed signers."""
    folder = tmp_path_factory.mktemp("keys")
    ssh_key(folder, "eve")
    signers(folder / "allowed", ann=ssh_key(folder, "ann"))
    return folder


def of_ann(keys: Path) -> tuple[str, ...]:
    """Return the flags by which only what Ann has signed counts."""
    return ("--approved", "--allowed-signers", str(keys / "allowed"), "--require-signed")


def test_a_record_that_a_checkout_brought_is_not_believed(rig: Rig) -> None:
    """It says that Ann approved, without a seal or with another machine's: refused, and it says what would help."""
    rig.write(ONE)
    save(rig)
    forge(rig, approval_of(rig))
    forge(rig, approval_of(rig), seal="ab" * 32)
    refused = rig.kbatch("run", "--approved")
    assert refused.code == 3
    assert "approval-unproven" in refused.err
    assert "--approved-from git:REF" in refused.err
    assert bought(rig) == []


def test_a_seal_counts_for_its_own_user_and_campaign(rig: Rig) -> None:
    """The record of one machine is nothing on another, unless both have one `KBATCH_STATE_KEY`."""
    rig.monkeypatch.setenv("KBATCH_STATE_KEY", "12" * 32)
    rig.write(ONE)
    approve(rig)
    rig.monkeypatch.delenv("KBATCH_STATE_KEY")
    another_machine(rig)
    assert "approval-unproven" in rig.kbatch("run", "--approved").err
    rig.monkeypatch.setenv("KBATCH_STATE_KEY", "12" * 32)
    assert rig.kbatch("run", "--approved").code == 0
    assert bought(rig) == [4]


def test_a_reviewed_branch_is_believed_and_the_checkout_is_not(rig: Rig) -> None:
    """The pull request adds a film and its approval: with `--approved-from git:main` only what main has counts."""
    repository = Repository(rig.folder)
    rig.write(ONE)
    save(rig)
    forge(rig, approval_of(rig))
    repository.commit()
    repository.git("checkout", "--quiet", "-b", "pull-request")
    assert rig.kbatch("run", "--approved").code == 3
    rig.write(ONE + "  - {id: two, model: kling-2.5-turbo-pro, prompt: b}\n")
    save(rig)
    forge(rig, approval_of(rig))
    repository.commit()
    refused = rig.kbatch("run", "--approved-from", "git:main")
    assert refused.code == 3
    assert "`two` is not in it" in refused.err
    assert bought(rig) == []
    ran = rig.kbatch("run", "--approved-from", "git:main", "--only", "one")
    assert ran.code == 0, ran.err
    assert "read from git:main" in ran.err
    assert bought(rig) == [4]
    assert rig.kbatch("run", "--approved-from", "git:nowhere").code == 2
    assert rig.kbatch("run", "--approved-from", "main").code == 2


def test_a_signature_counts_everywhere(rig: Rig, keys: Path) -> None:
    """`kbatch approve --sign` on one machine, a run on another; without the allowed signers it is not believed."""
    rig.write(ONE)
    approve(rig, "--sign", str(keys / "ann"))
    another_machine(rig)
    assert "approval-unproven" in rig.kbatch("run", "--approved").err
    ran = rig.kbatch("run", *of_ann(keys))
    assert ran.code == 0, ran.err
    assert "signed by ann@example.com" in ran.err
    assert bought(rig) == [4]


def test_a_signature_of_somebody_else_does_not_count(rig: Rig, keys: Path) -> None:
    """Eve signs in Ann's name, with a key of hers; Ann's signature of another plan stands under Eve's record."""
    rig.write(ONE)
    save(rig)
    anns = record(rig, approval_of(rig), keys / "ann")
    rig.write(ONE.replace("prompt: a", "prompt: another film"))
    save(rig)
    record(rig, approval_of(rig, by=ANN), keys / "eve")
    forge(rig, approval_of(rig, by=ANN), signature=anns.signature)
    forge(rig, approval_of(rig, by=ANN), signature="no signature")
    refused = rig.kbatch("run", *of_ann(keys))
    assert refused.code == 3
    assert "approval-unsigned" in refused.err
    assert bought(rig) == []


@pytest.mark.parametrize("namespace", ["git", "file"])
def test_a_signature_for_another_purpose_does_not_count(rig: Rig, keys: Path, namespace: str) -> None:
    """What Ann signed as a commit or a file is no approval."""
    rig.monkeypatch.setattr("kbatch.storage.ssh_signature.NAMESPACE", namespace)
    rig.write(ONE)
    save(rig)
    record(rig, approval_of(rig), keys / "ann")
    rig.monkeypatch.setattr("kbatch.storage.ssh_signature.NAMESPACE", "kbatch")
    assert "approval-unsigned" in rig.kbatch("run", *of_ann(keys)).err


def test_a_pattern_among_the_signers_names_nobody(rig: Rig, keys: Path) -> None:
    """With `*@example.com` a limit or one's own plan could not be held against a person."""
    rig.write(ONE)
    save(rig)
    approval = record(rig, approval_of(rig), keys / "ann")
    public = (keys / "ann.pub").read_text(encoding="utf-8")
    assert approval.signature is not None
    eves = (keys / "eve.pub").read_text(encoding="utf-8")
    allowed = f"*@example.com {public}\nann@example.com,ann {public}\n# hers\nannie {public}\nbob {eves}".encode()
    assert signers_of(approval.statement, approval.signature, allowed) == {"ann@example.com", "ann", "annie"}
    assert not signers_of(approval.statement, approval.signature, f"ann {eves}\n* {public}".encode())
    assert not signers_of(approval.statement, approval.signature, f"*@example.com {public}".encode())
    assert not signers_of(approval.statement, approval.signature, b"no signers")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        pytest.param("own_plan: false", "approval-own-plan", id="own-plan"),
        pytest.param("limits: {ann@example.com: {apiframe: 3}}", "approval-over-limit", id="over-her-limit"),
        pytest.param("limits: {ann@example.com: {apiframe: 4}}", "", id="within-her-limit"),
        pytest.param("require_signed: true", "", id="signed"),
    ],
)
def test_a_policy_bounds_who_approves_what(rig: Rig, keys: Path, policy: str, said: str) -> None:
    """The environment names it; a person's limit and the plan's author are held against the signature."""
    rig.monkeypatch.setenv("GITHUB_ACTOR", "ann@example.com")
    path = keys / "policy.yaml"
    path.write_text(f"allowed_signers: allowed\n{policy}\n", encoding="utf-8")
    rig.monkeypatch.setenv("KBATCH_APPROVAL_POLICY", str(path))
    rig.write(ONE)
    save(rig)
    record(rig, approval_of(rig, by=BOB), keys / "ann")
    ended = rig.kbatch("run", "--approved")
    assert ended.code == (3 if said else 0), ended.err
    assert said in ended.err
    assert bought(rig) == ([] if said else [4])


def test_a_policy_of_the_checkout_is_refused(rig: Rig, keys: Path) -> None:
    """A pull request could add its own key: both come from outside the checkout, or from a reviewed revision."""
    repository = Repository(rig.folder)
    rig.write(ONE)
    repository.write("allowed", (keys / "allowed").read_bytes())
    repository.write(".github/policy.yaml", "allowed_signers: ../allowed\n")
    repository.commit()
    approve(rig, "--sign", str(keys / "eve"))
    signers(rig.folder / "allowed", ann=keys / "eve")
    for flag, name in (("--approval-policy", ".github/policy.yaml"), ("--allowed-signers", "allowed")):
        refused = rig.kbatch("run", "--approved", flag, str(rig.folder / name))
        assert refused.code == 3
        assert "policy-in-checkout" in refused.err
        assert "git:REF:PATH" in refused.err
    reviewed = ("--approval-policy", "git:main:.github/policy.yaml")
    assert "approval-unsigned" in rig.kbatch("run", "--approved", *reviewed).err
    approve(rig, "--sign", str(keys / "ann"))
    assert rig.kbatch("run", "--approved", *reviewed).code == 0
    assert bought(rig) == [4]


@pytest.mark.parametrize(
    ("policy", "place", "words"),
    [
        pytest.param("limit: {ann: {apiframe: 3}}", "policy.yaml:1:1", "did you mean `limits`", id="misspelt"),
        pytest.param("a: 1\na: 2", "policy.yaml:2:1", "duplicate-key", id="twice"),
        pytest.param("require_signed: maybe", "policy.yaml:1:17", "true or false", id="no-boolean"),
        pytest.param("limits:\n  ann: {apiframe: 3.5}", "policy.yaml:2:19", "whole number", id="float"),
        pytest.param("limits: {}", "", "no-signers", id="no-signers"),
        pytest.param("allowed_signers: nowhere", "", "cannot be read", id="signers-not-there"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(rig: Rig, keys: Path, policy: str, place: str, words: str) -> None:
    """It is never read as a laxer one."""
    (keys / "policy.yaml").write_text(policy, encoding="utf-8")
    rig.write(ONE)
    approve(rig)
    ended = rig.kbatch("run", "--approved", "--approval-policy", str(keys / "policy.yaml"))
    assert ended.code == 2
    assert place in ended.err
    assert words in ended.err
    assert bought(rig) == []


def test_a_key_that_cannot_sign_records_nothing(rig: Rig, keys: Path) -> None:
    """Asked for a signature, `approve` does not fall back to a record without one."""
    rig.write(ONE)
    save(rig)
    ended = rig.kbatch("approve", "--sign", str(keys / "nowhere"), manifest="plan.json")
    assert ended.code == 3
    assert "not-signed" in ended.err
    assert not (rig.folder / "campaign.approvals.json").exists()


def test_a_checkout_brings_no_ssh_keygen(rig: Rig, keys: Path) -> None:
    """A `PATH` with a relative folder does not let a program of the manifest's folder say whose signature it is."""
    rig.write(ONE)
    approve(rig, "--sign", str(keys / "eve"))
    fake = rig.folder / "ssh-keygen"
    fake.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    fake.chmod(0o755)
    rig.monkeypatch.chdir(rig.folder)
    rig.monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    assert "approval-unsigned" in rig.kbatch("run", *of_ann(keys)).err
