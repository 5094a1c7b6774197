"""Use case: draw a topology, the plan of a workflow, or how far an execution is."""

from __future__ import annotations

import enum

from orchestrator.app.targets import named_target, target_plan
from orchestrator.app.wiring import Home
from orchestrator.errors import UserError
from orchestrator.planning import pictures


class PictureFormat(enum.Enum):
    """The formats of pictures; the values are also the endings of their files."""

    SVG = "svg"
    PNG = "png"
    DOT = "dot"
    MERMAID = "mermaid"


ENDINGS = {**{f".{f.value}": f for f in PictureFormat}, ".gv": PictureFormat.DOT, ".mmd": PictureFormat.MERMAID}
"""What the ending of a file's name says of its format."""


def draw(
    home: Home, target: str | None, workflow: str | None, deployment: str | None, picture_format: PictureFormat
) -> bytes:
    """The picture of a topology (a file or a deployment), of a workflow of it, or of an execution.

    ``target``, ``workflow`` and ``deployment`` name it as :func:`orchestrator.app.targets.named_target` has it. Raises
    UserError, DocumentError.
    """
    found, workflow = named_target(home, target, workflow, deployment, executions=True)
    if found.plan is not None:
        if workflow is not None and workflow != found.plan.workflow:
            raise UserError(
                f"execution {target} is one of {found.plan.workflow!r}, not of {workflow!r}",
                hint=f"leave {workflow!r} out, or name the deployment instead of the execution",
            )
        graph = pictures.plan_graph(found.plan, found.states)
    elif workflow is not None:
        graph = pictures.plan_graph(target_plan(home, found, workflow))
    else:
        graph = pictures.topology_graph(found.topology)
    match picture_format:
        case PictureFormat.PNG:
            return pictures.to_png(graph)
        case PictureFormat.DOT:
            return pictures.to_dot(graph).encode()
        case PictureFormat.MERMAID:
            return pictures.to_mermaid(graph).encode()
        case PictureFormat.SVG:
            return pictures.to_svg(graph).encode()
