"""Implementations of operations and artifacts: every notation -> model, with the files looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator import resources
from orchestrator.model.implementations import JOB_WATCH
from orchestrator.model.problems import Problems
from orchestrator.model.topology import ArtifactDefinition, Implementation
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.checksums import check_checksum
from orchestrator.tosca.fields import as_list, as_map, as_scalar, check_keynames, named_items, scalars_of, text_of
from orchestrator.tosca.imports import Document
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.scalars import unit_value
from orchestrator.tosca.tree import Map, Scalar, Tree, kind_of, parse_padded

_TYPES_BY_ENDING = {
    ".sh": "tosca.artifacts.Implementation.Bash",
    ".bash": "tosca.artifacts.Implementation.Bash",
    ".py": "tosca.artifacts.Implementation.Python",
    ".yml": "tosca.artifacts.Implementation.Ansible",
    ".yaml": "tosca.artifacts.Implementation.Ansible",
    ".ansible": "org.alien4cloud.artifacts.AnsiblePlaybook",
}
IsA = Callable[[str, str], bool]


def find_file(written: str, document: Document) -> Path | None:
    """Where a file named in a document is: beside the document, for a profile also in the folder of its playbooks.

    Files of a profile or an archive must lie inside it, or among those playbooks. None when there is none.
    """
    folders = [(document.folder, document.confined_to)]
    names = [written]
    if document.playbooks_of is not None:
        playbooks = resources.playbooks_folder() / document.playbooks_of
        folders.append((playbooks, playbooks if document.profile is not None else None))
        if written.startswith("playbooks/"):
            names.append(written.removeprefix("playbooks/"))
    for folder, confined_to in folders:
        for name in names:
            path = _existing(folder, name, confined_to)
            if path is not None:
                return path
    return None


def _existing(folder: Path, name: str, confined_to: Path | None) -> Path | None:
    try:
        path = (folder / name).resolve()
        if confined_to is not None and not path.is_relative_to(confined_to.resolve()):
            return None
        return path if path.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None


def read_implementation(
    tree: Tree,
    document: Document,
    artifacts: Mapping[str, ArtifactDefinition],
    is_artifact: IsA,
    problems: Problems,
) -> Implementation | None:
    """An implementation: a file, the name of an artifact, ``{file, type}``, ``{primary, dependencies, …}``."""
    if isinstance(tree, Scalar):
        return (
            None if tree.is_null else _of_file(tree, None, (), None, None, document, artifacts, is_artifact, problems)
        )
    if not isinstance(tree, Map):
        message = f"an implementation is a file or a map, not {kind_of(tree)}"
        problems.error(codes.WRONG_KIND, message, tree.span)
        return None
    check_keynames(tree, grammar.IMPLEMENTATION, "an implementation", problems)
    primary = tree.get("primary")
    source = primary if isinstance(primary, Map) else tree
    file = as_scalar(
        primary if isinstance(primary, Scalar) else source.get("file"), "the implementation's file", problems
    )
    host = operation_host(tree.get("operation_host"), problems)
    timeout = _timeout(tree.get("timeout"), problems)
    needed = _dependencies(tree.get("dependencies"), document, problems)
    dependencies = tuple(scalar.text for scalar in needed)
    if file is None:
        if host is None and timeout is None and not dependencies and "primary" not in tree:
            problems.error(codes.MISSING_KEYNAME, "the implementation names no file", tree.span, "add primary: FILE")
        return None
    written_type = as_scalar(source.get("type"), "type", problems)
    type_name = written_type.text if written_type is not None else None
    if isinstance(primary, Map):
        _check_inline(primary, file.text, document, problems)
    found = _of_file(file, type_name, dependencies, host, timeout, document, artifacts, is_artifact, problems)
    for scalar in needed if found.path is not None else ():
        if scalar.text not in artifacts and not _is_there(scalar.text, found.path, document):
            message = f"{scalar.text!r}, which {file.text} depends on, is not found"
            hint = f"it was looked for in {document.folder}, and beside the file that needs it"
            problems.warning(codes.IMPLEMENTATION_MISSING, message, scalar.span, hint)
    return found


def _is_there(dependency: str, primary: str | None, document: Document) -> bool:
    return find_file(dependency, document) is not None or (
        primary is not None and _existing(Path(primary).parent, dependency, document.confined_to) is not None
    )


def operation_host(tree: Tree | None, problems: Problems) -> str | None:
    """Where an operation is to run; a word that stands for no place is a problem."""
    written = as_scalar(tree, "operation_host", problems)
    if written is None or not written.text:
        return None
    if written.text.upper() not in grammar.OPERATION_HOSTS:
        message = f"{written.text!r} is no place for an operation to run"
        hint = did_you_mean(written.text.upper(), grammar.OPERATION_HOSTS)
        problems.error(codes.WRONG_VALUE, message, written.span, hint)
    return written.text


def _check_inline(fields: Map, file: str, document: Document, problems: Problems) -> None:
    """An artifact that stands where it is used."""
    check_keynames(fields, grammar.ARTIFACT, "an artifact", problems)
    path = find_file(file, document)
    if path is not None:
        check_checksum(fields, str(path), problems)


def _dependencies(tree: Tree | None, document: Document, problems: Problems) -> list[Scalar]:
    if isinstance(tree, Scalar):
        return scalars_of(tree, "dependencies", problems)
    found = []
    for item in as_list(tree, "dependencies", problems):
        file = as_scalar(item.get("file") if isinstance(item, Map) else item, "a dependency", problems)
        if file is not None:
            found.append(file)
            if isinstance(item, Map):
                _check_inline(item, file.text, document, problems)
    return found


def _timeout(tree: Tree | None, problems: Problems) -> int | None:
    """Seconds: a whole number, or a scalar-unit.time."""
    scalar = as_scalar(tree, "timeout", problems)
    if scalar is None:
        return None
    number = parse_padded(scalar.text)
    seconds = number if number is not None else unit_value(scalar.text, "scalar-unit.time")
    if seconds is None or not 0 <= seconds < 1e9:
        message = f"timeout is a number of seconds, not {scalar.text!r}"
        problems.error(codes.WRONG_VALUE, message, scalar.span, "write for example 60")
        return None
    return int(seconds)


def _of_file(
    file: Scalar,
    type_name: str | None,
    dependencies: tuple[str, ...],
    host: str | None,
    timeout: int | None,
    document: Document,
    artifacts: Mapping[str, ArtifactDefinition],
    is_artifact: IsA,
    problems: Problems,
) -> Implementation:
    artifact = artifacts.get(file.text)
    if artifact is not None:
        return Implementation(
            artifact.file, artifact.path, type_name or artifact.type, dependencies, host, timeout, file.span
        )
    kind = type_name or _TYPES_BY_ENDING.get(Path(file.text[-300:]).suffix.lower())
    if kind is not None and is_artifact(kind, JOB_WATCH):
        return Implementation(file.text, None, kind, dependencies, host, timeout, file.span)
    path = find_file(file.text, document)
    if path is None:
        message = f"the implementation {file.text!r} is not found"
        problems.warning(codes.IMPLEMENTATION_MISSING, message, file.span, f"it was looked for in {document.folder}")
    return Implementation(file.text, str(path) if path else None, kind, dependencies, host, timeout, file.span)


def read_artifacts(
    tree: Tree | None,
    document: Document,
    inherited: Mapping[str, ArtifactDefinition],
    check_type: Callable[[Scalar], str | None],
    problems: Problems,
) -> dict[str, ArtifactDefinition]:
    """The artifacts of a type or a template over the inherited ones."""
    found = dict(inherited)
    for key, body in named_items(tree, "artifacts", problems):
        parent = found.get(key.text)
        if isinstance(body, Scalar) and not body.is_null:
            kind = (
                parent.type if parent else _TYPES_BY_ENDING.get(Path(body.text[-300:]).suffix, "tosca.artifacts.File")
            )
            found[key.text] = _artifact(key, body, kind, None, None, document)
            _tell_missing(body, found[key.text], document, problems)
            continue
        fields = as_map(body, f"the artifact {key.text!r}", problems)
        if fields is None:
            continue
        check_keynames(fields, grammar.ARTIFACT, "an artifact", problems)
        written = as_scalar(fields.get("type"), "type", problems)
        type_name = (check_type(written) if written else None) or (parent.type if parent else "tosca.artifacts.File")
        file = as_scalar(fields.get("file"), "file", problems)
        repository = text_of(fields.get("repository"), "repository", problems) or None
        deploy = text_of(fields.get("deploy_path"), "deploy_path", problems) or None
        if file is None:
            kept = (parent.file, parent.path) if parent else ("", None)
            found[key.text] = ArtifactDefinition(key.text, type_name, *kept, repository, deploy, key.span)
        else:
            found[key.text] = _artifact(key, file, type_name, repository, deploy, document)
            if _tell_missing(file, found[key.text], document, problems):
                continue
        check_checksum(fields, found[key.text].path, problems)
    return found


def _tell_missing(file: Scalar, artifact: ArtifactDefinition, document: Document, problems: Problems) -> bool:
    """Warn of an artifact whose file should lie here and does not; whether it is so."""
    missing = artifact.path is None and artifact.repository is None and not _is_remote(file.text, artifact.type)
    if missing:
        message = f"the artifact {file.text!r} is not found"
        problems.warning(codes.ARTIFACT_MISSING, message, file.span, f"it was looked for in {document.folder}")
    return missing


def _is_remote(file: str, type_name: str) -> bool:
    """Whether an artifact's file is the name of an image or an address, which are not looked up here."""
    return "://" in file or ".Image" in type_name


def _artifact(
    key: Scalar, file: Scalar, kind: str, repository: str | None, deploy: str | None, document: Document
) -> ArtifactDefinition:
    path = find_file(file.text, document) if repository is None else None
    return ArtifactDefinition(key.text, kind, file.text, str(path) if path else None, repository, deploy, key.span)
