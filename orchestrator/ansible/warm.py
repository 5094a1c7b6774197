"""A program that has imported Ansible, and forks a process per playbook; started by :mod:`orchestrator.ansible.forked`.

Usage: ``python warm.py FOLDER``, with a packet socket as standard input. A request is a JSON object and the file
descriptor that becomes the new process's output; the answer tells its return code when it has ended. The first answer
tells Ansible's version, and why this program cannot serve if so. It ends, and removes FOLDER, when the other end of the
socket is closed.
It must not import anything of the package, as it runs where only Ansible is sure to be found.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import warnings
from pathlib import Path
from select import select
from types import ModuleType
from typing import Any, NoReturn

REQUEST_LIMIT = 1 << 20
MARK = "ORCH_RUN"
MODULES = "ansiballz_cache"
"""Where Ansible keeps the modules that it has built, in its temporary folder. They hold no arguments."""

_ACTIONS = (
    "add_host assemble assert async_status command copy debug fail fetch gather_facts group_by include_vars normal "
    "orch_outputs pause raw script set_fact set_stats shell template unarchive uri wait_for_connection"
)


def main() -> NoReturn:
    folder = Path(sys.argv[1])
    requests = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    # The kernel shows the environment that a program was started with; a fork can only overwrite it in place.
    place = _environment_place(MARK)
    atexit.register(shutil.rmtree, folder, True)
    version = "unknown"
    try:
        from ansible.release import __version__

        version = __version__
        constants = _load_ansible()
        _check_one_thread()
    except BaseException as error:
        _answer(requests, version=version, fault=f"{type(error).__name__}: {error}")
        sys.exit(1)
    _answer(requests, version=version)
    _serve(requests, folder, place, constants)
    sys.exit(0)


def _answer(requests: socket.socket, **fields: Any) -> None:
    with contextlib.suppress(BrokenPipeError):
        requests.send(json.dumps(fields).encode())


def _check_one_thread() -> None:
    """A fork has the locks of all threads, and only one thread: it may wait for ever for what nobody lets go of."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"{threads} threads run once Ansible is imported, so it cannot be forked")


def _load_ansible() -> ModuleType:
    """Import what nearly every playbook needs. What comes first is needed here, the rest only saves time."""
    from ansible import constants
    from ansible.cli.playbook import PlaybookCLI  # noqa: F401

    with contextlib.suppress(Exception):
        _load_plugins()
    warnings.filterwarnings("ignore", message=".*has already been configured.*")
    return constants  # type: ignore[no-any-return]


def _load_plugins() -> None:
    from ansible.executor import module_common, playbook_executor  # noqa: F401
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins import loader
    from ansible.template import Templar, trust_as_template
    from ansible.vars import plugins as vars_plugins

    loader.init_plugin_loader([])
    for plugins in (loader.connection_loader, loader.shell_loader, loader.become_loader):
        list(plugins.all(class_only=True))
    # loaded in another way, they would be passed over: then Ansible takes them for primed, and none is enabled
    vars_plugins._prime_vars_loader()
    loader.inventory_loader.get("orch_inventory")
    loader.cache_loader.get("memory", class_only=True)
    for name in ("default", "orch_events"):
        loader.callback_loader.get(name, class_only=True)
    for name in ("linear", "free"):
        loader.strategy_loader.get(name, class_only=True)
    for name in _ACTIONS.split():
        loader.action_loader.get(name, class_only=True)
    for name in ("items", "env", "file", "pipe"):
        loader.lookup_loader.get(name, class_only=True)
    Templar(loader=DataLoader(), variables={}).template(trust_as_template("{{ ('[1]' | from_json) is defined }}"))


def _serve(requests: socket.socket, folder: Path, place: int, constants: ModuleType) -> None:
    talk = requests.fileno()
    ended_read, ended_write = os.pipe()
    os.set_blocking(ended_write, False)
    signal.set_wakeup_fd(ended_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select([talk, ended_read], [], [])
        if ended_read in ready:
            os.read(ended_read, 4096)
            _report(requests, running)
        if talk in ready:
            data, descriptors, _, _ = socket.recv_fds(requests, REQUEST_LIMIT, 1)
            if not data:
                return
            request = json.loads(data)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for descriptor in (ended_read, ended_write):
                    os.close(descriptor)
                requests.close()
                _become_ansible(request, descriptors[0], folder, place, constants)
            os.close(descriptors[0])
            running[pid] = request["id"]


def _report(requests: socket.socket, running: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if (number := running.pop(pid, None)) is not None:
                _answer(requests, id=number, code=os.waitstatus_to_exitcode(status))


def _become_ansible(request: dict[str, Any], output: int, folder: Path, place: int, constants: ModuleType) -> NoReturn:
    """The rest of the new process's life."""
    code = 250
    try:
        code = _run(request, output, folder, place, constants)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run(request: dict[str, Any], output: int, folder: Path, place: int, constants: ModuleType) -> int:
    os.setsid()
    atexit._clear()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    # Line by line, so that what was printed is known even if the process is killed.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_folder = Path(request["folder"])
    os.chdir(run_folder)
    _introduce(request, place)
    _settle(run_folder, constants)
    _borrow_modules(folder / MODULES, run_folder / "tmp" / MODULES)
    from ansible.cli.playbook import PlaybookCLI

    try:
        PlaybookCLI.cli_executor(["ansible-playbook", *request["arguments"]])
    finally:
        _lend_modules(run_folder / "tmp" / MODULES, folder / MODULES)
    return 0


def _introduce(request: dict[str, Any], place: int) -> None:
    """Take the run's environment and mark, tell who this process is, and wait until that is recorded."""
    pid = os.getpid()
    stat = Path(f"/proc/{pid}/stat").read_text()
    start = int(stat.rpartition(")")[2].split()[19])
    mark = f"{pid}-{start}"
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ[MARK] = mark
    if os.environ.get("ANSIBLE_SSH_AGENT") == "auto":
        # The agent's socket is there, and a socket's path is at most 108 characters long: this is a short name for it.
        os.environ["ANSIBLE_LOCAL_TEMP"] = f"/proc/{pid}/cwd/tmp"
    _overwrite(place, mark)
    with Path(request["events"]).open("r+b", buffering=0) as events:
        events.write(json.dumps({"type": "process", "pid": pid, "start": start}).encode() + b"\n")
    with Path(request["go"]).open() as go:
        if go.readline() != "go\n":
            raise SystemExit(250)


def _settle(run_folder: Path, constants: ModuleType) -> None:
    """Correct what Ansible read from the environment when it was imported."""
    tempfile.tempdir = None
    vars(constants).update(
        DEFAULT_LOCAL_TMP=os.environ["ANSIBLE_LOCAL_TEMP"],
        ANSIBLE_HOME=os.environ["ANSIBLE_HOME"],
    )


def _borrow_modules(shared: Path, own: Path) -> None:
    """Use the modules that earlier runs have built."""
    own.mkdir(mode=0o700)
    if shared.is_dir():
        for module in shared.iterdir():
            (own / module.name).symlink_to(module)


def _lend_modules(own: Path, shared: Path) -> None:
    """Give the modules that this run has built to later ones; a rename is atomic, so nobody sees half a module."""
    with contextlib.suppress(OSError):
        shared.mkdir(mode=0o700, exist_ok=True)
        for module in own.iterdir():
            if not module.is_symlink() and "-part" not in module.name:
                module.replace(shared / module.name)


def _environment_place(name: str) -> int:
    library = ctypes.CDLL(None)
    library.getenv.restype = ctypes.c_void_p
    place: int | None = library.getenv(name.encode())
    return place or 0


def _overwrite(place: int, mark: str) -> None:
    room = len(ctypes.string_at(place)) if place else 0
    if room >= len(mark):
        ctypes.memmove(place, mark.encode().ljust(room, b"\0"), room)


if __name__ == "__main__":
    main()
