"""``orch ssh-keys``: keys are made, brought, listed and revoked by commands, and no private part is left about."""

from __future__ import annotations

import json
from pathlib import Path

from support.orch import Orch
from support.ssh_key_contract import keygen

from orchestrator.secrets import FileSecretStore


def test_generate_show_list_revoke(orch: Orch) -> None:
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


def test_import_from_the_standard_input(orch: Orch, tmp_path: Path) -> None:
    keygen("-q", "-t", "ed25519", "-N", "s3same", "-f", tmp_path / "key")
    content = (tmp_path / "key").read_text()
    said = orch("ssh-keys", "import", "-", stdin=content, status=2).stderr
    assert "encrypted with a passphrase" in said
    (tmp_path / "passphrase").write_text("s3same\n")
    words = ("ssh-keys", "import", "-", "--passphrase-file", tmp_path / "passphrase")
    _, public = orch(*words, stdin=content).stdout.splitlines()
    assert public.split()[:2] == (tmp_path / "key.pub").read_text().split()[:2]
