"""The memory of one worker in which many executions wait for their jobs.

A job that is there already is adopted by a submission, so the jobs are stood for by their folders with their locks
held: what is measured is the worker, not a thousand programs.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, Failed

_LIMIT = 1800.0
_TOPOLOGY = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: waiting, template_version: 1.0.0, template_author: bench }
imports:
  - eflows4hpc.env:1.1.0
  - org.eflows4hpc.pycompss.plugin:1.1.0
topology_template:
  node_templates:
    Environment: { type: eflows4hpc.env.nodes.AbstractEnvironment }
    Job:
      type: org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob
      properties:
        application: { command: /bin/true }
        submission_params: { python_interpreter: python3 }
      requirements:
        - environment: Environment
  workflows:
    wait:
      steps:
        job:
          target: Job
          activities:
            - call_operation: Runnable.submit
            - call_operation: Runnable.run
"""


def waiting_worker(folder: Path, count: int) -> Cost:
    """Queue executions, start a worker, wait until all wait for their jobs: how long that took, and its memory."""
    environment = {**os.environ, "ORCH_HOME": str(folder / "home"), "NO_COLOR": "1"}
    (folder / "topology.yaml").write_text(_TOPOLOGY)
    _orch(["deploy", str(folder / "topology.yaml")], environment)
    held = [_held_job(folder / "home", execution) for execution in _queue(folder / "home", count)]
    words = [sys.executable, "-m", "orchestrator", "worker", "--jobs", str(count)]
    began = time.monotonic()
    with (folder / "worker.log").open("w") as log:
        worker = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    try:
        while (watched := _watched(folder / "home")) < count:
            if worker.poll() is not None or time.monotonic() - began > _LIMIT:
                raise Failed("failed", f"{watched} of {count} wait: {(folder / 'worker.log').read_text()[-500:]}")
            time.sleep(1)
        return Cost(time.monotonic() - began, _processor(worker.pid), _memory(worker.pid))
    finally:
        worker.kill()
        worker.wait()
        for number in held:
            os.close(number)


def _queue(home: Path, count: int) -> list[str]:
    """Queue executions in one process: a command for each would take longer than all the rest."""
    from orchestrator.app import executing
    from orchestrator.app.settings import read_settings
    from orchestrator.app.wiring import Home

    place = Home(read_settings({"ORCH_HOME": str(home)}))
    place.queue_only = True
    return [executing.run(place, "wait").execution.id for _ in range(count)]


def _held_job(home: Path, execution: str) -> int:
    """The folder of a job as its running supervisor has it, and the lock that says that it lives."""
    token = f"{execution}-Job-1"
    folder = home / "sites" / "local" / "jobs" / token
    folder.mkdir(parents=True)
    number = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(number, fcntl.LOCK_EX)
    (folder / "job.json").write_text(json.dumps({"token": token, "argv": ["/bin/true"], "env": {}, "files": {}}))
    (folder / "started").write_text(json.dumps({"pid": os.getpid(), "started": time.strftime("%FT%T+00:00")}))
    return number


def _watched(home: Path) -> int:
    """How many jobs the worker knows to be submitted."""
    from orchestrator.app.settings import read_settings
    from orchestrator.app.wiring import Home

    store = Home(read_settings({"ORCH_HOME": str(home)})).store
    return sum(any(job.seen for job in store.jobs(execution.id)) for execution in store.executions())


def _memory(pid: int) -> float:
    """The resident memory of a process and all that descends from it, in MB; shared pages are counted once."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    family, waiting = [], [pid]
    while waiting:
        family.append(waiting.pop())
        waiting += children.get(family[-1], [])
    return sum(_proportional(member) for member in family) / 1024


def _processor(pid: int) -> float:
    """Processor seconds of a process and the children it has waited for (proc(5), fields 14 to 17 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _orch(words: list[str], environment: dict[str, Any]) -> None:
    argv = [sys.executable, "-m", "orchestrator", *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed("failed", done.stdout + done.stderr)
