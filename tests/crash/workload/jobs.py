"""A small job system for playbooks: `jobs.py submit|status|cancel FOLDER JOB …`. A job is a folder, made atomically."""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path


def submit(job, folder, token, node, seconds):
    """Start the job in a session of its own, without the mark of what submits it, unless it is there."""
    if not job.exists() and os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ORCH_RUN")}
        os.execve(
            sys.executable, [sys.executable, __file__, "run", folder, job.name, token, node, seconds], environment
        )
    deadline = time.monotonic() + 20
    while not job.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    print(job.name)


def run(job, folder, token, node, seconds):
    """The job itself; who does not get to make its folder is one too many."""
    making = job.with_name(f".{job.name}.{os.getpid()}")
    making.mkdir(parents=True)
    lock = (making / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (making / "pid").write_text(str(os.getpid()))
    try:
        making.rename(job)
    except OSError:
        (making / "lock").unlink()
        (making / "pid").unlink()
        making.rmdir()
        return
    trace(folder, token, "begin", node, job)
    time.sleep(float(seconds))
    if (Path(folder) / "fail" / f"{token}-{node}").exists():
        trace(folder, token, "fail", node, job)
        end(job, "FAILED")
    else:
        trace(folder, token, "end", node, job)
        end(job, "COMPLETED")


def status(job, _folder):
    """Print the job's state."""
    print(state(job))


def cancel(job, _folder):
    """End the job, unless it has ended."""
    if state(job) == "RUNNING":
        os.kill(int((job / "pid").read_text()), signal.SIGKILL)
        while state(job) == "RUNNING":
            time.sleep(0.01)
        if not (job / "state").exists():
            end(job, "CANCELLED")


def state(job):
    if not job.exists():
        return "UNKNOWN"
    with (job / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "RUNNING"
        return (job / "state").read_text() if (job / "state").exists() else "FAILED"


def end(job, word):
    (job / "state.part").write_text(word)
    (job / "state.part").rename(job / "state")


def trace(folder, token, word, node, job):
    with open(Path(folder) / "traces" / token, "a") as file:
        file.write(f"{word} {time.time()} {node} job {job.name}\n")


if __name__ == "__main__":
    command, folder, name, *rest = sys.argv[1:]
    job = Path(folder) / "jobs" / name
    if command in ("submit", "run"):
        globals()[command](job, folder, *rest)
    else:
        globals()[command](job, folder)
