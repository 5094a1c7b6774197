"""``python -m crash --runs 200 --seed 1``: the crash test; its figures are on its last line."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from support.postgres import postgres_server

from crash.driver import Crash, Tally


def main() -> int:
    """Run the crash test; 1 when something was wrong: then its folder stays."""
    parser = argparse.ArgumentParser(prog="crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=2, help="executions at the same time")
    parser.add_argument("--workers", type=int, default=0, help="workers; 0: commands carry executions out themselves")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orch-crash-"))
    began = time.monotonic()
    tally = _run(folder, given)
    for kind, what in tally.wrong:
        print(f"{kind.value}: {what}")
    if tally.wrong:
        print(f"the home, the traces and the jobs are kept in {folder}")
    else:
        shutil.rmtree(folder)
    where = f"{given.database}, {given.workers} workers"
    print(f"crash: {tally.line()}, {time.monotonic() - began:.0f} s, {where}, seed {given.seed}", flush=True)
    return 1 if tally.wrong else 0


def _run(folder: Path, given: argparse.Namespace) -> Tally:
    with contextlib.ExitStack() as stack:
        database = None
        if given.database == "postgresql":
            database = stack.enter_context(postgres_server()).new_database()
        crash = Crash(folder, lambda line: print(line, flush=True), given.lanes, given.workers, database)
        return crash.run(given.seed, given.runs)


sys.exit(main())
