"""Inputs are data: never templated, never a shell's words. Secrets are nowhere."""

from __future__ import annotations

import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.orch import Orch, Workflow, processes_of

CANARY = f"canary-{uuid.uuid4().hex}{{{{ 1 + 1 }}}}c1e5"  # in no source file
HOSTILE = {
    "jinja": "{{ lookup('pipe', 'touch PWNED') }}",
    "jinja-statement": "{% set x = lookup('pipe', 'touch PWNED') %}",
    "command": "$(touch PWNED)",
    "semicolon": "; touch PWNED",
    "backquote": "`touch PWNED`",
    "newline": "a\ntouch PWNED\n",
    "quotes": "a' \"b\\ c",
}


def unharmed(*folders: Path) -> None:
    for folder in folders:
        assert [str(p) for p in folder.rglob("PWNED")] == []
    assert not Path("PWNED").exists()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_string_input_is_just_that_string(deployed: Workflow, orch: Orch, text: str) -> None:
    source = deployed.folder / "hostile" / "data.txt"
    source.parent.mkdir()
    source.write_text("a b a\n")
    name = text.replace("/", "")
    inputs = deployed.arguments(name)
    others = {"user_id": text, "vault_id": text, "mid": text, "qos": text}
    orch("run", "exec_job", *inputs, *[w for k, v in others.items() for w in ("-i", f"{k}={v}")])
    deployed.check(name)
    (folder,) = orch.job_folders("PyCOMPSJob")
    request = json.loads((folder / "request.json").read_text())
    assert request["arguments"][0] == f"{deployed.staged(name)}/data.txt"
    assert request["qos"] == text
    unharmed(orch.folder)


def test_a_hostile_oid_is_not_found_and_nothing_else(deployed: Workflow, orch: Orch) -> None:
    for text in HOSTILE.values():
        orch("run", "exec_job", *deployed.arguments(oid=text), status=1)
    unharmed(orch.folder)


def test_hostile_topology_inputs(workflow: Workflow, orch: Orch) -> None:
    folder = workflow.folder / HOSTILE["jinja"].replace("/", "")
    inputs = orch.json("inputs", workflow.topology)
    wanted = [item["name"] for item in inputs if "transfer" in item["name"]]
    if wanted:
        orch("deploy", workflow.topology, "-i", f"{wanted[0]}={folder}")
        assert len(list(folder.iterdir())) == 1
    unharmed(orch.folder)


@contextmanager
def sampled_arguments() -> Iterator[set[str]]:
    """The arguments of every process on the machine, looked at again and again while the block runs."""
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        seen.add((entry / "cmdline").read_bytes().decode(errors="replace"))
                    except OSError:
                        continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def test_a_secret_that_a_run_uses_is_nowhere(workflow: Workflow, orch: Orch, samples: Path) -> None:
    orch("secrets", "set", "services_secrets/dls", "username", "password", stdin=f"user\n{CANARY}\n")
    orch("secrets", "set", "services_secrets/image_creation", "user", "password", stdin=f"user\n{CANARY}\n")
    said = ""
    with sampled_arguments() as seen:
        topology = workflow.folder / "classic.yaml"
        shutil.copy(samples / "topologies/minimal_workflow_classic.yaml", topology)
        topology.write_text(topology.read_text().replace("debug: { get_input: debug }", "debug: true"))
        for words in (
            ("deploy", topology),
            ("run", "exec_job", *workflow.arguments(user_id="me", vault_id="k")),
            ("executions", "logs"),
            ("--json", "executions", "show"),
            ("plan", topology, "exec_job"),
            ("show",),
            ("secrets", "list"),
        ):
            done = orch(*words)
            said += done.stdout + done.stderr
    workflow.check()
    needles = [CANARY, CANARY.split("{", maxsplit=1)[0]]
    for needle in needles:
        assert needle not in said
        assert not [words for words in seen if needle in words]
        assert [str(f) for f in files_with(orch.folder, needle)] == []
        assert [str(f) for f in files_with(Path("/tmp"), needle, but=orch.folder)] == []
    assert processes_of(orch.home / "runs") == []


def files_with(folder: Path, text: str, but: Path | None = None) -> Iterator[Path]:
    """The files below a folder that hold a text."""
    for root, folders, names in os.walk(folder):
        if but is not None and Path(root) == but.parent:
            folders[:] = [f for f in folders if Path(root) / f != but]
        folders[:] = [f for f in folders if f not in (".git", "site-packages", "pytest-of-root")]
        for name in names:
            file = Path(root) / name
            try:
                if file.is_file() and file.stat().st_size < 50_000_000 and text.encode() in file.read_bytes():
                    yield file
            except OSError:
                continue


def test_nothing_is_left_behind(deployed: Workflow, orch: Orch) -> None:
    orch("run", "exec_job", *deployed.arguments())
    assert list((orch.home / "runs").iterdir()) == []
    assert [p.name for p in (orch.home / "locks").iterdir()] == []
