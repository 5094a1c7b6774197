"""How sites are reached: one connection and one scheduler per site and user, shared by all of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from orchestrator.app.ssh_keys import FOLDER, PRIVATE_KEY, ids_named
from orchestrator.errors import ConfigurationError, SecretAccessError, SecretError, SecretStoreUnavailable
from orchestrator.jobs import Scheduler, SlurmJobs
from orchestrator.model.jobs import JobReference
from orchestrator.model.values import Secret
from orchestrator.secrets import SecretStore
from orchestrator.sites import Connection, ConnectionKind, LocalConnection, SchedulerKind, Site, SshSettings
from orchestrator.sites.site import ACCEPT_NEW, Jump


def secret_path(key: str) -> str:
    """The path of a private key: an id is one below ``ssh-credentials``, what has a slash in it is a path itself."""
    return key if "/" in key else f"{FOLDER}/{key}"


def private_key(secrets: SecretStore, key: str) -> Secret:
    """A private key of the secret store, by its id, its path or the name that people gave it. Raises SecretError."""
    try:
        return secrets.get(secret_path(key), PRIVATE_KEY)
    except (SecretStoreUnavailable, SecretAccessError):
        raise
    except SecretError as error:
        named = ids_named(secrets, key) if "/" not in key else []
        if len(named) > 1:
            hint = f"name one by its id: {', '.join(named)}"
            raise SecretError(f"several SSH keys are called {key!r}", hint=hint) from error
        if not named:
            raise SecretError(
                f"there is no SSH key with the id or the name {key!r}",
                hint="`orch ssh-keys list` shows what there is, `orch ssh-keys generate --name NAME` makes one",
            ) from error
        return secrets.get(secret_path(named[0]), PRIVATE_KEY)


def ssh_settings(site: Site, user: str, known_hosts: Path) -> SshSettings:
    """Where and as whom a site is logged in to. Raises ConfigurationError when nobody says as whom."""
    if not user:
        raise ConfigurationError(
            f"site {site.name!r} does not say who logs in",
            hint="set `user` in sites.yaml, or give the workflow the input user_id",
        )

    def settings(host: Jump | Site, name: str, login: str, jump: SshSettings | None) -> SshSettings:
        return SshSettings(
            host=name,
            user=login,
            port=host.port,
            jump=jump,
            known_hosts=(known_hosts,),
            host_key=host.host_key,
            accept_new=site.known_hosts == ACCEPT_NEW,
            sessions=site.sessions,
            ride_out=site.ride_out,
            site=site.name,
        )

    jump = settings(site.jump, site.jump.host, site.jump.user or user, None) if site.jump else None
    return settings(site, site.login_host, user, jump)


def _identity(site: Site) -> bytes:
    """The same for sites with the same description."""
    return msgspec.json.encode(site, order="deterministic")


class Connections:
    """Gives out connections and schedulers; safe to be used from several threads."""

    def __init__(self, secrets: Callable[[], SecretStore], known_hosts: Path) -> None:
        self._secrets = secrets
        self._known_hosts = known_hosts
        self._lock = threading.Lock()
        self._connections: dict[tuple[bytes, str, str], Connection] = {}
        self._schedulers: dict[tuple[bytes, str, str], SlurmJobs] = {}
        self._sites: dict[str, Site] = {}

    def know(self, sites: Iterable[Site]) -> None:
        """These are the sites that jobs may be at, as they are described now."""
        self._sites |= {site.name: site for site in sites}

    def connection(self, site: Site, user: str = "", key: str = "") -> Connection:
        """The way to a site, as its own user or another one.

        Raises ConfigurationError, SecretError; it is opened when it is used.
        """
        if site.connection is ConnectionKind.LOCAL:
            return LocalConnection(site.inherit)
        user, key = user or site.user, key or site.key
        with self._lock:
            found = self._connections.get((_identity(site), user, key))
            if found is None:
                found = self._connections[_identity(site), user, key] = self._made(site, user, key)
        return found

    def _made(self, site: Site, user: str, key: str) -> Connection:
        from orchestrator.sites.ssh import SshConnection  # heavy: only where it is used

        settings, keys = self.credentials(site, user, key)
        return SshConnection(settings, keys[0], keys[1] if len(keys) > 1 else None)

    def settings(self, site: Site, user: str = "") -> SshSettings:
        """Where and as whom a site is logged in to. Raises ConfigurationError when nobody says as whom."""
        return ssh_settings(site, user or site.user, self._known_hosts)

    def credentials(self, site: Site, user: str, key: str) -> tuple[SshSettings, tuple[Secret, ...]]:
        """What it takes to log in: settings, and the private key; also that of the jump host, where it is another.

        Raises ConfigurationError, SecretError.
        """
        settings = self.settings(site, user)
        if not key:
            raise ConfigurationError(
                f"site {site.name!r} does not say with which key {user!r} logs in",
                hint="`orch ssh-keys generate` makes one: set `key` to its name or id in sites.yaml, or give the "
                "workflow the input vault_id",
            )
        secrets = self._secrets()
        named = (key, site.jump.key) if site.jump and site.jump.key else (key,)
        return settings, tuple(private_key(secrets, name) for name in named)

    def folder(self, site: Site, user: str = "", key: str = "") -> str:
        """The folder of orch at a site, absolute. Raises SiteError when its home has to be asked for and cannot be."""
        head, slash, rest = site.folder.partition("/")
        if head != "~":
            return site.folder
        home = self.connection(site, user, key).home()
        return f"{home}{slash}{rest}"

    def scheduler(self, site: Site, user: str = "", key: str = "") -> Scheduler | None:
        """The scheduler of a site; None where there is none, but our own launcher."""
        if site.scheduler is not SchedulerKind.SLURM:
            return None
        found = self._schedulers.get((_identity(site), user, key))
        if found is None:
            connection, folder = self.connection(site, user, key), self.folder(site, user, key)
            with self._lock:
                made = SlurmJobs(connection, site.name, folder, site.slurm)
                found = self._schedulers.setdefault((_identity(site), user, key), made)
        return found

    def scheduler_of(self, reference: JobReference) -> Scheduler | None:
        """The scheduler that has a job; None when our own launcher has it. Raises ConfigurationError."""
        if reference.backend != SlurmJobs.name:
            return None
        site = self._sites.get(reference.site)
        if site is None:
            raise ConfigurationError(
                f"the site {reference.site!r} is described nowhere", hint="describe it in sites.yaml again"
            )
        return self.scheduler(site, reference.user, reference.key)
