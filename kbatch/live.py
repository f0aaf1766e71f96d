"""What moves on a terminal: the picture of a run, and the bar of work of known length.

Nothing here is read as markup; texts were made harmless before.
"""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_BAR_WIDTH = 24


class _Console(Console):
    """A console whose reader may leave: what is said then is lost, and what is done goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def _console() -> Console:
    return _Console(stderr=True, markup=False, highlight=False, emoji=False)


class LivePicture:
    """A few lines at the bottom of the terminal that are drawn over, and lines above them that stay."""

    def __init__(self) -> None:
        self._console = _console()
        self._live = Live(console=self._console, auto_refresh=False)

    def start(self) -> None:
        """Take the bottom of the terminal."""
        self._live.start()

    def stop(self) -> None:
        """Give the bottom of the terminal back, empty."""
        self._live.update(Text(""), refresh=True)
        self._live.stop()

    def above(self, line: str) -> None:
        """Print a line, which may hold colours, above the picture."""
        self._console.print(Text.from_ansi(line), soft_wrap=True)

    def draw(
        self, rows: Sequence[tuple[str, str, str]], *, more: int, bar: tuple[int, int], foot: tuple[str, str]
    ) -> None:
        """Draw what runs (state, address, progress), how many more do, how many of all have ended, and two sums."""
        grid = Table.grid(padding=(0, 1))
        for state, address, progress in rows:
            grid.add_row(Text(f"  {state:<12}", style="cyan"), Text(address), progress)
        if more:
            grid.add_row(Text("  …", style="dim"), Text(f"and {more:,} more", style="dim"), "")
        ended, total = bar
        below = Table.grid(padding=(0, 1))
        below.add_row(Text(" "), ProgressBar(total=max(1, total), completed=ended, width=_BAR_WIDTH), Text(foot[0]))
        self._live.update(Group(grid, below, Text(f"  {foot[1]}", style="dim")), refresh=True)


class LiveBar:
    """A bar with a title, gone when it ends."""

    def __init__(self, total: int, title: str) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=_console(), transient=True)
        self._task = self._bar.add_task(title, total=total)

    def start(self) -> None:
        """Show the bar."""
        self._bar.start()

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def advance(self, description: str) -> None:
        """Count a step."""
        self._bar.update(self._task, advance=1, description=description)
