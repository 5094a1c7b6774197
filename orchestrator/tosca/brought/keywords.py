"""What may stand in a play and in a task beside a module, in the words of Ansible 2.19; and which modules there are."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_OF_ALL = frozenset(
    [
        "any_errors_fatal",
        "become",
        "become_exe",
        "become_flags",
        "become_method",
        "become_user",
        "check_mode",
        "collections",
        "connection",
        "debugger",
        "diff",
        "environment",
        "ignore_errors",
        "ignore_unreachable",
        "module_defaults",
        "name",
        "no_log",
        "port",
        "remote_user",
        "run_once",
        "tags",
        "throttle",
        "timeout",
        "vars",
    ]
)
PLAY = _OF_ALL | frozenset(
    [
        "fact_path",
        "force_handlers",
        "gather_facts",
        "gather_subset",
        "gather_timeout",
        "handlers",
        "hosts",
        "max_fail_percentage",
        "order",
        "post_tasks",
        "pre_tasks",
        "roles",
        "serial",
        "strategy",
        "tasks",
        "user",
        "vars_files",
        "vars_prompt",
    ]
)
BLOCK = _OF_ALL | frozenset(["always", "block", "delegate_facts", "delegate_to", "notify", "rescue", "when"])
TASK = _OF_ALL | frozenset(
    [
        "action",
        "args",
        "async",
        "changed_when",
        "delay",
        "delegate_facts",
        "delegate_to",
        "failed_when",
        "listen",
        "local_action",
        "loop",
        "loop_control",
        "notify",
        "poll",
        "register",
        "retries",
        "until",
        "when",
    ]
)

_BUILT_IN = ("ansible.builtin.", "ansible.legacy.")
_NOT_FILES = frozenset(("meta", "include_tasks", "import_tasks", "include_role", "import_role", "import_playbook"))
_OUR_OWN = frozenset(("orch_outputs", "orch_upload", "orch_script"))


@functools.cache
def _ansible() -> Path | None:
    found = importlib.util.find_spec("ansible")  # it is not imported
    return Path(found.origin).parent if found is not None and found.origin is not None else None


@functools.cache
def built_in_modules() -> frozenset[str]:
    """The modules of Ansible itself by their short names; empty when Ansible is not there."""
    home = _ansible()
    if home is None:
        return frozenset()
    return _NOT_FILES | _OUR_OWN | {name for folder in ("modules", "plugins/action") for name in _names(home / folder)}


@functools.cache
def moved_to(name: str) -> str | None:
    """Where a module is now that older versions of Ansible had themselves; None when none did."""
    home = _ansible()
    table = home / "config" / "ansible_builtin_runtime.yml" if home is not None else None
    if table is None or not table.is_file():
        return None
    found = re.search(
        rf"^    {re.escape(name)}:\n      redirect: (\S+)", table.read_text(encoding="utf-8"), re.MULTILINE
    )
    return found[1] if found else None


def _names(folder: Path) -> Iterator[str]:
    try:
        for entry in os.scandir(folder):
            name, dot, ending = entry.name.partition(".")
            if dot and not name.startswith("__") and ending not in ("pyc", "md", "txt"):
                yield name
    except OSError:
        return


def short_name(module: str) -> str:
    """The name of a module without the namespace of Ansible itself."""
    for prefix in _BUILT_IN:
        if module.startswith(prefix):
            return module.removeprefix(prefix)
    return module


def beside(folders: tuple[Path, ...]) -> frozenset[str]:
    """The modules that lie in folders of a playbook or a role."""
    return frozenset(n for folder in folders for name in ("library", "action_plugins") for n in _names(folder / name))


def collection_folders(playbook: Path, named: Sequence[Path]) -> list[Path]:
    """Where Ansible looks for collections: beside the playbook, in folders that are named, beside itself."""
    own = _ansible()
    beside_ansible = [own.parent / "ansible_collections"] if own is not None else []
    folders = (playbook.parent / "collections", *named)
    return [*(folder / "ansible_collections" for folder in folders), *beside_ansible]


def in_collection(module: str, folders: Sequence[Path]) -> bool | None:
    """Whether an installed collection has a module; None when the collection is not installed."""
    namespace, _, rest = module.partition(".")
    collection, _, name = rest.partition(".")
    for folder in folders:
        there = folder / namespace / collection
        if there.is_dir():
            runtime = there / "meta" / "runtime.yml"
            if runtime.is_file() and re.search(
                rf"^ +{re.escape(name)}:", runtime.read_text(encoding="utf-8"), re.MULTILINE
            ):
                return True
            plugins = there / "plugins"
            return any(
                name.rpartition(".")[2] in set(_names((plugins / kind).joinpath(*name.split(".")[:-1])))
                for kind in ("modules", "action")
            )
    return None
