"""A changed topology is deployed over what is deployed, and only what is different is done."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.orch import Orch, Workflow, processes_of, wait_for

TYPES = Path(__file__).with_name("update")


class Site:
    """A topology that can be changed, whose playbooks leave a trace."""

    def __init__(self, orch: Orch) -> None:
        self.orch = orch
        self.folder = orch.folder / "topology"
        shutil.copytree(TYPES, self.folder)
        self.file = self.folder / "topology.yaml"
        self.traces = orch.folder / "traces"
        self.traces.mkdir()

    def write(
        self, nodes: Mapping[str, Mapping[str, Any]], inputs: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        """Write the topology: of each node its word, its type and what it uses."""
        templates = {name: self._node(**said) for name, said in nodes.items()}
        document = {
            "tosca_definitions_version": "tosca_simple_yaml_1_3",
            "metadata": {"template_name": "site"},
            "imports": ["types.yaml"],
            "topology_template": {
                "inputs": {name: {"type": "string", "default": value} for name, value in (inputs or {}).items()},
                "node_templates": templates,
                **more,
            },
        }
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))

    def _node(self, word: Any = "one", kind: str = "Traced", uses: tuple[str, ...] = ()) -> dict[str, Any]:
        return {
            "type": f"tests.nodes.{kind}",
            "properties": {"folder": str(self.traces), "word": word},
            **({"requirements": [{"uses": target} for target in uses]} if uses else {}),
        }

    def deploy(self, *words: str, **how: Any) -> str:
        return self.orch("deploy", self.file, *words, **how).stdout

    def trace(self) -> list[str]:
        """The operations since the last look."""
        file = self.traces / "trace"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def fail(self, what: str, node: str) -> Path:
        """Have an operation of a node fail until the file is removed."""
        file = self.traces / f"fail-{what}-{node}"
        file.touch()
        return file

    def states(self) -> dict[str, str]:
        return {node["name"]: node["state"] for node in self.orch.json("show")["nodes"]}

    def status(self) -> list[str]:
        return [deployment["status"] for deployment in self.orch.json("list")]


@pytest.fixture
def site(orch: Orch) -> Site:
    made = Site(orch)
    made.write({"Web": {"uses": ("Data",)}, "Data": {}, "Cache": {}})
    made.deploy()
    made.trace()
    return made


CHANGED = {"Web": {"uses": ("Data",)}, "Data": {"word": "two"}, "Queue": {"uses": ("Data",)}}
OPERATIONS = [
    "stop Cache one",
    "delete Cache one",
    "stop Data one",
    "configure Data two",
    "start Data two",
    "create Queue one",
    "configure Queue one",
    "start Queue one",
    "add_source Queue->Data one",
]


def check_changed(site: Site) -> None:
    assert site.status() == ["deployed"]
    assert site.states() == {"Web": "started", "Data": "started", "Queue": "started"}
    assert "no difference" in site.deploy()


def test_only_what_is_different_is_done(site: Site) -> None:
    site.write(CHANGED)
    said = site.deploy()
    assert site.trace() == OPERATIONS
    assert "- node Cache" in said
    assert "+ node Queue" in said
    assert "property word: one -> two" in said
    check_changed(site)
    assert [e["workflow"] for e in site.orch.executions()] == ["update", "install"]
    site.orch("undeploy")
    assert {line.split()[1] for line in site.trace() if line.startswith("delete")} == {"Web", "Data", "Queue"}


def test_a_dry_run_does_nothing(site: Site) -> None:
    site.write(CHANGED)
    said = site.deploy("--dry-run")
    assert "property word: one -> two" in said
    assert "Data: Standard.stop" in said
    shown = site.orch.json("deploy", site.file, "--dry-run")
    assert {n["name"]: n["change"] for n in shown["difference"]["nodes"]} == {
        "Cache": "removed",
        "Data": "changed",
        "Queue": "added",
    }
    assert shown["plan"]["workflow"] == "update"
    assert site.trace() == []
    assert len(site.orch.executions()) == 1
    assert set(site.states()) == {"Web", "Data", "Cache"}


def test_a_dry_run_of_a_first_deployment_shows_its_plan(orch: Orch) -> None:
    made = Site(orch)
    made.write({"Web": {}})
    assert "Web: Standard.create" in made.deploy("--dry-run")
    assert (orch.json("list"), made.trace()) == ([], [])


def test_without_a_difference_nothing_is_carried_out(site: Site) -> None:
    assert "no difference" in site.deploy()
    assert (site.trace(), len(site.orch.executions())) == ([], 1)


def test_what_touches_no_node_applies_at_once(site: Site) -> None:
    steps = {"again": {"target": "Web", "activities": [{"call_operation": "Standard.start"}]}}
    site.write({"Web": {"uses": ("Data",)}, "Data": {}, "Cache": {}}, workflows={"kick": {"steps": steps}})
    assert "workflow kick" in site.deploy()
    assert (site.trace(), len(site.orch.executions())) == ([], 1)
    site.orch("run", "kick")
    assert site.trace() == ["start Web one"]


def test_inputs_stay_as_they_are_unless_given(orch: Orch) -> None:
    made = Site(orch)
    nodes = {"Web": {"word": {"get_input": "web"}}, "Data": {"word": {"get_input": "data"}}}
    made.write(nodes, {"web": "w", "data": "d"})
    made.deploy("-i", "web=mine")
    made.trace()
    made.deploy("-i", "data=new")
    assert made.trace() == ["stop Data d", "configure Data new", "start Data new"]
    made.write(nodes, {"web": "other", "data": "d"})
    made.deploy()
    assert made.trace() == []
    assert orch.json("show")["inputs"] == {"web": "mine", "data": "new"}


def test_a_node_of_another_type_is_removed_and_added(site: Site) -> None:
    site.write({"Web": {"uses": ("Data",)}, "Data": {}, "Cache": {"kind": "Other", "word": "two"}})
    site.deploy()
    assert site.trace() == [
        "stop Cache one",
        "delete Cache one",
        "create Cache two",
        "configure Cache two",
        "start Cache two",
    ]


def test_a_failed_update_is_resumed_where_it_was(site: Site) -> None:
    site.write(CHANGED)
    mended = site.fail("configure", "Data")
    site.deploy(status=1)
    assert site.status() == ["deploy_failed"]
    assert site.trace() == OPERATIONS[:4]
    mended.unlink()
    site.orch("executions", "resume", site.orch.executions()[0]["id"])
    assert site.trace() == OPERATIONS[3:]
    check_changed(site)


def test_after_a_failed_update_another_one_begins_from_what_is_there(site: Site) -> None:
    site.write(CHANGED)
    mended = site.fail("start", "Queue")
    site.deploy(status=1)
    site.trace()
    mended.unlink()
    failed = site.orch.executions()[0]["id"]
    site.write({"Web": {"uses": ("Data",)}, "Data": {"word": "two"}, "Late": {}})
    site.deploy()
    assert site.trace() == [
        "stop Queue one",
        "delete Queue one",
        "remove_source Queue->Data one",
        "create Late one",
        "configure Late one",
        "start Late one",
    ]
    refused = site.orch("executions", "resume", failed, status=2)
    assert "came after it" in refused.stderr
    assert site.states() == {"Web": "started", "Data": "started", "Late": "started"}


def test_after_a_failed_update_all_that_is_there_is_undeployed(site: Site) -> None:
    site.write(CHANGED)
    site.fail("stop", "Cache")
    site.deploy(status=1)
    (site.traces / "fail-stop-Cache").unlink()
    site.trace()
    site.orch("undeploy")
    assert {line.split()[1] for line in site.trace() if line.startswith("delete")} == {"Web", "Data", "Cache"}


@pytest.mark.parametrize(
    "place", ["attempt.begun", "states:update", "playbook.event:Cache", "playbook.event:Data", "playbook.event:Queue"]
)
def test_killed_while_updating(site: Site, place: str) -> None:
    site.write(CHANGED)
    site.deploy(status=-signal.SIGKILL, ORCH_KILL_AT=place)
    before = site.trace()
    site.orch("executions", "resume", site.orch.executions()[0]["id"])
    done = before + site.trace()
    assert list(dict.fromkeys(done)) == OPERATIONS
    # only the operation in whose midst it was killed may have run twice
    assert len(done) <= len(OPERATIONS) + 1
    check_changed(site)


def test_killed_before_the_update_was_queued(site: Site) -> None:
    site.write(CHANGED)
    site.deploy(status=-signal.SIGKILL, ORCH_KILL_AT="update.stored")
    assert (site.status(), len(site.orch.executions())) == (["deploying"], 1)
    site.deploy()
    assert site.trace() == OPERATIONS
    check_changed(site)


# --- by force


def test_force_passes_over_what_fails_and_tells_it(site: Site) -> None:
    site.fail("stop", "Web")
    site.fail("delete", "Cache")
    done = site.orch("undeploy", "--force")
    assert "Web: Standard.stop failed: " in done.stderr
    assert "Cache: Standard.delete failed" in done.stderr
    assert site.orch.json("list") == []
    assert {line for line in site.trace() if line.startswith("delete")} == {
        "delete Web one",
        "delete Data one",
        "delete Cache one",
    }


def test_force_without_playbooks(site: Site) -> None:
    shutil.rmtree(site.folder)
    site.orch("undeploy", status=1)
    done = site.orch("undeploy", "--force")
    assert "Data: Standard.delete failed" in done.stderr
    assert site.orch.json("list") == []


def test_force_after_a_kill(site: Site) -> None:
    site.write(CHANGED)
    site.deploy(status=-signal.SIGKILL, ORCH_KILL_AT="playbook.event:Queue")
    site.trace()
    site.orch("undeploy", "--force")
    assert site.orch.json("list") == []
    assert {line.split()[1] for line in site.trace() if line.startswith("delete")} == {"Web", "Data", "Queue"}
    assert [(e["workflow"], e["status"]) for e in site.orch.executions()[:2]] == [
        ("uninstall", "done"),
        ("update", "cancelled"),
    ]


@pytest.mark.parametrize("killed", [False, True])
def test_force_cancels_runs_and_their_jobs_first(deployed: Workflow, orch: Orch, killed: bool) -> None:
    deployed.hold()
    process = orch.start("run", "exec_job", *deployed.arguments())
    wait_for(deployed.trace, "the job to run")
    if killed:
        process.kill()
        process.wait()
    done = orch("undeploy", "--force")
    assert orch.json("list") == []
    assert [(e["workflow"], e["status"]) for e in orch.executions()[:2]] == [
        ("uninstall", "done"),
        ("exec_job", "cancelled"),
    ]
    assert "job" not in done.stderr
    process.wait(timeout=60)
    wait_for(lambda: not processes_of(orch.home / "sites"), "the job to be gone", limit=30)
