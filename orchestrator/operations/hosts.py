"""Where an operation runs: on this machine, or by ssh on the machine that a node is hosted on."""

from __future__ import annotations

import enum
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator import paths
from orchestrator.ansible import Host, HostGroup
from orchestrator.errors import ConfigurationError, OrchError, WorkError
from orchestrator.model.topology import CapabilityAssignment, NodeTemplate
from orchestrator.model.values import Secret, Value, secrets_in
from orchestrator.operations.lookup import Surroundings, hosts_of, lookup_for, same_or_first
from orchestrator.operations.naming import instance_name

KNOWN_HOSTS = "known_hosts"
"""The file in the folder of a run that holds the keys of hosts, where the topology gives them."""

_ENDPOINT = "tosca.capabilities.Endpoint"
_ADMIN = "tosca.capabilities.Endpoint.Admin"
_COMPUTES = ("tosca.nodes.Compute", "tosca.nodes.Abstract.Compute")
_SSH_PORT = 22
_ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]*|:[A-Fa-f0-9:.]+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\+-]*")
_HOST_KEY = re.compile(r"\s*([a-z0-9@.-]+)\s+([A-Za-z0-9+/]+={0,3})(?:\s.*)?", re.DOTALL)


class Side(enum.Enum):
    """Which machine an operation wants: the orchestrator's, or that of its node (of a relationship: of one end)."""

    ORCHESTRATOR = "ORCHESTRATOR"
    SOURCE = "SOURCE"
    TARGET = "TARGET"


def side_of(step_host: str | None, implementation_host: str | None, *, of_relationship: bool) -> Side:
    """What ``operation_host`` means (Yorc): what the step says goes before what the implementation says.

    Only ORCHESTRATOR and, for relationships, TARGET have a meaning of their own; all else is the (source) node.
    """
    word = (step_host or implementation_host or "").upper()
    if word == Side.ORCHESTRATOR.value:
        return Side.ORCHESTRATOR
    return Side.TARGET if word == Side.TARGET.value and of_relationship else Side.SOURCE


@dataclass(frozen=True)
class Endpoint:
    """How a machine is reached by ssh. ``host_key`` is a line ``TYPE KEY``; without it, the user's known_hosts tell."""

    node: str
    address: str
    port: int
    user: str
    key: Secret | None = None
    key_file: str | None = None
    password: Secret | None = None
    host_key: str | None = None
    jump: str | None = None
    interpreter: str | None = None

    @property
    def described(self) -> str:
        """``user@address:port``."""
        return f"{self.user}@{self.address}:{self.port}"

    def connection(self) -> dict[str, Value]:
        """Ansible's variables for it."""
        variables: dict[str, Value] = {
            "ansible_connection": "ssh",
            "ansible_host": self.address,
            "ansible_port": self.port,
            "ansible_user": self.user,
        }
        if self.key is not None:
            variables["ansible_ssh_private_key"] = self.key
        if self.key_file is not None:
            variables["ansible_ssh_private_key_file"] = self.key_file
        if self.interpreter is not None:
            variables["ansible_python_interpreter"] = self.interpreter
        if self.password is not None:
            variables["ansible_password"] = self.password
        if options := self._options():
            variables["ansible_ssh_common_args"] = shlex.join(word for option in options for word in ("-o", option))
        return variables

    def _options(self) -> list[str]:
        options = [f"ProxyJump={self.jump}"] if self.jump else []
        if self.host_key is not None:
            options += [f"UserKnownHostsFile={KNOWN_HOSTS}", "GlobalKnownHostsFile=/dev/null", "UpdateHostKeys=no"]
        return options

    def known_host(self) -> str:
        """The line of a known_hosts file; empty when the key is not given."""
        if self.host_key is None:
            return ""
        name = self.address if self.port == _SSH_PORT else f"[{self.address}]:{self.port}"
        return f"{name} {self.host_key}\n"


@dataclass(frozen=True)
class Place:
    """Where the instances of a node are worked on. ``endpoints`` by instance; None: on this machine.

    ``problem`` says why the machines cannot be told yet.
    """

    node: str
    endpoints: Mapping[str, Endpoint] | None = None
    problem: OrchError | None = None

    @property
    def group(self) -> HostGroup:
        """The inventory's group that the hosts are in."""
        return HostGroup.HOSTED_OPERATIONS if self.endpoints is None else HostGroup.TARGET_HOSTS

    @property
    def described(self) -> str:
        """In a few words, for people."""
        if self.problem is not None:
            return f"the host of {self.node}, not known yet"
        if self.endpoints is None:
            return Side.ORCHESTRATOR.value
        return ", ".join(dict.fromkeys(endpoint.described for endpoint in self.endpoints.values()))

    def hosts(self, instances: Sequence[str]) -> tuple[Host, ...]:
        """A host of the inventory for each instance. Raises what is the ``problem``."""
        if self.problem is not None:
            raise self.problem
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        return tuple(
            Host(instance_name(self.node, i), local if self.endpoints is None else self.endpoints[i].connection())
            for i in instances
        )

    def files(self) -> dict[str, str]:
        """Files that the run needs in its folder."""
        lines = {endpoint.known_host() for endpoint in (self.endpoints or {}).values()} - {""}
        return {KNOWN_HOSTS: "".join(sorted(lines))} if lines else {}


def place_of(around: Surroundings, node: NodeTemplate, instances: Sequence[str]) -> Place:
    """The machines of a node's instances: those of the outermost host with an address, else this one.

    What is wrong with them, or not known yet, is the place's ``problem``. A machine that has no address yet is worked
    on here: it may be its own operations that make it.
    """
    chain = [n for n in (*reversed(hosts_of(around, node)), node) if n is not node or _is_machine(around, node)]
    try:
        for host in chain:
            endpoints = _endpoints(around, host, instances)
            if endpoints is not None:
                return Place(node.name, endpoints)
        for host in chain:
            if host is not node and _is_compute(host) and host.name not in around.sites:
                raise WorkError(
                    f"{node.name} is to be worked on at {host.name}, which has no address",
                    hint="set ip_address of its capability endpoint, or operation_host: ORCHESTRATOR for the operation",
                )
    except OrchError as error:
        return Place(node.name, problem=error)
    return Place(node.name)


def _is_compute(node: NodeTemplate) -> bool:
    return any(name in node.lineage for name in _COMPUTES)


def _is_machine(around: Surroundings, node: NodeTemplate) -> bool:
    """Whether a node is a machine that is logged in to, not a service that has an endpoint of its own."""
    endpoint = node.capabilities.get("endpoint")
    return _is_compute(node) or (endpoint is not None and _derives(around, endpoint, _ADMIN))


def _derives(around: Surroundings, capability: CapabilityAssignment, wanted: str) -> bool:
    declared = around.topology.capability_types.get(capability.type)
    return wanted == capability.type or (declared is not None and wanted in declared.lineage)


def _endpoints(around: Surroundings, host: NodeTemplate, instances: Sequence[str]) -> dict[str, Endpoint] | None:
    """The machines for instances that a host has; None when it has no address."""
    capability = host.capabilities.get("endpoint")
    if capability is None or not _derives(around, capability, _ENDPOINT):
        return None
    own = around.instances(host.name)
    found = {i: _endpoint(around, host, same_or_first(own, i)) for i in instances}
    if all(endpoint is None for endpoint in found.values()):
        return None
    for instance, endpoint in found.items():
        if endpoint is None:
            raise WorkError(f"{host.name} has no address for its instance {instance}")
    return {instance: endpoint for instance, endpoint in found.items() if endpoint is not None}


def _endpoint(around: Surroundings, host: NodeTemplate, instance: str) -> Endpoint | None:
    lookup = lookup_for(around, host.name, instance=instance)

    def value(name: str) -> Value:
        found = lookup.attribute("SELF", ["endpoint", name])
        return host.metadata.get(f"orch.{name}") if found in (None, "") else found

    address = lookup.attribute("SELF", ["endpoint", "ip_address"])
    if address in (None, ""):
        return None
    credentials = value("credentials") or {}
    if not isinstance(credentials, dict):
        raise ConfigurationError(f"{host.name}: the credentials of endpoint are not a map with user, keys, token")
    key, key_file = _private_key(host, credentials.get("keys"))
    return Endpoint(
        node=host.name,
        address=_checked(host, "ip_address", address, _ADDRESS),
        port=_port(host, value("port")),
        user=_user(host, credentials),
        key=key,
        key_file=key_file,
        password=_password(credentials) if key is None and key_file is None else None,
        host_key=_host_key(host, value("host_key") or (credentials.get("keys") or {}).get("host_key")),
        interpreter=plain(value("python_interpreter")) or None,
        jump=_jump(host, value("bastion")),
    )


def _checked(host: NodeTemplate, name: str, value: Value, pattern: re.Pattern[str]) -> str:
    text = plain(value)
    if not pattern.fullmatch(text):
        shown = "its value" if secrets_in(value) else repr(text)
        raise ConfigurationError(f"{host.name}: {shown} is no {name} of an endpoint")
    return text


def _port(host: NodeTemplate, value: Value) -> int:
    text = plain(value) if value is not None else str(_SSH_PORT)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ConfigurationError(f"{host.name}: the port of endpoint is not a number from 1 to 65535")
    return int(text)


def _user(host: NodeTemplate, credentials: Mapping[str, Value]) -> str:
    user = credentials.get("user")
    if user in (None, ""):
        raise ConfigurationError(
            f"{host.name}: the endpoint says no user to log in as",
            hint="set credentials.user of its capability endpoint",
        )
    return _checked(host, "user", user, _USER)


def _private_key(host: NodeTemplate, keys: Value) -> tuple[Secret | None, str | None]:
    """The first key that is a private key's text or a file (Yorc: the values of ``keys``, whatever their names)."""
    for name, value in (keys or {}).items():
        text = plain(value) if value is not None else ""
        if name == "host_key" or not text.strip():
            continue
        if "PRIVATE KEY" in text:
            return Secret(text if text.endswith("\n") else f"{text}\n"), None
        file = paths.expanded(text) if not isinstance(value, Secret) else None
        if file is None or not paths.is_file(file):
            raise ConfigurationError(
                f"{host.name}: the key {name!r} of endpoint is neither a private key nor a file",
                hint="give the text of the key, for example with get_secret, or the path of its file",
            )
        return None, str(file)
    return None, None


def _password(credentials: Mapping[str, Value]) -> Secret | None:
    password = credentials.get("password") or credentials.get("token")
    return None if password in (None, "") else Secret(plain(password))


def _host_key(host: NodeTemplate, value: Value) -> str | None:
    if value in (None, ""):
        return None
    found = _HOST_KEY.fullmatch(plain(value))
    if found is None:
        raise ConfigurationError(
            f"{host.name}: the host_key of endpoint is no public key",
            hint="it looks as in a .pub file: ssh-ed25519 AAAA…",
        )
    return f"{found[1]} {found[2]}"


def _jump(host: NodeTemplate, bastion: Value) -> str | None:
    """``user@host:port`` of a bastion (Yorc); its key is one that ssh finds by itself."""
    if not isinstance(bastion, dict) or plain(bastion.get("use")).lower() != "true":
        return None
    address = _checked(host, "host of the bastion", bastion.get("host"), _ADDRESS)
    user = (bastion.get("credentials") or {}).get("user")
    before = f"{_checked(host, 'user of the bastion', user, _USER)}@" if user else ""
    bracketed = f"[{address}]" if ":" in address else address
    return f"{before}{bracketed}:{_port(host, bastion.get('port'))}"


def plain(value: Value) -> str:
    """A scalar as text, a secret given away: only for what goes into a connection."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
