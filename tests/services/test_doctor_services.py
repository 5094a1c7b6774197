"""`orch doctor` and the services that are configured: a real PostgreSQL, a real OpenBao, another clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import debian_program
from support import postgres as postgresql
from support.orch import ROOT, Orch
from support.postgres import postgres_server
from support.vault import Server, sealable_server


@pytest.fixture(scope="module")
def database() -> Iterator[postgresql.Server]:
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="module")
def vault() -> Iterator[Server]:
    with sealable_server() as running:
        yield running


def row(orch: Orch, name: str, **environment: str) -> dict[str, str]:
    found: list[dict[str, str]] = json.loads(orch("doctor", "--json", status=None, **environment).stdout)
    return next(item for item in found if item["name"] == name)


def test_a_database_of_a_server(database: postgresql.Server, orch: Orch) -> None:
    url = database.new_database()
    empty = row(orch, "database", ORCH_DATABASE=url)
    assert (empty["state"], "schema none yet" in empty["found"]) == ("ok", True), empty
    orch("list", ORCH_DATABASE=url)
    (orch.folder / "t.yaml").write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "topology_template: {node_templates: {N: {type: tosca.nodes.Root}}}\n"
    )
    orch("deploy", orch.folder / "t.yaml", ORCH_DATABASE=url)
    used = row(orch, "database", ORCH_DATABASE=url)
    assert (used["state"], "schema 0" in used["found"]) == ("ok", True), used
    database.query(url, "UPDATE orch.alembic_version SET version_num = '9001'")
    newer = row(orch, "database", ORCH_DATABASE=url)
    assert (newer["state"], "newer than this orch" in newer["found"]) == ("fault", True), newer


def test_a_wrong_password_and_a_user_who_may_make_nothing(database: postgresql.Server, orch: Orch) -> None:
    url = database.new_database()
    secret = url.split("@")[0].rsplit(":", 1)[1]
    refused = row(orch, "database", ORCH_DATABASE=url.replace(secret, "wrong"))
    assert (refused["state"], "password authentication failed" in refused["found"]) == ("fault", True), refused
    missing = row(orch, "database", ORCH_DATABASE=url + "x")
    assert (missing["state"], "does not exist" in missing["found"]) == ("fault", True), missing
    database.query(url, "CREATE ROLE reader LOGIN PASSWORD 'simple'")
    reads = row(orch, "database", ORCH_DATABASE=url.replace(f"orch:{secret}", "reader:simple"))
    assert (reads["state"], "may not make" in reads["found"]) == ("fault", True), reads
    for found in (refused, missing, reads):
        assert postgresql.PASSWORD not in str(found)
        assert secret not in str(found)


def test_a_vault(vault: Server, orch: Orch) -> None:
    environment = {"VAULT_ADDR": vault.url, "VAULT_TOKEN": vault.root_token}
    if vault.ca:
        environment["VAULT_CACERT"] = str(vault.ca)
    well = row(orch, "secrets", **environment)
    assert (well["state"], "logged in as" in well["found"]) == ("ok", True), well
    wrong = row(orch, "secrets", **{**environment, "VAULT_TOKEN": "no-such-token"})
    assert (wrong["state"], "does not accept the token" in wrong["found"]) == ("fault", True), wrong
    vault.seal()
    try:
        sealed = row(orch, "secrets", **environment)
    finally:
        vault.unseal()
    assert (sealed["state"], "sealed" in sealed["found"]) == ("fault", True), sealed
    assert vault.root_token not in str((well, wrong, sealed))


@pytest.mark.parametrize(
    ("shift", "state", "said"),
    [
        ("+0", "ok", "agree"),
        ("-2h", "warning", "s ahead of the clock"),
        ("+90", "warning", "s behind the clock"),
    ],
)
def test_a_clock_that_is_not_that_of_the_file_system(shift: str, state: str, said: str, tmp_path: Path) -> None:
    look = "import sys, pathlib; from orchestrator.app.doctor.clock import file_times as look"
    told = _at(shift, f"{look}; print(*look(pathlib.Path({str(tmp_path)!r})))")
    assert told.startswith(state)
    assert said in told


def test_a_clock_of_long_ago() -> None:
    told = _at("@2001-02-03 04:05:06", "from orchestrator.app.doctor.clock import time_zone; print(*time_zone({}))")
    assert told.startswith("fault 2001-02-03")
    assert "the clock is wrong" in told


def _at(time: str, program: str) -> str:
    """What a program says to which the clock shows another time than to the kernel."""
    debian_program("faketime", "faketime")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LD_PRELOAD": str(library),
        "FAKETIME": time,
        "NO_FAKE_STAT": "1",
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
