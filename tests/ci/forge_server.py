"""Comments of a pull request on GitHub and notes of a merge request on GitLab, as their documents say, on loopback."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Forge:
    """The comments in order, who writes with the token, and what shall go wrong."""

    login: str = "github-actions[bot]"
    comments: list[dict[str, Any]] = field(default_factory=list)
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    read_only: bool = False
    fails: dict[str, list[int]] = field(default_factory=dict)
    loses_answers: int = 0
    url: str = ""

    def add(self, body: str, login: str) -> None:
        """Add a comment of anybody."""
        number = len(self.comments) + 1
        self.comments.append({"id": number, "body": body, "user": {"login": login}, "author": {"username": login}})

    def bodies(self) -> list[str]:
        """Return the texts of all comments."""
        return [each["body"] for each in self.comments]

    def answer(self, method: str, target: str, token: str, body: Any) -> tuple[int, Any]:
        """Return status and JSON of a request."""
        parts = urlsplit(target)
        self.seen.append((method, parts.path, token))
        if self.fails.get(method):
            return self.fails[method].pop(0), {"message": "no"}
        if parts.path.endswith("/user"):
            return 200, {"username": self.login}
        if method == "GET":
            asked = parse_qs(parts.query)
            page, size = int(asked.get("page", ["1"])[0]), int(asked.get("per_page", ["30"])[0])
            return 200, self.comments[(page - 1) * size : page * size]
        if self.read_only:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "POST":
            self.add(body["body"], self.login)
            if self.loses_answers:
                self.loses_answers -= 1
                return 502, {}
            return 201, self.comments[-1]
        found = re.search(r"/(?:comments|notes)/(\d+)$", parts.path)
        mine = [each for each in self.comments if found and each["id"] == int(found[1])]
        if not mine:
            return 404, {}
        mine[0]["body"] = body["body"]
        return 200, mine[0]


@contextmanager
def forge(**settings: Any) -> Iterator[Forge]:
    """Serve a forge on loopback for the time of the block."""
    world = Forge(**settings)

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            token = self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN") or ""
            status, answer = world.answer(self.command, self.path, token, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", str(world.fails.get("to", [""])[0]))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _any  # noqa: N815 - names of http.server

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    world.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
