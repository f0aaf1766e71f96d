"""The collector rests while plans are made, works while jobs run, and is afterwards as it was."""

import gc

import pytest

from kbatch.gc_pause import gc_paused, gc_running


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_left_as_it_was(on: bool) -> None:
    """Also when the block breaks off: at rest it is off, at work inside that it is on and leaves the past alone."""
    before = gc.isenabled()
    (gc.enable if on else gc.disable)()
    try:
        with pytest.raises(KeyError), gc_paused():  # noqa: PT012 - the block is what breaks off
            assert not gc.isenabled()
            with gc_running():
                assert gc.isenabled()
                assert gc.get_freeze_count() > 0
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is on
        assert gc.get_freeze_count() == 0
    finally:
        (gc.enable if before else gc.disable)()


def test_who_never_rested_is_not_touched() -> None:
    """A program that uses kbatch's API has its own objects, which stay the collector's."""
    assert gc.isenabled()
    with gc_running():
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0
