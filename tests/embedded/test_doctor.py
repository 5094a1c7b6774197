"""`orch doctor` on troubles that are really there: it names each one, and never ends in a trace."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import debian_program, mounted_folder, required, small_file_system
from support.orch import ROOT, Orch

Row = dict[str, Any]
NOBODY = 65534


def rows(orch: Orch, status: int | None = None, **environment: str) -> dict[str, Row]:
    done = orch("doctor", "--json", status=status, **environment)
    found: dict[str, Row] = {row["name"]: row for row in json.loads(done.stdout)}
    faults = [row for row in found.values() if row["state"] == "fault"]
    assert done.returncode == (1 if faults else 0)
    for row in found.values():
        assert row["found"], row
        assert row["remedy"] or row["state"] in ("ok", "note"), row
    return found


def test_a_healthy_machine(orch: Orch) -> None:
    found = rows(orch, 0)
    assert {"python", "packages", "ansible", "dbos", "sqlite", "database", "home", "space", "file system"} <= set(found)
    assert {"ssh", "git", "container engines", "compss", "secrets", "sites", "time zone", "clock"} <= set(found)
    assert {row["state"] for row in found.values()} <= {"ok", "note", "warning"}
    assert found["ansible"]["state"] == "ok", found["ansible"]
    assert found["file system"]["state"] == "ok", found["file system"]
    assert "kept ready" in found["ansible"]["found"]
    assert sorted(path.name for path in orch.home.iterdir()) == ["runs"]  # trials leave nothing
    assert "all is well" in orch("doctor").stdout or "warning" in orch("doctor").stdout


def test_a_home_that_has_worked(orch: Orch, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "topology_template: {node_templates: {N: {type: tosca.nodes.Root}}}\n"
    )
    orch("deploy", tmp_path / "t.yaml")
    before = {file: _journal(file) for file in orch.home.glob("*.sqlite")}
    assert {file.name for file in before} == {"state.sqlite", "dbos.sqlite"}
    found = rows(orch, 0)
    assert "schema 0" in found["database"]["found"]
    assert {file: _journal(file) for file in orch.home.glob("*.sqlite")} == before
    orch("undeploy")


# --- troubles


def _home_is_a_file(orch: Orch) -> dict[str, str]:
    orch.home.write_text("x")
    return {}


def _unknown_setting(orch: Orch) -> dict[str, str]:
    _file(orch.home / "config.yaml", "# mine\nretension: 9d\n")
    return {}


def _torn_configuration(orch: Orch) -> dict[str, str]:
    _file(orch.home / "config.yaml", "vault: {url: [\n")
    return {}


def _configuration_elsewhere(orch: Orch) -> dict[str, str]:
    orch.home.mkdir()
    (orch.home / "config.yaml").symlink_to(orch.folder / "gone" / "config.yaml")
    return {}


def _sites_elsewhere(orch: Orch) -> dict[str, str]:
    orch.home.mkdir()
    (orch.home / "sites.yaml").symlink_to(orch.folder / "gone.yaml")
    return {}


def _a_password_in_no_url(orch: Orch) -> dict[str, str]:
    return {"ORCH_DATABASE": "mysql://me:hidden@127.0.0.1/x"}


def _torn_database(orch: Orch) -> dict[str, str]:
    _file(orch.home / "state.sqlite", "this is no database " * 400)
    return {}


def _torn_durable_database(orch: Orch) -> dict[str, str]:
    _schema(orch, "0003")
    _file(orch.home / "dbos.sqlite", "nor is this " * 400)
    return {}


def _database_elsewhere(orch: Orch) -> dict[str, str]:
    orch.home.mkdir()
    (orch.home / "state.sqlite").symlink_to(orch.folder / "gone" / "state.sqlite")
    return {}


def _a_folder_for_a_database(orch: Orch) -> dict[str, str]:
    (orch.home / "state.sqlite").mkdir(parents=True)
    return {}


def _another_programs_database(orch: Orch) -> dict[str, str]:
    orch.home.mkdir()
    connection = sqlite3.connect(orch.home / "state.sqlite")
    connection.execute("CREATE TABLE executions (a)")
    connection.commit()
    connection.close()
    return {}


def _a_database_that_was_emptied(orch: Orch) -> dict[str, str]:
    _schema(orch, "0003")
    (orch.home / "state.sqlite").rename(orch.home / "dbos.sqlite")
    (orch.home / "state.sqlite").touch()
    return {}


def _a_home_in_another_encoding(orch: Orch) -> dict[str, str]:
    return {"ORCH_HOME": os.fsdecode(os.fsencode(orch.folder) + b"/h\xff\xfe")}


def _an_engine_that_fails(orch: Orch) -> dict[str, str]:
    _program(orch.folder / "bin" / "apptainer", "exit 127\n")
    return {"PATH": f"{orch.folder}/bin:{os.environ['PATH']}"}


def _a_runcompss_without_its_interpreter(orch: Orch) -> dict[str, str]:
    _program(orch.folder / "bin" / "runcompss", "")
    (orch.folder / "bin" / "runcompss").write_text("#!/not/there\n")
    return {"PATH": f"{orch.folder}/bin:{os.environ['PATH']}"}


def _another_yaml_first(orch: Orch) -> dict[str, str]:
    _file(orch.folder / "lib" / "yaml.py", "raise ImportError('polluted')\n")
    return {"PYTHONPATH": f"{orch.folder}/lib:{ROOT}"}


def _newer_database(orch: Orch) -> dict[str, str]:
    _schema(orch, "9001")
    return {}


def _older_database(orch: Orch) -> dict[str, str]:
    _schema(orch, "0001")
    return {}


def _postgresql_away(orch: Orch) -> dict[str, str]:
    return {"ORCH_DATABASE": f"postgresql://me:hidden@127.0.0.1:{_free_port()}/orch"}


def _vault_away(orch: Orch) -> dict[str, str]:
    return {"VAULT_ADDR": f"http://127.0.0.1:{_free_port()}", "VAULT_TOKEN": "hidden"}


def _zone(orch: Orch) -> dict[str, str]:
    return {"TZ": "Europe/Atlantis"}


def _no_programs(orch: Orch) -> dict[str, str]:
    return {"PATH": str(orch.folder)}


def _an_ssh_that_fails(orch: Orch) -> dict[str, str]:
    _program(orch.folder / "bin" / "ssh", "echo 'ssh: symbol lookup error' >&2; exit 127\n")
    return {"PATH": f"{orch.folder}/bin:{os.environ['PATH']}"}


def _wrong_sites(orch: Orch) -> dict[str, str]:
    _file(orch.home / "sites.yaml", "sites:\n  bsc: {conection: ssh}\n")
    return {}


def _an_engine_that_is_not_there(orch: Orch) -> dict[str, str]:
    _file(orch.home / "sites.yaml", "sites:\n  here: {machine: {container_engine: charliecloud}}\n")
    return {}


def _lost_key_of_secrets(orch: Orch) -> dict[str, str]:
    orch("secrets", "set", "a/b", "c", stdin="hidden\n")
    (orch.home / "secrets" / "secrets.key").unlink()
    return {}


def _open_secrets(orch: Orch) -> dict[str, str]:
    orch("secrets", "set", "a/b", "c", stdin="hidden\n")
    (orch.home / "secrets").chmod(0o755)
    (orch.home / "secrets" / "secrets.key").chmod(0o644)
    return {}


def _home_open_to_others(orch: Orch) -> dict[str, str]:
    orch.home.mkdir()
    orch.home.chmod(0o777)
    return {}


def _home_that_others_read(orch: Orch) -> dict[str, str]:
    orch.home.mkdir()
    orch.home.chmod(0o755)
    return {}


def _no_sqlite(orch: Orch) -> dict[str, str]:
    hidden = "raise ImportError('No module named _sqlite3', name='_sqlite3')\n"
    _file(orch.folder / "lib" / "sqlite3" / "__init__.py", hidden)
    _file(orch.folder / "lib" / "sqlean" / "__init__.py", hidden)
    return {"PYTHONPATH": f"{orch.folder}/lib:{ROOT}"}


def _no_vault_library(orch: Orch) -> dict[str, str]:
    _file(orch.folder / "lib" / "hvac" / "__init__.py", "raise ImportError('it is broken')\n")
    return {"PYTHONPATH": f"{orch.folder}/lib:{ROOT}", "VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": "hidden"}


def _no_dbos(orch: Orch) -> dict[str, str]:
    _file(orch.folder / "lib" / "dbos" / "__init__.py", "raise ImportError('undefined symbol')\n")
    return {"PYTHONPATH": f"{orch.folder}/lib:{ROOT}"}


TROUBLES = [
    (_home_is_a_file, "home", "fault", "a file is where a folder belongs"),
    (_unknown_setting, "configuration", "fault", "config.yaml:2:1: error: 'retension' is no setting"),
    (_torn_configuration, "configuration", "fault", "config.yaml:2:1"),
    (_configuration_elsewhere, "configuration", "fault", "config.yaml is a link that leads nowhere"),
    (_a_password_in_no_url, "database", "fault", "must be a PostgreSQL database"),
    (_torn_database, "database", "fault", "state.sqlite"),
    (_torn_durable_database, "database", "fault", "dbos.sqlite"),
    (_database_elsewhere, "database", "fault", "state.sqlite is a link that leads nowhere"),
    (_a_folder_for_a_database, "database", "fault", "state.sqlite is a folder"),
    (_another_programs_database, "database", "fault", "another program's: it has the tables executions"),
    (_a_database_that_was_emptied, "database", "warning", "is empty, while"),
    (_a_home_in_another_encoding, "configuration", "fault", "h\\xff\\xfe, is not in UTF-8"),
    (_an_engine_that_fails, "container engines", "warning", "apptainer fails (exit status 127)"),
    (_a_runcompss_without_its_interpreter, "compss", "warning", "runcompss cannot be run"),
    (_another_yaml_first, "packages", "fault", "lib/yaml.py"),
    (_newer_database, "database", "fault", "schema 9001, newer than this orch knows"),
    (_older_database, "database", "note", "schema 0001, of an older orch"),
    (_postgresql_away, "database", "fault", "refused"),
    (_vault_away, "secrets", "fault", "cannot be reached"),
    (_zone, "time zone", "warning", "'Europe/Atlantis'"),
    (_no_programs, "ssh", "warning", "not on PATH"),
    (_no_programs, "bash", "warning", "not on PATH"),
    (_an_ssh_that_fails, "ssh", "warning", "symbol lookup error"),
    (_wrong_sites, "sites", "warning", "conection"),
    (_sites_elsewhere, "sites", "fault", "sites.yaml is a link that leads nowhere"),
    (_an_engine_that_is_not_there, "sites", "warning", "ch-run"),
    (_lost_key_of_secrets, "secrets", "fault", "key of the secret store is missing"),
    (_open_secrets, "secrets", "warning", "others may read"),
    (_home_open_to_others, "home", "warning", "others may write"),
    (_home_that_others_read, "home", "note", "others may read"),
    (_no_sqlite, "sqlite", "fault", "no SQLite"),
    (_no_vault_library, "secrets", "fault", "it is broken"),
    (_no_dbos, "dbos", "fault", "undefined symbol"),
]


@pytest.mark.parametrize(
    ("seed", "name", "state", "said"),
    TROUBLES,
    ids=[f"{seed.__name__.strip('_')}-{name}" for seed, name, *_ in TROUBLES],
)
def test_a_trouble_is_named(
    seed: Callable[[Orch], dict[str, str]], name: str, state: str, said: str, orch: Orch
) -> None:
    environment = seed(orch)
    found = rows(orch, **environment)
    assert (found[name]["state"], said in found[name]["found"]) == (state, True), found[name]
    assert "hidden" not in str(found)
    assert "orch doctor" not in str(found)  # it need not name itself
    others = [row for row in found.values() if row["state"] == "fault" and row["name"] != name]
    related = {
        "packages": tuple(row["name"] for row in others if "polluted" in row["found"]),
        "database": ("dbos", "sqlite"),
        "dbos": ("database", "packages"),
        "secrets": ("packages",),
        "sqlite": ("database", "dbos"),
    }
    assert [row for row in others if row["name"] not in related.get(name, ())] == []


MET = [
    (_home_is_a_file, ("list",)),
    (_a_password_in_no_url, ("list",)),
    (_torn_database, ("list",)),
    (_database_elsewhere, ("list",)),
    (_a_folder_for_a_database, ("list",)),
    (_another_programs_database, ("list",)),
    (_a_home_in_another_encoding, ("list",)),
    (_another_yaml_first, ("validate", ROOT / "topologies" / "minimal_workflow" / "topology.yaml")),
    (_newer_database, ("list",)),
    (_postgresql_away, ("list",)),
    (_vault_away, ("secrets", "list")),
    (_no_sqlite, ("list",)),
]


@pytest.mark.parametrize(("seed", "words"), MET, ids=[seed.__name__.strip("_") for seed, _ in MET])
def test_the_command_that_meets_a_trouble_names_the_doctor(
    seed: Callable[[Orch], dict[str, str]], words: tuple[str | Path, ...], orch: Orch
) -> None:
    environment = seed(orch)
    said = orch(*words, status=None, **environment)
    assert said.returncode in (1, 2)
    assert said.stderr.count("orch doctor") == 1, said.stderr


def test_a_home_that_was_not_there_is_told(orch: Orch) -> None:
    assert "made just now" in rows(orch)["home"]["found"]
    assert "made just now" not in rows(orch)["home"]["found"]


def test_an_ansible_that_is_broken(orch: Orch, tmp_path: Path) -> None:
    """Neither kept ready nor plain: the one cannot be imported, the other is not there."""
    venv.create(tmp_path / "venv", symlinks=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (site / "0.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n{ROOT}\n")
    _file(site / "ansible" / "__init__.py", "raise RuntimeError('half installed')\n")
    words = [str(tmp_path / "venv" / "bin" / "python"), "-m", "orchestrator", "doctor", "--json"]
    environment = {k: v for k, v in orch.environment(PATH="/usr/bin:/bin").items() if k != "PYTHONPATH"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 1, done.stderr
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert found["ansible"]["state"] == "fault"
    assert "playbooks cannot be run" in found["ansible"]["found"]
    _file(
        tmp_path / "topology.yaml",
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "topology_template:\n"
        "  node_templates:\n"
        "    N: {type: tosca.nodes.Root, interfaces: {Standard: {create: create.sh}}}\n",
    )
    _file(tmp_path / "create.sh", "true\n")
    words = [*words[:3], "deploy", str(tmp_path / "topology.yaml")]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 1
    assert "Ansible is broken: RuntimeError: half installed" in done.stderr
    assert "orch doctor" in done.stderr


# --- troubles that only root can make


def test_a_read_only_home(orch: Orch) -> None:
    with mounted_folder(orch.home, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        found = rows(orch, 1)
        assert "mounted read-only" in found["file system"]["found"]
        assert "mounted read-only" in found["database"]["found"]
        said = orch("list", status=1).stderr
        assert "mounted read-only" in said
        assert "orch doctor" in said


def test_a_full_disk(orch: Orch) -> None:
    with small_file_system(orch.folder / "small", "400k") as small:
        orch.home = small / "home"
        orch.home.mkdir()
        subprocess.run(["dd", "if=/dev/zero", f"of={small}/fill", "bs=4k"], capture_output=True, check=False)
        found = rows(orch, 1)
        assert found["space"]["state"] == "fault"
        assert "no space is left" in found["database"]["found"]
        done = orch("list", status=1)
        assert "make room" in done.stderr
        assert "orch doctor" in done.stderr


@pytest.fixture
def open_folder(orch: Orch) -> Iterator[Orch]:
    """A home where others may pass: pytest closes its own folders to them."""
    folder = Path(tempfile.mkdtemp(prefix="orch-doctor-"))
    folder.chmod(0o755)
    orch.home = folder / "home"
    yield orch
    shutil.rmtree(folder)


def test_the_home_of_somebody_else(open_folder: Orch) -> None:
    orch, setpriv = open_folder, _as_nobody()
    (orch.home / "private").mkdir(parents=True, mode=0o700)
    orch.home.chmod(0o755)
    done = _run(orch, setpriv, "doctor")
    assert done.returncode == 1
    assert "may not write there" in done.stdout
    refused = _run(orch, setpriv, "list")
    assert "belongs to root" in refused.stderr
    assert "nobody" in refused.stderr
    assert "orch doctor" in refused.stderr
    orch.home.chmod(0o700)
    assert "nobody" in _run(orch, setpriv, "list").stderr
    assert _run(orch, setpriv, "doctor").returncode == 1


@pytest.mark.parametrize("left", ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "dbos.sqlite"])
def test_files_that_somebody_else_has_left(left: str, open_folder: Orch) -> None:
    orch, setpriv = open_folder, _as_nobody()
    _schema(orch, "0003")
    for path in (orch.home, *orch.home.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    (orch.home / left).touch()
    os.chown(orch.home / left, 0, 0)
    (orch.home / left).chmod(0o644)
    done = _run(orch, setpriv, "doctor")
    assert f"{left} belongs to root, and nobody may not read and write it" in done.stdout
    assert done.returncode == 1


def _as_nobody() -> list[str]:
    required(os.geteuid() == 0, "needs root")
    return [debian_program("setpriv", "util-linux"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def _run(orch: Orch, before: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "orchestrator", *words]
    environment = orch.environment(HOME="/tmp", PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/tmp", timeout=120)
    assert "Traceback" not in done.stdout + done.stderr
    return done


# --- how troubles are made


def _file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _program(path: Path, text: str) -> None:
    _file(path, "#!/bin/sh\n" + text)
    path.chmod(0o755)


def _schema(orch: Orch, version: str) -> None:
    orch.home.mkdir(exist_ok=True)
    connection = sqlite3.connect(orch.home / "state.sqlite")
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.execute("INSERT INTO alembic_version VALUES (?)", (version,))
    connection.commit()
    connection.close()


def _journal(file: Path) -> str:
    connection = sqlite3.connect(file)
    try:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
