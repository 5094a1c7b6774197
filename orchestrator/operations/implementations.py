"""What carries an operation out: a playbook, or a script with what it is given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from orchestrator import paths, resources
from orchestrator.ansible import Upload
from orchestrator.errors import WorkError
from orchestrator.model.implementations import Kind
from orchestrator.model.topology import Implementation
from orchestrator.model.values import Secret, Value, revealed, secrets_in
from orchestrator.operations.calls import ResolvedCall
from orchestrator.operations.naming import yorc_text
from orchestrator.sites.tree import check_bringable

ENTRY = "PLAYBOOK_ENTRY"
SCRIPT_PATH = "orch_script_path"
DEST_FOLDER = "dest_folder"


def playbook_of(resolved: ResolvedCall, kind: Kind | None) -> Path:
    """The playbook to run. Raises WorkError when there is none."""
    implementation = resolved.implementation
    if implementation.path is None:
        raise WorkError(
            f"{resolved.call.node}: the file {implementation.file!r} of "
            f"{resolved.call.interface}.{resolved.call.operation} is not there",
            hint=f"it is named at {implementation.span}" if implementation.span else None,
        )
    if kind is None:
        raise WorkError(
            f"{resolved.call.node}: {implementation.file!r} is neither an Ansible playbook nor a script",
            hint="implement the operation with a playbook (.yml, .yaml) or a script (.sh, .py)",
        )
    if kind is not Kind.PLAYBOOK:
        return resources.playbooks_folder() / "common" / "run_script.yaml"
    path = Path(implementation.path)
    return path if path.is_file() else _entry(resolved, path)


def _entry(resolved: ResolvedCall, folder: Path) -> Path:
    """The playbook in a folder (Yorc: the operation's input PLAYBOOK_ENTRY names it)."""
    name = str(resolved.inputs.get(ENTRY) or "")
    path = (folder / name).resolve()
    if not name or not paths.is_file(path) or not path.is_relative_to(folder.resolve()):
        raise WorkError(
            f"{resolved.named}: its implementation {resolved.implementation.file!r} is a folder",
            hint=f"name a playbook in it with the operation's input {ENTRY}",
        )
    return path


def script_variables(
    kind: Kind, resolved: ResolvedCall, outputs: tuple[str, ...], work_folder: Path
) -> dict[str, Value]:
    """What the playbook that runs a script needs, but for the script's own variables."""
    return {
        "orch_script": {
            "name": Path(resolved.implementation.file).name,
            "kind": kind.value,
            "outputs": list(outputs),
        },
        SCRIPT_PATH: resolved.implementation.path,
        DEST_FOLDER: str(work_folder),
    }


def environment(variables: Mapping[str, Value]) -> dict[str, Value]:
    """Variables as a script takes them: texts; lists and maps as JSON. Raises WorkError for what cannot be one."""
    found = {name: _text(value) for name, value in variables.items()}
    for name, value in found.items():
        if "\0" in (value.reveal() if isinstance(value, Secret) else str(value)):
            raise WorkError(f"the value of {name} has a NUL character, which no script can be given")
    return found


def _text(value: Value) -> Value:
    if isinstance(value, dict | list):
        text = json.dumps(revealed(value), ensure_ascii=False, default=str)
        return Secret(text) if secrets_in(value) else text
    return yorc_text(value)


def uploads_of(resolved: ResolvedCall, kind: Kind, inputs: Mapping[str, Value]) -> tuple[Upload, ...]:
    """What a machine that is reached by ssh gets: the artifacts, and a script with its dependencies.

    An input that names an artifact's file (``get_artifact``) names the copy there. Raises WorkError, StorageError for
    what cannot be brought, see :mod:`orchestrator.sites.tree`.
    """
    artifacts = {
        name: (Path(artifact.path), _relative(artifact.file, artifact.path, name))
        for name, artifact in resolved.node.artifacts.items()
        if artifact.path is not None and paths.exists(Path(artifact.path))
    }
    uploads = [Upload(name, source, path) for name, (source, path) in artifacts.items()]
    for name, value in inputs.items():
        for source, path in artifacts.values():
            if value == str(source):
                uploads.append(Upload(name, source, path))
    implementation = resolved.implementation
    if kind is not Kind.PLAYBOOK and implementation.path is not None:
        own = _relative(implementation.file, implementation.path, "implementation")
        uploads.append(Upload(SCRIPT_PATH, Path(implementation.path), own))
        uploads.extend(_dependencies(implementation, implementation.path))
    for upload in {upload.source: upload for upload in uploads}.values():
        check_bringable(upload.source)
    return tuple(uploads)


def _dependencies(implementation: Implementation, path: str) -> list[Upload]:
    """The files beside a script that it needs, which stay beside it."""
    up = len(PurePosixPath(implementation.file).parts)
    base = Path(path).parents[up - 1] if path.endswith(implementation.file) else Path(path).parent
    found = []
    for number, written in enumerate(implementation.dependencies):
        file = base / written
        if paths.exists(file):
            found.append(
                Upload(f"orch_dependency_{number}", file, _relative(written, str(file), f"dependency{number}"))
            )
    return found


def _relative(written: str, path: str, name: str) -> str:
    """Where a file is put in the folder of a host: as it is named in the topology, which playbooks rely on."""
    parts = PurePosixPath(written).parts
    if parts and not written.startswith("/") and ".." not in parts and ":" not in written:
        return str(PurePosixPath(written))
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}/{Path(path).name}"
