"""What is to be submitted for each kind of node: pure functions from resolved inputs to a submission."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from orchestrator import paths
from orchestrator.errors import SiteError, WorkError
from orchestrator.jobs.expansion import as_text
from orchestrator.jobs.submission import JobContext, Submission, first_given
from orchestrator.model.values import Secret, Value
from orchestrator.services.transfer import name_of
from orchestrator.sites.site import PyCompss


def program(module: str, request: Mapping[str, Value], outputs: Mapping[str, Value] | None = None) -> Submission:
    """A submission that runs one of the embedded services on a request."""
    return Submission(
        argv=(sys.executable, "-m", f"orchestrator.services.{module}", "request.json"),
        files={"request.json": json.dumps(request, indent=1)},
        outputs={"execution_url": "", **(outputs or {})},
    )


def python_of_jobs(context: JobContext) -> str:
    """The Python that runs PyCOMPSs programs on this machine: that of whoever runs orch, whose packages they need.

    It is orch's own only where there is no other. Raises WorkError when the site names one that is not there.
    """
    name = context.site.pycompss.python
    found = shutil.which(name, path=context.site_variables.get("PATH"))
    if found is None and name != PyCompss().python:
        raise WorkError(
            f"{context.node}: there is no Python {name!r} on this machine",
            hint="mend pycompss.python of the site in sites.yaml",
        )
    return found or sys.executable


def _transfer(
    context: JobContext, request: Mapping[str, Value], outputs: Mapping[str, Value] | None = None
) -> Submission:
    """A submission of a transfer, whose target or source is at the site."""
    login = context.login
    site = msgspec.to_builtins(login.settings, enc_hook=str) if login else None
    prepared = program("transfer", {"transfer": dict(request), "site": site}, outputs)
    if login is None:
        return prepared
    # a key never lies in a file, so the program gets it on its standard input
    return replace(prepared, stdin=Secret(json.dumps([key.reveal() for key in login.keys])))


def _required(inputs: Mapping[str, Value], context: JobContext, what: str, *names: str) -> str:
    value = first_given(inputs, *names)
    if value is None:
        raise WorkError(
            f"{context.node}: no {what} is given",
            hint=f"set the property {names[-1]} of {context.node}, or the workflow input that stands for it",
        )
    return as_text(value)


def _flag(value: Value) -> bool:
    return value is True or str(value).lower() in ("true", "yes", "1")


def image_creation(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """``imagecreation.ansible.nodes.ImageCreation``: what the site says of its machine wins over the topology."""
    machine = dict(inputs.get("machine") or {})
    for key in ("platform", "architecture", "container_engine", "mpi", "gpu"):
        machine[key] = as_text(
            first_given({"env": inputs.get(f"machine_{key}_from_env"), "own": machine.get(key)}, "env", "own")
        )
    workflow = _required(inputs, context, "workflow", "workflow")
    registry = next((r for r in context.folders.registries if paths.is_folder(r / workflow)), None)
    if registry is None:
        looked = ", ".join(str(r) for r in context.folders.registries) or "nowhere"
        raise WorkError(
            f"{context.node}: no workflow registry has the workflow {workflow!r} (looked in: {looked})",
            hint="put a folder `registry` beside the topology, or name one in sites.yaml (services.image_creation)",
        )
    request = {
        "registry": str(registry),
        "images": str(context.folders.images),
        "workflow": workflow,
        "step_id": _required(inputs, context, "step_id", "step_id"),
        "machine": machine,
        "force": _flag(inputs.get("force")),
        "python": python_of_jobs(context) if context.beside else None,
    }
    return program("images", request)


def image_transfer(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """``dls.ansible.nodes.DLSDAGImageTransfer``: the file that an image creation built, else ``image_id``."""
    image = _required(
        inputs, context, "image", "builded_file_name_start", "builded_file_name_run", "image_id_input", "image_id"
    )
    target = Path(as_text(first_given(inputs, "target_path_input", "target_path")) or context.folders.transferred)
    request = {
        "kind": "image",
        "images": str(context.folders.images),
        "image": image,
        "target": str(target),
        "default_target": str(context.folders.transferred),
    }
    return _transfer(context, request, {"image_file_path": str(target / image)})


def stage_in(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """``dls.ansible.nodes.DLSDAGStageInData``: the files of a record of the data catalogue into a folder."""
    request = {
        "kind": "stage_in",
        "catalogue": str(context.folders.catalogue),
        "oid": _required(inputs, context, "oid", "oid_input", "oid"),
        "target": _required(inputs, context, "target path", "target_path_input", "target_path"),
    }
    return _transfer(context, request)


def stage_out(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """``dls.ansible.nodes.DLSDAGStageOutData``: a file or folder into a record of the data catalogue."""
    mid = first_given(inputs, "mid_input", "mid")
    register = inputs.get("register_input")
    request = {
        "kind": "stage_out",
        "catalogue": str(context.folders.catalogue),
        "source": _required(inputs, context, "source path", "source_path_input", "source_path"),
        "mid": None if mid is None else as_text(mid),
        "register": _flag(inputs.get("register") if register in (None, "") else register),
        "key": context.token,
        "execution": context.execution,
        "deployment": context.deployment,
        "workflow": context.workflow,
        "node": context.node,
    }
    return _transfer(context, request)


def http_download(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """``dls.ansible.nodes.HTTP2SSH``: a URL to a file; a target that ends with ``/`` is the folder to put it in."""
    url = _required(inputs, context, "URL", "url_input", "url")
    target = _required(inputs, context, "target path", "target_path_input", "target_path")
    if target.endswith("/"):
        target += name_of(url)
    return _transfer(context, {"kind": "download", "url": url, "target": target, "force": _flag(inputs.get("force"))})


def dag_run(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """Any other ``dls.ansible.nodes.DLSDAGRun``: there is no Airflow among the embedded services to run its DAG."""
    dag = as_text(inputs.get("dag_id"))
    raise SiteError(
        f"{context.node}: site {context.site.name!r} has no service that runs the DAG {dag!r}",
        hint="deploy on a site with a Data Logistics Service; the embedded one stages data in and out, "
        "transfers images and downloads URLs",
    )
