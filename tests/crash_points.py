"""Death at a chosen moment: a run in this process stops as if it was killed, and only what is on the disk remains.

What dies is every way to the disk at once: the journal takes no further line, no file is replaced or moved any more.
That another task may still finish a request that it had begun makes no difference to a kill a moment later.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kbatch import storage

if TYPE_CHECKING:
    from tests.campaign_rig import Rig, Stage


class Killed(BaseException):
    """The process is gone."""


class At(StrEnum):
    """What a kill is counted by."""

    LINE = "journal line"
    REPLACE = "replaced file"
    MOVE = "moved clip"
    PIECE = "piece of a clip"
    ANSWER = "answer to a submit"


class When(StrEnum):
    """Before the thing is done, half-way through it, or right after."""

    BEFORE = "before"
    HALF = "half"
    AFTER = "after"


class Death:
    """Kills at the `number`-th thing of a kind; `struck` tells whether it came so far."""

    def __init__(self, at: At, when: When, number: int, put: Callable[[Any, str, Any], None] = setattr) -> None:
        """Lie in wait; `put` is what replaces the ways to the disk, and may know how to bring them back."""
        self.at, self.when, self.number = at, when, number
        self.count = 0
        self.struck = False
        self._append = storage.Appender.append
        self._replaces = {name: getattr(storage, name) for name in ("write_atomic", "write_lightly")}
        self._move, self._copy, self._write = storage.move, storage.copy, storage.PartFile.write

        def append(sink: storage.Appender, data: bytes) -> None:
            self._journal(sink, data)

        def write(part: storage.PartFile, data: bytes) -> None:
            self._part(part, data)

        put(storage.Appender, "append", append)
        put(storage.PartFile, "write", write)
        for name in self._replaces:
            put(storage, name, partial(self._replaced, name))
        put(storage, "move", self._moved)
        put(storage, "copy", self._copied)

    def _journal(self, sink: storage.Appender, data: bytes) -> None:
        for line in data.splitlines(keepends=True):
            half = line[: len(line) // 2]
            self._at(At.LINE, lambda line=line: self._append(sink, line), lambda half=half: self._append(sink, half))

    def _replaced(self, name: str, path: Path, data: bytes) -> None:
        torn = path.with_name(f".{path.name}.half.tmp")
        self._at(At.REPLACE, lambda: self._replaces[name](path, data), lambda: torn.write_bytes(data[: len(data) // 2]))

    def _moved(self, source: Path, target: Path) -> None:
        self._at(At.MOVE, lambda: self._move(source, target), lambda: None)

    def _copied(self, source: Path, target: Path) -> None:
        self._at(At.MOVE, lambda: self._copy(source, target), lambda: None)

    def _part(self, part: storage.PartFile, data: bytes) -> None:
        half = data[: len(data) // 2]
        self._at(At.PIECE, lambda: self._write(part, data), lambda: self._write(part, half))

    def _at(self, at: At, act: Callable[[], Any], half: Callable[[], Any]) -> None:
        self.check()
        self.count += at is self.at
        if at is not self.at or self.count != self.number:
            act()
            return
        self.struck = True
        if self.when is When.HALF:
            half()
        elif self.when is When.AFTER:
            act()
        raise Killed

    def check(self) -> None:
        """Raise Killed when the process is gone already."""
        if self.struck:
            raise Killed

    def on_the_wire(self, stage: "Stage") -> None:
        """Kill between the last byte of the `number`-th paying request, which is carried out, and its answer."""
        app = stage.app
        assert app is not None

        async def dying(scope: Any, receive: Any, send: Any) -> None:
            if scope["method"] == "POST" and "upload" not in scope["path"]:
                self.count += 1
                self.struck = self.struck or self.count == self.number
            await app(scope, receive, _mute if self.struck else send)
            if self.struck:
                await scope["extensions"]["kbatch.sever"]()

        stage.app = dying


async def _mute(message: Any) -> None:
    """Send nothing."""


def die(rig: "Rig", at: At, when: When, number: int, *args: str, command: Sequence[str] = ()) -> bool:
    """Run the manifest, or another command on it, and kill that; False when it came to its end before."""
    app = rig.stage.app
    with rig.monkeypatch.context() as patch:
        death = Death(at, when, number, patch.setattr)
        if at is At.ANSWER:
            death.on_the_wire(rig.stage)
        with suppress(Killed):
            rig.kbatch(*command) if command else rig.run(*args)
    rig.stage.app = app
    return death.struck
