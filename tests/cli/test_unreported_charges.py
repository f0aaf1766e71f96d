"""Charges that no provider reported stand in plain words after the sums."""

from pathlib import Path

import pytest

from kbatch.cli.commands.run import report
from kbatch.pipeline.load import load
from kbatch.runner.outcome import Outcome, Settlement
from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("untold", "said"),
    [
        pytest.param(0, "planned 45, reported 30, refunded 0 credits", id="all-known"),
        pytest.param(1, "planned 45, reported 30, refunded 0 credits; of 1 job the charge is not known", id="one"),
        pytest.param(3, "planned 45, reported 30, refunded 0 credits; of 3 jobs the charge is not known", id="three"),
    ],
)
def test_what_is_not_known_stands_behind_the_sums(
    untold: int, said: str, run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The last line of a provider's sums is a sentence."""
    run("init", str(tmp_path))
    capsys.readouterr()
    loaded = load(tmp_path / "kbatch.yaml")
    settlement = Settlement(planned=45, reported=30, refunded=0, unexplained=0, unreported=untold)
    report(Outcome(ends={}, credits={"apiframe": settlement}, lockfile="c.lock.json"), loaded, "text")
    assert f"  apiframe: {said}\n" in capsys.readouterr().err
