"""SSH connections: one per site and user, reused, with the private key in memory only.

The host must be known before anything is said to it: by the site's own ``host_key``, by orch's file of known hosts
(``orch sites trust``), or by the user's (OpenSSH's ``known_hosts``, sshd(8)).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import re
import shlex
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar, cast

import asyncssh
from asyncssh.public_key import SSHLocalKeyPair

from orchestrator import paths
from orchestrator.errors import ConfigurationError, OrchError, SecretError, SiteError, StorageError
from orchestrator.model.values import Secret
from orchestrator.sites import shell
from orchestrator.sites.completed import Completed
from orchestrator.sites.connection import Say, checksum
from orchestrator.sites.login import HostKey, SshSettings
from orchestrator.sites.tree import FILE, FOLDER, Tree, leads_back, leads_nowhere, not_a_file, tree_at, tree_of

T = TypeVar("T")

LOGIN_SECONDS = 30.0
KEEPALIVE_SECONDS = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_CHECKSUM_SECONDS = 3600.0
_LISTING_SECONDS = 600.0
_FIND_SAYS = (
    (re.compile(r"loop detected; '(.+?)' is part of the same"), leads_back),
    (re.compile(r"find: '(.+)': Too many levels of symbolic links"), leads_nowhere),
)
_SAID_BYTES, _SAID_SECONDS = 4096, 10.0
_OPENSSH = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))
_BROKEN = (asyncssh.ConnectionLost, asyncssh.ChannelOpenError, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)


class _Loop:
    """The thread on which all connections of this process live."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have it done there."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=self._loop.run_forever, name="orch-ssh", daemon=True).start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)


_LOOP = _Loop()


def fetch_host_key(settings: SshSettings) -> HostKey:
    """The key that a host shows, not checked by anything: for people to compare. Raises SiteError."""

    async def fetch() -> asyncssh.SSHKey | None:
        return await asyncssh.get_server_host_key(settings.host, settings.port, config=None)

    try:
        key = _LOOP.submit(asyncio.wait_for(fetch(), LOGIN_SECONDS)).result()
    except Exception as error:
        raise _translated(error, settings, None) from error
    if key is None:
        raise SiteError(f"{settings.place} showed no host key")
    return HostKey(_known_hosts_line(settings, key), key.get_fingerprint())


def trust(file: Path, host_key: HostKey) -> None:
    """Write a host into a file of known hosts, instead of what the file says of it. Raises StorageError."""
    name = host_key.line.split(" ", 1)[0]
    try:
        lines = file.read_text().splitlines() if file.exists() else []
        kept = [line for line in lines if line.split(" ", 1)[0] != name]
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = file.with_name(f".new-{file.name}-{os.getpid()}")
        new.write_text("\n".join([*kept, host_key.line, ""]))
        new.replace(file)
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}") from error


def _known_hosts_line(settings: SshSettings, key: asyncssh.SSHKey) -> str:
    name = settings.host if settings.port == 22 else f"[{settings.host}]:{settings.port}"
    return f"{name} {key.export_public_key('openssh').decode().strip()}"


def import_key(key: Secret) -> asyncssh.SSHKey:
    """A private key in OpenSSH's or PEM format. Raises SecretError."""
    try:
        return asyncssh.import_private_key(key.reveal())
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise SecretError(
            f"the private key in the secret store cannot be used: {error}",
            hint="make another one with `orch ssh-keys generate`",
        ) from None


class SshConnection:
    """Implements :class:`orchestrator.sites.connection.Connection` over SSH.

    ``key`` is the private key of the user, ``jump_key`` that of the user of the jump host (the same, if not given).
    """

    def __init__(self, settings: SshSettings, key: Secret, jump_key: Secret | None = None) -> None:
        self.settings = settings
        self._key = import_key(key)
        self._jump_key = import_key(jump_key) if jump_key is not None else self._key
        self._connection: asyncssh.SSHClientConnection | None = None
        self._jump: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._home: str | None = None
        self._was_open = False
        self._opening: asyncio.Lock | None = None
        self._places: asyncio.Semaphore | None = None

    # --- what callers use, from any thread

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        login_shell: bool = False,
        timeout: float = 60.0,
        repeatable: bool = False,
    ) -> Completed:
        """See :class:`orchestrator.sites.connection.Connection`."""
        program = shell.command(words, login_shell=login_shell, data=bool(stdin))
        return self._in_shell(program, stdin, words[0], timeout, repeatable)

    def run_script(
        self, text: str, *, login_shell: bool = False, timeout: float = 60.0, repeatable: bool = False
    ) -> Completed:
        """See :class:`orchestrator.sites.connection.Connection`."""
        program = shell.script(text, login_shell=login_shell)
        return self._in_shell(program, b"", "a program of orch", timeout, repeatable)

    def _in_shell(self, program: shell.Program, data: bytes, what: str, timeout: float, repeatable: bool) -> Completed:
        async def run(connection: asyncssh.SSHClientConnection) -> Completed:
            process: asyncssh.SSHClientProcess[bytes] = await connection.create_process(shell.LINE, encoding=None)
            try:
                out, err = await asyncio.wait_for(_conversation(process, program, data), timeout)
            except TimeoutError as error:
                process.kill()
                process.close()
                raise SiteError(f"{self._name}: {what} took longer than {timeout:g} s") from error
            status = process.returncode
            if status is None:
                raise asyncssh.ConnectionLost("the command has no exit status")
            return shell.completed(self._name, program, status, out, err)

        return self._do(run, what=what, repeatable=repeatable)

    def home(self) -> str:
        """See :class:`orchestrator.sites.connection.Connection`."""
        if self._home is None:
            done = self.run_script("cd && pwd -P", repeatable=True)
            if done.exit_status:
                raise SiteError(f"{self._name}: the home folder there cannot be entered: {done.error_text}")
            self._home = done.text.removesuffix("\n")
        return self._home

    def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        """See :class:`orchestrator.sites.connection.Connection`."""

        async def write(sftp: asyncssh.SFTPClient) -> None:
            await _make_folders(sftp, posixpath.dirname(path))
            new = _unfinished(path)
            async with sftp.open(new, "wb", asyncssh.SFTPAttrs(permissions=mode)) as file:
                await file.write(content)
            await sftp.chmod(new, mode)
            await sftp.posix_rename(new, path)

        self._on_files(write, path)

    def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        """See :class:`orchestrator.sites.connection.Connection`."""

        async def read(sftp: asyncssh.SFTPClient) -> bytes:
            try:
                async with sftp.open(path, "rb") as file:
                    size = (await file.stat()).size or 0
                    wanted = max(size - offset, 0) if limit is None else limit
                    return cast(bytes, await file.read(wanted, offset)) if wanted else b""
            except asyncssh.SFTPNoSuchFile:
                return b""

        return self._on_files(read, path)

    def exists(self, path: str) -> bool:
        """See :class:`orchestrator.sites.connection.Connection`."""

        async def exists(sftp: asyncssh.SFTPClient) -> bool:
            return bool(await sftp.exists(path))

        return self._on_files(exists, path)

    def put(self, local: Path, remote: str, say: Say | None = None) -> None:
        """See :class:`orchestrator.sites.connection.Connection`."""
        if not local.exists():
            raise StorageError(f"there is no {local}")
        tree = tree_at(local) if local.is_dir() else None
        pairs = [(local / name, posixpath.join(remote, name)) for name in tree.files] if tree else [(local, remote)]
        if tree:
            self._make_folders([posixpath.join(remote, name) for name in tree.folders])
        there = self._checksums([place for _, place in pairs])
        for file, place in pairs:
            wanted = checksum(file)
            if there.get(place) != wanted:
                self._put_file(file, place, wanted)
            if say is not None:
                say(f"{posixpath.basename(place)}: {file.stat().st_size} bytes, sha256:{wanted}")

    def get(self, remote: str, local: Path, say: Say | None = None) -> None:
        """See :class:`orchestrator.sites.connection.Connection`."""
        tree = self._tree_at(remote)
        pairs = [(posixpath.join(remote, name), local / name) for name in tree.files] if tree else [(remote, local)]
        for name in tree.folders if tree else ():
            _make_folder_here(local / name)
        there = self._checksums([place for place, _ in pairs])
        for place, file in pairs:
            if place not in there:
                raise SiteError(f"{self._name}: {place} cannot be read")
            if not (file.is_file() and checksum(file) == there[place]):
                self._get_file(place, file, there[place])
            if say is not None:
                say(f"{file.name}: {file.stat().st_size} bytes, sha256:{there[place]}")

    def close(self) -> None:
        """See :class:`orchestrator.sites.connection.Connection`."""

        async def close() -> None:
            self._drop()

        _LOOP.submit(close()).result()

    # --- files

    def _put_file(self, file: Path, place: str, wanted: str) -> None:
        mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
        new = _unfinished(place)

        async def put(sftp: asyncssh.SFTPClient) -> None:
            await _make_folders(sftp, posixpath.dirname(place))
            await sftp.put(str(file), new, follow_symlinks=True)
            await sftp.chmod(new, mode)

        async def finish(sftp: asyncssh.SFTPClient) -> None:
            await sftp.posix_rename(new, place)

        self._on_files(put, place)
        if self._checksums([new]).get(new) != wanted:
            raise SiteError(f"{self._name}: {place} did not arrive as it was sent", hint="try again")
        self._on_files(finish, place)

    def _get_file(self, place: str, file: Path, wanted: str) -> None:
        new = file.with_name(f".new-{file.name}")

        async def get(sftp: asyncssh.SFTPClient) -> None:
            await sftp.get(place, str(new), follow_symlinks=True)
            mode = (await sftp.stat(place)).permissions or 0
            await asyncio.to_thread(new.chmod, 0o755 if mode & 0o100 else 0o644)

        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._on_files(get, place)
            if checksum(new) != wanted:
                raise SiteError(f"{self._name}: {place} did not arrive as it was sent", hint="try again")
            new.replace(file)
        except OSError as error:
            raise StorageError(f"cannot write {file}: {error.strerror}") from error
        finally:
            new.unlink(missing_ok=True)

    def _tree_at(self, remote: str) -> Tree | None:
        """What is in a folder there; None for a file."""
        text = f"LC_ALL=C find -L {shlex.quote(remote)} -printf '%y %P\\0'"
        done = self.run_script(text, timeout=_LISTING_SECONDS, repeatable=True)
        said = done.stderr.decode(errors="surrogateescape")
        for pattern, error in _FIND_SAYS:
            if found := pattern.search(said):
                raise error(f"{self._name}: {found[1]}")
        entries = [entry.partition(" ") for entry in done.stdout.decode(errors="surrogateescape").split("\0") if entry]
        if not entries and not self.exists(remote):
            raise SiteError(f"{self._name}: there is no {remote}")
        if done.exit_status != 0:
            raise SiteError(f"{self._name}: cannot read {remote}: {done.error_text}")
        for kind, _, name in entries:
            if kind not in (FILE, FOLDER):
                place = posixpath.join(remote, name) if name else remote
                raise (leads_nowhere if kind == "l" else not_a_file)(f"{self._name}: {place}")
        if [(kind, name) for kind, _, name in entries] == [(FILE, "")]:
            return None
        return tree_of((kind, name) for kind, _, name in entries if name)

    def _make_folders(self, folders: Sequence[str]) -> None:
        async def make(sftp: asyncssh.SFTPClient) -> None:
            for folder in folders:
                await _make_folders(sftp, folder.rstrip("/"))

        if folders:
            self._on_files(make, folders[0])

    def _checksums(self, paths: Sequence[str]) -> dict[str, str]:
        """The SHA-256 of the files that are there."""
        if not paths:
            return {}
        given = "\0".join(paths).encode(errors="surrogateescape")
        done = self.run(["xargs", "-0", "sha256sum", "--"], stdin=given, timeout=_CHECKSUM_SECONDS, repeatable=True)
        if done.exit_status == 127:
            raise SiteError(f"{self._name}: sha256sum is missing there: {done.error_text}")
        return read_checksums(done.stdout.decode(errors="surrogateescape"))

    def _on_files(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]], path: str) -> T:
        async def on_files(connection: asyncssh.SSHClientConnection) -> T:
            if self._sftp is None:
                self._sftp = await self._files_of(connection)
            try:
                return await work(self._sftp)
            except _BROKEN:
                raise
            except asyncssh.SFTPError as error:
                raise SiteError(f"{self._name}: {path}: {error.reason}") from error

        return self._do(on_files, what=path, repeatable=True, files=True)

    async def _files_of(self, connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
        try:
            started = connection.start_sftp_client(path_errors="surrogateescape")
            return await asyncio.wait_for(started, LOGIN_SECONDS)
        except asyncssh.ChannelOpenError as error:
            if error.code != asyncssh.OPEN_REQUEST_SESSION_FAILED:
                raise  # there are as many sessions as the server lets be
            raise SiteError(
                f"{self._name} has no SFTP, which files are brought with",
                hint="ask the site for `Subsystem sftp` in its sshd_config",
            ) from error
        except (asyncssh.SFTPError, TimeoutError) as error:
            said = shell.shown(await _said_instead_of_sftp(connection))
            if not said:
                raise
            raise SiteError(
                f"{self._name}: SFTP, which files are brought with, is disturbed: the login shell says {said!r}",
                hint="let its startup files say nothing when nobody sits there: `case $- in *i*) ;; *) return ;; esac` "
                "at the top of ~/.bashrc (~/.cshrc: `if (! $?prompt) exit`); or ask the site for "
                "`Subsystem sftp internal-sftp`",
            ) from error

    # --- the connection

    @property
    def _name(self) -> str:
        return f"site {self.settings.site!r}" if self.settings.site else f"{self.settings.user}@{self.settings.place}"

    def _do(
        self,
        work: Callable[[asyncssh.SSHClientConnection], Awaitable[T]],
        *,
        what: str,
        repeatable: bool,
        files: bool = False,
    ) -> T:
        try:
            return _LOOP.submit(self._riding_out(work, what, repeatable, files)).result()
        except OrchError:
            raise
        except Exception as error:
            raise _translated(error, self.settings, self._key) from error

    async def _riding_out(
        self,
        work: Callable[[asyncssh.SSHClientConnection], Awaitable[T]],
        what: str,
        repeatable: bool,
        files: bool,
    ) -> T:
        deadline = time.monotonic() + self.settings.ride_out
        pause = _FIRST_PAUSE
        while True:
            connection = None
            try:
                connection = await self._opened()
                if files:  # all that is done with files is one session
                    return await work(connection)
                async with self._session:
                    return await work(connection)
            except (*_BROKEN, ConnectionError, TimeoutError, OSError) as error:
                if connection is not None and not isinstance(error, asyncssh.ChannelOpenError):
                    self._drop()
                    if not repeatable:
                        raise SiteError(
                            f"{self._name}: the connection broke while {what} was run, so that it is not known whether "
                            f"it did its work: {error}",
                            hint="`orch executions resume` finds out and goes on",
                        ) from error
                if not self._was_open or time.monotonic() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    @property
    def _session(self) -> asyncio.Semaphore:
        if self._places is None:
            self._places = asyncio.Semaphore(max(1, self.settings.sessions - 1))  # one is for files
        return self._places

    async def _opened(self) -> asyncssh.SSHClientConnection:
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._drop()
                await asyncio.wait_for(self._open(), LOGIN_SECONDS)
            assert self._connection is not None
            return self._connection

    async def _open(self) -> None:
        if self.settings.jump is not None:
            self._jump = await _connect(self.settings.jump, self._jump_key, None)
        self._connection = await _connect(self.settings, self._key, self._jump)
        self._was_open = True

    def _drop(self) -> None:
        for connection in (self._connection, self._jump):
            if connection is not None:
                connection.abort()
        self._connection = self._jump = self._sftp = None


async def _connect(
    settings: SshSettings, key: asyncssh.SSHKey, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    known = await asyncio.to_thread(_known_hosts, settings)
    login = _Login(key)
    try:
        return await asyncssh.connect(
            settings.host,
            settings.port,
            tunnel=tunnel or (),
            username=settings.user,
            client_factory=lambda: login,
            client_keys=[login.key],
            known_hosts=known,
            agent_path=None,
            config=None,
            password=None,
            gss_host=None,
            preferred_auth=("publickey", "keyboard-interactive", "password"),
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=3,
            login_timeout=LOGIN_SECONDS,
        )
    except asyncssh.PermissionDenied as error:
        if not login.key.accepted:
            raise
        raise _wants_more(settings, key, login.wanted) from error
    except asyncssh.HostKeyNotVerifiable as error:
        shown = await asyncssh.get_server_host_key(settings.host, settings.port, tunnel=tunnel or (), config=None)
        if shown is None:
            raise
        expected = _expected(known, settings)
        if settings.accept_new and not expected and settings.known_hosts:
            line = HostKey(_known_hosts_line(settings, shown), shown.get_fingerprint())
            await asyncio.to_thread(trust, settings.known_hosts[0], line)
            return await _connect(settings, key, tunnel)
        raise _untrusted(settings, shown, expected) from error


def read_checksums(text: str) -> dict[str, str]:
    """What sha256sum says, by path: of a name with a line end or a backslash it escapes both, after a backslash."""
    found = {}
    for line in text.split("\n"):
        digest, _, path = line.partition("  ")
        if digest.startswith("\\"):
            digest, path = digest[1:], re.sub(r"\\(.)", lambda match: _ESCAPED.get(match[1], match[1]), path)
        if path:
            found[path] = digest
    return found


_ESCAPED = {"n": "\n", "r": "\r"}


def _make_folder_here(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from error


class _OfferedKey(SSHLocalKeyPair):
    """A key that knows whether the host has accepted it: only then it is asked to sign."""

    def __init__(self, key: asyncssh.SSHKey) -> None:
        super().__init__(key, None, None, None)
        self.accepted = False

    def sign(self, data: bytes) -> bytes:
        self.accepted = True
        return super().sign(data)


class _Login(asyncssh.SSHClient):
    """Offers one key and nothing else; what the host wants besides the key is noted."""

    def __init__(self, key: asyncssh.SSHKey) -> None:
        self.key = _OfferedKey(key)
        self.wanted: list[str] = []

    def public_key_auth_requested(self) -> None:
        self._note("publickey")

    def password_auth_requested(self) -> None:
        self._note("password")

    def kbdint_auth_requested(self) -> None:
        self._note("keyboard-interactive")

    def _note(self, method: str) -> None:
        if self.key.accepted:
            self.wanted.append(method)


_METHODS = {
    "publickey": "a second key (publickey)",
    "password": "a password (password)",
    "keyboard-interactive": "a code or a password that somebody types (keyboard-interactive)",
}


def _wants_more(settings: SshSettings, key: asyncssh.SSHKey, wanted: Sequence[str]) -> SiteError:
    methods = " or ".join(_METHODS[method] for method in dict.fromkeys(wanted)) or "something that orch does not know"
    return SiteError(
        f"{settings.place} has accepted the key {key.get_fingerprint()} of {settings.user!r}, and wants more: "
        f"{methods}, which orch cannot give",
        hint="ask the site for a way in with the key alone (another login_host, or this machine's address among those "
        "that it trusts); or run orch on the login node itself, with connection: local and scheduler: slurm",
    )


async def _conversation(
    process: asyncssh.SSHClientProcess[bytes], program: shell.Program, data: bytes
) -> tuple[bytes, bytes]:
    """All that a shell says on standard output and error when it is given a program, and the program its data."""
    said = b""
    with contextlib.suppress(BrokenPipeError):  # it has ended without reading all that it could have read
        process.stdin.write(program.text)
        if data:
            # the shell has read all of the program when it says the mark: what comes at once with it, it would keep
            try:
                said = await process.stdout.readuntil(program.mark)
                process.stdin.write(data)
            except asyncio.IncompleteReadError as error:
                said = error.partial
        process.stdin.write_eof()
    out, err = await process.communicate()
    return said + (out or b""), err or b""


async def _said_instead_of_sftp(connection: asyncssh.SSHClientConnection) -> bytes:
    """What comes from where SFTP should be: a server of SFTP says nothing until it is asked."""
    try:
        _, reader, _ = await connection.open_session(subsystem="sftp", encoding=None)
        return cast(bytes, await asyncio.wait_for(reader.read(_SAID_BYTES), _SAID_SECONDS))
    except (asyncssh.Error, OSError, TimeoutError):
        return b""


def _known_hosts(settings: SshSettings) -> asyncssh.SSHKnownHosts:
    name = settings.host if settings.port == 22 else f"[{settings.host}]:{settings.port}"
    if settings.host_key:
        text = f"{name} {settings.host_key}\n"
    else:
        files = [paths.expanded(file) for file in (*settings.known_hosts, *_OPENSSH)]
        text = "".join(file.read_text(errors="replace") + "\n" for file in files if file.is_file())
    try:
        return asyncssh.import_known_hosts(text)
    except ValueError as error:
        raise ConfigurationError(f"the known hosts of {settings.place} cannot be read: {error}") from error


def _expected(known: asyncssh.SSHKnownHosts, settings: SshSettings) -> bool:
    try:
        address = socket.gethostbyname(settings.host)
    except OSError:
        address = ""
    return bool(known.match(settings.host, address, None if settings.port == 22 else settings.port)[0])


def _untrusted(settings: SshSettings, shown: asyncssh.SSHKey, expected: bool) -> SiteError:
    mark = shown.get_fingerprint()
    remedy = f"orch sites trust {settings.site or 'NAME'}"
    if expected:
        return SiteError(
            f"the host key of {settings.place} has changed: it shows {mark}, which is not the one that is known; "
            "somebody may be listening",
            hint=f"ask the site; when the change is right: `{remedy}`",
        )
    return SiteError(
        f"the host {settings.place} is not known: it shows the key {mark}",
        hint=f"compare it with what the site publishes, then `{remedy}`",
    )


def _translated(error: BaseException, settings: SshSettings, key: asyncssh.SSHKey | None) -> OrchError:
    """What a person can understand and mend."""
    if isinstance(error, OrchError):
        return error
    where = settings.place
    if isinstance(error, asyncssh.PermissionDenied):
        mark = f" with the key {key.get_fingerprint()}" if key is not None else ""
        return SiteError(
            f"{where} lets {settings.user!r} not log in{mark}",
            hint="see that the public key (`orch ssh-keys show`) is in that user's authorized_keys there, and the user",
        )
    if isinstance(error, socket.gaierror):
        return SiteError(f"there is no host {settings.host!r}: {error.strerror}", hint="see login_host in sites.yaml")
    if isinstance(error, ConnectionRefusedError):
        return SiteError(
            f"{where} refuses connections", hint="see login_host and port in sites.yaml, and whether it is up"
        )
    if isinstance(error, TimeoutError):
        return SiteError(f"{where} does not answer", hint="see whether it is up, and can be reached from here")
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return SiteError(f"the connection to {where} failed: {reason}", hint="see whether it is up; then try again")


async def _make_folders(sftp: asyncssh.SFTPClient, folder: str) -> None:
    if folder and not await sftp.exists(folder):
        await sftp.makedirs(folder, asyncssh.SFTPAttrs(permissions=0o755), exist_ok=True)


def _unfinished(path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f".new-{name}")
