"""Several instances of a node: deployed, scaled out and in, killed on the way, taken away."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from support.orch import Orch, processes_of

FARM = Path(__file__).with_name("scale")


class Farm:
    """A topology of three machines with a worker on each, whose playbooks leave a line for every instance."""

    def __init__(self, orch: Orch) -> None:
        self.orch = orch
        self.file = shutil.copytree(FARM, orch.folder / "topology") / "topology.yaml"
        orch("deploy", self.file, "-i", f"folder={orch.folder}")

    def trace(self) -> list[str]:
        """The operations since the last look: what, on which instance, among which."""
        file = self.orch.folder / "trace"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def states(self) -> dict[str, dict[str, str]]:
        return {node["name"]: node["instances"] for node in self.orch.json("show")["nodes"]}

    def status(self) -> str:
        (deployment,) = self.orch.json("list")
        return str(deployment["status"])

    def fail(self, what: str, instance: str) -> Path:
        """Have an operation fail on an instance until the file is removed."""
        file = self.orch.folder / f"fail-{what}-{instance}"
        file.touch()
        return file


@pytest.fixture
def farm(orch: Orch) -> Farm:
    made = Farm(orch)
    assert made.states() == expected_states(3)
    lines = made.trace()
    assert Counter(line.split()[0] for line in lines) == {"create": 6, "start": 3, "add_source": 3, "add_target": 3}
    assert "create Worker_1 Worker_0,Worker_1,Worker_2" in lines
    assert "add_target Balancer_0->Worker_2 Balancer_0->Worker_0,Worker_1,Worker_2" in lines
    return made


def expected_states(number: int) -> dict[str, dict[str, str]]:
    ids = [str(i) for i in range(number)]
    started = dict.fromkeys(ids, "started")
    return {"Balancer": {"0": "started"}, "Machine": started, "Worker": started}


def names(node: str, number: int) -> str:
    return ",".join(f"{node}_{i}" for i in range(number))


def lifecycle(operations: dict[str, list[str]], instances: range, everyone: int) -> Counter[str]:
    """The lines of operations of the instances, among so many."""
    return Counter(
        f"{operation} {node}_{i} {names(node, everyone)}"
        for node, done in operations.items()
        for operation in done
        for i in instances
    )


def hooks(operations: list[str], instances: range, everyone: int) -> Counter[str]:
    return Counter(
        f"{operation} Balancer_0->Worker_{i} Balancer_0->{names('Worker', everyone)}"
        for operation in operations
        for i in instances
    )


UP = {"Machine": ["create"], "Worker": ["create", "start"]}
DOWN = {"Machine": ["delete"], "Worker": ["stop", "delete"]}
ADDED, REMOVED = ["add_source", "add_target"], ["remove_source", "remove_target"]


def test_scaled_out_and_in_and_undeployed(farm: Farm) -> None:
    orch = farm.orch
    shown = orch.json("scale", "Machine=5", "--dry-run")
    assert shown["instances"]["Worker"] == {"before": ["0", "1", "2"], "after": ["0", "1", "2", "3", "4"]}
    assert {tuple(step["instances"]) for step in shown["plan"]["steps"]} == {("3", "4"), ("0",)}
    assert farm.trace() == []

    orch("scale", "Machine=5")
    lines = farm.trace()
    assert Counter(lines) == lifecycle(UP, range(3, 5), 5) + hooks(ADDED, range(3, 5), 5)
    order = [line.split()[0] + line.split()[1][0] for line in lines]
    assert [word for index, word in enumerate(order) if word not in order[:index]][:3] == [
        "createM",
        "createW",
        "startW",
    ]
    assert farm.states() == expected_states(5)
    assert farm.status() == "deployed"
    assert "nothing to do" in orch("scale", "Machine=5").stdout + orch("scale", "Machine=5").stderr
    assert "Worker_4" in orch("show").stdout

    assert "x5" in orch("plan", "farm", "restart").stdout
    orch("run", "restart")
    assert Counter(farm.trace()) == lifecycle({"Worker": ["stop", "start"]}, range(5), 5)

    farm.fail("stop", "Worker_4")
    orch("run", "restart", status=1)
    run = orch.executions()[0]["id"]
    (orch.folder / "fail-stop-Worker_4").unlink()
    farm.trace()
    orch("scale", "Machine=2")
    lines = farm.trace()
    assert "was scaled since" in orch("executions", "resume", run, status=2).stderr
    orch("run", "restart")
    assert Counter(farm.trace()) == lifecycle({"Worker": ["stop", "start"]}, range(2), 2)
    assert Counter(lines) == lifecycle(DOWN, range(2, 5), 5) + hooks(REMOVED, range(2, 5), 5)
    assert farm.states() == expected_states(2)

    orch("undeploy")
    assert Counter(farm.trace()) == lifecycle(DOWN, range(2), 2) + hooks(REMOVED, range(2), 2)
    assert orch.json("list") == []


def test_killed_in_the_middle_of_scaling_out_and_resumed(farm: Farm) -> None:
    orch = farm.orch
    orch("scale", "Machine=5", status=-signal.SIGKILL, ORCH_KILL_AT="playbook.event:Worker")
    newest = orch.executions()[0]
    assert (newest["workflow"], newest["status"]) == ("scale", "interrupted")
    assert "is not whole" in orch("scale", "Machine=4", status=2).stderr
    assert "was interrupted" in orch("scale", "Machine=3", status=2).stderr
    assert "has not come to its end" in orch("deploy", farm.file, status=2).stderr
    orch("executions", "resume", newest["id"])
    wanted = lifecycle(UP, range(3, 5), 5) + hooks(ADDED, range(3, 5), 5)
    done = Counter(farm.trace())
    assert done.keys() == wanted.keys()
    twice = {line.split()[1] for line, times in done.items() if times > 1}
    assert all(name.startswith("Worker") for name in twice), "only what was under way is done again"
    assert farm.states() == expected_states(5)
    assert farm.status() == "deployed"
    assert processes_of(orch.home / "runs") == []


def test_what_failed_is_resumed_or_scaled_back(farm: Farm) -> None:
    orch = farm.orch
    farm.fail("start", "Worker_3")
    assert "scale failed" in orch("scale", "Machine=4", status=1).stderr
    assert farm.status() == "deploy_failed"
    assert farm.states()["Worker"]["3"] == "error"
    assert "resume" in orch("scale", "Machine=5", status=2).stderr
    farm.trace()
    orch("scale", "Machine=3")
    assert lifecycle(DOWN, range(3, 4), 4) <= Counter(farm.trace())
    assert farm.states() == expected_states(3)
    assert farm.status() == "deployed"
    failed = next(e["id"] for e in orch.executions() if e["status"] == "failed")
    assert "came after it" in orch("executions", "resume", failed, status=2).stderr


def test_an_update_keeps_the_number(farm: Farm) -> None:
    orch = farm.orch
    orch("scale", "Machine=4")
    farm.trace()
    farm.file.write_text(farm.file.read_text().replace("default: none", "default: other"))
    orch("deploy", farm.file)
    assert Counter(farm.trace()) == lifecycle({"Worker": ["stop", "start"]}, range(4), 4)
    assert farm.states() == expected_states(4)


def test_what_cannot_be_scaled_is_told(farm: Farm) -> None:
    orch = farm.orch
    for word, said in (
        ("Worker=4", "`orch scale Machine=4` scales both"),
        ("Machine=7", "allows 2 to 6 instances"),
        ("Machine=1", "allows 2 to 6 instances"),
        ("Balancer=2", "these can be scaled: Machine"),
        ("Nobody=2", "no node template 'Nobody'"),
        ("Machine", "not of the form NODE=N"),
        ("Machine=x", "not of the form NODE=N"),
    ):
        assert said in orch("scale", word, status=2).stderr
    assert len(orch.executions()) == 1
    queued = orch("scale", "Machine=4", "--detach").stdout.split()[0]
    assert "is about to be scaled" in orch("run", "restart", status=2).stderr
    orch("executions", "cancel", queued)
    assert farm.status() == "deployed"
    wrong = orch("deploy", farm.file, "--name", "other", "-i", f"folder={orch.folder}", "-i", "machines=9", status=2)
    assert "default_instances is 9, which is not within 2 to 6" in wrong.stderr
