"""What every store of secrets must do; run over each of them."""

from __future__ import annotations

import pytest

from orchestrator.errors import SecretError
from orchestrator.secrets import Secret, SecretStore

CANARY = "c4n4ry \"'$(x){{ y }}\nü"


class SecretStoreContract:
    """Subclasses have a fixture ``store``: an empty one."""

    @pytest.mark.parametrize("spelling", ["/secret/data/a/b", "secret/data/a/b", "a/b", "/a/b/"])
    def test_every_spelling_names_the_same(self, store: SecretStore, spelling: str) -> None:
        store.put(spelling, {"privateKey": Secret(CANARY)})
        for other in ("/secret/data/a/b", "secret/data/a/b", "a/b"):
            assert store.get(other, "privateKey").reveal() == CANARY
        assert store.paths() == ("a/b",)

    def test_keys_are_set_one_by_one(self, store: SecretStore) -> None:
        store.put("x", {"user": "u", "password": Secret("p")})
        store.put("x", {"password": "q", "äöü ?#%": "z"})
        assert store.keys("x") == ("password", "user", "äöü ?#%")
        values = {key: store.get("x", key).reveal() for key in store.keys("x")}
        assert values == {"user": "u", "password": "q", "äöü ?#%": "z"}

    def test_odd_names(self, store: SecretStore) -> None:
        store.put("a b/ü?x=1#%2F", {"k": "v"})
        assert store.get("a b/ü?x=1#%2F", "k").reveal() == "v"
        assert store.paths() == ("a b/ü?x=1#%2F",)

    def test_a_missing_one_tells_how_to_set_it(self, store: SecretStore) -> None:
        store.put("here", {"user": CANARY})
        with pytest.raises(SecretError, match=r"there is no secret .*not/here.* \(key k\)") as path:
            store.get("/secret/data/not/here", "k")
        assert path.value.hint == "orch secrets set not/here k"
        with pytest.raises(SecretError, match=r"here.* has no key password, only user") as key:
            store.get("here", "password")
        assert key.value.hint == "orch secrets set here password"
        assert CANARY not in str(key.value)
        assert (path.value.code, key.value.code) == ("E2100", "E2100")

    def test_delete(self, store: SecretStore) -> None:
        store.put("x/y", {"a": "1", "b": "2"})
        store.put("x/z", {"a": "1"})
        store.delete("x/y", "a")
        assert store.keys("x/y") == ("b",)
        store.delete("/secret/data/x/y")
        store.delete("x/z", "a")  # the last key of a path takes the path with it
        assert store.paths() == ()
        assert store.keys("x/y") == ()
        for words in (("x/y",), ("x/y", "b")):
            with pytest.raises(SecretError, match="there is no secret x/y"):
                store.delete(*words)

    @pytest.mark.parametrize("path", ["../x", "a/../../sys/mounts", "a/./b", "..", "", "a\nb", "a/\x1b[31m", "a" * 256])
    def test_paths_do_not_climb(self, store: SecretStore, path: str) -> None:
        with pytest.raises(SecretError, match="is no path of a secret"):
            store.get(path, "k")

    @pytest.mark.parametrize("key", ["", "a\nb", "\x1b[31mred", "a\0", "k" * 256])
    def test_keys_are_names(self, store: SecretStore, key: str) -> None:
        with pytest.raises(SecretError, match="is no key of a secret"):
            store.put("x", {"right": "1", key: "2"})
        assert store.keys("x") == ()
