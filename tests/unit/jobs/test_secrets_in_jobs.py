"""A secret never becomes a part of a job that others can see: it is refused, with the name of its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UserError
from orchestrator.jobs import (
    JobContext,
    JobKind,
    SiteFolders,
    http_download,
    pycompss,
    slurm_job,
    stage_in,
    submission_of,
)
from orchestrator.model.values import Secret
from orchestrator.sites import Site

SECRET = Secret("hunter2")


def context(**inputs: Any) -> JobContext:
    somewhere = Path("/nowhere")
    folders = SiteFolders(somewhere, somewhere, somewhere, somewhere, somewhere, ())
    return JobContext("t", "e", "d", "w", "Job", Site(name="here"), folders, inputs)


@pytest.mark.parametrize(
    ("kind", "inputs", "place"),
    [
        (slurm_job, {"command": "true", "arguments": ["-p", SECRET]}, "arguments[1]"),
        (slurm_job, {"command": SECRET}, "command"),
        (slurm_job, {"command": "true", "environment": {"PASSWORD": SECRET}}, "environment.PASSWORD"),
        (slurm_job, {"command": "true", "execution_options": {"args": [SECRET]}}, "execution_options.args[0]"),
        (slurm_job, {"script": SECRET}, "script"),
        (slurm_job, {"command": "true", "extra_options": [SECRET]}, "extra_options[0]"),
        (pycompss, {"application": {"command": "a.py", "arguments": [SECRET]}}, "application.arguments[0]"),
        (http_download, {"url": SECRET, "target_path": "/x"}, "url"),
        (stage_in, {"oid": "o", "target_path": SECRET}, "target_path"),
    ],
)
def test_it_is_refused_with_its_place(kind: JobKind, inputs: dict[str, Any], place: str) -> None:
    with pytest.raises(UserError) as caught:
        submission_of(kind, inputs, context())
    assert f"Job: {place} has a secret in it" in caught.value.message
    assert "hunter2" not in str(caught.value)


def test_one_that_becomes_part_of_a_text_is_refused_too() -> None:
    inputs = {"command": "true", "arguments": ["--password=${password}"]}
    with pytest.raises(UserError, match="Job: an input of the workflow has a secret in it"):
        submission_of(slurm_job, inputs, context(password=SECRET))


def test_one_that_the_job_has_nothing_to_do_with_is_no_reason() -> None:
    submission = submission_of(slurm_job, {"command": "true", "token": SECRET}, context(other=SECRET))
    assert submission.argv == ("true",)
