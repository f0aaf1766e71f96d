"""Saved plans on disk: writes them, reads them, and compares them with the current plan."""

import json
import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from kbatch.errors import Refused
from kbatch.pipeline.approvals.record import approvals_path, read_approvals
from kbatch.pipeline.load import LoadedManifest
from kbatch.planner.approval.consent import ConsentTerms, needed_flags
from kbatch.planner.approval.coverage import left_of, not_covered
from kbatch.planner.approval.saved_plan import Deviation, SavedPlan, deviations, is_saved_plan, read_saved, to_save
from kbatch.planner.plan import Plan
from kbatch.planner.selection import Selection
from kbatch.receipts import store
from kbatch.receipts.claims import Claim, digest_of
from kbatch.receipts.receipt import Receipt
from kbatch.runner.preflight.provenance import person_of
from kbatch.storage import descriptor_of, put, read_if_there

_LOCKFILE = ".lock.json"


def read_plan_file(path: Path) -> SavedPlan | None:
    """Return the saved plan in a file, None when the file is no plan but, for example, a manifest."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return None
    data = read_if_there(path)
    return read_saved(data, str(path)) if data is not None and is_saved_plan(data) else None


def write_plan_file(path: Path, plan: Plan, *, manifest: Path, simulated: bool, selection: Selection) -> None:
    """Write a saved plan; it names its manifest relative to its own folder."""
    folder = Path.cwd() if descriptor_of(path) is not None else path.resolve().parent
    source = PurePosixPath(Path(os.path.relpath(manifest.resolve(), folder)).as_posix())
    made_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    author = person_of(os.environ, manifest.parent)
    document = to_save(
        plan, source=str(source), simulated=simulated, selection=selection, made_at=made_at, author=author
    )
    put(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def command_for(path: Path, plan: Plan, manifest: Path) -> str:
    """Return the command that carries out a plan that was saved at a path.

    A plan may come from an untrusted source, so its lockfile is used only when it is named like one.
    """
    lockfile = plan.basis.lockfile
    named = () if lockfile.endswith(_LOCKFILE) else ("--lockfile", os.path.normpath(manifest.parent / lockfile))
    return shlex.join(("kbatch", "run", str(path), *named, *needed_flags(plan)))


def lockfile_of(saved: SavedPlan, manifest: Path, chosen: Path | None) -> Path:
    """Return the lockfile that a saved plan was made on; Refused when another one is chosen."""
    if not saved.sealed:
        message = "the plan was saved by an earlier kbatch, and does not say on which lockfile and for whom it was made"
        raise Refused("plan-stale", message, hint="`kbatch plan --out FILE` saves it anew")
    found = Path(os.path.normpath(manifest.parent / saved.lockfile))
    if chosen is None and not saved.lockfile.endswith(_LOCKFILE):
        message = f"the plan's lockfile {saved.lockfile} is not named like one"
        raise Refused("plan-stale", message, hint=f"`--lockfile {found}` says that it is")
    if chosen is not None and _place(chosen) != _place(found):
        message = f"the plan was made on the lockfile {saved.lockfile}, not on {chosen}"
        raise Refused("plan-stale", message, hint="leave out --lockfile: the plan knows its own")
    return found


def _place(path: Path) -> Path:
    return path.parent.resolve() / path.name


def manifest_of(saved: SavedPlan, path: Path) -> Path:
    """Return the manifest of a saved plan, in the form in which it was most likely typed."""
    found = (path.parent / saved.source).resolve()
    here = Path.cwd().resolve()
    return found.relative_to(here) if found.is_relative_to(here) else found


def selection_of(saved: SavedPlan, loaded: LoadedManifest) -> Selection:
    """Return exactly the saved plan's jobs, as far as the manifest still has them."""
    known = {job.address for job in loaded.jobs}
    only = tuple(job["address"] for job in saved.document["jobs"] if job["address"] in known)
    if not only:
        raise Refused("plan-stale", "the manifest has none of the plan's jobs any more", hint="plan again")
    wished = saved.selection
    return Selection(only=only, failed=wished.failed, replace=wished.replace, cascade=wished.cascade)


def check_unused(digest: str, found: store.LoadedState) -> None:
    """Raise Refused when the plan of this digest was carried out already."""
    if digest in found.used_plans:
        raise Refused("plan-used", "this plan was carried out already", hint="`kbatch plan --out FILE` makes a new one")


def check_saved(saved: SavedPlan, now: Plan) -> None:
    """Raise Refused when anything that the plan was bound to has moved."""
    moved = deviations(saved, now)
    if moved:
        first = "; ".join(_words(move) for move in moved[:5])
        more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
        raise Refused("plan-stale", f"the plan is stale: {first}{more}{_cost(now)}", hint="review and save it anew")


def held_claim(digest: str, now: Plan, found: store.LoadedState, lockfile: Path) -> Claim | None:
    """Return what an approval by digest covers where the plan is another by now, None where nothing says it.

    A run that has begun to carry it out left its claim, and a record beside the lockfile lists its purchases. Refused
    when it was carried out to its end; a plan that buys nothing needs no approval.
    """
    if now.purchases or digest != now.digest:
        check_unused(digest, found)
    claim = stored_claim(digest, found)
    if claim is not None or digest == now.digest:
        return claim
    recorded = (one for one in read_approvals(approvals_path(lockfile)).values() if one.digest == digest)
    return next((approval.plan.claim for approval in recorded), None)


def stored_claim(digest: str, found: store.LoadedState) -> Claim | None:
    """Return the claim of a digest in the lockfile, None where none has begun; its content has to hash to the digest.

    A lockfile is not trusted: a claim with another digest is ignored.
    """
    claim = found.lockfile.claims.get(digest)
    return claim if claim is not None and digest_of(claim) == digest else None


class CurrentPlan(Struct, frozen=True, kw_only=True):
    """The current plan, and the receipts that it was made on."""

    plan: Plan
    renders: Mapping[str, Receipt]


def under_claim(terms: ConsentTerms, digest: str, claim: Claim | None, now: CurrentPlan) -> ConsentTerms:
    """Return the terms with the rest of an approval as a ceiling, and the claim of the run."""
    covers = claim or now.plan.claim
    left = left_of(covers, now.renders)
    ceilings = terms.ceilings
    lower = {name: min(amount, ceilings.run.get(name, amount)) for name, amount in left.items()}
    bought = claim is not None or bool(now.plan.purchases)
    return replace(
        terms,
        ceilings=replace(ceilings, run={**ceilings.run, **lower}),
        claim=digest if bought else None,
        covers=covers if bought else None,
    )


def check_covered(digest: str, claim: Claim, now: Plan) -> None:
    """Raise Refused when a plan has a purchase that an approval by digest does not cover."""
    for provider, origin in claim.origins.items():
        here = now.basis.origins.get(provider)
        if provider in now.providers and here != origin:
            message = f"the approved {digest[:15]}… is for {provider} at {origin}, this run would pay {here}"
            raise Refused("digest-differs", message, hint=f"review the plan and approve its digest, {now.digest}")
    entry = not_covered(now.entries, claim)
    if entry is not None:
        message = f"the approved {digest[:15]}… does not cover `{entry.address}`: {entry.reason}"
        raise Refused("digest-differs", message, hint=f"review the plan and approve its digest, {now.digest}")


def _words(move: Deviation) -> str:
    if move.credits is None:
        return f"{move.words} (price unknown)"
    return f"{move.words} ({move.credits:+,} credits)" if move.credits else move.words


def _cost(now: Plan) -> str:
    parts = [f"{total.known:,} {total.unit} of {name}" for name, total in now.totals.items() if total.known]
    return f"; it would cost {' and '.join(parts)} now" if parts else "; nothing would be bought now"
