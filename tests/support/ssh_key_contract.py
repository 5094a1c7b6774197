"""What SSH keys of users do, whatever store they are in."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from orchestrator.app.connections import private_key
from orchestrator.app.ssh_keys import (
    KeyType,
    PassphraseNeeded,
    generate,
    import_key,
    revoke,
    ssh_key,
    ssh_keys,
)
from orchestrator.app.wiring import Home
from orchestrator.errors import SecretError, UserError
from orchestrator.secrets import Secret


def keygen(*words: str | Path) -> str:
    """What OpenSSH's own ssh-keygen says."""
    done = subprocess.run(["ssh-keygen", *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


class SshKeysContract:
    """Subclasses have a fixture ``home`` whose secret store is empty."""

    @pytest.mark.parametrize(
        ("kind", "bits", "size", "says"), [("ed25519", None, 256, "ED25519"), ("rsa", 2048, 2048, "RSA")]
    )
    def test_openssh_takes_what_is_generated(
        self, home: Home, tmp_path: Path, kind: str, bits: int | None, size: int, says: str
    ) -> None:
        made = generate(home, kind=KeyType(kind), bits=bits, name="me at the cluster")
        file = tmp_path / "key"
        file.touch(mode=0o600)
        file.write_text(home.secrets.get(f"/secret/data/ssh-credentials/{made.id}", "privateKey").reveal())
        assert keygen("-y", "-f", file).split()[:2] == made.public_key.split()[:2]
        public = tmp_path / "key.pub"
        public.write_text(made.public_key + "\n")
        assert keygen("-l", "-f", public) == f"{size} {made.fingerprint} me at the cluster ({says})\n"
        assert (made.type, made.bits, made.name) == (kind, size, "me at the cluster")
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made.id)
        assert home.secrets.keys(f"ssh-credentials/{made.id}") == ("created", "name", "privateKey", "publicKey")
        assert ssh_key(home, made.id) == made

    def test_list_and_revoke(self, home: Home) -> None:
        home.secrets.put("other", {"k": "v"})
        one, two = generate(home), generate(home, name="two")
        assert one.public_key.endswith(f" orch-{one.id}")
        assert {key.id for key in ssh_keys(home)} == {one.id, two.id}
        revoke(home, one.id)
        assert list(ssh_keys(home)) == [two]
        assert home.secrets.paths() == ("other", f"ssh-credentials/{two.id}")
        for use in (ssh_key, revoke):
            with pytest.raises(UserError, match="there is no SSH key"):
                use(home, one.id)

    def test_a_key_by_its_name(self, home: Home) -> None:
        one, two = generate(home, name="jane"), generate(home, name="me at the cluster")
        again = generate(home, name="twice")
        generate(home, name="twice")
        private = home.secrets.get(f"ssh-credentials/{one.id}", "privateKey")
        assert ssh_key(home, "jane") == one
        assert ssh_key(home, "me at the cluster") == two
        for way in ("jane", one.id, f"ssh-credentials/{one.id}", f"/secret/data/ssh-credentials/{one.id}"):
            assert private_key(home.secrets, way) == private
        with pytest.raises(SecretError, match="several SSH keys are called 'twice'") as error:
            private_key(home.secrets, "twice")
        assert again.id in (error.value.hint or "")
        with pytest.raises(UserError, match="several SSH keys are called 'twice'"):
            revoke(home, "twice")
        with pytest.raises(SecretError, match="no SSH key with the id or the name 'joe'"):
            private_key(home.secrets, "joe")
        assert revoke(home, "jane") == one
        assert ssh_key(home, "me at the cluster") == two

    @pytest.mark.parametrize("words", [["-t", "ed25519"], ["-t", "rsa", "-b", "2048", "-m", "PEM"], ["-t", "ecdsa"]])
    @pytest.mark.parametrize("passphrase", ["", "pa ss ü"])
    def test_import(self, home: Home, tmp_path: Path, words: list[str], passphrase: str) -> None:
        file = tmp_path / "key"
        keygen("-q", *words, "-a", "1", "-N", passphrase, "-f", file)
        if passphrase:
            with pytest.raises(PassphraseNeeded):
                import_key(home, file.read_bytes())
            with pytest.raises(UserError, match="passphrase is wrong"):
                import_key(home, file.read_bytes(), passphrase=Secret("other"))
            assert ssh_keys(home) == []
        made = import_key(home, file.read_bytes(), passphrase=Secret(passphrase or "not needed"), name="mine")
        assert made.public_key.split()[:2] == (tmp_path / "key.pub").read_text().split()[:2]
        kept = tmp_path / "kept"
        kept.touch(mode=0o600)
        kept.write_text(home.secrets.get(f"ssh-credentials/{made.id}", "privateKey").reveal())
        assert keygen("-y", "-P", "", "-f", kept).split()[:2] == made.public_key.split()[:2]

    def test_a_key_of_another_system(self, home: Home, tmp_path: Path) -> None:
        """HPCWaaS may have kept the private key alone."""
        file = tmp_path / "key"
        keygen("-q", "-t", "ed25519", "-N", "", "-f", file)
        home.secrets.put("ssh-credentials/theirs", {"privateKey": Secret(file.read_text())})
        home.secrets.put("ssh-credentials/damaged", {"privateKey": Secret("n0nsense")})
        found = {key.id: key for key in ssh_keys(home)}
        assert found["theirs"].public_key == " ".join((tmp_path / "key.pub").read_text().split()[:2])
        assert found["theirs"].fingerprint == keygen("-l", "-f", file).split()[1]
        assert (found["damaged"].type, found["damaged"].public_key) == ("unknown", "")
