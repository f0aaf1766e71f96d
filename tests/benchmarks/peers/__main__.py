"""Measures kbatch and the tools that a user would pick instead on one campaign, and prints one table.

The campaign is a matrix with rendered prompts of 300 characters. Measured are the plan of N jobs and of 10 N, the run
of N jobs whose renders take 0.5 s with 64 in flight against `kbatch simulate`, and the run again with nothing to do.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.__main__ import machine
from tests.benchmarks.peers import report
from tests.benchmarks.peers.install import install, why_missing
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.tools import PEERS
from tests.benchmarks.peers.works import Measured, Sizes, measure, version, works

NAMES = tuple(peer.name for peer in PEERS)
EXAMPLES = f"""\
examples:
  python -m tests.benchmarks.peers install              # all, under .cache/peers/
  python -m tests.benchmarks.peers                      # measure all
  python -m tests.benchmarks.peers kbatch snakemake     # measure these two
  python -m tests.benchmarks.peers --jobs 200 --repeat 3 --json peers.json

peers: {", ".join(NAMES)}
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Install or measure the named peers, all of them by default."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.peers",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="`install` first, or peers; all by default")
    parser.add_argument("--jobs", type=_hundreds, default=1000, metavar="N", help="a multiple of 100 (default: 1000)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="show medians of N (default: 1)")
    parser.add_argument("--limit", type=float, metavar="S", help="end each command after S s (a plan 180, a run 90)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    options = parser.parse_args(argv)
    installs = options.names[:1] == ["install"]
    names = options.names[1:] if installs else options.names
    if wrong := [name for name in names if name not in NAMES]:
        parser.error(f"there is no peer {', '.join(wrong)}; there are {', '.join(NAMES)}")
    peers = [peer for peer in PEERS if peer.name in (names or NAMES)]
    if installs:
        sys.exit(_install(peers))
    sizes = Sizes(jobs=options.jobs, repeat=options.repeat)
    if options.limit:
        sizes = Sizes(jobs=options.jobs, repeat=options.repeat, plan_limit_s=options.limit, run_limit_s=options.limit)
    _measure(peers, sizes, options.json)


def _hundreds(text: str) -> int:
    jobs = int(text)
    if jobs < 100 or jobs % 100:
        raise argparse.ArgumentTypeError(f"{jobs} is no multiple of 100")
    return jobs


def _install(peers: Sequence[Peer]) -> int:
    failed = 0
    for peer in peers:
        print(f"{peer.title} …", file=sys.stderr)
        why = install(peer)
        failed += why is not None
        print(f"{peer.title}: {why or version(peer)}")
    return 1 if failed else 0


def _measure(peers: Sequence[Peer], sizes: Sizes, out: Path | None) -> None:
    cells: list[Measured] = []
    versions: dict[str, str] = {}
    for peer in peers:
        if why_missing(peer) is None:
            versions[peer.name] = version(peer)
        for cell in measure(peer, sizes):
            told = report.figures(cell.sample) if cell.sample else cell.said
            print(f"{peer.title}: {cell.work}: {told}", file=sys.stderr)
            cells.append(cell)
    print(f"{machine()}\n\n{report.HEAD}\n\n{report.table(cells, peers, works(sizes))}\n")
    if losses := report.losses(cells):
        print("Where a peer is better than kbatch:\n\n- " + "\n- ".join(losses) + "\n")
    print(report.legend(peers, versions))
    if out is not None:
        out.write_text(report.as_json(cells, versions, machine()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
