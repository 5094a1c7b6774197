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
    jump: { host: gate.example.org, port: 2200, user: joe, key: 1a2b, host_key: ssh-ed25519 AAAAB3Nz }
    known_hosts: accept-new
    host_key: ssh-ed25519 AAAAC3Nz
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
        "ssh-ed25519 AAAAC3Nz",
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
            "sites.yaml:9:18: error: known_hosts of site 'cluster' is accept-new or strict, not 'no'",
        ),
        ("known_hosts: accept-new", "known_hosts: never", "accept-new or strict, not 'never'"),
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
    [("key", "0123"), ("user", "no"), ("key", "1.10"), ("login_host", "1e3"), ("user", "2024-05-01")],
)
def test_the_text_stays_as_it_is_written(tmp_path: Path, setting: str, text: str) -> None:
    site = read(tmp_path, f"sites: {{ cluster: {{ {setting}: {text}, slurm: {{ account: {text}, qos: {text} }} }} }}\n")
    assert (getattr(site, setting), site.slurm.account, site.slurm.qos) == (text, text, text)


def test_numbers_are_those_of_yaml(tmp_path: Path) -> None:
    site = read(tmp_path, "sites: { cluster: { port: 0o26, jobs: 07, ride_out: .5, slurm: { interval: 1e1 } } }\n")
    assert (site.port, site.jobs, site.ride_out, site.slurm.interval) == (22, 7, 0.5, 10.0)


def test_what_is_left_open_has_its_default(tmp_path: Path) -> None:
    site = read(tmp_path, "sites:\n  cluster:\n    user:\n    slurm:\n    modules: ~\n")
    assert (site.user, site.slurm, site.modules) == ("", Site().slurm, ())


@pytest.mark.parametrize(
    ("text", "wrong", "named", "hint"),
    [
        ("port: 0", "0", "port of site 'x' is 1 to 65535, not '0'", ""),
        ("port: 70000", "70000", "port of site 'x' is 1 to 65535", ""),
        ("port: -22", "-22", "port of site 'x' is 1 to 65535", ""),
        ("ride_out: -3", "-3", "ride_out of site 'x' is a number of seconds, 0 or more", ""),
        ("jobs: -1", "-1", "jobs of site 'x' is 0 or more", "any number"),
        ("slurm: { patience: -5 }", "-5", "patience of slurm of site 'x' is a number of seconds", ""),
        ("slurm: { interval: -.5 }", "-.5", "interval of slurm of site 'x' is more than 0", ""),
        ("slurm: { extra: [ --wrap=x ] }", "--wrap=x", "the option '--wrap=x' cannot be given", "leave it out"),
        ("slurm: { extra: [ --exclusive, clusters=b ] }", "clusters=b", "'--clusters=b' cannot be given", "login node"),
        ("slurm: { extra: [ mem=2 lots ] }", "mem=2 lots", "the option 'mem=2 lots' cannot be read", "write a size"),
        ('slurm: { account: "a\\nb" }', '"a\\nb"', "account of slurm of site 'x' is a single word", ""),
        ("slurm: { partition: a b }", "a b", "partition of slurm of site 'x' is a single word", ""),
        ("machine: { container_engine: dockre }", "dockre", "not 'dockre'", "docker"),
        ("machine: { platform: linux amd64 }", "linux amd64", "platform of machine of site 'x' is a single word", ""),
        (
            "login_host: -oProxyCommand=x",
            "-oProxyCommand=x",
            "login_host of site 'x' is the name or the address",
            "example",
        ),
        ("login_host: h y", "h y", "login_host of site 'x' is the name or the address of a host", "example"),
        ('login_host: ""', '""', "login_host of site 'x' is the name or the address of a host", "example"),
        ("login_host: joe@host", "joe@host", "login_host of site 'x' is the name or the address of a host", "example"),
        ("user: -oProxyCommand=x", "-oProxyCommand=x", "user of site 'x' is the name of a user", "log in"),
        ("user: a b", "a b", "user of site 'x' is the name of a user", "log in"),
        ("host_key: nonsense", "nonsense", "host_key of site 'x' is a public key of a host", "ssh-ed25519"),
        ("host_key: SHA256:abc", "SHA256:abc", "host_key of site 'x' is a public key of a host", "ssh-keyscan"),
        (
            'host_key: "ssh-ed25519 AAAA\\n* ssh-rsa AAAA"',
            '"ssh-ed25519 AAAA\\n* ssh-rsa AAAA"',
            "host_key of site 'x' is a public key",
            "ssh-keyscan",
        ),
        ('jump: { host: "" }', '""', "host of jump of site 'x' is the name or the address of a host", "example"),
        ("jump: { host: h, port: 0 }", "0", "port of jump of site 'x' is 1 to 65535", ""),
        ("jump: { host: h, user: -l }", "-l", "user of jump of site 'x' is the name of a user", "log in"),
        ('folder: ""', '""', "folder of site 'x' is an absolute path", "~/.orch"),
        ("folder: ~bob/x", "~bob/x", "folder of site 'x' is an absolute path", "~/.orch"),
        ("folder: rel/x", "rel/x", "folder of site 'x' is an absolute path", "~/.orch"),
        ("folder: $SCRATCH/x", "$SCRATCH/x", "folder of site 'x' is an absolute path", "~/.orch"),
        (
            'modules: [ gcc, "x;y" ]',
            '"x;y"',
            "an item of modules of site 'x' is the name of an environment module",
            "gcc/",
        ),
        ("modules: [ gcc openmpi ]", "gcc openmpi", "an item of modules of site 'x'", "one module in each item"),
        ('modules: [ "" ]', '""', "an item of modules of site 'x'", "one module in each item"),
        ("key: ../../x", "../../x", "key of site 'x' is the name or the id of an SSH key", "ssh-keys list"),
        ("key: a/../b", "a/../b", "key of site 'x' is the name or the id of an SSH key", "ssh-keys list"),
        ("pycompss: { python: -c }", "-c", "python of pycompss of site 'x' is a command, or its path", ""),
        ("pycompss: { sc_cfg: a;b }", "a;b", "sc_cfg of pycompss of site 'x' is a word of letters", ""),
        (
            "environment: { 9X: a }",
            "9X",
            "a name in environment of site 'x' is the name of an environment variable",
            "'_'",
        ),
        ("inherit: [ A B ]", "A B", "an item of inherit of site 'x' is the name of an environment variable", "'_'"),
        ("services: { data_catalogue: { folder: '' } }", "''", "folder of data_catalogue of services", "default"),
    ],
)
def test_every_setting_has_its_rule(tmp_path: Path, text: str, wrong: str, named: str, hint: str) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text(f"sites:\n x:\n  {text}\n good: {{}}\n")
    sites = read_sites([file])
    assert sites["good"].name == "good"
    (fault,) = sites.faults["x"]
    assert fault.span is not None
    assert (fault.span.line, fault.span.column) == (3, f"  {text}".index(wrong) + 1)
    assert named in fault.message
    assert hint in (fault.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "login_host: 192.0.2.7",
        "login_host: '2001:db8::7'",
        "login_host: 'fe80::1%eth0'",
        "login_host: login_1",
        "login_host: login.marenostrum.example.org",
        "user: jane.doe",
        "user: jane@example.org",
        "user: EXAMPLE\\jane",
        "user: a-b_1",
        "user: ''",
        "key: me at the bed",
        "key: team/keys/mine",
        "key: 0f3c-11",
        "host_key: ssh-rsa AAAAB3NzaC1yc2E= root@login1",
        "host_key: ecdsa-sha2-nistp256 AAAAE2VjZHNh",
        "host_key: |\n   sk-ssh-ed25519@openssh.com AAAAGnNr",
        "ride_out: 0",
        "port: 65535",
        "jobs: 0",
        "folder: '~'",
        "folder: /gpfs/projects/my project/orch",
        "modules: [ compss/3.3, gcc@12.2.0, python/3.9+numpy, intel-oneapi/2023.1 ]",
        "slurm: { extra: [ --exclusive, mpi=pmi2, gres=gpu:2, '--comment=a b', mem=4 GB ], patience: 0, interval: .1 }",
        "slurm: { account: bsc_case, qos: gp_debug, partition: 'main,gpu' }",
        "machine: { container_engine: apptainer, platform: linux/arm64/v8, mpi: openmpi@4.1.1, gpu: cuda 12 }",
        "machine: { container_engine: '' }",
        "pycompss: { enqueue: /apps/COMPSs/bin/enqueue_compss, sc_cfg: mn5.cfg, python: /opt/my python/bin/python3 }",
        "pycompss: { enqueue: '' }",
        "environment: { OMP_NUM_THREADS: '4', _x: '' }",
    ],
)
def test_what_sites_really_have_is_taken(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text(f"sites:\n x:\n  {text}\n")
    assert read_sites([file])["x"].name == "x"
