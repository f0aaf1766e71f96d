"""The report of the crash families: one table, or the same as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

from kbatch.simulator.exchange import PROVIDERS
from kbatch.simulator.faults.faultkinds import KINDS
from tests.crash.every_fault import cases
from tests.crash.tally import Tally

_COLUMNS = {
    "kills survived": "kills",
    "runs": "runs",
    "faults": "faults",
    "jobs": "jobs",
    "charges": "charges",
    "refunded": "refunds",
    "unknown": "unknown",
    "double charges": "doubles",
    "lost clips": "lost",
    "overshoots": "overshoots",
    "writes outside": "outside",
    "without consent": "unasked",
}
_MOST = 20


def as_table(tallies: Mapping[str, Tally]) -> str:
    """Return a row for each family and one for all, then what was not as documented."""
    total = sum(tallies.values(), Tally())
    rows = [("", *_COLUMNS), *(_row(name, tally) for name, tally in tallies.items()), _row("TOTAL", total)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    lines.insert(-1, "-" * sum(widths, 2 * (len(widths) - 1)))
    if total.faults:
        possible = len({(case.fault, case.provider) for case in cases()})
        lines += ["", f"faults × providers: {len(KINDS)} × {len(PROVIDERS)}, of which {possible} can happen"]
    if total.surprises:
        lines += ["", f"not as documented: {len(total.surprises)}", *(f"  {one}" for one in total.surprises[:_MOST])]
    return "\n".join(lines) + "\n"


def as_json(tallies: Mapping[str, Tally]) -> str:
    """Return the same numbers for a program."""
    total = sum(tallies.values(), Tally())
    families = {name: asdict(tally) for name, tally in tallies.items()}
    document = {"sound": total.sound, "families": families, "total": asdict(replace(total, surprises=()))}
    return json.dumps(document, indent=2) + "\n"


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    return name, *(f"{getattr(tally, field):,}" for field in _COLUMNS.values())
