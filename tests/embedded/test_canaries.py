"""Secrets of awkward kinds, and all that is made from them, are shown and stored nowhere."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import shlex
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from support.orch import LIMIT, Orch, processes_of, wait_for

TYPES = Path(__file__).with_name("canaries")
KINDS = {"Shell": "Bash", "Snake": "Python", "Book": "Ansible"}
HEAD = """
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: canaries, template_version: 1.0.0 }
imports: [ types.yaml ]
topology_template:
  inputs:
    folder: { type: string }
  node_templates:
"""
NODE = """
    NAME_KEY:
      type: tests.nodes.TYPE
      properties:
        folder: { get_input: folder }
        secret: { get_secret: [ canary, KEY ] }
        joined: { concat: [ "https://me:", { get_secret: [ canary, KEY ] }, "@host" ] }
        list: [ one, { get_secret: [ canary, KEY ] } ]
        map: { key: { get_secret: [ canary, KEY ] } }
"""
OUTPUTS = """
    plain_KEY: { value: { get_attribute: [ Shell_KEY, plain ] } }
    of_secret_KEY: { value: { get_secret: [ canary, KEY ] } }
    of_property_KEY: { value: { get_attribute: [ Shell_KEY, of_property ] } }
    of_list_KEY: { value: { get_attribute: [ Snake_KEY, of_list ] } }
    of_map_KEY: { value: { get_attribute: [ Snake_KEY, of_map ] } }
    deep_KEY: { value: [ { inner: { concat: [ { get_property: [ Book_KEY, joined ] }, "/" ] } } ] }
    of_output_KEY: { value: { get_attribute: [ Book_KEY, of_output ] } }
    first_KEY: { value: { get_attribute: [ Shell_KEY, first ] } }
"""
STEP = """
        again_KEY:
          target: Book_KEY
          activities: [ { call_operation: Standard.create } ]
"""
TOLD = """
        told_KEY: { get_attribute: [ Book_KEY, inside ] }
        made_KEY: { concat: [ "a", { get_property: [ Shell_KEY, joined ] } ] }
"""
CANARIES = {
    # letters that stand beside each other in no word, no number and no path
    "short": "Zq9X",
    "word": "Quagmirehood",
    "quotes": """Zq'a"Xj\\Yw`Vk""",
    "regex": "Zq.*[Xj]{2}(Yw|$)+?^Vk",
    "unicode": "Zqäß€Xj-\u20ac\U0001f600-Yw",
    "line ends": "ZqfirstXj\nYwsecondVk\r\nand Zthird Qj\n",
}


def needles(secret: str) -> list[bytes]:
    """What must be found nowhere: the secret, its lines and words, its codes."""
    texts = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
    texts |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe=""), shlex.quote(secret)}
    texts |= {word for word in re.findall(r"[A-Za-z]{4,}", secret) if word not in ("first", "second", "third")}
    found = {text.encode() for text in texts if len(text) >= 4}
    encoded = base64.b64encode(f"me:{secret}".encode()).decode().rstrip("=")
    return [*found, encoded[4:-2].encode()]


NEEDLES = [needle for secret in CANARIES.values() for needle in needles(secret)]


def found_in(data: bytes, where: str) -> list[str]:
    """Which canaries are in some data, packed or not."""
    texts = [data]
    for unpack in (gzip.decompress, zlib.decompress):
        with suppress(OSError, zlib.error, EOFError):
            texts.append(unpack(data))
    return [f"{needle!r} in {where}" for text in texts for needle in NEEDLES if needle in text]


def found_in_files(*folders: Path) -> list[str]:
    """Where canaries are in files, but for the store of secrets; SQLite files are also read as tables."""
    found = []
    for folder in folders:
        # what runs there makes and removes files meanwhile
        for path in (Path(place, name) for place, _, names in os.walk(folder) for name in names):
            if path.is_symlink() or not path.is_file() or "secrets" in path.parts:
                continue
            with suppress(FileNotFoundError):
                found += found_in(path.read_bytes(), str(path))
                if path.suffix == ".sqlite":
                    found += found_in_tables(path)
    return found


def found_in_tables(file: Path) -> list[str]:
    found = []
    with closing(sqlite3.connect(file)) as connection:
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in connection.execute(f'select * from "{table}"'):
                for value in row:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    found += found_in(data, f"{file.name}: {table}")
    return found


def found_in_processes(folder: Path) -> tuple[list[str], int]:
    """Where canaries are in the arguments and the environments of the processes of a folder, and how many there are."""
    found, looked = [], 0
    for pid in processes_of(folder):
        for what in ("cmdline", "environ"):
            try:
                data = (Path("/proc") / str(pid) / what).read_bytes()
            except OSError:
                continue
            looked += 1
            found += found_in(data, f"{what} of a process")
    return found, looked


def topology() -> str:
    """A topology with a node of each kind for every canary, and all that can be made of them."""
    keys = [key.replace(" ", "_") for key in CANARIES]
    nodes = [NODE.replace("NAME", name).replace("TYPE", kind) for name, kind in KINDS.items()]
    parts = [HEAD, *(node.replace("KEY", key) for key in keys for node in nodes), "  outputs:"]
    parts += [OUTPUTS.replace("KEY", key) for key in keys]
    parts += ["  workflows:\n    tell:\n      steps:", *(STEP.replace("KEY", key) for key in keys)]
    return "".join([*parts, "      outputs:", *(TOLD.replace("KEY", key) for key in keys)])


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files of its own; sockets must have short paths."""
    with tempfile.TemporaryDirectory(prefix="orch-") as folder:
        yield Path(folder)


def test_canaries_are_seen_nowhere(orch: Orch, tmp_path: Path, temporary: Path) -> None:
    folder = tmp_path / "topology"
    shutil.copytree(TYPES, folder)
    file = folder / "topology.yaml"
    file.write_text(topology())
    own = tmp_path / "own"  # where the scripts leave their signs
    own.mkdir()
    os.mkfifo(own / "pipe")
    for key, secret in CANARIES.items():
        orch("secrets", "set", "canary", f"{key.replace(' ', '_')}=@-", stdin=secret)
    said: dict[str, str] = {}

    def note(*words: str | Path) -> None:
        done = orch(*words, TMPDIR=str(temporary))
        said[" ".join(map(str, words))] = done.stdout + done.stderr

    inputs = ["-i", f"folder={own}"]
    note("plan", file, "--variables", *inputs)
    note("--json", "plan", file, "--variables", *inputs)
    (own / "hold").touch()
    process = orch.start("deploy", file, *inputs, "-v", TMPDIR=str(temporary))
    wait_for(lambda: list(own.glob("held.*")), "a script to run")
    seen, looked = found_in_processes(orch.folder)
    assert looked >= 6  # orch, Ansible and a script, arguments and environment of each
    seen += found_in_files(orch.folder, temporary)
    (own / "hold").unlink()
    said["deploy"] = process.communicate(timeout=2 * LIMIT)[0]
    assert process.returncode == 0, said["deploy"]
    install = orch.executions()[0]["id"]
    note("run", "tell")
    for words in (
        ["show"],
        ["outputs"],
        ["executions", "show"],
        ["executions", "logs", install, "--level", "debug"],
        ["plan", "tell", "--variables"],
    ):
        note(*words)
        note("--json", *words)
    note("executions", "logs", "--level", "debug")
    note("graph")
    note("graph", install, "--format", "dot")
    note("deploy", file, "-i", f"folder={own}/.", "--dry-run")
    note("graph", install, "-o", orch.folder / "picture.png")
    for words_, text in said.items():
        seen += found_in(text.encode(), words_)
    seen += found_in_files(orch.folder, temporary)
    assert seen == []

    # what is shown is masked, not missing
    attributes = {n["name"]: n["attributes"] for n in orch.json("show")["nodes"]}
    names = ("same", "inside", "base64", "url", "json", "of_property", "of_list", "of_map", "of_output", "first")
    for key in (key.replace(" ", "_") for key in CANARIES):
        for node in KINDS:
            shown = attributes[f"{node}_{key}"]
            assert {name: shown.get(name) for name in names} == dict.fromkeys(names, "***"), (node, key)
            assert shown["plain"] == "nothing to hide"
        assert set(attributes[f"Book_{key}"]["lines"]) == {"***"}
    # what comes later is given what it is
    for key, secret in CANARIES.items():
        for node in KINDS:
            digest = hashlib.sha256(f"pre{secret}post{secret}".encode()).hexdigest()
            assert (own / f"sum.{node}_{key.replace(' ', '_')}").read_text() == digest, (node, key)
    outputs = orch.json("outputs")
    for key in (key.replace(" ", "_") for key in CANARIES):
        assert outputs.pop(f"plain_{key}") == "nothing to hide"
        assert outputs.pop(f"deep_{key}") == [{"inner": "***"}]
    assert set(outputs.values()) == {"***"}
    assert set(orch.json("executions", "show")["outputs"].values()) == {"***"}
    logs = orch("executions", "logs", install).stdout
    for node in ("Shell", "Snake"):
        assert len(re.findall(rf" info +{node}_\w+ [|│]  said: \*\*\*", logs)) == len(CANARIES)


def test_the_canaries_are_found_where_they_are(tmp_path: Path) -> None:
    for secret in CANARIES.values():
        with closing(sqlite3.connect(tmp_path / "some.sqlite")) as connection:
            connection.execute("create table t (a text)")
            connection.execute("insert into t values (?)", (f"pre{secret}post",))
            connection.commit()
        assert any("some.sqlite: t" in place for place in found_in_files(tmp_path))
        (tmp_path / "some.sqlite").unlink()
        for made in (secret, json.dumps([secret]), repr(secret), base64.b64encode(f"me:{secret}".encode()).decode()):
            (tmp_path / "file").write_bytes(gzip.compress(f"x{made}y".encode()))
            assert found_in_files(tmp_path)
            (tmp_path / "file").unlink()
    assert found_in("\0".join(os.environ.values()).encode(), "here") == []
