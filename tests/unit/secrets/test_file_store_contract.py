"""The embedded store does what every store does."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.secret_contract import SecretStoreContract

from orchestrator.secrets import FileSecretStore, SecretStore


class TestFileSecretStore(SecretStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SecretStore:
        return FileSecretStore(tmp_path / "secrets")
