"""Connections: how commands are run and files are brought at a site, wherever it is."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from orchestrator import paths
from orchestrator.errors import SiteError, StorageError
from orchestrator.sites import shell
from orchestrator.sites.completed import Completed
from orchestrator.sites.environment import passed_on
from orchestrator.sites.tree import tree_at

Say = Callable[[str], None]
"""Told of each file that was brought."""


class Connection(Protocol):
    """A way to a site, to be used from any thread. Everything raises SiteError when the site cannot be reached."""

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        login_shell: bool = False,
        timeout: float = 60.0,
        repeatable: bool = False,
    ) -> Completed:
        """Run a command, whose words are taken as they are. ``timeout`` is in seconds, after which it is ended.

        It reads ``stdin``. With ``login_shell``, the site's profile was read before: only there environment modules
        exist. What is ``repeatable`` is begun again when the connection breaks. What the login shell says by itself is
        no part of the output, and what Slurm reads from the environment (SBATCH_..., SQUEUE_...) is unset, see
        :mod:`orchestrator.sites.shell`. Raises SiteError also when it takes too long.
        """

    def run_script(
        self, text: str, *, login_shell: bool = False, timeout: float = 60.0, repeatable: bool = False
    ) -> Completed:
        """The same for a program for ``sh`` (with ``login_shell``: for bash), which nobody there can see.

        What it starts reads nothing from standard input. Values in it must be quoted.
        """

    def home(self) -> str:
        """The home folder there, absolute."""

    def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        """Write a file, all of it or nothing; folders that are missing are made. Raises SiteError."""

    def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        """A piece of a file; empty where there is none. Raises SiteError."""

    def put(self, local: Path, remote: str, say: Say | None = None) -> None:
        """Bring a file or a folder there. Files that are the same already stay; checksums are compared at both ends.

        All of a folder is brought: what links lead to, and empty folders, see :mod:`orchestrator.sites.tree`. Raises
        SiteError, StorageError when the local side cannot be read, WorkError for what cannot be brought.
        """

    def get(self, remote: str, local: Path, say: Say | None = None) -> None:
        """Bring a file or a folder here, likewise. Raises SiteError, WorkError, StorageError when it is not written."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""

    def close(self) -> None:
        """Let it go; it is opened again by the next use."""


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises StorageError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


class LocalConnection:
    """This machine, as a site that a scheduler of its own may have.

    Commands, and so the jobs that they submit, have the variables of whoever runs orch that are passed on; ``inherit``
    names more.
    """

    def __init__(self, inherit: Collection[str] = ()) -> None:
        self._inherit = inherit

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        login_shell: bool = False,
        timeout: float = 60.0,
        repeatable: bool = False,
    ) -> Completed:
        """See :class:`Connection`."""
        del repeatable
        program = shell.command(words, login_shell=login_shell, data=bool(stdin))
        return self._in_shell(program, stdin, words[0], timeout)

    def run_script(
        self, text: str, *, login_shell: bool = False, timeout: float = 60.0, repeatable: bool = False
    ) -> Completed:
        """See :class:`Connection`."""
        del repeatable
        return self._in_shell(shell.script(text, login_shell=login_shell), b"", "a program of orch", timeout)

    def _in_shell(self, program: shell.Program, data: bytes, what: str, timeout: float) -> Completed:
        return _in_shell(program, data, what, timeout, passed_on(self._inherit))

    def home(self) -> str:
        """See :class:`Connection`."""
        home = paths.expanded("~")
        return str(home) if home.is_absolute() else "/"

    def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        """See :class:`Connection`."""
        target = Path(path)
        with _explained("write", path):
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, new = tempfile.mkstemp(prefix=".new-", dir=target.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(new).chmod(mode)
                Path(new).replace(target)
            except OSError:
                Path(new).unlink(missing_ok=True)
                raise

    def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        """See :class:`Connection`."""
        try:
            with Path(path).open("rb") as file:
                file.seek(offset)
                return file.read(-1 if limit is None else limit)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise SiteError(f"this machine: cannot read {path}: {error.strerror}") from error

    def put(self, local: Path, remote: str, say: Say | None = None) -> None:
        """See :class:`Connection`."""
        _copy(local, Path(remote), say)

    def get(self, remote: str, local: Path, say: Say | None = None) -> None:
        """See :class:`Connection`."""
        _copy(Path(remote), local, say)

    def exists(self, path: str) -> bool:
        """See :class:`Connection`."""
        return Path(path).exists()

    def close(self) -> None:
        """See :class:`Connection`."""


def _in_shell(
    program: shell.Program, data: bytes, what: str, timeout: float, environment: Mapping[str, str]
) -> Completed:
    """The program is in memory only; the shell reads it from there, so that its standard input is for the data."""
    with os.fdopen(os.memfd_create("program"), "w+b") as file:
        file.write(program.text)
        file.flush()
        file.seek(0)
        process = subprocess.Popen(
            ["sh", f"/dev/fd/{file.fileno()}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(file.fileno(),),
            env=environment,
            start_new_session=True,
        )
    try:
        out, err = process.communicate(data, timeout)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise SiteError(f"this machine: {what} took longer than {timeout:g} s") from error
        raise
    return shell.completed("this machine", program, process.returncode, out, err)


def _copy(source: Path, target: Path, say: Say | None) -> None:
    if not source.exists():
        raise SiteError(f"this machine: there is no {source}")
    tree = tree_at(source) if source.is_dir() else None
    pairs = [(source / name, target / name) for name in tree.files] if tree else [(source, target)]
    with _explained("write", str(target)):
        for name in tree.folders if tree else ():
            (target / name).mkdir(parents=True, exist_ok=True)
        for origin, place in pairs:
            if not (place.is_file() and checksum(place) == checksum(origin)):
                place.parent.mkdir(parents=True, exist_ok=True)
                new = place.with_name(f".new-{place.name}")
                shutil.copy(origin, new)
                new.replace(place)
            if say is not None:
                say(f"{place.name}: {place.stat().st_size} bytes, sha256:{checksum(place)}")


@contextmanager
def _explained(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SiteError(f"this machine: cannot {what} {path}: {error.strerror}") from error
