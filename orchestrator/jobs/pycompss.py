"""What is submitted for a PyCOMPSs job: the contract of the eFlows4HPC plugin for Yorc, without its shell.

Inputs ``qos``, ``num_nodes`` and ``extra_compss_opts`` (plain, or with the node's name before them) override the
properties; ``${name}`` of workflow inputs is expanded in command, arguments and options.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from orchestrator.errors import WorkError
from orchestrator.jobs.expansion import as_text, expand
from orchestrator.jobs.preparation import JobContext, Submission, first_given, program
from orchestrator.model.values import Value

_PREFIX = "PyCOMPSs_"


def variables(workflow_inputs: Mapping[str, Value], node: str) -> dict[str, Value]:
    """What ``${…}`` may name: inputs, over them ``PyCOMPSs_x`` as x, over them ``<Node>_PyCOMPSs_x`` as x."""
    found = {name: value for name, value in workflow_inputs.items() if "-" not in name}
    for prefix in (_PREFIX, f"{node}_{_PREFIX}"):
        found |= {n.removeprefix(prefix): v for n, v in workflow_inputs.items() if n.startswith(prefix)}
    return found


def pycompss_first_generation(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """``pycomps.ansible.nodes.PyCOMPSJob``: the same job, said in single properties."""
    image = first_given(inputs, "transferred_container_image", "transferred_container_image_submit", "container_image")
    names = ("num_nodes", "qos", "python_interpreter", "extra_compss_opts")
    translated: dict[str, Value] = {
        "application": {
            "command": inputs.get("command"),
            "arguments": inputs.get("arguments"),
            "container_opts": {"container_image": image},
        },
        "submission_params": {name: inputs.get(name) for name in names},
        "num_nodes_input": inputs.get("num_nodes_input"),
    }
    environment = {
        f"{way}_DATA_PATH": as_text(first_given(inputs, f"{way.lower()}_data_path_input", f"{way.lower()}_data_path"))
        for way in ("INPUT", "OUTPUT")
    }
    return pycompss(translated, context, environment)


def pycompss(
    inputs: Mapping[str, Value], context: JobContext, environment: Mapping[str, str] = MappingProxyType({})
) -> Submission:
    """``org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob`` as a job of this machine."""
    application = inputs.get("application") or {}
    parameters = inputs.get("submission_params") or {}
    names = variables(context.workflow_inputs, context.node)

    def setting(name: str) -> Value:
        own = first_given(context.workflow_inputs, f"{context.node}_{name}", name)
        return first_given(
            {"own": own, "input": inputs.get(f"{name}_input"), "set": parameters.get(name)}, "own", "input", "set"
        )

    command = as_text(application.get("command"))
    if not command:
        raise WorkError(f"{context.node}: no command is given", hint="set application.command")
    container = application.get("container_opts") or {}
    image = first_given(
        {**inputs, "own": container.get("container_image")}, "image_file_path_start", "image_file_path_submit", "own"
    )
    request: dict[str, Value] = {
        "image": None if image is None else as_text(image),
        "unpack_folder": str(context.folders.unpacked),
        "command": expand(command, names),
        "arguments": [expand(as_text(word), names) for word in application.get("arguments") or []],
        # split first: an input with blanks or quotes in it stays one word
        "extra_options": [expand(word, names) for word in _words(as_text(setting("extra_compss_opts")), context.node)],
        "python_interpreter": as_text(parameters.get("python_interpreter")),
        "environment": dict(environment),
        "runcompss": _found(context.site.pycompss.runcompss),
        "num_nodes": _count(setting("num_nodes"), context.node),
        "qos": expand(as_text(setting("qos")), names),
    }
    return program("application", request)


def _words(text: str, node: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise WorkError(f"{node}: extra_compss_opts {text!r} cannot be split into words: {error}") from error


def _count(value: Value, node: str) -> int:
    try:
        return int(value if value not in (None, "") else 1)
    except (TypeError, ValueError) as error:
        raise WorkError(f"{node}: num_nodes must be a whole number, not {value!r}") from error


def _found(command: str) -> str | None:
    path = shutil.which(command)
    return str(Path(os.path.abspath(path))) if path else None  # noqa: PTH100 keep links: runcompss finds its home by them
