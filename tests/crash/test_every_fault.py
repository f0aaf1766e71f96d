"""Every fault of the simulator on each provider: nothing is paid twice, lost or overspent, and the exit codes are told.

Each is met here at its usual place, with one answer to what is sent again; `python -m tests.crash` meets all of them
at every place, with every such answer.
"""

import pytest

from kbatch.simulator.faults.faultkinds import KINDS
from tests.campaign_rig import Rig
from tests.crash.every_fault import CODES, PLACES, Case, cases, meet, short


def test_no_fault_is_forgotten() -> None:
    """What the simulator can do, at any place, is in the table, and what is in the table it can do."""
    met = {(case.fault, case.place) for case in cases()}
    assert met == {(name, place) for names, place in CODES for name in names.split()}
    assert {fault for fault, _ in met} == {case.fault for case in short()}
    everywhere = {name for name, kind in KINDS.items() if kind.targets[0] in PLACES}
    assert everywhere - {fault for fault, _ in met} == {name for name in KINDS if name.startswith("refuse-disputed")}
    assert len({case.name for case in cases()}) == len(cases()) > 350


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in short()])
def test_a_fault(rig: Rig, case: Case) -> None:
    """Met once, then no more: the exit codes are those of the table, and by the bill all is as it must be."""
    tally = meet(rig, case)
    assert tally.sound, tally
    assert tally.unknown == case.unknown
