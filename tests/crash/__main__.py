"""``python -m crash --runs 200 --seed 1``: the crash test; its figures are on its last lines."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import small_file_system
from support.cluster import slurm_cluster
from support.postgres import postgres_server

from crash.driver import Crash, Tally
from crash.grounds import Ground, Local, Slurm
from crash.scenario import Act, Kind

_DISK = "24m"
_SHARE_ON_DISK = 8
"""One in so many executions has a home on a small disk, which is filled."""


def main() -> int:
    """Run the crash test; 1 when something was wrong: then its folder stays."""
    parser = argparse.ArgumentParser(prog="crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=2, help="executions at the same time")
    parser.add_argument("--workers", type=int, default=0, help="workers; 0: commands carry executions out themselves")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--site", choices=("local", "slurm"), default="local", help="where jobs run")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orch-crash-"))
    folder.chmod(0o755)  # jobs of a cluster are those of another user
    print(f"in {folder}", flush=True)
    began = time.monotonic()
    tally = _run(folder, given)
    for kind, what in tally.wrong:
        print(f"{kind.value}: {what}")
    if tally.wrong:
        print(f"the home, the traces and the jobs are kept in {folder}")
    else:
        shutil.rmtree(folder)
    where = f"{given.site}, {given.database}, {given.workers} workers"
    print(tally.by_act())
    print(f"crash: {tally.line()}, {time.monotonic() - began:.0f} s, {where}, seed {given.seed}", flush=True)
    return 1 if tally.wrong else 0


def _run(folder: Path, given: argparse.Namespace) -> Tally:
    def say(line: str) -> None:
        print(line, flush=True)

    with contextlib.ExitStack() as stack:
        database = None
        if given.database == "postgresql":
            database = stack.enter_context(postgres_server()).new_database()
        ground: Ground = Local()
        only = None
        if given.site == "slurm":
            cluster = Slurm(stack.enter_context(slurm_cluster()))
            stack.callback(cluster.clean)
            ground, only = cluster, Kind.JOBS
        most = Crash(folder / "most", say, given.lanes, given.workers, database, ground=ground, only=only)
        runs: list[tuple[Crash, int]] = [(most, given.runs)]
        few = given.runs // _SHARE_ON_DISK
        if few and not given.workers and database is None and given.site == "local":
            with contextlib.suppress(pytest.skip.Exception):  # who may not mount has no small disk
                disk = stack.enter_context(small_file_system(folder / "disk", _DISK))
                small = Crash(folder / "few", say, lanes=1, acts=(Act.DISK,), disk=disk, tally=most.tally)
                runs = [(most, given.runs - few), (small, few)]
        with ThreadPoolExecutor(len(runs)) as pool:
            for done in [pool.submit(crash.run, given.seed, count) for crash, count in runs]:
                done.result()
        return most.tally


sys.exit(main())
