"""The operations of an update: what tears down is carried out on the topology as it was, all else as it will be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.model.values import Value
from orchestrator.operations import OperationCall, OperationResult, Operations, ResolvedCall, Surroundings
from orchestrator.planning import tears_down


class UpdateOperations(Operations):
    """The operations of an execution whose deployment is on its way from one topology to another."""

    def __init__(self, before: Surroundings, after: Surroundings, folder: Path) -> None:
        super().__init__(after, folder)
        self._before = Operations(before, folder, self.kept)

    def resolve(self, call: OperationCall) -> ResolvedCall:
        """Look everything up that the operation needs, in the topology that it belongs to."""
        if tears_down(call.interface, call.operation):
            return self._before.resolve(call)
        return super().resolve(call)

    def attributes_of(
        self, resolved: ResolvedCall, outputs: Mapping[str, Mapping[str, Value]]
    ) -> list[tuple[str, str, dict[str, Value]]]:
        """The attributes that an operation's outputs are to be stored as."""
        if tears_down(resolved.call.interface, resolved.call.operation):
            return self._before.attributes_of(resolved, outputs)
        return super().attributes_of(resolved, outputs)

    def run(self, resolved: ResolvedCall, **how: Any) -> OperationResult:
        """Run the operation's playbook."""
        if tears_down(resolved.call.interface, resolved.call.operation):
            return self._before.run(resolved, **how)
        return super().run(resolved, **how)
