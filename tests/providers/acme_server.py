"""Acme Clips on a loopback socket, with a bill of its own; a prompt with `lost` is paid and never answered."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kbatch.simulator.clips.orders import ClipOrder
from kbatch.simulator.clips.tiny import make_tiny

KEY = "acme-never-to-be-seen"
_PRICES = {4: 3, 8: 5}


@dataclass
class AcmeShop:
    """What the server sold, in order, and the keys that came."""

    url: str = ""
    bill: list[tuple[str, int]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)


@contextmanager
def acme() -> Iterator[AcmeShop]:
    """Serve while the block runs."""
    shop = AcmeShop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            shop.keys.add(self.headers["X-Acme-Key"])
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            price = _PRICES[body["seconds"]]
            shop.bill.append((body["prompt"], price))
            if "lost" in body["prompt"]:
                self.close_connection = True
                return
            self._json(202, {"id": f"clip-{len(shop.bill)}", "price": price})

        def do_GET(self) -> None:
            if self.path == "/account":
                self._json(200, {"credits": 1000 - sum(price for _, price in shop.bill)})
            elif self.path.startswith("/clips/"):
                number = int(self.path.rpartition("-")[2])
                url = f"{shop.url}/files/{number}.mp4"
                price = shop.bill[number - 1][1]
                self._json(200, {"id": f"clip-{number}", "state": "done", "url": url, "price": price})
            else:
                self._send(200, "video/mp4", _clip(*shop.bill[int(self.path[len("/files/") : -len(".mp4")]) - 1]))

        def _json(self, status: int, document: object) -> None:
            self._send(status, "application/json", json.dumps(document).encode())

        def _send(self, status: int, kind: str, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def _clip(prompt: str, price: int) -> bytes:
    seconds = next(float(length) for length, cost in _PRICES.items() if cost == price)
    order = ClipOrder(provider="acme", model="one", variant="", prompt=prompt, seconds=seconds, audio=False)
    return make_tiny(order)
