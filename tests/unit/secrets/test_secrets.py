"""The encrypted store on real files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import small_file_system

from orchestrator.errors import SecretError, StorageError
from orchestrator.secrets import FileSecretStore, Secret, SecretStore, normal_path

CANARY = "canary-7f3a"


@pytest.fixture
def store(tmp_path: Path) -> FileSecretStore:
    return FileSecretStore(tmp_path / "home" / "secrets")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "secrets"


def test_a_path_is_one_however_it_is_written() -> None:
    for path in ("x/y", "/x/y", "secret/data/x/y", "/secret/data/x/y", "//secret/data//x/y/", " /x/y "):
        assert normal_path(path) == "x/y"
    assert normal_path("secret/x") == "secret/x"
    assert normal_path("mysecret/data/x") == "mysecret/data/x"
    for path in ("", "/", "secret/data", "/secret/data/"):
        with pytest.raises(SecretError, match="is no path of a secret"):
            normal_path(path)


@given(st.text(alphabet="secret/data x.-"))
def test_normal_paths_stay_as_they_are(path: str) -> None:
    try:
        normal = normal_path(path)
    except SecretError:
        return
    assert normal_path(normal) == normal
    assert normal_path(f"/secret/data/{normal}") == normal


def test_what_was_put_is_got_under_every_spelling(store: FileSecretStore) -> None:
    stored: SecretStore = store
    stored.put("/secret/data/services_secrets/dls", {"username": "u", "password": Secret(CANARY)})
    secret = stored.get("services_secrets/dls", "password")
    assert secret == Secret(CANARY)
    assert CANARY not in repr(secret)
    stored.put("services_secrets/dls", {"username": "v", "more": ""})
    assert stored.keys("/services_secrets/dls") == ("more", "password", "username")
    assert stored.get("/services_secrets/dls", "username").reveal() == "v"
    assert stored.paths() == ("services_secrets/dls",)
    assert stored.keys("nix") == ()
    stored.put("empty", {})
    assert "empty" not in stored.paths()


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=255)


@settings(max_examples=30, deadline=None)
@given(values=st.dictionaries(KEYS, st.text(st.characters(codec="utf-8"))))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]) -> None:
    store = FileSecretStore(tmp_path_factory.mktemp("s"))
    store.put("x", values)
    assert {k: FileSecretStore(store._folder).get("x", k).reveal() for k in store.keys("x")} == values


def test_nothing_readable_is_left_and_only_the_owner_may_look(store: FileSecretStore, folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    store.put("a/b", {"some-key": CANARY})
    for path in folder.iterdir():
        content = path.read_bytes()
        assert CANARY.encode() not in content
        assert b"some-key" not in content
        assert path.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "secrets.enc", "secrets.key"]
    before = (folder / "secrets.enc").read_bytes()
    store.put("a/b", {"some-key": CANARY})
    assert (folder / "secrets.enc").read_bytes()[15:27] != before[15:27]  # never the same nonce


def test_a_missing_secret_tells_how_to_set_it(store: FileSecretStore, folder: Path) -> None:
    with pytest.raises(SecretError, match=r"no secret ssh-credentials/me \(key privateKey\)") as raised:
        store.get("/secret/data/ssh-credentials/me", "privateKey")
    assert raised.value.hint == "orch secrets set ssh-credentials/me privateKey"
    assert not folder.exists()
    store.put("a b", {"one": CANARY})
    with pytest.raises(SecretError, match="the secret a b has no key two, only one") as raised:
        store.get("a b", "two")
    assert raised.value.hint == "orch secrets set 'a b' two"
    assert CANARY not in str(raised.value)


def test_delete(store: FileSecretStore) -> None:
    store.put("x", {"a": "1", "b": "2"})
    store.delete("/x", "a")
    assert store.keys("x") == ("b",)
    with pytest.raises(SecretError, match=r"there is no secret x \(key a\)"):
        store.delete("x", "a")
    store.delete("x", "b")
    assert store.paths() == ()
    store.put("x", {"a": "1", "b": "2"})
    store.delete("x")
    assert store.paths() == ()
    with pytest.raises(SecretError, match="there is no secret x"):
        store.delete("x")


def test_every_changed_byte_is_noticed(store: FileSecretStore, folder: Path) -> None:
    store.put("x", {"a": CANARY})
    good = (folder / "secrets.enc").read_bytes()
    damaged = [good[:n] + bytes([good[n] ^ 1]) + good[n + 1 :] for n in range(len(good))]
    for content in [*damaged, b"", good[:-1], good[:20], good + b"x"]:
        (folder / "secrets.enc").write_bytes(content)
        with pytest.raises(SecretError, match="was changed or damaged") as raised:
            store.get("x", "a")
        assert CANARY not in str(raised.value)
        with pytest.raises(SecretError):
            store.put("y", {"a": "b"})
        assert (folder / "secrets.enc").read_bytes() == content


def test_a_missing_or_other_key_is_told_and_nothing_is_overwritten(store: FileSecretStore, folder: Path) -> None:
    store.put("x", {"a": CANARY})
    good = (folder / "secrets.enc").read_bytes()
    key = (folder / "secrets.key").read_bytes()
    (folder / "secrets.key").unlink()
    for use in (lambda: store.get("x", "a"), lambda: store.put("y", {"a": "b"})):
        with pytest.raises(SecretError, match="key of the secret store is missing"):
            use()
    (folder / "secrets.key").write_bytes(b"short")
    with pytest.raises(SecretError, match="key of the secret store is damaged"):
        store.get("x", "a")
    (folder / "secrets.key").write_bytes(b"A" * 43 + b"=")
    with pytest.raises(SecretError, match="its key is another one"):
        store.get("x", "a")
    assert (folder / "secrets.enc").read_bytes() == good
    (folder / "secrets.key").write_bytes(key)
    assert store.get("x", "a").reveal() == CANARY


def test_processes_that_write_at_once_lose_nothing(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from orchestrator.secrets import FileSecretStore\n"
        "store = FileSecretStore(Path(sys.argv[1]))\n"
        "for n in range(25):\n    store.put(f'p{n}', {sys.argv[2]: str(n)}); store.get(f'p{n}', sys.argv[2])\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen([sys.executable, "-c", program, str(folder), name], env=env) for name in "abc"]
    assert [p.wait(60) for p in running] == [0, 0, 0]
    store = FileSecretStore(folder)
    assert len(store.paths()) == 25
    assert all(store.keys(f"p{n}") == ("a", "b", "c") for n in range(25))


def test_a_file_where_the_folder_belongs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="a file is where a folder belongs"):
            FileSecretStore(folder).put("x", {"a": CANARY})


def test_a_full_disk_keeps_the_old_secrets(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk", "64k") as disk:
        store = FileSecretStore(disk / "s")
        store.put("x", {"a": CANARY})
        with pytest.raises(StorageError, match="no space left"):
            store.put("y", {"a": "b" * 100_000})
        assert store.get("x", "a").reveal() == CANARY
        assert sorted(p.name for p in (disk / "s").iterdir()) == [".lock", "secrets.enc", "secrets.key"]
        store.put("y", {"a": "b"})


def test_looking_at_the_room_does_not_import_cryptography() -> None:
    program = "import sys, orchestrator.secrets; assert not [m for m in sys.modules if m.startswith('cryptography')]"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=env)
