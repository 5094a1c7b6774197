"""``python -m crash --runs 200 --seed 1``: the crash test; its figures are on its last line."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from crash.driver import Crash


def main() -> int:
    """Run the crash test; 1 when something was wrong: then its folder stays."""
    parser = argparse.ArgumentParser(prog="crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=2, help="executions at the same time")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orch-crash-"))
    began = time.monotonic()
    crash = Crash(folder, lambda line: print(line, flush=True), given.lanes)
    tally = crash.run(given.seed, given.runs)
    for kind, what in tally.wrong:
        print(f"{kind.value}: {what}")
    if tally.wrong:
        print(f"the home, the traces and the jobs are kept in {folder}")
    else:
        shutil.rmtree(folder)
    print(f"crash: {tally.line()}, {time.monotonic() - began:.0f} s, seed {given.seed}", flush=True)
    return 1 if tally.wrong else 0


sys.exit(main())
