"""Saved plans on disk: written beside what they are about, found again, and held against the present."""

import json
import os
from pathlib import Path, PurePosixPath

from kbatch.files import read_if_there, write_atomic
from kbatch.loading import Loaded
from kbatch.plan.plan import Plan
from kbatch.plan.saved import Move, Saved, is_saved_plan, moves, read_saved, to_save
from kbatch.plan.selection import Selection
from kbatch.problems import Refused
from kbatch.receipts import state


def read_plan_file(path: Path) -> Saved | None:
    """Return the saved plan in a file, None when the file is no plan but, for example, a manifest."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return None
    data = read_if_there(path)
    return read_saved(data, str(path)) if data is not None and is_saved_plan(data) else None


def write_plan_file(path: Path, plan: Plan, *, manifest: Path, simulated: bool, selection: Selection) -> None:
    """Write a saved plan; it names its manifest relative to its own folder."""
    source = PurePosixPath(Path(os.path.relpath(manifest.resolve(), path.resolve().parent)).as_posix())
    document = to_save(plan, source=str(source), simulated=simulated, selection=selection)
    write_atomic(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def manifest_of(saved: Saved, path: Path) -> Path:
    """Return the manifest of a saved plan, in the form in which it was most likely typed."""
    found = (path.parent / saved.source).resolve()
    here = Path.cwd().resolve()
    return found.relative_to(here) if found.is_relative_to(here) else found


def selection_of(saved: Saved, loaded: Loaded) -> Selection:
    """Return exactly the saved plan's jobs, as far as the manifest still has them."""
    known = {job.address for job in loaded.jobs}
    only = tuple(job["address"] for job in saved.document["jobs"] if job["address"] in known)
    if not only:
        raise Refused("plan-stale", "the manifest has none of the plan's jobs any more", hint="plan again")
    wished = saved.selection
    return Selection(only=only, failed=wished.failed, replace=wished.replace, cascade=wished.cascade)


def check_saved(saved: Saved, now: Plan, found: state.Loaded) -> None:
    """Raise Refused when the plan was used, or when anything it was bound to has moved."""
    if saved.digest in found.used_plans:
        raise Refused("plan-used", "this plan was carried out already", hint="`kbatch plan --out FILE` makes a new one")
    moved = moves(saved, now)
    if moved:
        first = "; ".join(_words(move) for move in moved[:5])
        more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
        raise Refused("plan-stale", f"the plan is stale: {first}{more}{_cost(now)}", hint="review and save it anew")


def _words(move: Move) -> str:
    if move.credits is None:
        return f"{move.words} (price unknown)"
    return f"{move.words} ({move.credits:+,} credits)" if move.credits else move.words


def _cost(now: Plan) -> str:
    parts = [f"{total.known:,} {total.unit} of {name}" for name, total in now.totals.items() if total.known]
    return f"; it would cost {' and '.join(parts)} now" if parts else "; nothing would be bought now"
