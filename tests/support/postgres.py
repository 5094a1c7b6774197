"""A real PostgreSQL server for tests: of the Debian package, on a free port of this machine, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from support import debian_program, required

PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22"
"""What a password may look like: everything in it has a meaning in a URL or a shell."""


class Server:
    """A running server, and new databases on it."""

    def __init__(self, binaries: Path, folder: Path, port: int) -> None:
        self._binaries = binaries
        self._folder = folder
        self._port = port

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://orch:{quote(PASSWORD, safe='')}@127.0.0.1:{self._port}/{database}"

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{uuid.uuid4().hex[:8]}"
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "orch", name)
        return self.url(name)

    def query(self, url: str, statement: str) -> list[str]:
        """The lines that a statement gives."""
        return self.run("psql", url, "-qAt", "-c", statement).splitlines()

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", "data")

    def run(self, program: str, *words: str) -> str:
        """Run a program of PostgreSQL as the user that owns the server."""
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*as_user, str(self._binaries / program), *words],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            # not a pipe: the server would keep it open
            stdout=(self._folder / "said").open("w"),
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = (self._folder / "said").read_text()
        assert done.returncode == 0, f"{program} {words}: {said}"
        return said


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A server that lives as long as the block."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="orch-postgres-"))
    try:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            folder.chmod(0o755)
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        server = Server(binaries, folder, port)
        server.run("initdb", "-D", "data", "-U", "orch", "-A", "scram-sha-256", "--pwfile", "password", "-E", "UTF8")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    """The folder of initdb, pg_ctl and createdb: Debian keeps them apart from other programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        debian_program("initdb", "postgresql")
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and (elsewhere := shutil.which("initdb")):
        found = [Path(elsewhere)]
    required(bool(found), "initdb is not installed (Debian: apt-get install postgresql)")
    return found[-1].parent
