"""Lets an event loop end without waiting for pending host name look-ups.

The system's resolver cannot be cancelled: without an answer it takes half a minute. asyncio waits for it at the end of
its loop, and Python at the end of the process, so a stopped run would not exit; trio waits for none.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")


class _AbandoningExecutor(ThreadPoolExecutor):
    """Runs each call in a daemon thread that may be abandoned; asyncio requires a ThreadPoolExecutor subclass."""

    def submit(self, act: Callable[Given, Found], /, *args: Given.args, **named: Given.kwargs) -> Future[Found]:
        """Return what will be the result."""
        future: Future[Found] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(act(*args, **named))
                except BaseException as error:  # whatever it is, it is raised where the result is awaited
                    future.set_exception(error)

        threading.Thread(target=work, name="look-up", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""


def abandon_lookups_at_exit() -> None:
    """Let the running event loop end without its look-ups; only for a loop that this program owns."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    loop.set_default_executor(_AbandoningExecutor(max_workers=1))
