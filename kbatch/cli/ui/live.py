"""Live terminal output: the view of a run, and the progress bar of steps of known number.

Nothing here is read as markup; texts were made harmless before.
"""

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kbatch.report.data.running import ProgressView

_BAR_WIDTH = 24
_FOOT_WIDTH = 54
_MOST_ROWS = 8
_OTHER_ROWS = 5


class _Console(Console):
    """A console whose reader may leave: what is said then is lost, and what is done goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def _console() -> Console:
    return _Console(stderr=True, markup=False, highlight=False, emoji=False)


class LiveView:
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

    @property
    def room(self) -> int:
        """How many jobs have room: eight, fewer in a low terminal, where a picture that is cut says nothing of sums."""
        return max(1, min(_MOST_ROWS, self._console.size.height - _OTHER_ROWS))

    def draw(self, picture: ProgressView) -> None:
        """Draw what runs, how many more do, how many of all have ended, and two sums; one line each."""
        grid = Table.grid(padding=(0, 1))
        for column in range(5):
            grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1 if column == 1 else None)
        for row in picture.rows:
            state = Text(f"  {row.state:<12}", style="cyan")
            grid.add_row(state, Text(row.address), Text(row.progress), Text(row.elapsed), Text(row.end, style="dim"))
        if picture.more:
            grid.add_row(Text("  …", style="dim"), Text(f"and {picture.more:,} more", style="dim"))
        below = Table.grid(padding=(0, 1))
        width = max(4, min(_BAR_WIDTH, self._console.size.width - _FOOT_WIDTH))
        bar = ProgressBar(total=max(1, picture.total), completed=picture.ended, width=width)
        below.add_row(Text(" "), bar, Text(picture.foot[0], no_wrap=True, overflow="ellipsis"))
        sums = Text(f"  {picture.foot[1]}", style="dim", no_wrap=True, overflow="ellipsis")
        self._live.update(Group(grid, below, sums), refresh=True)


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
