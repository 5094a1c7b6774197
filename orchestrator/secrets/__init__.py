"""Secrets: where credentials of users and services are kept, and how they are looked up.

A store gives its values as :class:`Secret`, which hides itself; it must never write a value anywhere but into its own
encrypted file or into Vault, nor put one into a message. It knows nothing of what the secrets are for.
"""

from orchestrator.model.values import Secret
from orchestrator.secrets.file_store import FileSecretStore
from orchestrator.secrets.store import SecretStore, normal_path
from orchestrator.secrets.vault_connection import VaultConnection, VaultIdentity
from orchestrator.secrets.vault_settings import VaultCredentials, VaultSettings
from orchestrator.secrets.vault_store import VaultSecretStore
from orchestrator.secrets.waiting import WaitingSecrets

__all__ = [
    "FileSecretStore",
    "Secret",
    "SecretStore",
    "VaultConnection",
    "VaultCredentials",
    "VaultIdentity",
    "VaultSecretStore",
    "VaultSettings",
    "WaitingSecrets",
    "normal_path",
]
