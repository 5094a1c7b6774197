"""Use case: remove what is over: ended executions and all they left, deployments that are gone, unused folders."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from orchestrator.app.wiring import Home
from orchestrator.model.decoding import from_json
from orchestrator.state import Deployment, DeploymentStatus, Execution, compact
from orchestrator.state.pruning import Pruning

_CHANGING = ("install", "update", "uninstall", "scale")
_DIGEST_LENGTH = 64


class _Beside(msgspec.Struct, frozen=True):
    """What the record of a deployment says of the update that it comes from."""

    before: dict[str, object] | None = None


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be: executions, deployments (names), folders; ``freed`` in bytes.

    ``kept`` are old executions that were left because something needs them still. ``compacted`` is False when the
    database could not be made smaller because somebody works with it.
    """

    executions: tuple[str, ...]
    deployments: tuple[str, ...]
    folders: int
    freed: int
    kept: int
    compacted: bool = True


def prune(home: Home, older_than: float, *, keep: int = 0, dry_run: bool = False, compact: bool = True) -> Pruned:
    """Remove what ended more than ``older_than`` seconds ago, but the newest ``keep`` executions of each deployment.

    What has not ended is never touched. Neither are executions that a living deployment needs: the last that changed
    it, the one that a broken update began with, and those of whose jobs it still reads files. Outputs that are the
    newest of their kind stay while their deployment lives.
    """
    limit = time.time() - older_than
    pruning = Pruning(home.store)
    before = _database_size(home)
    old = pruning.ended_before(limit)
    chosen = list(_dispensable(home, pruning, old, keep))
    removed: list[Execution] = []
    folders: list[Path] = []
    for execution in chosen:
        found = [*_job_folders(home, execution), *_run_folders(home, execution)]
        if dry_run or pruning.remove_execution(execution):
            removed.append(execution)
            folders += found
    gone = _undeployed(home, limit, {execution.id for execution in removed})
    if not dry_run:
        gone = [deployment for deployment in gone if pruning.remove_deployment(deployment)]
        _forget(home, removed)
    folders += _unused_archives(home, limit)
    freed = sum(_size(folder) for folder in folders)
    compacted = True
    if not dry_run:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        compacted = _compact(home) if compact and (removed or gone) else True
        freed += max(before - _database_size(home), 0)
    return Pruned(
        tuple(execution.id for execution in removed),
        tuple(deployment.name for deployment in gone),
        len(folders),
        freed,
        len(old) - len(removed),
        compacted,
    )


def _dispensable(home: Home, pruning: Pruning, old: list[Execution], keep: int) -> Iterator[Execution]:
    """Those of the old executions that nothing needs."""
    living = {deployment.id: deployment for deployment in home.store.deployments()}
    needed = {i for deployment in living.values() for i in _needed(home, deployment)}
    newest: Counter[str] = Counter()
    kept = set()
    for execution in home.store.executions():
        newest[execution.deployment_id] += 1
        if newest[execution.deployment_id] <= keep:
            kept.add(execution.id)
    for execution in old:
        if execution.id in needed or execution.id in kept:
            continue
        if any(not job.state.final for job in home.store.jobs(execution.id)):
            continue
        if execution.deployment_id in living and pruning.in_use(execution):
            continue
        yield execution


def _needed(home: Home, deployment: Deployment) -> Iterator[str]:
    """The executions that tell what is there of a deployment."""
    changes = (e.id for e in home.store.executions(deployment.id) if e.workflow in _CHANGING)
    newest = next(changes, None)
    if newest is not None:
        yield newest
    with suppress(msgspec.MsgspecError):
        before = from_json(deployment.topology, _Beside).before or {}
        if before.get("execution"):
            yield str(before["execution"])


def _undeployed(home: Home, limit: float, removed: set[str]) -> list[Deployment]:
    """The deployments that were gone by then, and of which no execution is left when these are removed."""
    gone = [d for d in home.store.deployments(all_=True) if d.status is DeploymentStatus.UNDEPLOYED]
    return [d for d in gone if d.updated < limit and not {e.id for e in home.store.executions(d.id)} - removed]


def _job_folders(home: Home, execution: Execution) -> Iterator[Path]:
    for job in home.store.jobs(execution.id):
        folder = home.settings.site_folder(job.reference.site) / "jobs" / job.reference.token
        if folder.is_dir():
            yield folder


def _run_folders(home: Home, execution: Execution) -> Iterator[Path]:
    """Private folders of playbooks that are left of an execution, unless a process is still at work in them."""
    if not home.store.processes(execution.id):
        for place in home.settings.run_places:
            yield from place.glob(f"{execution.id}-*")


def _unused_archives(home: Home, limit: float) -> Iterator[Path]:
    """Unpacked archives that neither a living deployment nor the catalog uses."""
    from orchestrator.app.sources import csar_cache  # heavy: imports the reader

    cache = csar_cache(home.settings)
    if not cache.is_dir():
        return
    living = home.store.deployments()
    used = {_digest(file) for file in home.settings.profiles.glob("*") if file.is_file()}
    for folder in sorted(cache.iterdir()):
        name = folder.name
        if len(name) != _DIGEST_LENGTH or name in used or folder.stat().st_mtime >= limit:
            continue
        if not any(name.encode() in deployment.topology or name in deployment.source for deployment in living):
            yield folder


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        digest = sha256()
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _forget(home: Home, removed: list[Execution]) -> None:
    """Remove what the library of durable executions keeps of them."""
    database = home.settings.durable_database
    if not removed or (isinstance(database, Path) and not database.exists()):
        return
    from orchestrator.engine.durable import delete  # heavy: imports dbos

    delete(database, {execution.id: execution.attempt for execution in removed})


def _compact(home: Home) -> bool:
    """Give the space of what was removed back to the file system; PostgreSQL does so by itself."""
    databases = (home.settings.database, home.settings.durable_database)
    return [compact(file) for file in databases if isinstance(file, Path) and file.exists()].count(False) == 0


def _database_size(home: Home) -> int:
    return sum(file.stat().st_size for file in home.settings.home.glob("*.sqlite*"))


def _size(folder: Path) -> int:
    """The bytes of the files in a folder."""
    with suppress(OSError):
        return sum(f.lstat().st_size for f in folder.rglob("*") if not f.is_dir() or f.is_symlink())
    return 0
