"""Sends a world's webhooks when they are due, in a thread: a server in process has no loop of its own.

Only addresses of this machine are called, without a proxy, and no redirect is followed.
"""

import http.client
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from kbatch.simulator.webhooks import Delivery, Outbox, is_loopback, record, take_due

AT_ONCE = 8
"""How many are sent at the same time: duplicates shall meet, a hanging receiver shall not hold up all the others."""

_ANSWER_S = 5.0
_LOOK_S = 0.02
"""How long a wait for what is due may last at most: the world's clock need not be this machine's."""


class WebhookSender:
    """Sends what is in an outbox; the world is touched under `lock` only, and no thread runs while nothing is due."""

    def __init__(self, outbox: Outbox, clock: Callable[[], float]) -> None:
        self.lock = threading.Lock()
        self._outbox, self._clock = outbox, clock
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._running = False

    def wake(self) -> None:
        """Begin to send, unless nothing is planned or it has begun; the thread ends with the last delivery."""
        with self.lock:
            if self._running or not self._outbox.due:
                return
            self._running = True
        threading.Thread(target=self._run, name="webhooks", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            with self.lock:
                due = take_due(self._outbox, self._clock())
                if not due and not self._outbox.due:
                    self._running = False
                    return
            for delivery in due:
                self._places.acquire()
                threading.Thread(target=self._deliver, args=(delivery,), daemon=True).start()
            pause.wait(_LOOK_S)

    def _deliver(self, delivery: Delivery) -> None:
        try:
            arrived = send(delivery)
        finally:
            self._places.release()
        with self.lock:
            record(self._outbox, delivery, arrived=arrived)


def send(delivery: Delivery) -> bool:
    """Post one delivery, and return whether it was answered with a status of success."""
    if not is_loopback(delivery.url):
        return False
    parts = urlsplit(delivery.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_ANSWER_S)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body=delivery.body, headers=dict(delivery.headers))
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
