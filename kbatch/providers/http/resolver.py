"""Look-ups of host names that nobody waits for any more when a run ends.

The system's resolver cannot be cut short: without an answer it takes half a minute. asyncio would wait for it at the
end of its loop, Python at the end of the process, and a run that is to stop would still be there; trio waits for none.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")


class _Leaving(ThreadPoolExecutor):
    """Runs each call in a thread of its own that may be left behind; asyncio takes no other class than its parent."""

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


def leave_lookups_behind() -> None:
    """Let the running event loop end without its look-ups; for a program's own loop, not for a loop of others."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    loop.set_default_executor(_Leaving(max_workers=1))
