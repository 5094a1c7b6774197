"""``python -m benchmarks``: orch and xOpera measured side by side; one line per measure.

Never part of the tests: figures depend on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Cost, Failed, Tool, orch_tool, xopera_tool
from benchmarks.topologies import operations_topology, plain_topology
from benchmarks.waiting import waiting_worker

LINE = "{:44} {:>24} {:>24} {:>7}  {}"
_ROOT = Path(__file__).resolve().parent.parent


class Bench:
    """One run of the benchmarks in a folder of its own. ``peer`` is None when it is not to be measured."""

    def __init__(self, folder: Path, peer: Tool | None, repeat: int, executions: int) -> None:
        self.folder = folder
        self.ours = orch_tool(folder)
        self.peer = peer
        self.repeat = repeat
        self.executions = executions

    def run(self, wanted: str) -> None:
        """Measure what contains ``wanted`` in its name, and print it."""
        print("wall-clock seconds (processor seconds); the ratio is of wall-clock seconds")
        print(LINE.format("measure", "orch", "xOpera", "ratio", "budget"))
        self.ours.deploy(plain_topology(self.folder, 2), self.new_folder())  # compiles what is imported
        for name, measure in self.measures().items():
            if wanted in name:
                measure(name)

    def measures(self) -> dict[str, Callable[[str], None]]:
        """The measures by name, in order."""
        return {
            "orch --help": lambda name: self.start(name, ["--help"], ["--help"], "0.3 s"),
            "orch list": lambda name: self.start(name, ["list"], ["info"], "0.4 s"),
            "validate 1,000 nodes": lambda name: self.validate(name, 1_000, "1 s"),
            "validate 10,000 nodes": lambda name: self.validate(name, 10_000, "10 s, 600 MB"),
            "plan 10,000 nodes": lambda name: self.planning(name, "plan", 10_000, "10 s, 600 MB"),
            "graph 1,000 nodes": lambda name: self.planning(name, "graph", 1_000, "20 s, 600 MB"),
            "deploy 500 nodes without implementations": lambda name: self.deploy(name, 500, "0.4 x xOpera"),
            "operation that does nothing (2 at a time)": self.operation,
            "install 10,000 nodes without implementations": lambda name: self.deploy(name, 10_000, "none", peer=False),
            "waiting executions in one worker": self.waiting,
        }

    def start(self, name: str, words: list[str], peer_words: list[str], budget: str) -> None:
        """A command that does next to nothing; the best of several."""
        ours = self.best(lambda: self.ours.run(*words, cwd=self.folder))
        self.line(name, ours, self.of_peer(lambda p: self.best(lambda: p.run(*peer_words, cwd=self.folder))), budget)

    def validate(self, name: str, nodes: int, budget: str) -> None:
        """Check a generated topology."""
        file = plain_topology(self.folder, nodes)
        ours = self.best(lambda: self.ours.run("validate", file, cwd=self.folder))
        self.line(name, ours, self.of_peer(lambda p: p.run("validate", file, cwd=self.folder)), budget, memory=True)

    def planning(self, name: str, command: str, nodes: int, budget: str) -> None:
        """Plan or draw a generated topology, which xOpera does not."""
        file = plain_topology(self.folder, nodes)
        self.line(name, self.best(lambda: self.ours.run(command, file, cwd=self.folder)), None, budget, memory=True)

    def deploy(self, name: str, nodes: int, budget: str, *, peer: bool = True) -> None:
        """Deploy a generated topology."""
        file = plain_topology(self.folder, nodes)
        ours = self.ours.deploy(file, self.new_folder())
        theirs = self.of_peer(lambda p: p.deploy(file, self.new_folder())) if peer else None
        self.line(name, ours, theirs, budget, memory=True)

    def operation(self, name: str) -> None:
        """One Ansible operation: the difference between many and few, so that the start of the command drops out."""
        few, many = 4, 40
        files = [operations_topology(self.folder, count) for count in (few, many)]

        def each(tool: Tool) -> Cost:
            costs = [tool.deploy(file, self.new_folder()) for file in files]
            between = many - few
            return Cost(
                (costs[1].seconds - costs[0].seconds) / between,
                (costs[1].processor - costs[0].processor) / between,
                costs[1].megabytes,
            )

        self.line(name, each(self.ours), self.of_peer(each), "1/5 of xOpera")

    def waiting(self, name: str) -> None:
        """The memory of a worker that watches the jobs of many executions."""
        count = self.executions
        cost = waiting_worker(self.new_folder(), count)
        budget = "500 MB" if count == 1_000 else "500 MB with 1,000"
        self.line(f"{count:,} {name}", cost, None, budget, memory=True)

    def new_folder(self) -> Path:
        """A folder of its own for one measurement."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def best(self, measure: Callable[[], Cost]) -> Cost:
        """The quickest of several."""
        return min((measure() for _ in range(self.repeat)), key=lambda cost: cost.seconds)

    def of_peer(self, measure: Callable[[Tool], Cost]) -> Cost | Failed | None:
        """What the peer needs; a failure of it is shown, and ends nothing."""
        if self.peer is None:
            return None
        try:
            return measure(self.peer)
        except Failed as failed:
            return failed

    def line(self, name: str, ours: Cost, peer: Cost | Failed | None, budget: str, *, memory: bool = False) -> None:
        """Print one measure."""
        ratio = f"{ours.seconds / peer.seconds:.2f}" if isinstance(peer, Cost) else "-"
        theirs = peer.text(memory) if isinstance(peer, Cost) else "-" if peer is None else peer.short
        print(LINE.format(name, ours.text(memory), theirs, ratio, budget), flush=True)


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="measures with this in their name")
    parser.add_argument("--peer", type=Path, default=_ROOT / ".venv" / "xopera", help="xOpera's virtual environment")
    parser.add_argument("--no-peer", action="store_true", help="measure orch only")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--executions", type=int, default=1_000, help="how many wait in the worker")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    print(f"{when}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, load {load:.1f}")
    folder = Path(tempfile.mkdtemp(prefix="orch-bench-"))
    try:
        peer = None if given.no_peer else xopera_tool(given.peer)
        Bench(folder, peer, given.repeat, given.executions).run(given.only)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


sys.exit(main())
