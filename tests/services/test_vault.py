"""Secrets in Vault, on real OpenBao servers: the store, logging in, staying logged in, what goes wrong, executions."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import hvac
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support.orch import Orch, wait_for
from support.secret_contract import SecretStoreContract
from support.ssh_key_contract import SshKeysContract
from support.vault import Server, dev_server, free_port, sealable_server

from orchestrator.app.settings import Settings
from orchestrator.app.wiring import Home
from orchestrator.errors import SecretAccessError, SecretError, SecretStoreUnavailable
from orchestrator.secrets import (
    FileSecretStore,
    Secret,
    VaultConnection,
    VaultCredentials,
    VaultSecretStore,
    VaultSettings,
    WaitingSecrets,
)
from orchestrator.secrets.oidc import oidc_login
from orchestrator.secrets.vault_settings import AuthMethod, VaultAuth

ALL_SECRETS = 'path "secret/*" { capabilities = ["create", "read", "update", "delete", "list"] }'
READ_TEAM = 'path "secret/data/team/*" { capabilities = ["read"] }'


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with dev_server() as running:
        yield running


@pytest.fixture(scope="session")
def sealable() -> Iterator[Server]:
    with sealable_server() as running:
        yield running


def store_of(
    server: Server, *, token: str | None = None, auth: VaultAuth | None = None, **more: object
) -> VaultSecretStore:
    settings = VaultSettings(url=server.url, ca=str(server.ca) if server.ca else None, auth=auth or VaultAuth(), **more)  # type: ignore[arg-type]
    given = None if auth else Secret(token or server.root_token)
    return VaultSecretStore(VaultConnection(settings, VaultCredentials(given)))


def a_mount(server: Server, version: int) -> Iterator[str]:
    """A key-value engine of its own for one test."""
    name = f"kv-{uuid.uuid4().hex[:8]}"
    server.root.sys.enable_secrets_engine("kv", path=name, options={"version": str(version)})
    probe = VaultSecretStore(
        VaultConnection(VaultSettings(url=server.url, mount=name), VaultCredentials(Secret("root-t0ken")))
    )

    def ready() -> bool:
        try:
            probe.put("probe", {"a": "b"})
            probe.delete("probe")
        except SecretError:
            return False
        return True

    wait_for(ready, "the engine")
    yield name
    server.root.sys.disable_secrets_engine(name)


@pytest.fixture
def mount(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    yield from a_mount(server, request.param)


@pytest.mark.parametrize("mount", [1, 2], indirect=True)
class TestVaultSecretStore(SecretStoreContract):
    @pytest.fixture
    def store(self, server: Server, mount: str) -> VaultSecretStore:
        return store_of(server, mount=mount)

    def test_its_own_mount_may_be_spelled(self, store: VaultSecretStore, mount: str) -> None:
        store.put(f"/{mount}/data/x", {"k": "v"})
        assert store.get("x", "k").reveal() == "v"

    def test_values_that_are_no_strings(self, store: VaultSecretStore, server: Server, mount: str) -> None:
        store.put("x", {"k": "v"})
        server.root.adapter.post(
            f"/v1/{mount}/{'data/' if store._version == 2 else ''}x",
            json={"data": {"port": 22, "map": {"a": ["ü"]}}}
            if store._version == 2
            else {"port": 22, "map": {"a": ["ü"]}},
        )
        assert store.get("x", "port").reveal() == "22"
        assert store.get("x", "map").reveal() == '{"a": ["ü"]}'
        store.put("x", {"k": "v"})
        assert store.get("x", "port").reveal() == "22", "what is set beside it stays what it was"


class TestVersion2:
    def test_deleting_leaves_no_version(self, server: Server) -> None:
        store = store_of(server)
        for value in ("one", "two"):
            store.put("versions", {"k": value})
        server.root.secrets.kv.v2.delete_latest_version_of_secret("versions")
        assert store.keys("versions") == ()
        store.delete("versions")
        with pytest.raises(hvac.exceptions.InvalidPath):
            server.root.secrets.kv.v2.read_secret_metadata("versions")

    def test_a_deleted_one_can_be_set_again(self, server: Server) -> None:
        store = store_of(server)
        store.put("again", {"a": "1"})
        server.root.secrets.kv.v2.delete_latest_version_of_secret("again")
        store.put("again", {"b": "2"})
        assert store.keys("again") == ("b",)

    def test_no_change_of_others_is_lost(self, server: Server) -> None:
        from concurrent.futures import ThreadPoolExecutor

        store = store_of(server)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: store.put("many", {f"k{n}": "v"}), range(8)))
        assert len(store.keys("many")) == 8
        store.delete("many")


class TestWhatGoesWrong:
    def test_nobody_there(self) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        store = VaultSecretStore(VaultConnection(VaultSettings(url=url), VaultCredentials(Secret("t"))))
        with pytest.raises(
            SecretStoreUnavailable, match=f"Vault at {url} cannot be reached: Connection refused"
        ) as said:
            store.get("x", "k")
        assert "VAULT_ADDR" in (said.value.hint or "")
        assert said.value.code == "E2110"

    def test_no_such_host(self) -> None:
        store = VaultSecretStore(
            VaultConnection(VaultSettings(url="http://vault.invalid:8200"), VaultCredentials(Secret("t")))
        )
        with pytest.raises(SecretStoreUnavailable, match=r"cannot be reached: .*[Nn]ame"):
            store.get("x", "k")

    def test_a_wrong_token(self, server: Server) -> None:
        with pytest.raises(SecretAccessError, match="does not accept the token") as said:
            store_of(server, token="wr0ng-t0ken").get("x", "k")
        assert "orch secrets login" in (said.value.hint or "")
        assert "wr0ng-t0ken" not in f"{said.value} {said.value.hint}"

    def test_no_token(self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("VAULT_TOKEN", server.root_token)  # only what is handed over counts
        store = VaultSecretStore(VaultConnection(VaultSettings(url=server.url), VaultCredentials()))
        with pytest.raises(SecretAccessError, match="there is no token for Vault"):
            store.get("x", "k")
        (tmp_path / ".vault-token").write_text(f"{server.root_token}\n")
        assert isinstance(store.paths(), tuple)

    def test_what_the_policy_forbids(self, server: Server) -> None:
        store_of(server).put("team/db", {"k": "v"})
        store = store_of(server, token=server.token(READ_TEAM))
        assert store.get("/secret/data/team/db", "k").reveal() == "v"
        with pytest.raises(SecretAccessError, match=r"forbids to read the secret secret/other: .* policies") as said:
            store.get("other", "k")
        assert said.value.code == "E2120"
        with pytest.raises(SecretAccessError, match="forbids to write the secret secret/team/db"):
            store.put("team/db", {"k": "w"})
        with pytest.raises(SecretAccessError, match="forbids to list the secrets of secret/"):
            store.paths()

    def test_what_may_be_listed_but_not_read(self, server: Server, tmp_path: Path) -> None:
        orch = Orch(tmp_path)
        key_id = orch("ssh-keys", "generate", VAULT_ADDR=server.url, VAULT_TOKEN=server.root_token).stdout.split()[0]
        token = server.token('path "secret/metadata/*" { capabilities = ["list"] }')
        given = {"VAULT_ADDR": server.url, "VAULT_TOKEN": token}
        assert "(may not be read)" in orch("secrets", "list", **given).stdout
        assert f"{key_id}        may not be read" in orch("ssh-keys", "list", **given).stdout
        assert "forbids to read" in orch("ssh-keys", "show", key_id, status=2, **given).stderr

    def test_a_token_that_may_not_look_itself_up(self, server: Server) -> None:
        store_of(server).put("team/db", {"k": "v"})
        store = store_of(server, token=server.token(READ_TEAM, no_default_policy=True))
        assert store.get("team/db", "k").reveal() == "v"

    def test_a_certificate_that_nobody_vouches_for(self, sealable: Server) -> None:
        store = VaultSecretStore(VaultConnection(VaultSettings(url=sealable.url), VaultCredentials(Secret("t"))))
        with pytest.raises(SecretAccessError, match=r"cannot be trusted: .*certificate") as said:
            store.get("x", "k")
        assert "VAULT_CACERT" in (said.value.hint or "")

    def test_a_ca_file_that_is_not_there(self, sealable: Server) -> None:
        settings = VaultSettings(url=sealable.url, ca="/nowhere/ca.pem")
        with pytest.raises(SecretAccessError, match=r"cannot be trusted: .*/nowhere/ca.pem"):
            VaultSecretStore(VaultConnection(settings, VaultCredentials(Secret("t")))).get("x", "k")

    def test_plain_http_to_a_server_with_tls(self, sealable: Server) -> None:
        settings = VaultSettings(url=sealable.url.replace("https:", "http:"))
        with pytest.raises(SecretError, match="HTTP request to an HTTPS server"):
            VaultSecretStore(VaultConnection(settings, VaultCredentials(Secret("t")))).get("x", "k")

    def test_sealed(self, sealable: Server) -> None:
        store = store_of(sealable)
        store.put("x", {"k": "v"})
        assert store.get("x", "k").reveal() == "v"
        sealable.seal()
        try:
            for use in (lambda: store.get("x", "k"), lambda: store_of(sealable).get("x", "k"), store.paths):
                with pytest.raises(SecretStoreUnavailable, match=f"Vault at {sealable.url} is sealed") as said:
                    use()
                assert "unseal" in (said.value.hint or "")
        finally:
            sealable.unseal()
        assert store.get("x", "k").reveal() == "v"

    def test_restarted(self, sealable: Server) -> None:
        store = store_of(sealable)
        store.put("x", {"k": "v"})
        sealable.stop()
        with pytest.raises(SecretStoreUnavailable, match="cannot be reached"):
            store.get("x", "k")
        sealable.start()
        with pytest.raises(SecretStoreUnavailable, match="is sealed"):
            store.get("x", "k")
        sealable.unseal()
        assert store.get("x", "k").reveal() == "v"


class TestLoggingIn:
    @pytest.fixture(autouse=True)
    def data(self, server: Server) -> None:
        server.root.sys.create_or_update_policy("team", READ_TEAM)
        store_of(server).put("team/db", {"k": "v"})

    @pytest.fixture
    def methods(self, server: Server) -> Iterator[hvac.Client]:
        """Enabled for the test: approle, userpass and jwt."""
        for method in ("approle", "userpass", "jwt"):
            server.root.sys.enable_auth_method(method, path=f"own/{method}")
        yield server.root
        for method in ("approle", "userpass", "jwt"):
            server.root.sys.disable_auth_method(f"own/{method}")

    def test_approle(self, server: Server, methods: hvac.Client, tmp_path: Path) -> None:
        methods.auth.approle.create_or_update_approle("w", token_policies=["team"], mount_point="own/approle")
        role = methods.auth.approle.read_role_id("w", mount_point="own/approle")["data"]["role_id"]
        file = tmp_path / "secret-id"
        auth = VaultAuth(method=AuthMethod.APPROLE, path="own/approle", role_id=role, secret_id_file=str(file))
        with pytest.raises(SecretAccessError, match="secret-id: cannot be read"):
            store_of(server, auth=auth).get("team/db", "k")
        file.write_text("wrong\n")
        with pytest.raises(SecretAccessError, match=r"refused to log in with approle \(at auth/own/approle\)") as said:
            store_of(server, auth=auth).get("team/db", "k")
        assert "secret_id_file" in (said.value.hint or "")
        secret = methods.auth.approle.generate_secret_id("w", mount_point="own/approle")["data"]["secret_id"]
        file.write_text(f"{secret}\n")
        assert store_of(server, auth=auth).get("team/db", "k").reveal() == "v"
        file.unlink()
        given = VaultConnection(VaultSettings(url=server.url, auth=auth), VaultCredentials(secret_id=Secret(secret)))
        assert VaultSecretStore(given).get("team/db", "k").reveal() == "v"

    def test_userpass(self, server: Server, methods: hvac.Client, tmp_path: Path) -> None:
        methods.auth.userpass.create_or_update_user("me", "pa ss", policies=["team"], mount_point="own/userpass")
        file = tmp_path / "password"
        auth = VaultAuth(method=AuthMethod.USERPASS, path="own/userpass", username="me", password_file=str(file))
        file.write_text("other\n")
        with pytest.raises(SecretAccessError, match="refused to log in with userpass"):
            store_of(server, auth=auth).get("team/db", "k")
        file.write_text("pa ss\n")
        assert store_of(server, auth=auth).get("team/db", "k").reveal() == "v"

    def test_jwt(self, server: Server, methods: hvac.Client, tmp_path: Path) -> None:
        key = rsa.generate_private_key(65537, 2048)
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        methods.auth.jwt.configure(jwt_validation_pubkeys=[pem.decode()], bound_issuer="ci", path="own/jwt")
        methods.auth.jwt.create_role(
            "w", "sub", [], bound_audiences=["vault"], token_policies=["team"], role_type="jwt", path="own/jwt"
        )
        file = tmp_path / "jwt"
        auth = VaultAuth(method=AuthMethod.JWT, path="own/jwt", role="w", jwt_file=str(file))
        claims = {"iss": "ci", "sub": "job", "aud": "vault", "exp": int(time.time()) + 60, "iat": int(time.time())}
        file.write_text(signed({**claims, "exp": int(time.time()) - 3600, "iat": int(time.time()) - 7200}, key))
        with pytest.raises(SecretAccessError, match="refused to log in with jwt"):
            store_of(server, auth=auth).get("team/db", "k")
        file.write_text(signed(claims, key))
        assert store_of(server, auth=auth).get("team/db", "k").reveal() == "v"

    def test_a_token_in_a_file_that_is_replaced(self, server: Server, tmp_path: Path) -> None:
        file = tmp_path / "token"
        first = server.token(READ_TEAM)
        file.write_text(first)
        store = store_of(server, auth=VaultAuth(token_file=str(file)))
        assert store.get("team/db", "k").reveal() == "v"
        server.root.auth.token.revoke(first)
        with pytest.raises(SecretAccessError, match="does not accept the token"):
            store.get("team/db", "k")
        file.write_text(server.token(READ_TEAM))
        assert store.get("team/db", "k").reveal() == "v"

    def test_a_token_is_remembered_encrypted(self, server: Server, tmp_path: Path) -> None:
        token = server.token(READ_TEAM)
        settings, kept = VaultSettings(url=server.url), FileSecretStore(tmp_path / "kept")
        VaultConnection(settings, VaultCredentials(), kept).remember(Secret(token))
        later = VaultSecretStore(VaultConnection(settings, VaultCredentials(), kept))
        assert later.get("team/db", "k").reveal() == "v"
        assert not [f for f in tmp_path.rglob("*") if f.is_file() and token.encode() in f.read_bytes()]

    def test_namespaces(self, server: Server) -> None:
        server.root.adapter.post("/v1/sys/namespaces/group", json={})
        inside = hvac.Client(server.url, token=server.root_token, namespace="group")
        inside.sys.enable_secrets_engine("kv", path="secret", options={"version": "1"})
        inside.secrets.kv.v1.create_or_update_secret("x", {"k": "of the group"})
        assert store_of(server, namespace="group").get("x", "k").reveal() == "of the group"
        with pytest.raises(SecretError, match="there is no secret"):
            store_of(server).get("x-of-group", "k")


class TestStayingLoggedIn:
    def test_a_token_is_renewed_before_it_runs_out(self, server: Server) -> None:
        store_of(server).put("team/db", {"k": "v"})
        token = server.token(READ_TEAM, ttl="2s", renewable=True, explicit_max_ttl="1h")
        store = store_of(server, token=token)
        assert store.get("team/db", "k").reveal() == "v"
        begun = time.monotonic()
        wait_for(lambda: time.monotonic() - begun > 5, "more than twice the token's time")
        assert store.get("team/db", "k").reveal() == "v"
        store.connection.close()

    def test_where_it_cannot_be_renewed_there_is_another_login(self, server: Server, tmp_path: Path) -> None:
        store_of(server).put("team/db", {"k": "v"})
        server.root.sys.create_or_update_policy("team", READ_TEAM)
        server.root.sys.enable_auth_method("userpass", path="short")
        server.root.auth.userpass.create_or_update_user(
            "me", "p", token_policies=["team"], token_ttl="1s", token_max_ttl="2s", mount_point="short"
        )
        (tmp_path / "p").write_text("p")
        auth = VaultAuth(method=AuthMethod.USERPASS, path="short", username="me", password_file=str(tmp_path / "p"))
        store = store_of(server, auth=auth)
        begun, seen = time.monotonic(), set()
        while time.monotonic() - begun < 6:
            assert store.get("team/db", "k").reveal() == "v"
            client, _ = store.connection._logged_in()
            seen.add(client.token)
        assert len(seen) >= 2
        store.connection.close()

    def test_a_revoked_login_is_replaced(self, server: Server, tmp_path: Path) -> None:
        store_of(server).put("team/db", {"k": "v"})
        server.root.sys.create_or_update_policy("team", READ_TEAM)
        server.root.sys.enable_auth_method("userpass", path="revoked")
        server.root.auth.userpass.create_or_update_user("me", "p", policies=["team"], mount_point="revoked")
        (tmp_path / "p").write_text("p")
        auth = VaultAuth(method=AuthMethod.USERPASS, path="revoked", username="me", password_file=str(tmp_path / "p"))
        store = store_of(server, auth=auth)
        assert store.get("team/db", "k").reveal() == "v"
        server.root.auth.token.revoke(store.connection._logged_in()[0].token)
        assert store.get("team/db", "k").reveal() == "v"


class TestWaiting:
    def test_it_goes_on_when_vault_is_unsealed(self, sealable: Server) -> None:
        store_of(sealable).put("x", {"k": "v"})
        sealable.seal()
        said: list[str] = []
        store = WaitingSecrets(store_of(sealable), 60, lambda: None, said.append)
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(store.get("x", "k").reveal()))
        thread.start()
        try:
            wait_for(lambda: said, "the wait to begin")
        finally:
            sealable.unseal()
        thread.join(30)
        assert found == ["v"]
        assert [line.split(":")[0] for line in said][1:] == ["the secret store answers again"]
        assert "is sealed: waiting up to 60 s" in said[0]

    def test_it_ends(self) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        down = VaultSecretStore(VaultConnection(VaultSettings(url=url), VaultCredentials(Secret("t"))))
        with pytest.raises(SecretStoreUnavailable, match=r"cannot be reached.*waited 0.5 s for the secret x"):
            WaitingSecrets(down, 0.5, lambda: None, lambda text: None).get("x", "k")

    def test_it_can_be_broken_off(self) -> None:
        class Stop(Exception):
            pass

        def stop() -> None:
            raise Stop

        url = f"http://127.0.0.1:{free_port()}"
        down = VaultSecretStore(VaultConnection(VaultSettings(url=url), VaultCredentials(Secret("t"))))
        with pytest.raises(Stop):
            WaitingSecrets(down, 60, stop, lambda text: None).get("x", "k")


def signed(claims: dict[str, object], key: rsa.RSAPrivateKey) -> str:
    """A JSON web token (RS256)."""
    import base64
    import json

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = ".".join(part(json.dumps(c).encode()) for c in ({"alg": "RS256", "typ": "JWT"}, claims))
    return f"{text}.{part(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class TestVaultSshKeys(SshKeysContract):
    @pytest.fixture
    def home(self, server: Server, mount: str, tmp_path: Path) -> Home:
        vault = VaultSettings(url=server.url, mount=mount)
        credentials = VaultCredentials(Secret(server.root_token))
        return Home(Settings(tmp_path / "home", tmp_path, vault=vault, vault_credentials=credentials))

    @pytest.fixture(params=[2])
    def mount(self, server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
        yield from a_mount(server, request.param)


class TestOidc:
    """OpenBao is the provider, too; a script stands for the person with the browser."""

    @pytest.fixture
    def redirect_port(self, server: Server) -> Iterator[int]:
        port, root = free_port(), server.root

        def post(path: str, **values: object) -> None:
            root.adapter.post(f"/v1/{path}", json=values)

        redirect = f"http://localhost:{port}/oidc/callback"
        provider = "identity/oidc/provider/default"
        post("identity/oidc/client/orch", redirect_uris=[redirect], assignments=["allow_all"])
        client = root.adapter.get("/v1/identity/oidc/client/orch")["data"]
        post(provider, issuer=server.url, allowed_client_ids=["*"])
        root.sys.enable_auth_method("userpass", path="people")
        root.auth.userpass.create_or_update_user("anna", "p", mount_point="people")
        root.sys.enable_auth_method("jwt", path="oidc")
        root.sys.create_or_update_policy("team", READ_TEAM)
        store_of(server).put("team/db", {"k": "v"})
        post(
            "auth/oidc/config",
            oidc_discovery_url=f"{server.url}/v1/{provider}",
            oidc_client_id=client["client_id"],
            oidc_client_secret=client["client_secret"],
            default_role="w",
        )
        post(
            "auth/oidc/role/w",
            role_type="oidc",
            user_claim="sub",
            allowed_redirect_uris=[redirect],
            token_policies=["team"],
        )
        yield port
        for path in ("people", "oidc"):
            root.sys.disable_auth_method(path)

    def connection(self, server: Server, kept: Path) -> VaultConnection:
        settings = VaultSettings(url=server.url, auth=VaultAuth(method=AuthMethod.OIDC))
        return VaultConnection(settings, VaultCredentials(), FileSecretStore(kept))

    def browser(self, server: Server, address: str, *, state: str | None = None, error: str = "") -> None:
        query = urlsplit(address).query
        person = hvac.Client(server.url, token="").auth.userpass.login("anna", "p", mount_point="people")
        headers = {"X-Vault-Token": person["auth"]["client_token"]}
        authorize = f"{server.url}/v1/identity/oidc/provider/default/authorize?{query}"
        given = requests.get(authorize, headers=headers, timeout=10).json()
        answer = {"error": "access_denied", "error_description": error} if error else {"code": given["code"]}
        back = parse_qs(query)["redirect_uri"][0]
        requests.get(back, params={**answer, "state": state or given["state"]}, timeout=10)

    def test_login_and_logout(self, server: Server, redirect_port: int, tmp_path: Path) -> None:
        connection = self.connection(server, tmp_path / "kept")
        with pytest.raises(SecretAccessError, match="there is no token") as said:
            VaultSecretStore(connection).get("team/db", "k")
        assert "orch secrets login" in (said.value.hint or "")

        def show(address: str) -> None:
            def person() -> None:
                self.browser(server, address, state="of somebody else", error="forged")  # is not heard
                self.browser(server, address)

            threading.Thread(target=person).start()

        token = oidc_login(connection, show, port=redirect_port, limit=30)
        connection.remember(token)
        later = self.connection(server, tmp_path / "kept")
        assert VaultSecretStore(later).get("team/db", "k").reveal() == "v"
        assert later.identity().policies == ("default", "team")
        assert later.forget_remembered()
        assert not later.forget_remembered()
        with pytest.raises(SecretAccessError, match="does not accept the token"):
            connection.identity_of(token)

    def test_what_the_provider_refuses(self, server: Server, redirect_port: int, tmp_path: Path) -> None:
        def show(address: str) -> None:
            threading.Thread(target=lambda: self.browser(server, address, error="not today")).start()

        connection = self.connection(server, tmp_path / "kept")
        with pytest.raises(SecretAccessError, match="did not log you in: not today"):
            oidc_login(connection, show, port=redirect_port, limit=30)
        other = VaultAuth(method=AuthMethod.OIDC, role="of nobody")
        stranger = VaultConnection(VaultSettings(url=server.url, auth=other), VaultCredentials())
        with pytest.raises(SecretAccessError, match=r"refused to log in with oidc") as said:
            oidc_login(stranger, show, port=redirect_port, limit=30)
        assert f"localhost:{redirect_port}/oidc/callback" in (said.value.hint or "")
        with pytest.raises(SecretAccessError, match=r"no answer came back from the browser within 0.2 s"):
            oidc_login(connection, lambda address: None, port=redirect_port, limit=0.2)


PASSWORD = "p4ss-c4n4ry-7c1e"
TOPOLOGY = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: reading, template_version: 1.0.0 }
imports:
  - tosca-normative-types:1.0.0-ALIEN20
  - orch-types:1.0.0
node_types:
  tests.nodes.Reader:
    derived_from: tosca.nodes.Root
    properties:
      folder: { type: string }
      password: { type: string }
    interfaces:
      Work:
        operations:
          hold:
            inputs: { folder: { get_property: [ SELF, folder ] } }
            implementation: hold.yaml
          read:
            inputs:
              folder: { get_property: [ SELF, folder ] }
              password: { get_property: [ SELF, password ] }
              key:
                get_vault_secret: [ concat: [ "/secret/data/ssh-credentials/", get_input: vault_id ], data=privateKey ]
            implementation: read.yaml
topology_template:
  inputs:
    folder: { type: string }
    vault_id: { type: string, default: "" }
  node_templates:
    Reader:
      type: tests.nodes.Reader
      properties:
        folder: { get_input: folder }
        password: { get_secret: [ /secret/data/services_secrets/dls, data=password ] }
  workflows:
    read:
      inputs: { vault_id: { type: string } }
      steps:
        hold: { target: Reader, activities: [ call_operation: Work.hold ], on_success: [ read ] }
        read: { target: Reader, activities: [ call_operation: Work.read ] }
"""
HOLD = """\
- hosts: all
  gather_facts: false
  tasks:
    - shell: touch "{{ folder }}/holding"; while test ! -e "{{ folder }}/go"; do sleep 0.05; done
"""
READ = """\
- hosts: all
  gather_facts: false
  tasks:
    - debug: { msg: "the password is {{ password }}, the key is {{ key }}" }
    - copy:
        content: "{{ password | hash('sha256') }} {{ key | hash('sha256') }}"
        dest: "{{ folder }}/read"
    - shell: touch "{{ folder }}/reading"; while test ! -e "{{ folder }}/end"; do sleep 0.05; done
"""


class Reading:
    """A deployed workflow that holds, then reads two secrets, then waits to be let go."""

    def __init__(self, orch: Orch, server: Server, token: str) -> None:
        self.orch, self.server, self.folder = orch, server, orch.folder / "work"
        self.folder.mkdir()
        self.environment = {"VAULT_ADDR": server.url, "VAULT_TOKEN": token}
        if server.ca:
            self.environment["VAULT_CACERT"] = str(server.ca)
        self("secrets", "set", "services_secrets/dls", "password", stdin=f"{PASSWORD}\n")
        self.vault_id, self.public = self("ssh-keys", "generate").stdout.splitlines()
        self.private = store_of(server).get(f"ssh-credentials/{self.vault_id}", "privateKey").reveal()
        for name, text in (("topology.yaml", TOPOLOGY), ("hold.yaml", HOLD), ("read.yaml", READ)):
            (orch.folder / name).write_text(text)

    def __call__(self, *words: str | Path, status: int | None = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.orch(*words, status=status, stdin=stdin, **self.environment)

    def deploy(self, status: int = 0) -> subprocess.CompletedProcess[str]:
        return self("deploy", self.orch.folder / "topology.yaml", "-i", f"folder={self.folder}", status=status)

    def start(self) -> subprocess.Popen[str]:
        """Start it; it holds before it reads a secret."""
        process = self.orch.start("run", "read", "-i", f"vault_id={self.vault_id}", **self.environment)
        wait_for((self.folder / "holding").exists, "the first step")
        return process

    def let(self, what: str) -> None:
        (self.folder / what).touch()

    def wait_for_event(self, text: str) -> None:
        wait_for(lambda: text in self("executions", "logs").stdout, text)

    def check(self) -> None:
        import hashlib

        wanted = " ".join(hashlib.sha256(text.encode()).hexdigest() for text in (PASSWORD, self.private))
        assert (self.folder / "read").read_text() == wanted

    def canaries(self) -> list[str]:
        return [PASSWORD, self.private.splitlines()[2], self.environment["VAULT_TOKEN"]]


@pytest.fixture
def orch(tmp_path: Path) -> Iterator[Orch]:
    runner = Orch(tmp_path)
    yield runner
    runner.stop()


class TestExecutions:
    def test_secrets_are_found_nowhere(self, orch: Orch, server: Server) -> None:
        reading = Reading(orch, server, server.token(ALL_SECRETS))
        reading.deploy()
        process = reading.start()
        reading.let("go")
        wait_for((reading.folder / "reading").exists, "the second step")
        arguments = [entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline") if entry.exists()]
        during = files_with(reading.canaries(), orch.folder)
        reading.let("end")
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 0, said
        reading.check()
        logs = reading("--json", "executions", "logs").stdout + reading("--json", "executions", "show").stdout
        for canary in reading.canaries():
            assert not [line for line in arguments if canary.encode() in line]
            assert canary not in said + logs
        assert during == []
        assert files_with(reading.canaries(), orch.folder) == []

    def test_it_waits_for_a_sealed_vault(self, orch: Orch, sealable: Server) -> None:
        reading = Reading(orch, sealable, sealable.root_token)
        reading.deploy()
        process = reading.start()
        reading.let("end")
        sealable.seal()
        try:
            reading.let("go")
            reading.wait_for_event("is sealed: waiting up to 600 s")
        finally:
            sealable.unseal()
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 0, said
        reading.check()
        assert reading("executions", "logs").stdout.count("is sealed: waiting") == 1
        reading.wait_for_event("the secret store answers again")

    def test_a_wait_can_be_cancelled(self, orch: Orch, sealable: Server) -> None:
        reading = Reading(orch, sealable, sealable.root_token)
        reading.deploy()
        process = reading.start()
        sealable.seal()
        try:
            reading.let("go")
            reading.wait_for_event("is sealed: waiting")
            execution = orch.executions()[0]["id"]
            reading("executions", "cancel", execution)
            said = process.communicate(timeout=30)[0]
        finally:
            sealable.unseal()
        assert process.returncode == 1, said
        assert orch.executions()[0]["status"].upper() == "CANCELLED"

    def test_a_wait_does_not_hold_up_detaching(self, orch: Orch, sealable: Server) -> None:
        reading = Reading(orch, sealable, sealable.root_token)
        reading.deploy()
        process = reading.start()
        sealable.seal()
        try:
            reading.let("go")
            reading.wait_for_event("is sealed: waiting")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        finally:
            sealable.unseal()
        reading.let("end")
        reading("executions", "resume", orch.executions()[0]["id"])
        reading.check()

    def test_a_sealed_vault_is_told_before_anything_is_done(self, orch: Orch, sealable: Server) -> None:
        reading = Reading(orch, sealable, sealable.root_token)
        sealable.seal()
        try:
            said = reading.deploy(status=1).stderr
        finally:
            sealable.unseal()
        assert f"Vault at {sealable.url} is sealed; Reader (" in said
        assert "bao operator unseal" in said
        reading.environment["VAULT_ADDR"] = f"http://127.0.0.1:{free_port()}"
        assert "cannot be reached: Connection refused; Reader (" in reading.deploy(status=1).stderr
        assert orch.executions() == []


class TestCommandLine:
    def test_secrets(self, orch: Orch, server: Server, tmp_path: Path) -> None:
        token = server.token(ALL_SECRETS)
        given = {"VAULT_ADDR": server.url, "VAULT_TOKEN": token}
        orch("secrets", "set", "cli/x", "user", "password", stdin=f"me\n{PASSWORD}\n", **given)
        assert orch("secrets", "list", "cli/x", **given).stdout.split() == [
            "PATH",
            "KEYS",
            "cli/x",
            "password,",
            "user",
        ]
        assert store_of(server).get("cli/x", "password").reveal() == PASSWORD
        orch("secrets", "delete", "cli/x", **given)
        assert "there is no secret" in orch("secrets", "list", "cli/x", status=2, **given).stderr
        assert "policies: default, " in orch("secrets", "login", **given).stdout
        assert files_with([PASSWORD, token], tmp_path) == []

    def test_login_with_a_token(self, orch: Orch, server: Server, tmp_path: Path) -> None:
        token = server.token(ALL_SECRETS)
        orch.home.mkdir()
        (orch.home / "config.yaml").write_text(f"vault: {{url: '{server.url}'}}\n")
        given = {"HOME": str(tmp_path), "VAULT_TOKEN": ""}
        assert "there is no token" in orch("secrets", "list", status=2, **given).stderr
        assert "does not accept the token" in orch("secrets", "login", stdin="wr0ng\n", status=2, **given).stderr
        assert "logged in to Vault as token" in orch("secrets", "login", stdin=f"{token}\n", **given).stdout
        orch("secrets", "set", "cli/y", "k", stdin="v\n", **given)
        assert files_with([token], tmp_path) == []
        orch("secrets", "logout", **given)
        assert "there is no token" in orch("secrets", "list", status=2, **given).stderr
        with pytest.raises(hvac.exceptions.Forbidden):
            hvac.Client(server.url, token=token).auth.token.lookup_self()

    def test_without_a_vault_there_is_nothing_to_log_in_to(self, orch: Orch) -> None:
        assert "kept in orch's home" in orch("secrets", "login", status=2, VAULT_ADDR="").stderr


def files_with(canaries: list[str], *folders: Path) -> list[str]:
    """The files that hold one of some texts, here and among the temporary files of orch."""
    found = []
    for folder in folders:
        for file in folder.rglob("*"):
            try:
                content = file.read_bytes() if file.is_file() and not file.is_symlink() else b""
            except OSError:
                continue
            found += [f"{file}: {canary[:6]}" for canary in canaries if canary.encode() in content]
    return found
