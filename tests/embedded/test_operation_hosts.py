"""Where operations run: on this machine, or by ssh on the machine that a node is hosted on."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from embedded.test_hostile_inputs import files_with, sampled_arguments
from support.orch import Orch
from support.sshd import SshServer, ssh_server

TOPOLOGY = Path(__file__).with_name("hosts") / "topology.yaml"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "sshd") as started:
        yield started


@pytest.fixture
def folder(orch: Orch, tmp_path: Path, server: SshServer) -> Path:
    """Where operations leave their traces."""
    traces = tmp_path / "traces"
    traces.mkdir()
    orch("secrets", "set", "machine", "key=@-", stdin=server.user_key)
    return traces


def inputs(folder: Path, server: SshServer, **more: str) -> list[str]:
    values = {
        "folder": str(folder),
        "port": str(server.port),
        "user": getpass.getuser(),
        "host_key": server.host_key,
        "python": sys.executable,
        **more,
    }
    return [word for name, value in values.items() for word in ("-i", f"{name}={value}")]


@pytest.mark.smoke
def test_a_node_is_worked_on_at_its_host(orch: Orch, folder: Path, server: SshServer, tmp_path: Path) -> None:
    with sampled_arguments() as seen:
        said = orch("deploy", TOPOLOGY, *inputs(folder, server)).stdout
    said += orch("executions", "logs", "--level", "debug").stdout
    port = str(server.port)
    assert (folder / "created").read_text() == f"{port}/Machine/Program_0/some notes/deep/some notes"
    shown = {node["name"]: node["attributes"] for node in orch.json("show")["nodes"]}
    words = shown["Program"]["where"].split("/.orch-operations/")
    assert len(words) == 4
    there = Path(shown["Program"]["where"].split("//", maxsplit=1)[0])
    assert not there.exists(), "what was copied there is removed"
    configured = (folder / "configured").read_text().splitlines()
    assert configured[:2] == [port, "some notes"]
    assert ".orch-operations" in configured[2]
    assert (folder / "started").read_text() == f"here {TOPOLOGY.parent / 'files/notes.txt'}"
    assert (folder / "peer").read_text() == "Machine Program_0 Elsewhere_0 Elsewhere_0"
    line = server.user_key.splitlines()[1]
    assert line not in said
    assert not [text for text in seen if line in text]
    assert list(files_with(orch.home, line)) == []


def test_the_plan_tells_the_host_of_each_step(orch: Orch, folder: Path, server: SshServer) -> None:
    steps = orch.json("plan", TOPOLOGY, "--variables", *inputs(folder, server))
    hosts = {step["step"]: step["host"] for step in steps}
    machine = f"{getpass.getuser()}@127.0.0.1:{server.port}"
    assert [host for step, host in hosts.items() if "create" in step or "configure" in step] == [machine] * 2
    assert hosts["Program_start"] == "ORCHESTRATOR"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"port": "1"}, ["Machine", "127.0.0.1:1) cannot be reached", "Connection refused"]),
        ({"host_key": ""}, ["cannot be reached", "Host key verification failed", "ssh-keyscan", "known_hosts"]),
        ({"user": ""}, ["Machine: the endpoint says no user"]),
        ({"user": "-oProxyCommand=touch PWNED"}, ["is no user of an endpoint"]),
        ({"address": "-oProxyCommand=touch"}, ["is no ip_address of an endpoint"]),
        ({"address": ""}, ["not the orchestrator's"]),
    ],
    ids=["closed", "unknown key", "no user", "hostile user", "hostile address", "no address"],
)
def test_what_is_wrong_with_a_host_is_told(
    orch: Orch, folder: Path, server: SshServer, wrong: dict[str, str], expected: list[str]
) -> None:
    done = orch("deploy", TOPOLOGY, *inputs(folder, server, **wrong), status=None)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    for text in expected:
        assert text in said
    assert not (folder / "created").exists()
    assert not list(folder.parent.rglob("PWNED"))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The topology in a folder of its own, whose first operation tells what its artifact ``tree`` holds at the host."""
    topology = Path(shutil.copytree(TOPOLOGY.parent, tmp_path / "hosts"), TOPOLOGY.name)
    topology.with_name("create.yaml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        '    - shell: \'cd "$tree" && find . | sort > "$there" && cat latest more/far >> "$there"\'\n'
        "      environment: { tree: '{{ tree }}', there: '{{ folder }}/created' }\n"
        "    - set_fact: { WHERE: '{{ tree }}' }\n"
    )
    return topology


def test_all_of_an_artifact_folder_is_at_the_host(orch: Orch, folder: Path, server: SshServer, copied: Path) -> None:
    files = copied.parent / "files"
    elsewhere = copied.parent.parent / "elsewhere"
    (elsewhere / "nothing in it").mkdir(parents=True)
    (elsewhere / "far").write_text("far away")
    (files / "latest").symlink_to("notes.txt")
    (files / "more").symlink_to(elsewhere)
    orch("deploy", copied, *inputs(folder, server))
    assert (folder / "created").read_text().splitlines() == [
        ".", "./deep", "./deep/file", "./latest", "./more", "./more/far", "./more/nothing in it", "./notes.txt",
        "some notes", "far away",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda files: (files / "deep" / "gone").symlink_to("nothing"), "files/deep/gone is a link that leads nowhere"),
        (lambda files: (files / "deep" / "up").symlink_to(".."), "files/deep/up is a link to a folder that holds it"),
        (lambda files: os.mkfifo(files / "pipe"), "files/pipe is neither a file nor a folder"),
    ],
)
def test_what_cannot_be_brought_to_a_host_is_refused_by_name(
    orch: Orch, folder: Path, server: SshServer, copied: Path, make: Callable[[Path], None], says: str
) -> None:
    make(copied.parent / "files")
    done = orch("deploy", copied, *inputs(folder, server), status=1)
    assert says in " ".join((done.stdout + done.stderr).split())
    assert not (folder / "created").exists()
