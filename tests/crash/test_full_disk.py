"""A disk that fills up: nothing more is submitted, what happened is kept as well as it can be, and nothing is lost."""

import errno
import os

import pytest

from tests.campaign_rig import Rig
from tests.crash.full_disk import under_a_download, under_a_job_id, under_the_clips, under_the_journal

ONE = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a lighthouse}\n"


def test_the_journal_cannot_be_written_any_more(rig: Rig) -> None:
    """From any line on: exit 1 at once, no further submit; with room again nothing is lost or doubled."""
    tally = under_the_journal(rig)
    assert tally.sound, tally
    assert tally.runs > 30


def test_a_job_id_that_cannot_be_written_anywhere_is_said(rig: Rig) -> None:
    """When journal and lockfile refuse a job id, it stands in the message, and `reconcile --adopt` brings it back."""
    tally = under_a_job_id(rig)
    assert tally.sound, tally
    assert tally.charges == 1


def test_a_folder_that_cannot_be_written_stops_the_submits(rig: Rig) -> None:
    """Clips that cannot be placed are owed, nothing more is bought for them; with the folder mended all is fetched."""
    tally = under_the_clips(rig)
    assert tally.sound, tally


def test_a_full_disk_under_a_download_stops_the_submits(rig: Rig) -> None:
    """A clip that finds no room is owed, and nothing more is bought that would find none either."""
    tally = under_a_download(rig)
    assert tally.sound, tally


def test_a_run_does_not_end_because_nobody_can_be_told(rig: Rig) -> None:
    """A closed terminal or a full log under the talk changes nothing of what is bought and kept."""
    rig.write(ONE)
    with pytest.MonkeyPatch.context() as patch:

        def broken(_self: object, _happening: object) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

        patch.setattr("kbatch.cli.ui.progress.Progress.tell", broken)
        assert rig.run().code == 0
    assert set(rig.states().values()) == {"done"}
