"""Use case: what the code of a problem or an error stands for."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.errors import UserError
from orchestrator.tosca import CODES, ProblemKind
from orchestrator.tosca.names import did_you_mean

_PLANS = (
    ProblemKind(
        "P0001",
        "Link to an unknown step",
        "A step of a plan is linked with one that the workflow does not have.",
        "Check the names behind on_success, on_failure and on_cancel.",
    ),
    ProblemKind(
        "P0002",
        "Steps that wait for each other",
        "Steps of a workflow come after each other in a circle, so none of them could ever be the first. In a "
        "generated workflow the circle comes from the requirements of nodes.",
        "Take one of the links of the circle away.",
    ),
    ProblemKind(
        "P0003",
        "Step that can never run",
        "A step would only start when steps before it both succeed and fail, or when a step fails that cannot.",
        "Change the on_success, on_failure and on_cancel of the steps before it.",
    ),
    ProblemKind(
        "P0004",
        "Workflow inlined into itself",
        "A workflow puts, over others, itself in the place of a step.",
        "Break the circle of inline.",
    ),
    ProblemKind(
        "P0005",
        "Unknown workflow",
        "A workflow is inlined or delegated to that the topology does not have.",
        "Check the spelling; `orch plan` lists the workflows.",
    ),
    ProblemKind(
        "P0006",
        "Step for an unknown node or operation",
        "A step is for a node template, a relationship or an operation that does not exist.",
        "Check the spelling; `orch types NAME` lists what a type has.",
    ),
    ProblemKind(
        "P0007",
        "Plan too large",
        "Workflows that are inlined again and again make a plan of more steps than any real one has.",
        "Inline the workflow less often.",
    ),
    ProblemKind(
        "P0008",
        "Wrong number of instances",
        "The capability `scalable` of a node does not fit together: the default is outside of the bounds, for example.",
        "Change default_instances, min_instances or max_instances; the bounds are 1 where nothing is written.",
    ),
    ProblemKind(
        "P0009",
        "Job that is run before it is submitted",
        "A workflow calls Runnable.run, which watches the job of a node, where nothing need have submitted the job.",
        "Let Runnable.submit of the node succeed before: as an activity before it, or in a step that leads to it.",
    ),
)
_INPUTS = (
    ProblemKind(
        "I0001",
        "Unknown input",
        "An input is given that neither the topology nor the workflow has, so it would have no effect.",
        "Check the spelling; `orch inputs FILE [WORKFLOW]` lists the inputs.",
    ),
    ProblemKind(
        "I0002",
        "Required input not given",
        "The input has no default, and what uses it cannot work without it.",
        "Give it with -i NAME=VALUE, or in a file with --inputs.",
    ),
    ProblemKind(
        "I0003",
        "Input of the wrong type",
        "The value that is given for an input cannot be read as the type that the input is declared with.",
        "Give a value of that type; `orch inputs` shows it.",
    ),
    ProblemKind(
        "I0004",
        "Input outside of its constraints",
        "The value that is given for an input does not meet a constraint that the input is declared with.",
        "Give a value that meets it; the message says which constraint, and where it is written.",
    ),
)
_ERRORS = (
    ProblemKind("E0000", "Error", "Something went wrong that has no code of its own.", "See the message."),
    ProblemKind("E1000", "Wrong request", "What was asked for cannot be done as it was asked.", "See the hint."),
    ProblemKind(
        "E1001",
        "Wrong command line",
        "The words of the command line are not understood.",
        "`orch COMMAND --help` tells how the command is used.",
    ),
    ProblemKind(
        "E1100",
        "Document with problems",
        "A topology, an inputs file or what they import has problems, each with a code of its own; nothing was done.",
        "Mend what the problems name; `orch validate FILE` lists them.",
    ),
    ProblemKind(
        "E1201",
        "Unknown workflow",
        "The topology has no workflow of this name, neither a declared nor a generated one.",
        "Check the spelling; `orch plan FILE` lists the workflows.",
    ),
    ProblemKind(
        "E2000",
        "Wrong configuration",
        "A settings file, a description of sites or the orchestrator's home is wrong.",
        "Mend the file that the message names.",
    ),
    ProblemKind(
        "E2100",
        "Secret missing",
        "A secret is not in the store, or the store cannot be read.",
        "`orch secrets set PATH KEY` keeps a secret.",
    ),
    ProblemKind(
        "E2110",
        "Secret store out of service",
        "Vault is sealed or cannot be reached. Executions wait for it as long as `wait` of vault in config.yaml says.",
        "Unseal Vault, or check the network and the address; then resume the execution if it has failed.",
    ),
    ProblemKind(
        "E2120",
        "Secret store refuses",
        "Vault does not accept the login or its certificate is not trusted, or the policies of the login do not allow "
        "what is wanted.",
        "`orch secrets login` shows whether and as whom Vault knows you; docs/secrets.md has the ways to log in.",
    ),
    ProblemKind(
        "E3000",
        "Site or service out of reach",
        "A site or a service does not answer, or refuses the work.",
        "Check the network, the credentials and the description of the site; then resume the execution.",
    ),
    ProblemKind(
        "E4000",
        "Work that failed",
        "A playbook, a job or a transfer failed.",
        "`orch executions logs` shows what it said; `orch executions resume` goes on from there.",
    ),
    ProblemKind(
        "E5000",
        "Storage out of order",
        "The orchestrator's own files or databases cannot be read or written.",
        "See what the message names; `orch doctor` tries the home and its database, and says what to do.",
    ),
    ProblemKind(
        "E9000",
        "Fault of orch",
        "This should not have happened: orch itself is at fault.",
        "Report it, with what the same command says with --debug.",
    ),
)

SECTIONS: Mapping[str, tuple[ProblemKind, ...]] = {
    "Problems of documents": tuple(CODES[code] for code in sorted(CODES)),
    "Problems of workflows": _PLANS,
    "Problems of inputs": _INPUTS,
    "Errors of commands": _ERRORS,
}
"""Every code that orch may name, by what it is about."""

KINDS: Mapping[str, ProblemKind] = {kind.code: kind for kinds in SECTIONS.values() for kind in kinds}


def explain(code: str) -> ProblemKind:
    """What a code stands for; ``t123`` is understood as ``T0123``. Raises UserError for one that there is not."""
    letter, digits = code[:1].upper(), code[1:]
    found = KINDS.get(f"{letter}{digits.zfill(4)}")
    if found is None:
        hint = did_you_mean(code, KINDS) or "docs/problems.md lists all codes"
        raise UserError(f"there is no code {code!r}", hint=hint)
    return found


def problems_markdown() -> str:
    """All codes as a page of documentation."""
    lines = [
        "# Problems and errors",
        "",
        "What the codes in messages of `orch` stand for. `orch explain CODE` shows the same on the command line.",
    ]
    for section, kinds in SECTIONS.items():
        lines += ["", f"## {section}"]
        for kind in kinds:
            lines += ["", f"### {kind.code}: {kind.title}", "", kind.explanation, "", f"**Remedy:** {kind.remedy}"]
    return "\n".join(lines) + "\n"
