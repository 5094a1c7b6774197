#!/usr/bin/env python3
# This file alone is copied to other machines and must run on Python 3.6 there.
# ruff: noqa: PTH100, PTH101, PTH103, PTH104, PTH108, PTH110, PTH112, PTH118, PTH119, PTH120, PTH123, PTH208
# ruff: noqa: UP006, UP017, UP035, UP045
"""Runs programs as detached jobs: one folder per job, named by its token; the same token runs at most once.

This file needs the standard library only (Python 3.6 or newer, Linux) and is both a module and a script::

    launcher.py submit --root ROOT < job.json          -> {"id": TOKEN, "folder": ..., "adopted": false}
    launcher.py cancel --root ROOT TOKEN [--grace S]   -> the job's status
    launcher.py status --root ROOT TOKEN...            -> a list of statuses

A job is ``{"token", "argv", "env": {added}, "unset": [names], "files": {name: text}, "stdin": text, "inherit": {"pid",
"start", "names"}}``. What it gets on standard input is written nowhere: that is for secrets. Nor are the values of the
variables that it inherits: those named of the process with that pid and start time, instead of the submission's own.
Its folder holds:

=============  =======================================================================================
job.json       the job as submitted, and its files beside it
lock           held (flock) by the job's supervisor as long as it lives
started        made exclusively before the program is run: who supervises it, so a job never runs twice
output.log     standard output and error of the program
cancel         somebody wants the job ended; its supervisor hears of it by SIGUSR1
exit.json      how it ended; comes by rename, so it is there whole or not at all
status.json    optional, by the program: {"status", "message"}, where it is
result.json    optional, by the program: what it made
=============  =======================================================================================

As in a batch system, the end of a job's program ends everything that it started.
"""

import argparse
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

_Path = Union[str, "os.PathLike[str]"]

QUEUED = "QUEUED"
RUNNING = "RUNNING"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
VANISHED = "VANISHED"
UNKNOWN_TOKEN = "UNKNOWN_TOKEN"  # noqa: S105 - the name of a state

JOB, LOCK, STARTED, OUTPUT, CANCEL, EXIT = "job.json", "lock", "started", "output.log", "cancel", "exit.json"
STATUS, RESULT = "status.json", "result.json"
_OURS = (JOB, LOCK, STARTED, OUTPUT, CANCEL, EXIT, EXIT + ".new")

_TOKEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\Z")
_MARK = "ORCH_LAUNCHER_JOB"  # in the environment of every process of a job: found again whatever becomes of its parents
_FAULT, _FAULT_PID = "ORCH_LAUNCHER_FAULT", "ORCH_LAUNCHER_FAULT_PID"

START_TIMEOUT = 30.0  # seconds until a supervisor must have taken a job over
CANCEL_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
LEFTOVER_GRACE = 2.0  # the same for what a finished program left running
KILL_TIMEOUT = 15.0  # seconds that processes get to disappear after SIGKILL
STDIN_SIZE = 60000  # bytes that a pipe takes before anybody reads
_ASKED = signal.SIGUSR1  # tells a supervisor that there is the file "cancel"
_HEARD = (signal.SIGCHLD, signal.SIGTERM, _ASKED)
_ENDED = (1, 2, 3)  # CLD_EXITED, CLD_KILLED and CLD_DUMPED of waitid(2); not all of them have names in Python 3.6
STALE_FOLDER = 3600.0  # seconds after which an unfinished hidden folder is rubbish of a dead submission


class LauncherError(Exception):
    """A job cannot be submitted, read or cancelled; the message says what, where and what to do."""


class Status(NamedTuple):
    """What is known of a job at one moment."""

    token: str
    folder: str
    state: str
    """QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED, VANISHED or UNKNOWN_TOKEN."""
    exit_code: Optional[int] = None
    """Of the program; None when a signal ended it, or it has not ended."""
    signal: Optional[str] = None
    """The name of the signal that ended the program, such as SIGKILL."""
    detail: str = ""
    started: Optional[str] = None
    """ISO 8601, UTC; so is ``ended``."""
    ended: Optional[str] = None
    pid: Optional[int] = None
    """Of the job's supervisor."""
    status: Optional[Dict[str, Any]] = None
    """What the program wrote into status.json; empty when it is no JSON object."""
    result: Optional[Dict[str, Any]] = None
    """What the program wrote into result.json; empty when it is no JSON object."""


class Submitted(NamedTuple):
    """A job that was handed over; ``adopted`` when its folder was there already."""

    id: str
    folder: str
    adopted: bool


class _Process(NamedTuple):
    pid: int
    parent: int
    state: str
    start: int


# --- submit ---------------------------------------------------------------------------------------------------------


def submit(root: _Path, job: Dict[str, Any]) -> Submitted:
    """Run the job, once: a job of that token which is there already is taken for it, started if it never was.

    Returns when the job's program has been started (or has ended).

    Raises :class:`LauncherError` when the job is malformed or cannot be stored or started.
    """
    return _submit(root, job, lambda place: None)


def _submit(root: _Path, job: Dict[str, Any], reach: Callable[[str], None]) -> Submitted:
    job = _checked(job)
    root = os.path.abspath(root)
    folder = os.path.join(root, job["token"])
    reach("before_folder")
    adopted = not _make_folder(root, folder, job)
    reach("after_folder")
    if not (_has(folder, STARTED) or _has(folder, EXIT)):
        variables = _inherited(job["inherit"]) if job["inherit"] else _clean_environment(job["unset"])
        _start(folder, variables, job["stdin"].encode("utf-8"))
    return Submitted(job["token"], folder, adopted)


def _checked(job: Dict[str, Any]) -> Dict[str, Any]:
    """The job with its optional parts filled in; raises :class:`LauncherError` when it is malformed."""
    if not isinstance(job, dict):
        raise LauncherError("a job must be a JSON object with token and argv")
    unknown = sorted(set(job) - {"token", "argv", "env", "unset", "files", "stdin", "inherit"})
    if unknown:
        raise LauncherError(f"a job has no {', '.join(unknown)}")
    token, argv = job.get("token"), job.get("argv")
    env, unset, files = job.get("env") or {}, job.get("unset") or [], job.get("files") or {}
    _check_token(token)
    if not (isinstance(argv, list) and argv and all(_is_word(w) for w in argv) and argv[0]):
        raise LauncherError(f"job {token}: argv must be a list of strings that begins with a program")
    if not (isinstance(env, dict) and all(_is_word(k) and k and "=" not in k and _is_word(v) for k, v in env.items())):
        raise LauncherError(f"job {token}: env must map names to strings")
    if not (isinstance(unset, list) and all(_is_word(n) for n in unset)):
        raise LauncherError(f"job {token}: unset must be a list of names of variables")
    if not (isinstance(files, dict) and all(_is_file_name(n) and isinstance(t, str) for n, t in files.items())):
        raise LauncherError(f"job {token}: files must map plain file names (none of {', '.join(_OURS)}) to text")
    given = job.get("stdin") or ""
    if not isinstance(given, str) or len(given.encode("utf-8")) > STDIN_SIZE:
        raise LauncherError(f"job {token}: stdin must be a text of at most {STDIN_SIZE} bytes")
    inherit = job.get("inherit") or {}
    if inherit and not (
        isinstance(inherit, dict)
        and set(inherit) == {"pid", "start", "names"}
        and isinstance(inherit["pid"], int)
        and isinstance(inherit["names"], list)
        and all(_is_word(n) for n in inherit["names"])
    ):
        raise LauncherError(
            f"job {token}: inherit must have the pid and the start of a process, and names of variables"
        )
    checked = {"token": token, "argv": argv, "env": env, "unset": [] if inherit else unset}
    return {**checked, "files": files, "stdin": given, "inherit": inherit}


def _check_token(token: Any) -> None:
    if not (isinstance(token, str) and _TOKEN.match(token)):
        raise LauncherError(f"{token!r} is no job token: letters, digits, '.', '_' and '-' only, at most 200")


def _is_word(word: Any) -> bool:
    return isinstance(word, str) and "\0" not in word


def _is_file_name(name: Any) -> bool:
    return _is_word(name) and name not in ("", ".", "..") and "/" not in name and name not in _OURS


def _make_folder(root: str, folder: str, job: Dict[str, Any]) -> bool:
    """Make the job's folder in one atomic step; False when it is there already."""
    with _explained("make the folder of jobs", root):
        os.makedirs(root, mode=0o700, exist_ok=True)
    with _explained("make the folder of the job", folder):
        if os.path.isdir(folder):
            return False
        if os.path.lexists(folder):
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", folder)
        _sweep(root)
        new = tempfile.mkdtemp(prefix=f".new-{job['token']}-", dir=root)
        try:
            for name, text in job["files"].items():
                _write(os.path.join(new, name), text)
            _write(os.path.join(new, JOB), json.dumps({k: job[k] for k in ("token", "argv", "env", "unset")}))
            _write(os.path.join(new, LOCK), "")
            _sync_folder(new)
            os.rename(new, folder)  # fails when another submission was faster: the folder is not empty
        except OSError as e:
            shutil.rmtree(new, ignore_errors=True)
            if e.errno in (errno.EEXIST, errno.ENOTEMPTY) and os.path.isdir(folder):
                return False
            raise
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        _sync_folder(root)
        return True


def _sweep(root: str) -> None:
    """Remove what submissions that were killed long ago left."""
    for name in os.listdir(root):
        path = os.path.join(root, name)
        with contextlib.suppress(OSError):
            if name.startswith(".new-") and time.time() - os.lstat(path).st_mtime > STALE_FOLDER:
                shutil.rmtree(path, ignore_errors=True)


def _start(folder: str, variables: Dict[str, str], given: bytes) -> None:
    """Start a supervisor of the job and wait until it, or another one, has taken the job over."""
    reader, writer = os.pipe()
    source, sink = os.pipe()
    try:
        os.write(sink, given)
        os.close(sink)
        sink = -1
        words = [sys.executable or "python3", "-I", "-S", os.path.abspath(__file__), "supervise", folder, str(writer)]
        with _explained("start the job in", folder):
            process = subprocess.Popen(
                words,
                stdin=source,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=True,
                pass_fds=(writer,),
                start_new_session=True,
                cwd="/",
                env=variables,
            )
        os.close(writer)
        writer = -1
        answer = _read_line(reader, START_TIMEOUT)
        process.wait()  # the process in between; the supervisor itself is nobody's child by now
    finally:
        for fd in (reader, writer, source, sink):
            if fd >= 0:
                os.close(fd)
    if answer == "taken":
        _wait_for_start(folder)
    elif answer != "started":
        why = answer or "its supervisor died or did not answer; submit again"
        raise LauncherError(f"cannot start the job in {folder}: {why}")


def _inherited(inherit: Dict[str, Any]) -> Dict[str, str]:
    """The named variables of another process. Raises :class:`LauncherError` when it is gone."""
    found = _environment_of(inherit["pid"])
    if start_time(inherit["pid"]) != inherit["start"] or not found:
        raise LauncherError(f"the process {inherit['pid']}, whose variables the job is to have, is gone; submit again")
    pairs = [os.fsdecode(entry).partition("=") for entry in found if entry]
    wanted = set(inherit["names"])
    return {name: value for name, _, value in pairs if name in wanted}


def _clean_environment(unset: List[str]) -> Dict[str, str]:
    """Our environment without what must not reach a job: a job is no process of Ansible or of an orchestrator."""
    drop = set(unset) | {"ORCH_RUN", _FAULT, _FAULT_PID}
    return {k: v for k, v in os.environ.items() if k not in drop and not k.startswith("ANSIBLE_")}


def _read_line(reader: int, timeout: float) -> str:
    """What the supervisor says within ``timeout`` seconds; empty when it says nothing."""
    text = b""
    deadline = time.monotonic() + timeout
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(reader, 4096) if ready else b""
        if not piece:
            break
        text += piece
    return text.decode("utf-8", "replace").strip()


def _wait_for_start(folder: str) -> None:
    """Wait until the supervisor that another submission started has taken the job over."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if _has(folder, STARTED) or _has(folder, EXIT):
            return
        time.sleep(0.02)
    raise LauncherError(f"the job in {folder} did not start within {START_TIMEOUT:g} s; submit it again")


# --- the supervisor: the detached process that runs the program and writes how it ended ------------------------------


class _Terminated(Exception):
    """Somebody ended the supervisor with a signal."""


def _supervise(folder: str, report: int) -> None:
    """Take the job, run its program, write how it ended. ``report`` is the pipe to the submission that waits."""
    if os.fork():
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)  # they are waited for; none may come before that and be lost
    try:
        try:
            lock = _take_lock(folder)
            taken = lock is None or _has(folder, EXIT) or not _mark_started(folder)
        except (OSError, LauncherError) as e:
            _tell(report, _one_line(_reason(e)))
            os._exit(1)
        _tell(report, "taken" if taken else "started")
        if not taken:
            _run(folder)
    except BaseException as e:
        _note(folder, f"the launcher failed: {_one_line(_reason(e))}")
        os._exit(1)
    os._exit(0)  # no other way out: nothing of the interpreter's end must outlive the lock


def _tell(report: int, line: str) -> None:
    with contextlib.suppress(OSError):  # the submission may have been killed meanwhile: the job goes on
        os.write(report, (line + "\n").encode("utf-8"))
    os.close(report)


def _take_lock(folder: str) -> Optional[int]:
    """Hold the job's lock until this process ends; None when another supervisor holds it."""
    fd = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(50):  # whoever only looks whether it is locked (see _is_locked) holds it for a moment
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError as e:
            # Some parallel file systems know no locks: making the file "started" exclusively decides there.
            if e.errno in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL):
                return fd
            if e.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        if _has(folder, STARTED):
            return None
        time.sleep(0.02)
    return None


def _mark_started(folder: str) -> bool:
    """Make the job ours for good; False when it was started before. From here on it is never started again."""
    if _has(folder, STARTED):
        return False
    # Room for the last word is taken now: a disk that the job fills must not hide how it ended.
    _write(os.path.join(folder, EXIT + ".new"), " " * 4095 + "\n")
    mine = {"pid": os.getpid(), "start": start_time(os.getpid()), "boot": _boot(), "host": socket.gethostname()}
    mine["started"] = _now()
    mine["hears"] = True
    new = os.path.join(folder, f".started.{os.getpid()}")
    try:
        _write(new, json.dumps(mine))
        os.link(new, os.path.join(folder, STARTED))  # all of it, and only once
    except FileExistsError:
        return False
    except OSError as e:
        if e.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV):
            raise
        try:  # a file system without hard links
            _write(os.path.join(folder, STARTED), json.dumps(mine), exclusive=True)
        except FileExistsError:
            return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
    _sync_folder(folder)
    return True


def _run(folder: str) -> None:
    job = _read(folder, JOB) or {}
    if _has(folder, CANCEL):
        _finish(folder, None, None, "cancelled before it started", cancelled=True)
        return
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: whoever loses its parent among the job's processes becomes our child
    code: Optional[int] = None
    killer: Optional[int] = None
    detail = ""
    cancelled = False
    try:
        leader = _spawn(folder, job)
        if isinstance(leader, int):
            raw, cancelled = _until_end(folder, leader)
            code = os.WEXITSTATUS(raw) if os.WIFEXITED(raw) else None
            killer = os.WTERMSIG(raw) if os.WIFSIGNALED(raw) else None
        else:
            code, detail = leader
    except _Terminated:
        killer, detail = int(signal.SIGTERM), "the job's supervisor was told to end (shutdown of the machine?)"
    _end_leftovers(folder)
    _finish(folder, code, killer, detail, cancelled)


def _spawn(folder: str, job: Dict[str, Any]) -> Any:
    """The pid of the program; or the exit code and the reason, in a shell's way, when it cannot be run."""
    environment = dict(os.environ)
    for name in job.get("unset", []):
        environment.pop(name, None)
    environment.update(job.get("env", {}))
    environment[_MARK] = folder
    output = -1
    try:
        output = os.open(os.path.join(folder, OUTPUT), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        process = subprocess.Popen(
            job["argv"],
            stdout=output,
            stderr=output,
            close_fds=True,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=_in_program,
        )
        process.returncode = 0  # it is reaped by _Children, among all others
        return process.pid
    except FileNotFoundError:
        detail, code = f"command not found: {job['argv'][0]}", 127
    except (OSError, subprocess.SubprocessError) as e:
        detail, code = f"cannot run {job['argv'][0]}: {_reason(e)}", 126
    finally:
        if output >= 0:
            os.close(output)
    _note(folder, detail)
    return code, detail


def _in_program() -> None:
    """The last preparations inside the program's process: ordinary signals, and no life without its supervisor."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class _Children:
    """The program, and whoever of the job has lost its parent: all that the supervisor has to reap."""

    def __init__(self, folder: str, leader: int = 0) -> None:
        self._folder = folder
        self._leader = leader
        self.status: Optional[int] = None
        """The wait status of the program, when it has ended."""

    def reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, raw = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._leader:
                    self.status = raw

    def end_all(self, grace: float) -> None:
        """End all processes of the job, as far as that can be done."""

        def left() -> List[_Process]:
            self.reap()
            return _processes_of(self._folder, os.getpid())

        with contextlib.suppress(LauncherError):
            _end(left, grace)


def _until_end(folder: str, leader: int) -> Tuple[int, bool]:
    """The wait status of the program, and whether a cancellation ended it: it may come when the program just ends."""
    children = _Children(folder, leader)
    told = False
    while children.status is None:
        number = signal.sigwait(_HEARD)
        if number == signal.SIGTERM:
            raise _Terminated
        if number == _ASKED and _is_stopped(leader):
            told = True
            children.end_all(_grace(folder))
        children.reap()
    # whoever asked may have been the one to end it
    return children.status, told or (os.WIFSIGNALED(children.status) and _has(folder, CANCEL))


def _is_stopped(leader: int) -> bool:
    """Stop the program; False when it has ended, for what is stopped does not end by itself any more."""
    os.kill(leader, signal.SIGSTOP)  # it is not reaped, so nobody else has its pid
    seen = os.waitid(os.P_PID, leader, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
    return seen is not None and seen.si_code not in _ENDED


def _grace(folder: str) -> float:
    """The seconds that whoever cancels gives the processes to end."""
    asked = _read(folder, CANCEL)
    return float(asked.get("grace", CANCEL_GRACE)) if asked is not None else LEFTOVER_GRACE


def _end_leftovers(folder: str) -> None:
    _Children(folder).end_all(_grace(folder))


def _finish(folder: str, code: Optional[int], number: Optional[int], detail: str, cancelled: bool) -> None:
    """Write how the job ended, into the room that was kept for it, then by rename."""
    end = {
        "exit_code": code,
        "signal": _signal_name(number),
        "cancelled": cancelled,
        "detail": detail[:2000],
        "ended": _now(),
    }
    new = os.path.join(folder, EXIT + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(fd, json.dumps(end).ljust(4095).encode("utf-8"))
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(new, os.path.join(folder, EXIT))
    _sync_folder(folder)


def _signal_name(number: Optional[int]) -> Optional[str]:
    if number is None:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _note(folder: str, line: str) -> None:
    """Tell the reader of the job's output something in our own name."""
    with contextlib.suppress(OSError), open(os.path.join(folder, OUTPUT), "a", encoding="utf-8") as f:
        f.write(f"launcher: {line}\n")


# --- status ---------------------------------------------------------------------------------------------------------


def status(folder: _Path) -> Status:
    """What is known of the job in that folder. Raises :class:`LauncherError` when the folder cannot be read."""
    folder = os.path.abspath(folder)
    blank = Status(os.path.basename(folder), folder, UNKNOWN_TOKEN)
    with _explained("read the job in", folder):
        if not _has(folder, JOB):
            return blank._replace(detail=f"there is no such job in {os.path.dirname(folder)}")
        end = _read(folder, EXIT)
        begun = _read(folder, STARTED)
        if begun is not None and end is None and not _is_alive(folder, begun):
            end = _read(folder, EXIT)  # it may have ended since
            state, detail = _unfinished(folder)
        else:
            state, detail = _state_of(folder, begun, end)
        if end is not None:
            state, detail = _state_of(folder, begun, end)
        begun, end = begun or {}, end or {}
        known = blank._replace(state=state, detail=detail, started=begun.get("started"), pid=begun.get("pid"))
        known = known._replace(exit_code=end.get("exit_code"), signal=end.get("signal"), ended=end.get("ended"))
        return _with_own_words(known, _read(folder, STATUS), _read(folder, RESULT))


def _with_own_words(known: Status, said: Optional[Dict[str, Any]], result: Optional[Dict[str, Any]]) -> Status:
    """The status with what the program wrote of itself; its last message tells more of a failure than a number."""
    message = (said or {}).get("message")
    if known.state == FAILED and isinstance(message, str) and message:
        known = known._replace(detail=f"{message} ({known.detail})")
    return known._replace(status=said, result=result)


def _state_of(folder: str, begun: Optional[Dict[str, Any]], end: Optional[Dict[str, Any]]) -> Tuple[str, str]:
    if end is not None:
        detail = end.get("detail", "")
        if end.get("cancelled"):
            return CANCELLED, detail or "cancelled"
        if end.get("exit_code") == 0:
            return COMPLETED, detail
        if end.get("exit_code") is None:
            return FAILED, detail or f"ended by {end.get('signal') or 'an unknown signal'}"
        return FAILED, detail or f"exit code {end['exit_code']}"
    if begun is not None:
        return RUNNING, ""
    if _has(folder, CANCEL):
        return CANCELLED, "cancelled before it started"
    return QUEUED, "not started yet"


def _unfinished(folder: str) -> Tuple[str, str]:
    """The state of a started job without an end whose supervisor is gone."""
    if _has(folder, CANCEL):
        return CANCELLED, "cancelled"
    return VANISHED, "the job's supervisor is gone and left no exit code (killed, out of memory, or a restart)"


def _is_alive(folder: str, begun: Dict[str, Any]) -> bool:
    """Whether the supervisor that made ``begun`` still lives. A pid alone is no proof: it may be another's by now."""
    if begun.get("host") == socket.gethostname():
        return begun.get("boot") == _boot() and begun.get("start") == start_time(begun.get("pid", 0))
    return _is_locked(folder)


def _is_locked(folder: str) -> bool:
    try:
        fd = os.open(os.path.join(folder, LOCK), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as e:
        return e.errno in (errno.EWOULDBLOCK, errno.EACCES)
    finally:
        os.close(fd)
    return False


# --- cancel ---------------------------------------------------------------------------------------------------------


def cancel(root: _Path, token: str, grace: float = CANCEL_GRACE) -> Status:
    """End all processes of the job (SIGTERM, ``grace`` seconds, SIGKILL) and wait until they are gone.

    A job that was not started yet never starts; one that has ended, or ends by itself just then, is as it ended. What
    is left of one whose folder or supervisor is gone is found by its mark.

    Raises :class:`LauncherError` when some process cannot be ended.
    """
    _check_token(token)
    folder = os.path.join(os.path.abspath(root), token)
    known = status(folder)
    if known.state in (COMPLETED, FAILED):
        return known
    if known.state in (QUEUED, RUNNING):
        with _explained("cancel the job in", folder):
            _write(os.path.join(folder, CANCEL), json.dumps({"grace": grace, "asked": _now()}))
    host = (_read(folder, STARTED) or {}).get("host") or socket.gethostname()
    if host != socket.gethostname():
        raise LauncherError(f"the job in {folder} runs on {host}: its processes can be ended there only")
    _end(lambda: _still_there(folder), grace)
    return status(folder)


def _still_there(folder: str) -> List[_Process]:
    """The job's processes, and its supervisor (which must write the end, and is not to be killed)."""
    begun = _read(folder, STARTED)
    supervisor = begun["pid"] if begun and _is_alive(folder, begun) else 0
    found = _processes_of(folder, supervisor)
    if supervisor and not _has(folder, EXIT):
        found.append(_Process(supervisor, 0, "listener" if begun and begun.get("hears") else "supervisor", 0))
    elif not begun and _is_locked(folder):  # it has the job but has not said so yet; it will see the cancellation
        found.append(_Process(0, 0, "supervisor", 0))
    return found


def _end(find: Callable[[], List[_Process]], grace: float) -> None:
    """SIGTERM to all that ``find`` finds, after ``grace`` seconds SIGKILL, until nothing is found any more.

    A supervisor that listens gives the SIGTERM itself: it alone can tell whether the program had ended before.
    """
    begin = time.monotonic()
    told: Set[Tuple[int, int]] = set()
    while True:
        found = find()
        if not found:
            return
        elapsed = time.monotonic() - begin
        if elapsed > grace + KILL_TIMEOUT:
            pids = ", ".join(str(p.pid) for p in found)
            raise LauncherError(f"these processes do not end, not even by SIGKILL: {pids}")
        heard = any(process.state == "listener" for process in found)
        for process in found:
            if process.state == "supervisor":
                continue
            if process.state == "listener":
                if (process.pid, 0) not in told:
                    told.add((process.pid, 0))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, _ASKED)
            elif elapsed >= grace:
                _send(process, signal.SIGKILL)
            elif not heard and (process.pid, process.start) not in told:
                told.add((process.pid, process.start))
                _send(process, signal.SIGTERM)
                _send(process, signal.SIGCONT)  # one that is stopped would not see the first
        time.sleep(0.02 if elapsed < 1 else 0.1)


def _send(process: _Process, number: int) -> None:
    if start_time(process.pid) == process.start:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


# --- processes ------------------------------------------------------------------------------------------------------


def _processes_of(folder: str, supervisor: int) -> List[_Process]:
    """The living processes of a job: the supervisor's descendants, and all that carry the job's mark."""
    every = {p.pid: p for p in _processes()}
    ours = {supervisor} if supervisor else set()
    grown = bool(ours)
    while grown:
        more = {p.pid for p in every.values() if p.parent in ours} - ours
        grown = bool(more)
        ours |= more
    mark = (f"{_MARK}={folder}").encode("utf-8", "surrogateescape")
    ours |= {pid for pid in every if pid not in ours and mark in _environment_of(pid)}
    ours -= {supervisor, os.getpid()}
    return [every[pid] for pid in sorted(ours) if pid in every and every[pid].state not in ("Z", "X")]


def _processes() -> Iterator[_Process]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = _process(int(name))
            if process is not None:
                yield process


def _process(pid: int) -> Optional[_Process]:
    """One line of the process table (proc(5), /proc/PID/stat); None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            text = f.read()
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold anything
    return _Process(pid, int(fields[1]), fields[0].decode("ascii"), int(fields[19]))


def start_time(pid: int) -> Optional[int]:
    """When the process began, in clock ticks since the machine's start; None when there is none or it is dead."""
    process = _process(pid)
    return None if process is None or process.state in ("Z", "X") else process.start


def _environment_of(pid: int) -> List[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return f.read().split(b"\0")
    except OSError:
        return []


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
            return f.read().strip()
    except OSError:
        return ""


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


# --- files and errors -----------------------------------------------------------------------------------------------


def _write(path: str, text: str, exclusive: bool = False) -> None:
    with open(path, "x" if exclusive else "w", encoding="utf-8", errors="surrogateescape") as f:
        os.chmod(path, 0o600)
        f.write(text)
        f.flush()
        os.fsync(f.fileno())


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _has(folder: str, name: str) -> bool:
    return os.path.exists(os.path.join(folder, name))


def _read(folder: str, name: str) -> Optional[Dict[str, Any]]:
    """The object in that file; None when there is none; empty when it is not readable as one."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            value = json.load(f)
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


@contextlib.contextmanager
def _explained(what: str, place: str) -> Iterator[None]:
    """Turn the system's errors into one message of ours."""
    try:
        yield
    except OSError as e:
        raise LauncherError(f"cannot {what} {place}: {_reason(e)}") from e


def _reason(error: BaseException) -> str:
    remedies = {
        errno.ENOSPC: "no space left on its disk; free some and submit again",
        errno.EDQUOT: "the disk quota is used up; free some space and submit again",
        errno.ENOTDIR: "a file is where a folder belongs; move it away or name another folder",
        errno.EEXIST: "a file is where a folder belongs; move it away or name another folder",
        errno.EACCES: "no permission; name a folder that you may write to",
        errno.EROFS: "the file system is read-only; name a folder that you may write to",
    }
    number = error.errno if isinstance(error, OSError) else None
    return remedies.get(number or 0) or (error.strerror if isinstance(error, OSError) else None) or repr(error)


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- the script -----------------------------------------------------------------------------------------------------


def main(words: Optional[List[str]] = None) -> int:
    """The commands submit, cancel and status; the exit status."""
    options = _parser().parse_args(words)
    try:
        if options.command == "supervise":
            _supervise(options.folder, options.report)
        answer = _answer(options)
    except (LauncherError, OSError) as e:
        sys.stderr.write(f"launcher: {_one_line(str(e))}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _answer(options: argparse.Namespace) -> Any:
    if options.command == "submit":
        try:
            job = json.loads(sys.stdin.buffer.read().decode("utf-8"))
        except ValueError as e:
            raise LauncherError(f"the job on standard input is not JSON: {e}") from e
        return _submit(options.root, job, _reach)._asdict()
    if options.command == "cancel":
        return cancel(options.root, options.token, options.grace)._asdict()
    for token in options.token:
        _check_token(token)
    return [status(os.path.join(options.root, token))._asdict() for token in options.token]


def _reach(place: str) -> None:
    """A place in the submission where a test may kill the orchestrator that asked for it."""
    if os.environ.get(_FAULT) == place:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(os.environ[_FAULT_PID]), signal.SIGKILL)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="launcher.py", description="Runs programs as detached jobs, once per token.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    for name, text in (
        ("submit", "run the job that standard input describes, once"),
        ("cancel", "end all processes of a job"),
        ("status", "what is known of jobs"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--root", required=True, help="the folder that holds the folders of the jobs")
        if name != "submit":
            command.add_argument("token", nargs="+" if name == "status" else None, metavar="TOKEN")
        if name == "cancel":
            command.add_argument("--grace", type=float, default=CANCEL_GRACE, help="seconds until SIGKILL")
    supervise = commands.add_parser("supervise", help="used by submit only")
    supervise.add_argument("folder")
    supervise.add_argument("report", type=int)
    return parser


if __name__ == "__main__":
    sys.exit(main())
