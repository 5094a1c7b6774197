"""Updates and undeployments by force, as far as they can be seen without carrying anything out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from orchestrator.app import forcing, updating
from orchestrator.app.executing import Prepared, prepare_deploy, runnable_workflows
from orchestrator.app.inputs import Given
from orchestrator.app.settings import Settings
from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import UserError
from orchestrator.model.jobs import JobReference, JobState
from orchestrator.model.plan import StepKind
from orchestrator.planning import Change
from orchestrator.state import Deployment, DeploymentStatus, Execution, ExecutionStatus, JobRecord, StepStatus

NOTHING = b'{"workflow":"nothing"}'
"""A plan without steps."""

TYPES = Path(__file__).parents[2] / "embedded" / "update"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(Settings(folder, tmp_path))


class Sketch:
    """A topology in a file, and what is stored of it."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        shutil.copytree(TYPES, folder)
        self.file = folder / "topology.yaml"

    def write(self, inputs: dict[str, Any] | None = None, **words: Any) -> None:
        """A node for every word."""
        document = {
            "tosca_definitions_version": "tosca_simple_yaml_1_3",
            "metadata": {"template_name": "site"},
            "imports": ["types.yaml"],
            "topology_template": {
                "inputs": {n: {"type": "string", "default": v} for n, v in (inputs or {}).items()},
                "node_templates": {
                    name: {"type": "tests.nodes.Traced", "properties": {"folder": "/nowhere", "word": word}}
                    for name, word in words.items()
                },
            },
        }
        self.file.write_text(yaml.safe_dump(document))

    def deployed(self, **words: Any) -> Deployment:
        """What was deployed without a fault."""
        self.write(**words)
        prepared = prepare_deploy(self.home, self.file)
        deployment = msgspec.structs.replace(prepared.deployment, status=DeploymentStatus.DEPLOYED)
        self.home.store.add_deployment(deployment)
        return deployment

    def halfway(self, done: set[str], failed: str, **words: Any) -> Prepared:
        """An update that failed at a step, when these were done."""
        self.write(**words)
        prepared = prepare_deploy(self.home, self.file)
        update = prepared.update
        assert update is not None
        updating.store(self.home, update)
        execution = execution_of(prepared.deployment, update.base.execution, msgspec.json.encode(prepared.plan))
        self.home.store.add_execution(execution)
        for step in (*done, failed):
            self.home.store.begin_step(execution.id, step, 1)
            self.home.store.end_step(execution.id, step, StepStatus.FAILED if step == failed else StepStatus.DONE)
        self.home.store.end_execution(execution, ExecutionStatus.FAILED, None, DeploymentStatus.DEPLOY_FAILED)
        return prepared

    def next(self, **words: Any) -> dict[str, Change]:
        """What a further deployment would find different."""
        self.write(**words)
        found = prepare_deploy(self.home, self.file).difference
        assert found is not None
        return {node.name: node.change for node in found.nodes}


def execution_of(deployment: Deployment, identifier: str, plan: bytes, workflow: str = "update") -> Execution:
    status = ExecutionStatus.QUEUED
    return Execution(identifier, deployment.id, workflow, status, 1, {}, plan, None, None, 1.0, None, None, None)


@pytest.fixture
def sketch(home: Home, tmp_path: Path) -> Sketch:
    return Sketch(home, tmp_path / "topology")


def done_with(prepared: Prepared, *nodes: str) -> set[str]:
    return {step.id for step in prepared.plan.steps if step.node in nodes}


def test_a_first_deployment_has_no_difference(sketch: Sketch) -> None:
    sketch.write(A="one")
    prepared = prepare_deploy(sketch.home, sketch.file)
    assert (prepared.difference, prepared.plan.workflow) == (None, "install")
    assert sketch.home.store.deployments() == []


def test_what_is_deployed_stays_in_the_record_until_the_update_has_ended(sketch: Sketch) -> None:
    sketch.deployed(A="one", B="one")
    sketch.halfway(set(), "A_stop", A="two")
    (stored,) = sketch.home.store.deployments()
    assert list(topology_of(stored).node_templates) == ["A"]
    before = updating.unfinished(sketch.home, stored)
    assert before is not None
    assert list(before.topology.node_templates) == ["A", "B"]
    execution = sketch.home.store.execution(before.execution)
    sketch.home.store.end_execution(execution, ExecutionStatus.DONE, None, DeploymentStatus.DEPLOYED)
    assert updating.unfinished(sketch.home, sketch.home.store.deployment(stored.id)) is None


def test_an_update_after_a_failed_one_does_what_is_left(sketch: Sketch) -> None:
    sketch.deployed(A="one", Gone="one", Kept="one", Going="one")
    planned = {"A": "two", "Kept": "one", "New": "one", "Late": "one"}
    sketch.write(**planned)
    prepared = prepare_deploy(sketch.home, sketch.file)
    done = done_with(prepared, "Gone", "A") | {"Going_stopping", "Going_stop", "New_initial", "New_creating"}
    sketch.halfway(done, "New_create", **planned)
    assert sketch.next(**planned) == {"Going": Change.REMOVED, "New": Change.ADDED, "Late": Change.ADDED}
    assert sketch.next(A="two", Kept="one") == {"Going": Change.REMOVED, "New": Change.REMOVED}
    assert sketch.next(A="two", Kept="one", Going="one", Gone="one") == {
        "New": Change.REMOVED,
        "Going": Change.ADDED,
        "Gone": Change.ADDED,
    }


def test_a_node_whose_change_was_not_done_changes_again(sketch: Sketch) -> None:
    sketch.deployed(A="one")
    sketch.halfway({"A_stopping", "A_stop"}, "A_configure", A="two")
    assert sketch.next(A="two") == {"A": Change.CHANGED}


def test_an_update_that_was_stored_but_never_begun_is_found_again(sketch: Sketch) -> None:
    sketch.deployed(A="one", B="one")
    sketch.write(A="two")
    update = prepare_deploy(sketch.home, sketch.file).update
    assert update is not None
    updating.store(sketch.home, update)
    assert sketch.next(A="two") == {"B": Change.REMOVED, "A": Change.CHANGED}


def test_taking_away_a_half_updated_deployment_takes_all_nodes(sketch: Sketch) -> None:
    deployment = sketch.deployed(A="one", Gone="one", Going="one")
    planned = {"A": "one", "New": "one", "Late": "one"}
    sketch.write(**planned)
    prepared = prepare_deploy(sketch.home, sketch.file)
    sketch.halfway(done_with(prepared, "Gone") | {"New_initial"}, "New_create", **planned)
    whole = updating.settle(sketch.home, sketch.home.store.deployment(deployment.id))
    assert set(topology_of(whole).node_templates) == {"A", "Going", "New"}
    assert sketch.home.store.deployment(deployment.id) == whole
    assert sketch.next(A="one") == {"Going": Change.REMOVED, "New": Change.REMOVED}


def test_an_overtaken_execution_is_not_gone_on_with(sketch: Sketch) -> None:
    deployment = sketch.deployed(A="one")
    old, run = execution_of(deployment, "old", NOTHING, "install"), execution_of(deployment, "run", NOTHING, "exec_job")
    new = msgspec.structs.replace(execution_of(deployment, "new", NOTHING), created=2.0)
    for execution in (old, run, new):
        sketch.home.store.add_execution(execution)
    updating.refuse_overtaken(sketch.home, new)
    updating.refuse_overtaken(sketch.home, run)
    with pytest.raises(UserError, match=r"update \(execution new\) came after it"):
        updating.refuse_overtaken(sketch.home, old)


def test_inputs_that_had_their_default_get_the_new_one(sketch: Sketch) -> None:
    word = {"get_input": "word"}
    sketch.write({"word": "old", "other": "old"}, A=word)
    first = prepare_deploy(sketch.home, sketch.file, given={"other": Given(text="mine")})
    sketch.home.store.add_deployment(msgspec.structs.replace(first.deployment, status=DeploymentStatus.DEPLOYED))
    sketch.write({"word": "new", "other": "new"}, A=word)
    prepared = prepare_deploy(sketch.home, sketch.file)
    assert prepared.deployment.inputs == {"word": "new", "other": "mine"}
    assert prepared.difference is not None
    assert prepared.difference.names(Change.CHANGED) == ("A",)


def test_the_workflow_of_updates_is_not_run_by_itself(sketch: Sketch) -> None:
    assert "update" not in runnable_workflows(topology_of(sketch.deployed(A="one")))


# --- by force


def test_a_forced_plan_goes_on_whatever_fails(sketch: Sketch) -> None:
    forced = forcing.prepare(sketch.home, sketch.deployed(A="one"))
    assert forced.plan is not None
    policies = [step.policy for step in forced.plan.steps if step.kind is StepKind.OPERATION]
    assert [(p.continue_on_error, p.retries, p.timeout) for p in policies] == [(True, 0, forcing.STEP_SECONDS)] * 2


def test_nodes_on_a_site_that_is_gone_are_told(sketch: Sketch) -> None:
    deployment = msgspec.structs.replace(sketch.deployed(A="one"), matches={"A": "moon"})
    sketch.home.store.replace_deployment(deployment)
    forced = forcing.prepare(sketch.home, deployment)
    assert forced.plan is not None
    assert {step.kind for step in forced.plan.steps} == {StepKind.STATE}
    assert forced.notes == ("A: nothing was undone, its site 'moon' is described nowhere",)
    assert forcing.finish(sketch.home, forced, None) == list(forced.notes)
    assert sketch.home.store.deployments() == []


def test_a_topology_that_cannot_be_read_any_more_is_gone_all_the_same(sketch: Sketch) -> None:
    deployment = msgspec.structs.replace(sketch.deployed(A="one"), topology=b'{"name": 7}')
    sketch.home.store.replace_deployment(deployment)
    forced = forcing.prepare(sketch.home, deployment)
    assert forced.plan is None
    (told,) = forcing.finish(sketch.home, forced, None)
    assert "nothing was undone" in told
    assert sketch.home.store.deployments() == []


def test_jobs_and_images_that_may_remain_are_told(sketch: Sketch) -> None:
    store, deployment = sketch.home.store, sketch.deployed(A="one")
    execution = execution_of(deployment, "e1", NOTHING, "exec_job")
    store.add_execution(execution)
    for number, state in ((1, JobState.COMPLETED), (2, JobState.RUNNING)):
        reference = JobReference("moon", "slurm", f"token-{number}", f"job-{number}")
        store.put_job(JobRecord("e1", "A", number, "s", reference, state, "", True, float(number), None))
    store.put_outputs(deployment.id, "e1", "A", "0", ("Standard", "start"), {"filename": "a.sif"})
    store.end_execution(execution, ExecutionStatus.FAILED, None, None)
    told = forcing.finish(sketch.home, forcing.prepare(sketch.home, deployment), None)
    assert told == ["A: job job-2 on site moon may still be running", "A: the image a.sif"]


GREETER = """
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: greeter }
node_types:
  my.Greeter:
    derived_from: tosca.nodes.Root
    properties:
      who: { type: string }
      tone: { type: string, default: kind }
      unread: { type: string, default: nothing }
      at_run: { type: string, default: nothing }
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations:
          create:
            implementation: a.sh
            inputs: { W: { get_property: [ SELF, who ] }, T: { get_property: [ SELF, tone ] } }
          configure: { implementation: a.sh, inputs: { TONE: { get_property: [ SELF, tone ] } } }
      Work:
        type: tosca.interfaces.Root
        operations: { go: { implementation: a.sh, inputs: { R: { get_property: [ SELF, at_run ] } } } }
  my.Listener:
    derived_from: tosca.nodes.Root
    requirements: [ to: { capability: tosca.capabilities.Node, occurrences: [ 0, 1 ] } ]
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations:
          start: { implementation: a.sh, inputs: { HEARD: { get_property: [ SELF, to, unread ] } } }
topology_template:
  inputs: { who: { type: string, default: newcomer } }
  node_templates:
    G: { type: my.Greeter, properties: { who: { get_input: who } } }
    L: { type: my.Listener, requirements: [ to: G ] }
"""


@pytest.fixture
def greeter(home: Home, tmp_path: Path) -> Path:
    file = tmp_path / "greeter.yaml"
    (tmp_path / "a.sh").write_text("")
    (tmp_path / "b.sh").write_text("")
    file.write_text(GREETER)
    prepared = prepare_deploy(home, file)
    home.store.add_deployment(msgspec.structs.replace(prepared.deployment, status=DeploymentStatus.DEPLOYED))
    return file


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        ("default: newcomer", "default: again", ["G: the property who", "Standard.create of G", "--recreate G"]),
        ("{ get_input: who }", "other", ["G: the property who", "Standard.create of G"]),
        ("default: kind", "default: rude", []),
        ("at_run: { type: string, default: nothing }", "at_run: { type: string, default: more }", []),
        (
            "unread: { type: string, default: nothing }",
            "unread: { type: string, default: more }",
            ["G: the property unread", "Standard.start of L", "--recreate L"],
        ),
        (
            "create:\n            implementation: a.sh",
            "create:\n            implementation: b.sh",
            ["G: the operation Standard.create"],
        ),
        ("configure: { implementation: a.sh", "configure: { implementation: b.sh", []),
    ],
)
def test_what_an_update_does_not_bring_about_is_said(
    home: Home, greeter: Path, before: str, after: str, warned: list[str]
) -> None:
    assert before in GREETER
    greeter.write_text(GREETER.replace(before, after))
    said = "\n".join(prepare_deploy(home, greeter).warnings)
    assert [words for words in warned if words not in said] == []
    assert bool(warned) == bool(said)


def test_a_node_is_made_again_when_it_is_asked_for(home: Home, greeter: Path) -> None:
    prepared = prepare_deploy(home, greeter, given={"who": Given(text="again")}, recreate=["G"])
    assert prepared.warnings == ()
    assert prepared.difference is not None
    assert {node.name: node.change for node in prepared.difference.nodes} == {"G": Change.REPLACED}
    assert [s.operation for s in prepared.plan.steps if s.kind is StepKind.OPERATION] == ["create", "configure"]
    with pytest.raises(UserError, match="no node template 'g' to recreate") as raised:
        prepare_deploy(home, greeter, recreate=["g"])
    assert raised.value.hint == "there are: G, L"


def test_what_was_to_be_made_again_is_kept_while_the_update_is_unfinished(home: Home, greeter: Path) -> None:
    update = prepare_deploy(home, greeter, recreate=["G"]).update
    assert update is not None
    updating.store(home, update)
    (stored,) = home.store.deployments()
    before = updating.before_of(stored)
    assert before is not None
    assert before.recreated == ("G",)
