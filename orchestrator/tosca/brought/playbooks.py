"""What Ansible would refuse of a playbook before it runs any of it, and plays that fit no host of orch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import yaml

from orchestrator.model.problems import Problem, Severity
from orchestrator.model.source import Span
from orchestrator.tosca import codes
from orchestrator.tosca.brought.keywords import (
    BLOCK,
    PLAY,
    TASK,
    beside,
    built_in_modules,
    collection_folders,
    in_collection,
    moved_to,
    short_name,
)
from orchestrator.tosca.brought.scripts import at, read
from orchestrator.tosca.names import did_you_mean

Node: TypeAlias = yaml.Node
Entries: TypeAlias = dict[str, tuple[yaml.Node, yaml.Node]]

GROUPS = ("all", "ungrouped", "target_hosts", "hosted_operations", "localhost", "127.0.0.1", "::1")
"""Names of hosts and groups that an inventory of orch always has, or that Ansible knows by itself."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FILES_AT_MOST = 200
_NULLS = ("", "~", "null")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_INSTANCE = re.compile(r"(.+)_[0-9]+")
_IMPORTS = frozenset(("import_playbook", "ansible.builtin.import_playbook", "ansible.legacy.import_playbook"))
_TASK_LISTS = ("pre_tasks", "tasks", "post_tasks", "handlers")
_MAKES_HOSTS = frozenset(("add_host", "group_by"))
_TASK_FILES = frozenset(("import_tasks", "include_tasks"))
_ROLES = frozenset(("import_role", "include_role"))


def playbook_problems(path: Path, nodes: Collection[str], collections: Sequence[Path] = ()) -> list[Problem]:
    """What is wrong with a playbook and the files that it names.

    ``nodes`` are those whose instances are hosts, ``collections`` the folders of Ansible's collections.
    """
    reader = _Reader(path, collection_folders(path, collections))
    reader.playbook(path)
    if not reader.problems:
        reader.problems.extend(reader.without_hosts(nodes))
    return reader.problems


class _Reader:
    """Reads a playbook with all that it imports by plain names."""

    def __init__(self, playbook: Path, collections: Sequence[Path]) -> None:
        self._playbook = playbook
        self._collections = collections
        self._seen: set[Path] = set()
        self._hosts: list[tuple[str, Span]] | None = []
        self.problems: list[Problem] = []

    def without_hosts(self, nodes: Collection[str]) -> Iterator[Problem]:
        """A problem when no play fits any host, as far as their ``hosts`` are plain names."""
        if not self._hosts:
            return
        names = {re.sub(r"[^A-Za-z0-9_]", "", node.replace("-", "_")) for node in nodes}
        for hosts, _ in self._hosts:
            instance = _INSTANCE.fullmatch(hosts)
            if hosts in GROUPS or (instance is not None and instance[1] in names):
                return
        hosts, span = self._hosts[0]
        message = f"no host is called {hosts!r}, so that the playbook runs no task"
        hint = "write hosts: all; orch's own groups are target_hosts (machines) and hosted_operations (here)"
        yield Problem(codes.NO_HOSTS, Severity.ERROR, message, span, hint)

    # files

    def playbook(self, path: Path) -> None:
        """The plays of a file."""
        root = self._parsed(path)
        if root is None:
            return
        if isinstance(root, yaml.SequenceNode) and not root.value:
            self._error(path, root, "the playbook has no play", "begin with `- hosts: all`")
            return
        if not isinstance(root, yaml.SequenceNode):
            self._error(path, root, "a playbook is a list of plays", "begin with `- hosts: all`")
            return
        for play in root.value:
            entries = self._map(path, play, "a play")
            if entries is None:
                continue
            imported = next((entries[name][1] for name in _IMPORTS if name in entries), None)
            if imported is None:
                self._play(path, play, entries)
            elif (file := _plain(imported)) is not None and (path.parent / file).is_file():
                self.playbook(path.parent / file)
            elif file is not None and file.count(".") != 2:
                self._error(path, imported, f"there is no playbook {file!r}", f"it was looked for in {path.parent}")
            else:
                self._hosts = None

    def _parsed(self, path: Path) -> Node | None:
        """The tree of a file that was not looked at before; None when there is none."""
        path = path.resolve()
        if path in self._seen or len(self._seen) >= _FILES_AT_MOST:
            return None
        self._seen.add(path)
        text = read(path)
        if text is None or text.startswith(b"$ANSIBLE_VAULT;"):
            self._hosts = None
            return None
        try:
            found: Node | None = yaml.compose(text, _LOADER)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = at(path, mark.line + 1, mark.column + 1) if mark else at(path, 1)
            what = getattr(error, "problem", None) or str(error).partition("\n")[0]
            self.problems.append(Problem(codes.PLAYBOOK_SYNTAX, Severity.ERROR, f"this is no YAML: {what}", place))
            return None
        except (RecursionError, ValueError):
            return None
        empty = found is None or (isinstance(found, yaml.ScalarNode) and found.value in _NULLS)
        return _nothing(path) if empty else found

    # plays and tasks

    def _play(self, path: Path, play: Node, entries: Entries) -> None:
        for name, (key, _) in entries.items():
            if name not in PLAY:
                self._error(path, key, f"{name!r} is not a keyword of a play", did_you_mean(name, PLAY))
        hosts = entries.get("hosts")
        if hosts is None:
            self._error(path, play, "the play does not say on which hosts it runs", "add hosts: all")
        else:
            self._note_hosts(path, hosts[1])
        any_name = "collections" in entries
        library = path.parent
        for name in _TASK_LISTS:
            if name in entries:
                self._tasks(path, entries[name][1], (library,), any_name)
        for role in _items(entries.get("roles")):
            named = _plain(role) or _plain(_value(role, "role")) or _plain(_value(role, "name"))
            if named is not None:
                self._role(path, named, any_name)

    def _note_hosts(self, path: Path, node: Node) -> None:
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        names = [(name, item) for item in items for name in re.split("[,:]", _plain(item) or "")]
        for name, item in names:
            if self._hosts is None or not _PLAIN.fullmatch(name.strip()):
                self._hosts = None  # a pattern, a template: not told here
                return
            self._hosts.append((name.strip(), _span(path, item)))

    def _tasks(self, path: Path, node: Node, libraries: tuple[Path, ...], any_name: bool) -> None:
        if isinstance(node, yaml.ScalarNode) and node.value in _NULLS:
            return
        if not isinstance(node, yaml.SequenceNode):
            self._error(path, node, "tasks are a list", "begin each task with a dash")
            return
        for task in node.value:
            entries = self._map(path, task, "a task")
            if entries is None:
                continue
            if "block" in entries or "rescue" in entries or "always" in entries:
                self._block(path, entries, libraries, any_name)
            else:
                self._task(path, task, entries, libraries, any_name)

    def _block(self, path: Path, entries: Entries, libraries: tuple[Path, ...], any_name: bool) -> None:
        if "block" not in entries:
            key = next(entries[name][0] for name in ("rescue", "always") if name in entries)
            self._error(path, key, f"{key.value!r} belongs to a block", "add block: with the tasks")
        for name, (key, value) in entries.items():
            if name in ("block", "rescue", "always"):
                self._tasks(path, value, libraries, any_name or "collections" in entries)
            elif name not in BLOCK:
                self._error(path, key, f"{name!r} is not a keyword of a block", did_you_mean(name, BLOCK))

    def _task(self, path: Path, task: Node, entries: Entries, libraries: tuple[Path, ...], any_name: bool) -> None:
        if "action" in entries and "local_action" in entries:
            self._error(path, entries["local_action"][0], "action and local_action exclude each other", None)
            return
        any_name = any_name or "collections" in entries
        others = [name for name in entries if name not in TASK and not name.startswith("with_")]
        fates = {name: self._known(name, libraries, any_name) for name in others}
        modules = [name for name, known in fates.items() if known is not False]
        old = "action" in entries or "local_action" in entries
        if len(modules) + old > 1 and all(fates[name] for name in modules):
            names = ", ".join([*(["action"] if old else []), *modules])
            self._error(
                path, entries[modules[-1]][0], f"a task has one module, not several: {names}", "make it two tasks"
            )
            return
        unknown = [name for name, known in fates.items() if known is False]
        if modules or old:
            for name in unknown:
                hint = did_you_mean(name, TASK)
                self._error(path, entries[name][0], f"{name!r} is not a keyword of a task", hint)
        elif unknown:
            self._no_module(path, entries[unknown[0]][0], unknown[0])
        else:
            self._error(path, task, "the task has no module", "add one, for example ansible.builtin.debug")
        for name in modules:
            self._module(path, name, entries[name], libraries, any_name)

    def _known(self, name: str, libraries: tuple[Path, ...], any_name: bool) -> bool | None:
        """Whether there is a module of this name; None when that cannot be told here."""
        short = short_name(name)
        if not built_in_modules() or short in built_in_modules() or short in beside(libraries):
            return True
        if short.count(".") >= 2:
            return in_collection(short, self._collections)
        if "." in short:
            return False
        moved = moved_to(short)
        if moved is not None:
            return in_collection(moved, self._collections)
        return None if any_name else False

    def _no_module(self, path: Path, key: Node, name: str) -> None:
        hint = did_you_mean(short_name(name), [*built_in_modules(), *TASK])
        self._error(path, key, f"Ansible has no module {name!r}", hint or "check the spelling, or name its collection")

    def _module(
        self, path: Path, name: str, entry: tuple[Node, Node], libraries: tuple[Path, ...], any_name: bool
    ) -> None:
        key, value = entry
        short = short_name(name)
        if self._known(name, libraries, False) is None:
            collection = ".".join((moved_to(short) or short).split(".")[:2])
            message = f"the module {name!r} is of the collection {collection}, which is not installed here"
            hint = f"ansible-galaxy collection install {collection}"
            span = _span(path, key)
            self.problems.append(Problem(codes.FILE_NOT_CHECKED, Severity.WARNING, message, span, hint))
        if short in _MAKES_HOSTS:
            self._hosts = None
        elif short in _TASK_FILES:
            self._included(path, _plain(value) or _plain(_value(value, "file")), libraries, any_name)
        elif short in _ROLES:
            role = _plain(_value(value, "name")) or _plain(_value(value, "role"))
            if role is not None:
                self._role(path, role, any_name)
            else:
                self._hosts = None

    def _included(self, path: Path, file: str | None, libraries: tuple[Path, ...], any_name: bool) -> None:
        """The tasks of a file that is named plainly, where it is found; where it is not, it is not told here."""
        folders = (path.parent, path.parent / "tasks", self._playbook.parent, self._playbook.parent / "tasks")
        found = next((f / file for f in folders if (f / file).is_file()), None) if file is not None else None
        if found is None:
            self._hosts = None
            return
        root = self._parsed(found)
        if root is not None:
            self._tasks(found, root, libraries, any_name)

    def _role(self, path: Path, name: str, any_name: bool) -> None:
        folders = (self._playbook.parent / "roles", path.parent / "roles", self._playbook.parent)
        role = next((folder / name for folder in folders if (folder / name).is_dir()), None)
        if role is None:
            self._hosts = None  # it may lie elsewhere, and make groups
            return
        for part in ("tasks", "handlers"):
            for file in ("main.yml", "main.yaml"):
                root = self._parsed(role / part / file) if (role / part / file).is_file() else None
                if root is not None:
                    self._tasks(role / part / file, root, (self._playbook.parent, role), any_name)

    # small things

    def _map(self, path: Path, node: Node, what: str) -> Entries | None:
        if isinstance(node, yaml.MappingNode):
            return {key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        self._error(path, node, f"{what} is a map", "write its keywords each with a colon")
        return None

    def _error(self, path: Path, node: Node, message: str, hint: str | None) -> None:
        self.problems.append(Problem(codes.PLAYBOOK_SYNTAX, Severity.ERROR, message, _span(path.resolve(), node), hint))


def _span(path: Path, node: Node) -> Span:
    start, end = node.start_mark, node.end_mark
    return Span(str(path), start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _nothing(path: Path) -> Node:
    """An empty list, which is what an empty file stands for."""
    mark = yaml.Mark(str(path), 0, 0, 0, None, 0)
    return yaml.SequenceNode("tag:yaml.org,2002:seq", [], mark, mark)


def _plain(node: Node | None) -> str | None:
    """The text of a scalar without templates."""
    if not isinstance(node, yaml.ScalarNode) or "{{" in node.value or not node.value:
        return None
    return str(node.value)


def _value(node: Node, name: str) -> Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if isinstance(key, yaml.ScalarNode) and key.value == name), None)


def _items(entry: tuple[Node, Node] | None) -> list[Node]:
    return list(entry[1].value) if entry is not None and isinstance(entry[1], yaml.SequenceNode) else []
