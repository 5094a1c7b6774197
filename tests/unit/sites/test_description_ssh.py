"""Descriptions of clusters: what they may say, and how mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.model.problems import SettingsError
from orchestrator.sites import ConnectionKind, SchedulerKind, Site, read_sites

WHOLE = """\
sites:
  cluster:
    connection: ssh
    login_host: login.example.org
    port: 2222
    user: jane
    key: 0f3c
    jump: { host: gate.example.org, port: 2200, user: joe, key: 1a2b, host_key: ssh-ed25519 AAAA }
    known_hosts: accept-new
    host_key: ssh-ed25519 BBBB
    sessions: 4
    ride_out: 30
    folder: /scratch/orch
    scheduler: slurm
    slurm:
      account: acct
      qos: debug
      partition: main
      extra: [ --exclusive ]
      interval: 2
      patience: 600
    modules: [ compss/3.3 ]
    jobs: 7
    machine: { container_engine: singularity, architecture: skylake }
    pycompss: { enqueue: enqueue_compss, sc_cfg: mn5.cfg, python: python3.11 }
"""


def read(folder: Path, text: str) -> Site:
    file = folder / "sites.yaml"
    file.write_text(text)
    return read_sites([file])["cluster"]


def test_everything_that_can_be_said_of_a_cluster(tmp_path: Path) -> None:
    site = read(tmp_path, WHOLE)
    assert (site.connection, site.scheduler) == (ConnectionKind.SSH, SchedulerKind.SLURM)
    assert (site.name, site.login_host, site.port, site.user, site.key) == (
        "cluster",
        "login.example.org",
        2222,
        "jane",
        "0f3c",
    )
    assert site.jump is not None
    assert (site.jump.host, site.jump.port, site.jump.user, site.jump.key) == ("gate.example.org", 2200, "joe", "1a2b")
    assert (site.known_hosts, site.host_key, site.sessions, site.ride_out) == (
        "accept-new",
        "ssh-ed25519 BBBB",
        4,
        30.0,
    )
    assert (site.slurm.account, site.slurm.qos, site.slurm.partition) == ("acct", "debug", "main")
    assert (site.slurm.extra, site.slurm.interval, site.slurm.patience) == (("--exclusive",), 2.0, 600.0)
    assert (site.folder, site.modules, site.jobs) == ("/scratch/orch", ("compss/3.3",), 7)
    assert (site.pycompss.enqueue, site.pycompss.sc_cfg, site.pycompss.python) == (
        "enqueue_compss",
        "mn5.cfg",
        "python3.11",
    )


def test_a_short_one_is_careful(tmp_path: Path) -> None:
    site = read(tmp_path, "sites:\n  cluster: {connection: ssh, scheduler: slurm, login_host: h, user: u, key: k}\n")
    assert (site.known_hosts, site.host_key, site.port) == ("strict", "", 22)
    assert site.sessions < 10  # MaxSessions of sshd_config(5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    user: jane", "    usr: jane", "sites.yaml:6:5: error: 'usr' is no setting of site 'cluster'"),
        ("    port: 2222", "    port: ssh", "sites.yaml:5:11: error: port of site 'cluster' is a whole number"),
        (
            "      interval: 2",
            "      intervall: 2",
            "sites.yaml:20:7: error: 'intervall' is no setting of slurm of site",
        ),
        (
            "      patience: 600",
            "      patience: long",
            "sites.yaml:21:17: error: patience of slurm of site 'cluster' is",
        ),
        (
            "      patience: 600",
            "      patience: .inf",
            "sites.yaml:21:17: error: patience of slurm of site 'cluster' is",
        ),
        ("      extra: [ --exclusive ]", "      extra: --exclusive", "sites.yaml:19:14: error: extra of slurm of site"),
        ("jump: { host: gate.example.org,", "jump: {", "sites.yaml:8:11: error: jump of site 'cluster' needs host"),
        (
            "scheduler: slurm",
            "scheduler: pbs",
            "sites.yaml:14:16: error: scheduler of site 'cluster' is local or slurm",
        ),
        ("scheduler: slurm", "scheduler: local", "sites.yaml:14:16: error: nothing runs jobs at site 'cluster'"),
        (
            "known_hosts: accept-new",
            "known_hosts: no",
            "sites.yaml:9:18: error: known_hosts of site 'cluster' is strict",
        ),
        ("known_hosts: accept-new", "known_hosts: never", "strict or accept-new, not 'never'"),
        ("sessions: 4", "sessions: 1", "sites.yaml:11:15: error: sessions of site 'cluster' is 2 or more"),
        ("interval: 2", "interval: 0", "sites.yaml:20:17: error: interval of slurm of site 'cluster' is more than 0"),
        ("    user: jane", "    user: jane\n    user: joe", "sites.yaml:7:5: error: the key 'user' is given twice"),
        ("    user: jane", "    user: !!binary aGk=", "sites.yaml:6:11: error: the tag !!binary has no meaning here"),
    ],
)
def test_mistakes_are_named_at_their_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in WHOLE
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, WHOLE.replace(old, new))
    assert message in caught.value.message


def test_a_private_key_is_no_part_of_a_description(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'private_key' is no setting of site"):
        read(tmp_path, WHOLE + "    private_key: text\n")


@pytest.mark.parametrize(
    ("setting", "text"),
    [("key", "0123"), ("user", "no"), ("host_key", "1.10"), ("login_host", "1e3"), ("folder", "2024-05-01")],
)
def test_the_text_stays_as_it_is_written(tmp_path: Path, setting: str, text: str) -> None:
    site = read(
        tmp_path, f"sites: {{ cluster: {{ {setting}: {text}, slurm: {{ extra: [ {text} ], qos: {text} }} }} }}\n"
    )
    assert (getattr(site, setting), site.slurm.extra, site.slurm.qos) == (text, (text,), text)


def test_numbers_are_those_of_yaml(tmp_path: Path) -> None:
    site = read(tmp_path, "sites: { cluster: { port: 0o26, jobs: 07, ride_out: .5, slurm: { interval: 1e1 } } }\n")
    assert (site.port, site.jobs, site.ride_out, site.slurm.interval) == (22, 7, 0.5, 10.0)


def test_what_is_left_open_has_its_default(tmp_path: Path) -> None:
    site = read(tmp_path, "sites:\n  cluster:\n    user:\n    slurm:\n    modules: ~\n")
    assert (site.user, site.slurm, site.modules) == ("", Site().slurm, ())
