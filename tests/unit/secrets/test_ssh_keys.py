"""SSH keys of users in the embedded store."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import required
from support.ssh_key_contract import SshKeysContract, keygen

from orchestrator.app.settings import Settings
from orchestrator.app.ssh_keys import KeyType, generate, import_key, ssh_key, ssh_keys
from orchestrator.app.wiring import Home
from orchestrator.errors import UserError


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
