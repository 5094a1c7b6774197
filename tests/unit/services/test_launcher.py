"""The launcher with real processes: once per token, adoption after kills, cancelling, visible failures."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import small_file_system

from orchestrator.services import launcher

SCRIPT = Path(launcher.__file__)


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true value of the condition; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("the condition did not come true")


def shell(token: str, script: str, **more: Any) -> dict[str, Any]:
    return {"token": token, "argv": ["sh", "-c", script], **more}


def ended(root: Path, token: str) -> launcher.Status:
    def look() -> launcher.Status | None:
        found = launcher.status(str(root / token))
        return None if found.state in ("QUEUED", "RUNNING") else found

    found: launcher.Status = until(look)
    return found


def script(*words: str, job: Any = None, python: str = sys.executable, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, str(SCRIPT), *words],
        input=job if isinstance(job, str) else json.dumps(job),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
    )


def alive(pid: int) -> bool:
    return launcher.start_time(pid) is not None


def hidden(root: Path) -> list[str]:
    return [p.name for p in root.iterdir() if p.name.startswith(".")]


def test_a_job_runs_in_its_folder_with_its_files_environment_and_output(tmp_path: Path) -> None:
    job = shell(
        "one",
        'pwd; cat request.json; echo "[$ADDED][$GONE]"; echo oops >&2; printf \'{"n": 1}\' >r; mv r result.json',
        env={"ADDED": "a b; $(touch x)"},
        files={"request.json": "hello\n"},
    )
    done = launcher.submit(str(tmp_path), job)
    assert done == ("one", str(tmp_path / "one"), False)
    status = ended(tmp_path, "one")
    assert (status.state, status.exit_code, status.signal) == ("COMPLETED", 0, None)
    assert status.result == {"n": 1}
    assert status.started is not None
    assert status.ended is not None
    assert status.started <= status.ended
    output = (tmp_path / "one" / "output.log").read_text().splitlines()
    assert output == [str(tmp_path / "one"), "hello", "[a b; $(touch x)][]", "oops"]
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o700
    assert not hidden(tmp_path)
    assert not hidden(tmp_path / "one")


def test_what_a_job_gets_on_standard_input_is_written_nowhere(tmp_path: Path) -> None:
    given = "canary\n" * 5000
    launcher.submit(str(tmp_path), shell("t", "sha256sum", stdin=given))
    ended(tmp_path, "t")
    assert hashlib.sha256(given.encode()).hexdigest() in (tmp_path / "t" / "output.log").read_text()
    assert [f for f in tmp_path.rglob("*") if f.is_file() and b"canary" in f.read_bytes()] == []


@pytest.mark.parametrize(
    ("line", "code", "number", "detail"),
    [("exit 3", 3, None, "exit code 3"), ("kill -9 $$", None, "SIGKILL", "ended by SIGKILL")],
)
def test_a_failed_program_says_how(tmp_path: Path, line: str, code: int, number: str, detail: str) -> None:
    launcher.submit(str(tmp_path), shell("bad", line))
    status = ended(tmp_path, "bad")
    assert (status.state, status.exit_code, status.signal, status.detail) == ("FAILED", code, number, detail)


def test_a_failure_is_told_in_the_programs_own_words(tmp_path: Path) -> None:
    line = 'printf \'{"status": "FAILED", "message": "no such file: x"}\' >status.json; exit 1'
    launcher.submit(tmp_path, shell("t", line))
    assert ended(tmp_path, "t").detail == "no such file: x (exit code 1)"


@pytest.mark.parametrize(("program", "code"), [("/nowhere/at-all", 127), ("no-such-command-here", 127), ("/etc", 126)])
def test_a_program_that_cannot_be_run_has_a_shells_exit_code_and_a_line(
    tmp_path: Path, program: str, code: int
) -> None:
    launcher.submit(str(tmp_path), {"token": "x", "argv": [program]})
    status = ended(tmp_path, "x")
    assert (status.state, status.exit_code) == ("FAILED", code)
    assert program in status.detail
    assert program in (tmp_path / "x" / "output.log").read_text()


def test_environment_of_ansible_and_of_the_orchestrator_does_not_reach_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ORCH_RUN", "ANSIBLE_CONFIG", "ANSIBLE_X", "SECRET_THING"):
        monkeypatch.setenv(name, "there")
    monkeypatch.setenv("KEPT", "there")
    line = f"env; tr '\\0' '\\n' </proc/$(({os.getpid()}*0+PPID))/environ"
    launcher.submit(str(tmp_path), shell("env", line, unset=["SECRET_THING"]))
    ended(tmp_path, "env")
    text = (tmp_path / "env" / "output.log").read_text()
    assert text.count("KEPT=there") == 2  # the program's own and its supervisor's
    for name in ("ORCH_RUN", "ANSIBLE_", "SECRET_THING"):
        assert f"{name}" not in text


def test_a_program_begins_with_ordinary_signals(tmp_path: Path) -> None:
    launcher.submit(tmp_path, shell("t", "grep -E 'SigIgn|SigBlk' /proc/self/status"))
    ended(tmp_path, "t")
    _, blocked, _, ignored = (tmp_path / "t" / "output.log").read_text().split()
    internal = 0b11 << 31  # signals 32 and 33 belong to the C library: nobody can set them
    assert [int(word, 16) & ~internal for word in (blocked, ignored)] == [0, 0]


def test_the_same_token_runs_once_however_often_it_is_submitted_at_once(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = shell("t", f"echo ran >>{trace}; sleep 0.3")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: script("submit", "--root", str(tmp_path / "r"), job=job), range(8)))
    assert [a.returncode for a in answers] == [0] * 8, [a.stderr for a in answers]
    assert sorted(json.loads(a.stdout)["adopted"] for a in answers) == [False] + [True] * 7
    assert ended(tmp_path / "r", "t").state == "COMPLETED"
    again = script("submit", "--root", str(tmp_path / "r"), job=job)
    assert json.loads(again.stdout)["adopted"]
    assert trace.read_text() == "ran\n"
    assert not hidden(tmp_path / "r")


def test_a_job_outlives_its_submitter_and_every_signal_to_its_group(tmp_path: Path) -> None:
    job = shell("t", "while [ ! -e go ]; do sleep 0.02; done; echo done")
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "submit", "--root", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        process.communicate(json.dumps(job), timeout=60)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # nothing of the job is in the submitter's group
    status = launcher.status(str(tmp_path / "t"))
    assert status.state == "RUNNING"
    assert status.pid is not None
    assert os.getsid(status.pid) != process.pid or os.getpgid(status.pid) != os.getpgid(0)
    (tmp_path / "t" / "go").touch()
    assert ended(tmp_path, "t").state == "COMPLETED"


@pytest.mark.parametrize("place", ["before_folder", "after_folder"])
def test_a_submission_whose_asker_is_killed_still_ends_in_one_run(tmp_path: Path, place: str) -> None:
    trace = tmp_path / "trace"
    job = shell("t", f"echo ran >>{trace}; env | grep ORCH_LAUNCHER_FAULT")
    with subprocess.Popen(["sleep", "100"]) as asker:
        fault = {"ORCH_LAUNCHER_FAULT": place, "ORCH_LAUNCHER_FAULT_PID": str(asker.pid)}
        answer = script("submit", "--root", str(tmp_path / "r"), job=job, **fault)
        assert asker.wait(20) == -signal.SIGKILL
    assert answer.returncode == 0
    assert script("submit", "--root", str(tmp_path / "r"), job=job).returncode == 0
    assert ended(tmp_path / "r", "t").exit_code == 1  # grep found nothing: the fault is no matter of the job
    assert trace.read_text() == "ran\n"


def test_a_submission_killed_between_folder_and_start_is_started_by_the_next(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = shell("t", f"echo ran >>{trace}")

    class Killed(Exception):
        pass

    def die(place: str) -> None:
        if place == "after_folder":
            raise Killed

    with pytest.raises(Killed):
        launcher._submit(str(tmp_path / "r"), job, die)
    assert launcher.status(str(tmp_path / "r" / "t")).state == "QUEUED"
    assert launcher.submit(str(tmp_path / "r"), job).adopted
    assert ended(tmp_path / "r", "t").state == "COMPLETED"
    assert trace.read_text() == "ran\n"


def test_submissions_killed_at_any_moment_end_in_one_run(tmp_path: Path) -> None:
    for n in range(25):
        trace = tmp_path / f"trace{n}"
        job = shell(f"t{n}", f"echo ran >>{trace}")
        words = [sys.executable, str(SCRIPT), "submit", "--root", str(tmp_path / "r")]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
            assert process.stdin is not None
            process.stdin.write(json.dumps(job))
            process.stdin.close()
            time.sleep(0.04 + n * 0.004)  # the moment is what varies
            process.kill()
        launcher.submit(tmp_path / "r", job)
        assert ended(tmp_path / "r", f"t{n}").state == "COMPLETED"
        assert trace.read_text() == "ran\n"


def test_a_job_whose_supervisor_was_killed_has_vanished_and_never_runs_again(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = shell("t", f"echo ran >>{trace}; sleep 1000 & echo $! >child; echo $$ >pid; wait")
    launcher.submit(str(tmp_path / "r"), job)
    leader = int(until(lambda: (p := tmp_path / "r" / "t" / "pid").exists() and p.read_text()))
    child = int((tmp_path / "r" / "t" / "child").read_text())
    pid = launcher.status(str(tmp_path / "r" / "t")).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    status = ended(tmp_path / "r", "t")
    assert (status.state, status.exit_code) == ("VANISHED", None)
    assert "no exit code" in status.detail
    assert launcher.submit(str(tmp_path / "r"), job).adopted
    assert launcher.status(str(tmp_path / "r" / "t")).state == "VANISHED"
    until(lambda: not alive(leader))  # the program does not outlive its supervisor
    assert alive(child)
    assert launcher.cancel(str(tmp_path / "r"), "t", 1).state == "VANISHED"
    assert not alive(child)
    assert trace.read_text() == "ran\n"


def test_a_supervisor_that_is_told_to_end_ends_the_job_and_says_so(tmp_path: Path) -> None:
    launcher.submit(str(tmp_path), shell("t", "echo $$ >pid; sleep 100"))
    leader = int(until(lambda: (p := tmp_path / "t" / "pid").exists() and p.read_text()))
    pid = launcher.status(str(tmp_path / "t")).pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    status = ended(tmp_path, "t")
    assert (status.state, status.signal) == ("FAILED", "SIGTERM")
    assert not alive(leader)


def test_another_process_with_the_recorded_pid_is_not_taken_for_the_supervisor(tmp_path: Path) -> None:
    launcher.submit(str(tmp_path), shell("t", "sleep 0.1"))
    ended(tmp_path, "t")
    started = json.loads((tmp_path / "t" / "started").read_text())
    (tmp_path / "t" / "exit.json").unlink()
    (tmp_path / "t" / "started").write_text(json.dumps({**started, "pid": os.getpid()}))
    assert launcher.status(str(tmp_path / "t")).state == "VANISHED"
    mine = launcher.start_time(os.getpid())
    (tmp_path / "t" / "started").write_text(json.dumps({**started, "pid": os.getpid(), "start": mine}))
    assert launcher.status(str(tmp_path / "t")).state == "RUNNING"
    (tmp_path / "t" / "started").write_text(json.dumps({**started, "pid": os.getpid(), "start": mine, "boot": "other"}))
    assert launcher.status(str(tmp_path / "t")).state == "VANISHED"


TREE = """
import os, signal, subprocess, sys, time
def note(): open(f"pid.{os.getpid()}", "w").close()
def stay():
    note()
    while True: time.sleep(1)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else signal.SIG_DFL)
note()
if os.fork() == 0:                      # an ordinary child
    stay()
if os.fork() == 0:                      # a child with its own session
    os.setsid(); stay()
if os.fork() == 0:                      # a daemon: double fork, own session
    os.setsid()
    if os.fork() == 0:
        os.chdir("/proc/%d/cwd" % os.getpid()); stay()
    os._exit(0)
if os.fork() == 0:                      # one without our environment
    note()
    os.execve("/bin/sleep", ["sleep", "1000"], {})
if os.fork() == 0:                      # a daemon without our environment: only its parents tell whose it is
    os.setsid()
    if os.fork() == 0:
        note(); os.execve("/bin/sleep", ["sleep", "1000"], {})
    os._exit(0)
if os.fork() == 0:                      # one that is stopped
    note(); os.kill(os.getpid(), signal.SIGSTOP); stay()
while True: time.sleep(1)
"""


@pytest.mark.parametrize("temper", ["polite", "deaf"])
def test_cancel_ends_every_process_of_the_job(tmp_path: Path, temper: str) -> None:
    launcher.submit(str(tmp_path), {"token": "t", "argv": [sys.executable, "-c", TREE, temper]})
    folder = tmp_path / "t"

    def grown() -> list[int]:
        pids = [int(p.name[4:]) for p in folder.glob("pid.*")]
        return pids if len(pids) == 7 else []

    pids = until(grown)
    assert all(alive(p) for p in pids)
    begin = time.monotonic()
    answer = script("cancel", "--root", str(tmp_path), "t", "--grace", "0.5" if temper == "deaf" else "20")
    assert answer.returncode == 0, answer.stderr
    status = json.loads(answer.stdout)
    assert status["state"] == "CANCELLED"
    assert status["signal"] == ("SIGKILL" if temper == "deaf" else "SIGTERM")
    assert not [p for p in pids if alive(p)]
    assert time.monotonic() - begin < 15
    assert launcher.status(str(folder)).state == "CANCELLED"


def test_cancel_gives_the_grace_to_the_children_too(tmp_path: Path) -> None:
    line = "trap '' TERM; (trap 'sleep 3; echo tidy >tidied; exit' TERM; echo >ready; while :; do sleep 0.05; done) &"
    launcher.submit(str(tmp_path), shell("t", line + " trap - TERM; while :; do sleep 0.05; done"))
    until((tmp_path / "t" / "ready").exists)
    assert launcher.cancel(str(tmp_path), "t", 20).state == "CANCELLED"
    assert (tmp_path / "t" / "tidied").exists()


# a child that does not end soon keeps the supervisor busy when the program has ended
_LINGERING = "(trap '' TERM; echo >ready; sleep 1000) & until [ -e ready ]; do sleep 0.01; done; echo $$ >pid; "


@pytest.mark.parametrize(
    ("last", "state", "code", "number"),
    [
        ("exit 0", "COMPLETED", 0, None),
        ("exit 3", "FAILED", 3, None),
        ("kill -KILL $$", "FAILED", None, "SIGKILL"),
        ("kill -TERM $$", "FAILED", None, "SIGTERM"),
    ],
)
def test_cancel_after_the_end_of_the_program_changes_nothing(
    tmp_path: Path, last: str, state: str, code: int | None, number: str | None
) -> None:
    launcher.submit(tmp_path, shell("t", _LINGERING + last))
    folder = tmp_path / "t"
    until(lambda: (folder / "pid").exists() and (text := (folder / "pid").read_text()) and not alive(int(text)))
    assert not (folder / "exit.json").exists()
    status = launcher.cancel(tmp_path, "t", 0.5)
    assert (folder / "cancel").exists()
    assert (status.state, status.exit_code, status.signal) == (state, code, number)
    assert launcher.status(folder) == status


@pytest.mark.parametrize("code", [0, 3])
def test_a_program_that_ends_because_it_is_told_to_is_cancelled(tmp_path: Path, code: int) -> None:
    line = f"trap 'exit {code}' TERM; echo >ready; while :; do sleep 0.05; done"
    launcher.submit(tmp_path, shell("t", line))
    until((tmp_path / "t" / "ready").exists)
    status = launcher.cancel(tmp_path, "t", 20)
    assert (status.state, status.exit_code) == ("CANCELLED", code)


def test_a_program_that_ends_before_it_can_be_told_ended_by_itself(tmp_path: Path) -> None:
    """Its canceller was killed as soon as it had written down what it was about to do."""
    launcher.submit(tmp_path, shell("t", "echo >ready; until [ -e go ]; do sleep 0.01; done"))
    until((tmp_path / "t" / "ready").exists)
    (tmp_path / "t" / "cancel").write_text('{"grace": 5}')
    (tmp_path / "t" / "go").touch()
    assert ended(tmp_path, "t").state == "COMPLETED"


def test_the_supervisor_of_an_older_launcher_does_not_listen(tmp_path: Path) -> None:
    launcher.submit(tmp_path, shell("t", "trap 'echo >told; exit 143' TERM; echo >ready; while :; do sleep 0.05; done"))
    folder = tmp_path / "t"
    until((folder / "ready").exists)
    begun = json.loads((folder / "started").read_text())
    del begun["hears"]
    (folder / "started").write_text(json.dumps(begun))
    assert launcher.cancel(tmp_path, "t", 20).exit_code == 143
    assert (folder / "told").exists()


def test_a_supervisor_that_does_not_listen_is_done_without(tmp_path: Path) -> None:
    launcher.submit(tmp_path, shell("t", "echo $$ >pid; exec sleep 1000"))
    folder = tmp_path / "t"
    until((folder / "pid").exists)
    supervisor = json.loads((folder / "started").read_text())["pid"]
    os.kill(supervisor, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(launcher.cancel, tmp_path, "t", 0.2)
        until(lambda: not alive(int((folder / "pid").read_text())))
        os.kill(supervisor, signal.SIGCONT)
        status = done.result(30)
    assert (status.state, status.signal) == ("CANCELLED", "SIGKILL")


def test_cancel_before_the_start_means_never(tmp_path: Path) -> None:
    job = shell("t", f"touch {tmp_path}/ran")

    def cancelled(place: str) -> None:
        if place == "after_folder":
            assert launcher.cancel(str(tmp_path / "r"), "t").state == "CANCELLED"

    launcher._submit(str(tmp_path / "r"), job, cancelled)
    launcher.submit(str(tmp_path / "r"), job)
    status = ended(tmp_path / "r", "t")
    assert status.state == "CANCELLED"
    assert status.ended is not None
    assert not (tmp_path / "ran").exists()


def test_cancel_while_it_starts_leaves_nothing_running(tmp_path: Path) -> None:
    """Submissions and cancellations race; whoever wins, in the end nothing of the job runs."""
    for n in range(10):
        job = shell(f"t{n}", "echo $$ >pid.new; mv pid.new pid; sleep 100")
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(launcher.submit, str(tmp_path), job)
            until((tmp_path / f"t{n}").exists)
            time.sleep(n * 0.01)
            assert launcher.cancel(str(tmp_path), f"t{n}", 5).state == "CANCELLED"
            first.result(30)
        assert ended(tmp_path, f"t{n}").state == "CANCELLED"
        pid = tmp_path / f"t{n}" / "pid"
        assert not pid.exists() or not alive(int(pid.read_text()))


def test_cancel_of_a_finished_or_unknown_job_changes_nothing(tmp_path: Path) -> None:
    launcher.submit(str(tmp_path), shell("t", "exit 4"))
    before = ended(tmp_path, "t")
    assert launcher.cancel(str(tmp_path), "t") == before
    assert launcher.status(str(tmp_path / "t")) == before
    assert not (tmp_path / "t" / "cancel").exists()
    assert launcher.cancel(str(tmp_path), "other").state == "UNKNOWN_TOKEN"


def test_what_a_finished_program_left_running_is_ended(tmp_path: Path) -> None:
    launcher.submit(str(tmp_path), shell("t", "setsid sleep 1000 & echo $! >pid; exit 0"))
    assert ended(tmp_path, "t").state == "COMPLETED"
    assert not alive(int((tmp_path / "t" / "pid").read_text()))


def test_status_shows_what_the_program_says_of_itself(tmp_path: Path) -> None:
    line = (
        'printf \'{"status": "BUILDING", "message": "m"}\' >s; mv s status.json; while [ ! -e go ]; do sleep 0.02; done'
    )
    launcher.submit(str(tmp_path), shell("t", line))
    until((tmp_path / "t" / "status.json").exists)
    answer = script("status", "--root", str(tmp_path), "t", "nix")
    first, second = json.loads(answer.stdout)
    assert (first["state"], first["status"]) == ("RUNNING", {"status": "BUILDING", "message": "m"})
    assert (second["token"], second["state"]) == ("nix", "UNKNOWN_TOKEN")
    (tmp_path / "t" / "go").touch()
    assert ended(tmp_path, "t").state == "COMPLETED"


@pytest.mark.parametrize(
    ("job", "word"),
    [
        ("no json", "JSON"),
        ([], "JSON object"),
        ({"token": "../x", "argv": ["true"]}, "token"),
        ({"token": "..", "argv": ["true"]}, "token"),
        ({"token": ".x", "argv": ["true"]}, "token"),
        ({"token": "x\n", "argv": ["true"]}, "token"),
        ({"token": "", "argv": ["true"]}, "token"),
        ({"token": "x", "argv": []}, "argv"),
        ({"token": "x", "argv": "true"}, "argv"),
        ({"token": "x", "argv": ["a\0b"]}, "argv"),
        ({"token": "x", "argv": ["true"], "env": {"A": 1}}, "env"),
        ({"token": "x", "argv": ["true"], "env": {"A=B": "c"}}, "env"),
        ({"token": "x", "argv": ["true"], "files": {"../up": ""}}, "files"),
        ({"token": "x", "argv": ["true"], "files": {"started": ""}}, "files"),
        ({"token": "x", "argv": ["true"], "fles": {}}, "fles"),
    ],
)
def test_a_malformed_job_is_refused_with_one_line_and_leaves_nothing(tmp_path: Path, job: Any, word: str) -> None:
    answer = script("submit", "--root", str(tmp_path / "r"), job=job)
    assert answer.returncode == 1
    assert word in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_a_file_where_a_folder_belongs_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "t").write_text("mine too")
    for root, named in ((tmp_path / "file", "file"), (tmp_path / "file" / "r", "file"), (tmp_path / "r", "r/t")):
        answer = script("submit", "--root", str(root), job=shell("t", "true"))
        assert answer.returncode == 1
        assert "a file is where a folder belongs" in answer.stderr
        assert str(tmp_path / named) in answer.stderr
        assert answer.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"
    assert [p.name for p in (tmp_path / "r").iterdir()] == ["t"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 64 KiB; needs root."""
    with small_file_system(tmp_path / "disk", "64k") as disk:
        yield disk


def test_a_full_disk_is_one_clear_line_and_leaves_no_folder(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 60 * 1024)
    job = shell("t", "echo ran >>trace", files={"request.json": "y" * 20000})
    answer = script("submit", "--root", str(small_disk / "r"), job=job)
    assert answer.returncode == 1
    assert "no space left" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert list((small_disk / "r").iterdir()) == []
    filler.unlink()
    assert script("submit", "--root", str(small_disk / "r"), job=job).returncode == 0
    assert ended(small_disk / "r", "t").state == "COMPLETED"


def test_a_job_that_fills_the_disk_still_says_how_it_ended(small_disk: Path) -> None:
    launcher.submit(str(small_disk), shell("t", "cat /dev/zero >rubbish; exit 5"))
    status = ended(small_disk, "t")
    assert (status.state, status.exit_code) == ("FAILED", 5)


def test_rubbish_of_submissions_that_died_long_ago_is_removed(tmp_path: Path) -> None:
    for name, age in ((".new-a-1", 7200.0), (".new-b-2", 0.0)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    launcher.submit(str(tmp_path), shell("t", "true"))
    ended(tmp_path, "t")
    assert hidden(tmp_path) == [".new-b-2"]


def test_it_is_one_file_of_python_3_6_and_the_standard_library() -> None:
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 6))
    imported = {n.module if isinstance(n, ast.ImportFrom) else a.name for n in ast.walk(tree)
                if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names}  # fmt: skip
    assert imported <= set(sys.stdlib_module_names)
    assert not imported & {"dataclasses", "importlib.metadata", "zoneinfo", "tomllib", "graphlib", "contextvars"}


def test_a_copy_of_the_script_alone_works(tmp_path: Path) -> None:
    python = shutil.which("python3", path="/usr/bin") or sys.executable
    copy = tmp_path / "elsewhere" / "launcher.py"
    copy.parent.mkdir()
    shutil.copy(SCRIPT, copy)
    root = tmp_path / "r"
    words = [python, str(copy), "submit", "--root", str(root)]
    done = subprocess.run(words, input=json.dumps(shell("t", "exit 0")), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert ended(root, "t").state == "COMPLETED"


class TestInherited:
    """Variables of another process, which are written down nowhere."""

    NAMES = ("MINE", "PATH")

    def of(self, pid: int, **more: Any) -> dict[str, Any]:
        start = launcher.start_time(pid)
        return {"inherit": {"pid": pid, "start": start, "names": list(self.NAMES), **more}}

    def test_a_job_has_the_named_variables_and_no_other(self, tmp_path: Path) -> None:
        given = {"PATH": os.environ["PATH"], "MINE": "canary\n'x", "OTHER": "1"}
        with subprocess.Popen(["sleep", "60"], env=given) as person:
            job = shell("a", 'printf "%s|%s|%s" "$MINE" "$OTHER" "$ADDED"', env={"ADDED": "2"}, **self.of(person.pid))
            done = script("submit", "--root", str(tmp_path), job=job, OTHER="3", HOME="/nowhere")
            person.kill()
        assert done.returncode == 0, done.stderr
        assert ended(tmp_path, "a").state == "COMPLETED"
        assert (tmp_path / "a" / "output.log").read_text() == "canary\n'x||2"
        assert not [f for f in (tmp_path / "a").iterdir() if f.name != "output.log" and "canary" in f.read_text()]

    def test_a_process_that_is_gone(self, tmp_path: Path) -> None:
        wrong = self.of(os.getpid(), start=1)
        done = script("submit", "--root", str(tmp_path), job=shell("a", "true", **wrong))
        assert done.returncode == 1
        assert "is gone; submit again" in done.stderr
        job = shell("a", "true", **self.of(os.getpid()))
        assert script("submit", "--root", str(tmp_path), job=job).returncode == 0
        assert ended(tmp_path, "a").state == "COMPLETED"
