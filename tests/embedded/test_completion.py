"""Real shells complete the words of orch, on a real deployment."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import debian_program
from support.orch import ROOT, Workflow

BASH = """
eval "$(orch completion bash)"
shift 0
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_orch_completion orch
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = 'orch completion fish | source; complete -C "$argv"'
ZSH = """
compdef() { :; }
compadd() { shift 4; print -l -- ${(P)1}; }
_describe() { print -l -- ${${(P)3}%%:*}; }
eval "$(orch completion zsh)"
words=("$@"); CURRENT=$#
_orch_completion
"""


def offered(workflow: Workflow, shell: str, *words: str) -> tuple[list[str], str]:
    """What a shell offers for the last of some words, and what is said besides."""
    folder = workflow.orch.folder / "bin"
    if not folder.exists():
        folder.mkdir()
        (folder / "orch").write_text(f'#!/bin/sh\nexec {sys.executable} -m orchestrator "$@"\n')
        (folder / "orch").chmod(0o755)
    debian_program(shell, shell)
    command = {
        "bash": ["bash", "--norc", "-c", BASH, "bash", *words],
        "fish": ["fish", "--no-config", "-c", FISH, "--", " ".join(words)],
        "zsh": ["zsh", "-f", "-c", ZSH, "zsh", *words],
    }[shell]
    environment = workflow.orch.environment()
    environment |= {"PATH": f"{folder}:{environment['PATH']}", "HOME": str(workflow.orch.folder)}
    assert environment["PYTHONPATH"] == str(ROOT)
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=workflow.orch.folder, timeout=60, check=False
    )
    return sorted({line.split("\t")[0] for line in done.stdout.splitlines() if line}), done.stderr


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_a_shell_completes_commands_and_names(deployed: Workflow, shell: str) -> None:
    execution = deployed.orch.executions()[0]["id"]
    for words, found in (
        (["orch", "execu"], ["executions"]),
        (["orch", "executions", "re"], ["resume"]),
        (["orch", "undeploy", "-d", ""], ["minimal_workflow"]),
        (["orch", "run", "exec"], ["exec_job"]),
        (["orch", "executions", "show", ""], [execution]),
        (["orch", "sites", "check", ""], ["local"]),
    ):
        assert offered(deployed, shell, *words) == (found, "")
    # nothing is said where nothing can be found
    deployed.orch.home.joinpath("config.yaml").write_text("nonsense: [")
    assert offered(deployed, shell, "orch", "undeploy", "-d", "") == ([], "")
