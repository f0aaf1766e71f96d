"""A small LSP client that talks to yaml-language-server over its standard streams, as an editor does."""

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "npm install --no-save --prefix .cache/editors yaml-language-server@2.0.0"
_PATIENCE_S = 30
_SETTINGS = {
    "yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}},
    "http": {},
}


def find_server() -> list[str]:
    """Return the server's command; skips where Node.js or the package is not installed."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed, and yaml-language-server needs it")
    chosen = os.environ.get("KBATCH_YAML_LANGUAGE_SERVER")
    package = ROOT / ".cache/editors/node_modules/yaml-language-server/bin/yaml-language-server"
    server = Path(chosen) if chosen else package
    if not server.is_file():
        pytest.skip(f"yaml-language-server is not there: run `{INSTALL}` or set KBATCH_YAML_LANGUAGE_SERVER")
    return [node, str(server), "--stdio"]


class LanguageServer:
    """A running server with one open document at a time; every wait ends after 30 s."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._calls = 0
        self._documents = 0

    def __enter__(self) -> Self:
        self._thread.start()
        formats = {
            "hover": {"contentFormat": ["plaintext"]},
            "completion": {"completionItem": {"snippetSupport": False}},
        }
        capabilities = {"textDocument": formats, "workspace": {"configuration": True}}
        self._call("initialize", {"processId": None, "rootUri": ROOT.as_uri(), "capabilities": capabilities})
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": _SETTINGS}})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        self._thread.join(_PATIENCE_S)

    def open(self, text: str) -> str:
        """Open a text as a file of `manifests/`, where the first line's schema is found; return its URI."""
        self._documents += 1
        uri = (ROOT / f"manifests/opened-{self._documents}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def diagnostics(self, text: str) -> list[dict[str, Any]]:
        """Return what the server underlines in a text."""
        uri = self.open(text)
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found

    def completions(self, text: str) -> dict[str, str]:
        """Return the documentation of what is offered at the `‸` in a text, by label."""
        answer = self._at("textDocument/completion", text)
        items = answer["items"] if isinstance(answer, dict) else answer
        return {item["label"]: _plain(item.get("documentation")) for item in items}

    def hover(self, text: str) -> str:
        """Return what is shown for the word at the `‸` in a text."""
        answer = self._at("textDocument/hover", text)
        return _plain(answer["contents"]) if answer else ""

    def _at(self, method: str, text: str) -> Any:
        before, after = text.split("‸")
        uri = self.open(before + after)
        position = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        return self._call(method, {"textDocument": {"uri": uri}, "position": position})

    def _call(self, method: str, params: dict[str, Any]) -> Any:
        self._calls += 1
        self._send({"id": self._calls, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == self._calls and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _next(self) -> dict[str, Any]:
        message = self._messages.get(timeout=_PATIENCE_S)
        assert message is not None, "the server ended"
        if "method" in message and "id" in message:
            asked = message.get("params") or {}
            wanted = [_SETTINGS.get(item.get("section"), {}) for item in asked.get("items", [])]
            self._send({"id": message["id"], "result": wanted if "items" in asked else None})
        return message

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while True:
            length = None
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if length is None:
                self._messages.put(None)
                return
            self._messages.put(json.loads(stream.read(length)))


def _plain(contents: Any) -> str:
    return str(contents.get("value", "")) if isinstance(contents, dict) else str(contents or "")
