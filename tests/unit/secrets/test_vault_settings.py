"""What config.yaml and the environment say of Vault."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.settings import Settings, read_settings
from orchestrator.app.wiring import Home
from orchestrator.errors import ConfigurationError
from orchestrator.model.problems import SettingsError
from orchestrator.secrets import FileSecretStore, VaultSecretStore
from orchestrator.secrets.vault_settings import AuthMethod, WhenUnavailable


def read(folder: Path, text: str = "", **environment: str) -> Settings:
    if text:
        (folder / "config.yaml").write_text(text)
    return read_settings({"ORCH_HOME": str(folder), **environment})


def test_without_any_the_secrets_are_in_the_home(tmp_path: Path) -> None:
    settings = read(tmp_path, VAULT_TOKEN="t", VAULT_CACERT="/ca.pem")
    assert settings.vault is None
    assert isinstance(Home(settings).secrets, FileSecretStore)


def test_the_file(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "vault:\n  url: https://vault:8200\n  namespace: team\n  mount: kv/\n  kv: 1\n  ca: ca.pem\n  wait: 5m\n"
        "  auth: {method: approle, role_id: r, secret_id_file: /run/secret-id}\n",
    )
    vault = settings.vault
    assert vault is not None
    assert (vault.url, vault.namespace, vault.mount_point, vault.kv) == ("https://vault:8200", "team", "kv", 1)
    assert vault.ca == str(tmp_path / "ca.pem")
    assert (vault.auth.method, vault.auth.mounted, vault.auth.secret_id_file) == (
        AuthMethod.APPROLE,
        "approle",
        "/run/secret-id",
    )
    assert vault.when_unavailable is WhenUnavailable.WAIT
    assert vault.wait_seconds == 300
    assert isinstance(Home(settings).secrets, VaultSecretStore)


def test_the_environment_wins_and_is_hidden(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "vault: {url: 'https://one', namespace: a, ca: /one.pem, when_unavailable: fail}",
        VAULT_ADDR="https://two",
        VAULT_NAMESPACE="b",
        VAULT_CACERT="/two.pem",
        VAULT_TOKEN="c4n4ry",
        VAULT_SECRET_ID="c4n4ry",
        VAULT_PASSWORD="c4n4ry",
    )
    vault = settings.vault
    assert vault is not None
    assert (vault.url, vault.namespace, vault.ca) == ("https://two", "b", "/two.pem")
    assert vault.wait_seconds == 0
    token = settings.vault_credentials.token
    assert token is not None
    assert token.reveal() == "c4n4ry"
    assert "c4n4ry" not in repr(settings)


def test_only_the_environment(tmp_path: Path) -> None:
    vault = read(tmp_path, VAULT_ADDR="http://127.0.0.1:8200").vault
    assert vault is not None
    assert (vault.mount_point, vault.kv, vault.auth.method, vault.wait_seconds) == ("secret", "auto", "token", 600)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("vault: yes", "1:8", "vault is a map, not 'yes'"),
        ("vault:\n  url: vault:8200", "2:3", "begins with https://"),
        ("vault:\n  mount: x", "2:3", "vault needs url"),
        ("database: x\nvault:\n  url: https://v\n  uri: x", "4:3", "'uri' is no setting of vault"),
        ("vault:\n  url: https://v\n  auth:\n    token: s3cret", "4:5", "'token' is no setting of auth of vault"),
        ("vault:\n  url: https://v\n  auth:\n    method: ldap", "4:13", "not 'ldap'"),
        ("vault:\n  url: https://v\n  auth: {method: approle}", "2:3", "approle needs role_id"),
        ("vault:\n  url: https://v\n  auth: {method: jwt, role: r}", "2:3", "jwt needs jwt_file"),
        ("vault:\n  url: https://v\n  wait: soon", "2:3", "'soon' is no duration"),
        ("vault:\n  url: https://v\n  kv: 3", "3:7", "not '3'"),
        ("vault: {url: https://v, url: https://w}", "1:25", "given twice"),
        ("retention: soon", "1:12", "'soon' is no duration"),
        ("retention: [1]", "1:12", "retention is a text"),
        ("database: {url: x}", "1:11", "database is a text"),
        ("databse: x", "1:1", "did you mean 'database'?"),
        ("- a", "1:1", "the configuration file is a map"),
        ("database: [", "1:12", "YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, place: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as said:
        read(tmp_path, text)
    assert f"{tmp_path}/config.yaml:{place}: " in str(said.value)
    assert says in str(said.value)
    assert "s3cret" not in str(said.value)


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"VAULT_ADDR.*`url` of vault begins"):
        read(tmp_path, VAULT_ADDR="vault:8200")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as said:
        read(tmp_path, "databse: x\nretention: soon\nvault: { url: ftp, kv: 3 }")
    assert len(said.value.problems) == 3


def test_texts_stay_as_they_are_written(tmp_path: Path) -> None:
    vault = read(
        tmp_path, "vault: { url: https://v, mount: 0123, kv: 2, auth: { username: no, method: userpass } }"
    ).vault
    assert vault is not None
    assert (vault.mount, vault.kv, vault.auth.username) == ("0123", 2, "no")
