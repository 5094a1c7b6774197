"""Homes on file systems that lack something: all works there, or it is said what is the matter."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import debian_program, mounted_folder, required
from support.orch import Orch, Workflow
from support.sshd import SshServer, ssh_server

TOPOLOGY = """
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  small.Thing:
    derived_from: tosca.nodes.Root
    attributes:
      played: { type: string }
      said: { type: string }
    interfaces:
      Standard:
        operations:
          create: { implementation: create.yml, outputs: { PLAYED: [ SELF, played ] } }
          configure: { implementation: configure.sh, outputs: { SAID: [ SELF, said ] } }
          delete: delete.py
topology_template:
  node_templates:
    Thing: { type: small.Thing }
  workflows:
    again:
      steps:
        again:
          target: Thing
          activities: [ call_operation: Standard.configure ]
"""
FILES = {
    "t.yaml": TOPOLOGY,
    "create.yml": "- hosts: all\n  tasks:\n    - command: { argv: [ echo, played ] }\n      register: it\n"
    '    - set_fact: { PLAYED: "{{ it.stdout }}" }\n',
    "configure.sh": "SAID=scripted\n",
    "delete.py": "print('deleted')\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("sshd") / "server", Subsystem="sftp internal-sftp") as started:
        yield started


@contextmanager
def sshfs(server: SshServer, folder: Path, *options: str) -> Iterator[Path]:
    """Another folder of this machine, mounted over SSH."""
    required(os.access("/dev/fuse", os.R_OK | os.W_OK), "no /dev/fuse")
    program = debian_program("sshfs", "sshfs")
    remote, key = folder.with_name("remote"), folder.with_name("key")
    remote.mkdir(exist_ok=True)
    folder.mkdir()
    key.write_text(server.user_key)
    key.chmod(0o600)
    known = folder.with_name("known_hosts")
    known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
    told = [f"IdentityFile={key}", f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", *options]
    words = [program, f"{getpass.getuser()}@127.0.0.1:{remote}", str(folder), "-p", str(server.port)]
    done = subprocess.run(
        [*words, *(word for option in told for word in ("-o", option))], capture_output=True, text=True
    )
    required(done.returncode == 0, f"sshfs cannot mount here: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["fusermount", "-uz", str(folder)], check=True)


def all_works(orch: Orch, home: Path) -> None:
    """Deploy, run, undeploy a small topology whose files lie there, too."""
    orch.home = home
    for name, text in FILES.items():
        (home.parent / name).write_text(text)
    orch("deploy", home.parent / "t.yaml")
    shown = orch("show", "t", "--json").stdout
    assert '"played"' in shown
    assert '"scripted"' in shown
    orch("run", "again")
    orch("undeploy")
    assert [execution["status"] for execution in orch.executions()] == ["done"] * 3


def row(orch: Orch, name: str) -> dict[str, str]:
    found: list[dict[str, str]] = json.loads(orch("doctor", "--json", status=None).stdout)
    return next(item for item in found if item["name"] == name)


def journal(file: Path) -> str:
    connection = sqlite3.connect(file)
    try:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    finally:
        connection.close()


@pytest.mark.parametrize(("options", "mode"), [((), "wal"), (("direct_io",), "delete")], ids=["cached", "no memory"])
def test_a_home_over_ssh(options: tuple[str, ...], mode: str, server: SshServer, orch: Orch) -> None:
    """It has no pipes and no sockets; with ``direct_io`` no memory that processes share through a file either."""
    with sshfs(server, orch.folder / "mounted", *options) as folder:
        orch.home = folder / "home"
        told = row(orch, "file system")
        assert told["state"] == "note"
        for lack in ("fuse.sshfs", "named pipes", "sockets", *(["shared memory"] if mode == "delete" else [])):
            assert lack in told["found"]
        all_works(orch, folder / "home")
        assert journal(folder / "home" / "state.sqlite") == mode
        orch.stop()


def test_a_home_that_moves_to_a_place_without_shared_memory_keeps_what_it_has(server: SshServer, orch: Orch) -> None:
    for name, text in FILES.items():
        (orch.folder / name).write_text(text)
    orch("deploy", orch.folder / "t.yaml")
    assert journal(orch.home / "state.sqlite") == "wal"
    with sshfs(server, orch.folder / "mounted", "direct_io") as folder:
        shutil.copytree(orch.home, folder / "home")
        orch.home = folder / "home"
        assert row(orch, "database")["state"] == "ok"
        orch("run", "again")
        assert [execution["status"] for execution in orch.executions()] == ["done"] * 2
        assert journal(folder / "home" / "state.sqlite") == "delete"
        orch("undeploy")
        orch.stop()


def test_a_home_whose_server_is_gone(server: SshServer, orch: Orch, tmp_path: Path) -> None:
    with (
        ssh_server(tmp_path / "other", Subsystem="sftp internal-sftp") as other,
        sshfs(other, orch.folder / "mounted") as folder,
    ):
        (folder / "home").mkdir()
        orch.home = folder / "home"
        (connection,) = _processes_with(f"{folder}")
        os.kill(connection, 9)
        found = orch("doctor", status=1).stdout
        assert "not connected" in found
        done = orch("list", status=None)
        assert done.returncode in (1, 2)
        assert "orch doctor" in done.stderr


def _processes_with(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "sshfs" in Path(words[0]).name and text in words:
                found.append(int(entry.name))
    return found


def test_a_home_where_nothing_may_be_executed(orch: Orch) -> None:
    with mounted_folder(orch.folder / "mounted", "-t", "tmpfs", "-o", "noexec,size=64m", "tmpfs") as folder:
        orch.home = folder / "home"
        assert "noexec" in row(orch, "file system")["found"]
        all_works(orch, folder / "home")
        orch.stop()


def test_jobs_in_a_home_where_nothing_may_be_executed(tmp_path: Path) -> None:
    with mounted_folder(tmp_path / "mounted", "-t", "tmpfs", "-o", "noexec,size=64m", "tmpfs") as folder:
        _jobs(Orch(folder))


def test_jobs_in_a_home_over_ssh(server: SshServer, tmp_path: Path) -> None:
    with sshfs(server, tmp_path / "mounted") as folder:
        _jobs(Orch(folder))


def _jobs(orch: Orch) -> None:
    try:
        workflow = Workflow(orch)
        orch("deploy", workflow.topology)
        orch("run", "exec_job", *workflow.arguments())
        workflow.check()
        orch("undeploy")
    finally:
        orch.stop()


def test_a_home_that_becomes_read_only_can_still_be_looked_at(orch: Orch) -> None:
    for name, text in FILES.items():
        (orch.folder / name).write_text(text)
    orch("deploy", orch.folder / "t.yaml")
    with mounted_folder(orch.folder / "mounted", "--bind", str(orch.home)) as folder:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        before, orch.home = orch.home, folder
        for words in (["list"], ["show", "t"], ["executions", "list"]):
            assert "t" in orch(*words).stdout
        refused = orch("run", "again", status=1)
        assert "mounted read-only" in refused.stderr
        assert "orch doctor" in refused.stderr
        orch.home = before
    orch("undeploy")
