"""What a peer is: how it is installed, the files that its user writes, and its commands for the four works.

Commands may name `{bin}`, the folder of the peer's programs, and `{cities}`, how many there are.
"""

from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import ROOT

CACHE = ROOT / ".cache" / "peers"
SLOTS = 64
"""How many renders may be in flight; the users' files say 64 too."""


Command = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One tool: `pip`, `npm` and `apt` name what is installed, `bin` is where its programs are then.

    `plan` tells what would be rendered, `run` renders it, and once more when all is there. `counts` finds, in what the
    plan prints, how many jobs it saw: the first group's number, or as many as there are matches. `how` says what is run
    and `tells` what is known after the plan, for the reader of the table.
    """

    name: str
    title: str
    version: Command
    plan: Command
    counts: str
    run: Command
    how: str
    tells: str
    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    bin: str = "bin"
    files: tuple[str, ...] = ()
    setup: tuple[Command, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Where it is installed."""
        return CACHE / self.name

    @property
    def programs(self) -> Path:
        """The folder of its programs."""
        return self.home / self.bin
