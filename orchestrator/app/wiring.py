"""Puts the parts together: which job backend and which service class stands for what, in literal tables."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import faults
from orchestrator.app.recorded import from_record
from orchestrator.app.settings import Settings
from orchestrator.errors import ConfigurationError
from orchestrator.model.topology import Topology
from orchestrator.secrets import FileSecretStore, SecretStore, VaultConnection, VaultSecretStore, WaitingSecrets
from orchestrator.sites import Site, Sites, read_sites
from orchestrator.state import AdvisoryOwner, Deployment, Event, FileOwner, Owner, Store

if TYPE_CHECKING:
    from orchestrator.app.connections import Connections
    from orchestrator.engine import Engine
    from orchestrator.services.catalogue import Catalogue


class Home:
    """The parts that belong to one home, each made when it is first used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process_name = ""
        """By which people know this process among those that carry executions out; to be set before it does."""
        self.queue_only = False
        """Whether what this process starts is only queued, for a worker to carry out."""
        faults.arm(settings.kill_at)

    @cached_property
    def store(self) -> Store:
        """The state store."""
        return Store(self.settings.database, alive=lambda executor_id: self.owner.alive(executor_id))

    @cached_property
    def runs(self) -> Path:
        """Where private folders of running playbooks are. Raises StorageError when there is no place for them."""
        from orchestrator.ansible import first_fit  # heavy: imports ansible-runner

        return first_fit(self.settings.run_places)

    @cached_property
    def owner(self) -> Owner:
        """This process among those that carry executions out."""
        if self.settings.database_url is not None:
            return AdvisoryOwner(self.settings.database_url, self.process_name)
        return FileOwner(self.settings.locks, self.process_name)

    @cached_property
    def secrets(self) -> SecretStore:
        """The secret store: a Vault where one is configured, else a file of the home. It answers or fails at once."""
        return VaultSecretStore(self.vault) if self.vault is not None else FileSecretStore(self.settings.secrets)

    @cached_property
    def vault(self) -> VaultConnection | None:
        """The connection to the Vault that is configured."""
        settings = self.settings
        if settings.vault is None:
            return None
        return VaultConnection(settings.vault, settings.vault_credentials, FileSecretStore(settings.secrets))

    def secrets_of_execution(self, execution_id: str, checkpoint: Callable[[], None]) -> SecretStore:
        """The secret store as an execution sees it: where it is configured so, it waits for a sealed Vault.

        ``checkpoint`` is called while it waits; what it raises ends the wait.
        """
        limit = self.settings.vault.wait_seconds if self.settings.vault is not None else 0.0
        if not limit:
            return self.secrets

        def say(text: str) -> None:
            self.store.add_events([Event(0, execution_id, time.time(), "execution", "warning", text)])

        return WaitingSecrets(self.secrets, limit, checkpoint, say)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The data catalogue of the built-in site."""
        from orchestrator.services.catalogue import Catalogue  # heavy: only where it is used

        return Catalogue(self.catalogue_folder(self.sites()["local"]))

    @cached_property
    def connections(self) -> Connections:
        """The ways to sites."""
        from orchestrator.app.connections import Connections  # heavy: only where it is used

        return Connections(lambda: self.secrets, self.settings.known_hosts)

    @cached_property
    def engine(self) -> Engine:
        """The engine of this process."""
        from orchestrator.app.engine_wiring import make_engine  # heavy: imports Ansible and dbos

        return make_engine(self)

    def sites(self, *folders: Path) -> Sites:
        """The sites known here; ``folders`` may hold descriptions too. Raises SettingsError, see read_sites."""
        return read_sites(self.settings.site_files(*folders))

    def sites_of(self, deployment: Deployment) -> dict[str, Site]:
        """The site of each matched node of a deployment, as it is described now.

        Raises ConfigurationError when one is not described any more.
        """
        recorded = [Path(file) for file in deployment.site_files]
        files = [file for file in recorded if file.is_file()]
        known = read_sites(dict.fromkeys([*files, *self.settings.site_files(Path(deployment.source).parent)]))
        for node, name in deployment.matches.items():
            if name not in known:
                raise ConfigurationError(
                    f"deployment {deployment.name!r}: {node} stands for the site {name!r}, which is described nowhere",
                    hint=f"describe it in sites.yaml (it was in: {', '.join(deployment.site_files)})",
                )
        return {node: known[name] for node, name in deployment.matches.items()}

    def catalogue_folder(self, site: Site) -> Path:
        """Where the data catalogue of a site lies."""
        named = site.services.data_catalogue.folder
        return Path(named) if named else self.settings.catalogue


def topology_of(deployment: Deployment) -> Topology:
    """The topology of a deployment, as it was deployed."""
    return _decoded(deployment.topology)


# a worker carries out many executions of few deployments: what is read once is shared, and never changed
@lru_cache(maxsize=16)
def _decoded(topology: bytes) -> Topology:
    return from_record(topology, Topology)
