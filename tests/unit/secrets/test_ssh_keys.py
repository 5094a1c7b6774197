"""SSH keys of users in the embedded store, and on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import required
from support.orch import Orch
from support.ssh_key_contract import SshKeysContract, keygen

from orchestrator.app.settings import Settings
from orchestrator.app.ssh_keys import KeyType, generate, import_key, ssh_key, ssh_keys
from orchestrator.app.wiring import Home
from orchestrator.errors import UserError
from orchestrator.secrets import FileSecretStore


@pytest.fixture
def home(tmp_path: Path) -> Home:
    import shutil

    required(shutil.which("ssh-keygen") is not None, "ssh-keygen is not installed (Debian: openssh-client)")
    return Home(Settings(tmp_path / "home", tmp_path))


class TestEmbeddedSshKeys(SshKeysContract):
    pass


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"bits": 4096}, "always has 256 bits"),
        ({"kind": KeyType.RSA, "bits": 1024}, "2048 to 16384 bits, not 1024"),
        ({"name": "two\nlines"}, "cannot be the name of a key"),
        ({"name": "x" * 101}, "cannot be the name of a key"),
    ],
)
def test_what_is_not_generated(home: Home, words: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        generate(home, **words)  # type: ignore[arg-type]
    assert ssh_keys(home) == []


def test_what_is_not_imported(home: Home, tmp_path: Path) -> None:
    keygen("-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
    private = (tmp_path / "key").read_text()
    for content, says in (
        (b"", "cannot be read"),
        (b"\xff\x00", "cannot be read"),
        ((tmp_path / "key.pub").read_bytes(), "this is a public key"),
        (private.replace("A", "B", 40).encode(), "cannot be read|cannot be used"),
    ):
        with pytest.raises(UserError, match=says) as said:
            import_key(home, content)
        assert not any(line in f"{said.value}{said.value.hint}" for line in private.splitlines()[1:-1])
    assert ssh_keys(home) == []


@pytest.mark.parametrize("key_id", ["../services_secrets/dls", "a/b", "", "..", "x\n"])
def test_an_id_is_no_path(home: Home, key_id: str) -> None:
    home.secrets.put("services_secrets/dls", {"privateKey": "v"})
    with pytest.raises(UserError, match="there is no SSH key"):
        ssh_key(home, key_id)


class TestCommand:
    @pytest.fixture
    def orch(self, tmp_path: Path) -> Orch:
        return Orch(tmp_path)

    def test_generate_show_list_revoke(self, orch: Orch) -> None:
        key_id, public = orch("ssh-keys", "generate", "--name", "laptop").stdout.splitlines()
        private = FileSecretStore(orch.home / "secrets").get(f"ssh-credentials/{key_id}", "privateKey").reveal()
        assert orch("ssh-keys", "show", key_id).stdout == f"{public}\n"
        listed = orch("ssh-keys", "list").stdout
        assert key_id in listed
        assert "laptop" in listed
        (data,) = json.loads(orch("--json", "ssh-keys", "list").stdout)
        assert set(data) == {"id", "name", "type", "bits", "created", "fingerprint", "public_key"}
        assert data["public_key"] == public
        said = orch("ssh-keys", "revoke", key_id, status=2).stderr
        assert "--yes" in said
        assert "authorized_keys" in orch("ssh-keys", "revoke", key_id, "--yes").stdout
        assert orch("--json", "ssh-keys", "list").stdout == "[]\n"
        body = private.splitlines()[1]
        assert not [f for f in orch.folder.rglob("*") if f.is_file() and body.encode() in f.read_bytes()]

    def test_import_from_the_standard_input(self, orch: Orch, tmp_path: Path) -> None:
        keygen("-q", "-t", "ed25519", "-N", "s3same", "-f", tmp_path / "key")
        content = (tmp_path / "key").read_text()
        said = orch("ssh-keys", "import", "-", stdin=content, status=2).stderr
        assert "encrypted with a passphrase" in said
        (tmp_path / "passphrase").write_text("s3same\n")
        words = ("ssh-keys", "import", "-", "--passphrase-file", tmp_path / "passphrase")
        _, public = orch(*words, stdin=content).stdout.splitlines()
        assert public.split()[:2] == (tmp_path / "key.pub").read_text().split()[:2]
