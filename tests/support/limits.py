"""What must hold of the limits of sites, whatever the database: run over SQLite and over PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.jobs import ExecutionSlots, SiteSlots
from orchestrator.model.jobs import JobReference
from orchestrator.state import ExecutionStatus, Store, WantedPlace
from support.orch import Orch, wait_for
from support.store_contract import execution

INTERVAL = 0.01
PATIENCE = 30.0


def wanted(token: str, execution_id: str = "e1", limit: int = 1, site: str = "hpc") -> WantedPlace:
    return WantedPlace(site, token, execution_id, limit)


def job(token: str, site: str = "hpc") -> JobReference:
    return JobReference(site, "launcher", token, token)


def running(store: Store, *ids: str) -> None:
    for id_ in ids:
        store.add_execution(execution(id_, status=ExecutionStatus.RUNNING, owner="somebody"))


class PlacesContract:
    """To be inherited; the fixture ``open_store`` opens the same database again and again."""

    @pytest.fixture
    def store(self, open_store: Callable[[], Store]) -> Store:
        store = open_store()
        running(store, "e1", "e2")
        return store

    def test_there_are_as_many_places_as_the_limit_says(self, store: Store) -> None:
        asked = [wanted(token, limit=2) for token in ("a", "b", "c")]
        assert store.take_places(asked) == asked[:2]
        assert store.take_places([wanted("d", site="other")]) == [wanted("d", site="other")]
        assert store.take_places(asked[2:]) == []
        store.give_back_place("hpc", "a")
        assert store.take_places(asked[2:]) == asked[2:]
        assert [token for _, token, _ in store.places()] == ["b", "d", "c"]

    def test_one_job_takes_one_place(self, store: Store) -> None:
        for _ in range(3):
            assert store.take_places([wanted("a", limit=2)]) == [wanted("a", limit=2)]
        assert store.take_places([wanted("b", limit=2)]) == [wanted("b", limit=2)]
        assert len(store.places()) == 2

    def test_a_job_that_is_there_already_takes_a_place_whatever_the_limit(self, store: Store) -> None:
        for token in ("a", "b", "b"):
            store.occupy_place(wanted(token))
        assert len(store.places()) == 2
        store.give_back_place("hpc", "a")
        assert store.take_places([wanted("c")]) == []

    @pytest.mark.parametrize("how", ["ended", "withdrawn"])
    def test_an_execution_that_is_over_holds_no_place(self, store: Store, how: str) -> None:
        assert store.take_places([wanted("a", "e1")])
        assert store.take_places([wanted("b", "e2")]) == []
        if how == "ended":
            store.end_execution(store.execution("e1"), ExecutionStatus.FAILED, None, None)
            assert store.places() == []
        else:
            store.give_back_place("hpc", "a")
            store.occupy_place(wanted("a", "never heard of"))
        assert store.take_places([wanted("b", "e2")])
        assert store.places() == [("hpc", "b", "e2")]

    def test_many_that_come_at_once_do_not_pass_each_other_by(self, open_store: Callable[[], Store]) -> None:
        limit, many = 3, 8
        stores = [open_store() for _ in range(many)]
        running(stores[0], "e1")
        together = threading.Barrier(many)
        given: list[WantedPlace] = []

        def take(store: Store, number: int) -> None:
            for turn in range(5):
                together.wait()
                given.extend(store.take_places([wanted(f"{number}-{turn}", limit=limit)]))

        threads = [threading.Thread(target=take, args=(store, n)) for n, store in enumerate(stores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(given) == limit
        assert len(stores[0].places()) == limit

    def test_two_processes_share_the_limit_of_a_site(self, open_store: Callable[[], Store]) -> None:
        one, two = open_store(), open_store()
        running(one, "e1", "e2")
        at_work, most, done = 0, 0, 0

        async def work(slots: ExecutionSlots, token: str) -> None:
            nonlocal at_work, most, done
            assert await slots.take(job(token))
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(INTERVAL)
            at_work -= 1
            await slots.give_back(job(token))
            done += 1

        async def all_() -> None:
            both = [SiteSlots(store, INTERVAL) for store in (one, two)]
            slots = [ExecutionSlots(s, f"e{n + 1}", lambda _: 2) for n, s in enumerate(both)]
            await asyncio.wait_for(asyncio.gather(*(work(slots[n % 2], f"t{n}") for n in range(10))), PATIENCE)

        asyncio.run(all_())
        assert (most, done) == (2, 10)
        assert one.places() == []


TOPOLOGY = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: sleeping, template_version: 1.0.0, template_author: tests }
imports:
  - eflows4hpc.env:1.1.0
  - org.eflows4hpc.pycompss.plugin:1.1.0
topology_template:
  node_templates:
    Environment: { type: eflows4hpc.env.nodes.AbstractEnvironment }
    Job:
      type: org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob
      properties:
        application: { command: %(program)s, arguments: [ "%(traces)s", "${name}" ] }
        submission_params: { python_interpreter: python3 }
      requirements:
        - environment: Environment
  workflows:
    work:
      inputs:
        name: { type: string }
      steps:
        job:
          target: Job
          activities:
            - call_operation: Runnable.submit
            - call_operation: Runnable.run
"""
PROGRAM = """\
import os, sys, time
folder, name = sys.argv[1:]
began = time.time()
with open(os.path.join(folder, name + ".begun"), "a") as file:
    file.write(f"{began}\\n")
deadline = time.monotonic() + 120
while os.path.exists(os.path.join(folder, "hold")) and time.monotonic() < deadline:
    time.sleep(0.02)
time.sleep(0.5)
with open(os.path.join(folder, name + ".ran"), "a") as file:
    file.write(f"{began} {time.time()}\\n")
"""


class Limited:
    """A deployment whose job takes half a second, on a site that takes ``limit`` jobs at once."""

    def __init__(self, orch: Orch, limit: int) -> None:
        self.orch = orch
        self.traces = orch.folder / "traces"
        self.traces.mkdir()
        self.hold = self.traces / "hold"
        program = orch.folder / "sleeping.py"
        program.write_text(PROGRAM)
        orch.home.mkdir(parents=True, exist_ok=True)
        (orch.home / "sites.yaml").write_text(f"sites:\n  local:\n    jobs: {limit}\n")
        topology = orch.folder / "topology.yaml"
        topology.write_text(TOPOLOGY % {"program": program, "traces": self.traces})
        orch("deploy", topology)

    def queue(self, name: str) -> str:
        return self.orch("run", "work", "-i", f"name={name}", "--detach").stdout.strip()

    def begun(self) -> list[Path]:
        return list(self.traces.glob("*.begun"))

    def ran(self) -> list[tuple[float, float]]:
        """When each job began and ended, by its own record; one that ran twice is there twice."""
        lines = [line for file in self.traces.glob("*.ran") for line in file.read_text().splitlines()]
        return [(float(begun), float(ended)) for begun, ended in (line.split() for line in lines)]


def overlap(ran: list[tuple[float, float]]) -> int:
    """How many ran at the same time, at most."""
    changes = sorted([(begun, 1) for begun, _ in ran] + [(ended, -1) for _, ended in ran])
    at_once = most = 0
    for _, change in changes:
        at_once += change
        most = max(most, at_once)
    return most


def is_wanted(store: Store, execution_id: str) -> bool:
    """Whether the step that submits the job has begun; one that waits for a place has no job yet."""
    return any(event.step for event in store.events(execution_id))


def two_workers_keep_the_limit(orch: Orch, store: Callable[[], Store], limit: int) -> None:
    limited = Limited(orch, limit)
    limited.hold.touch()
    ids = [limited.queue(f"run{n}") for n in range(6)]
    for name in ("one", "two"):
        orch.start("worker", "--name", name, "--jobs", "4")
    reader = store()
    wait_for(lambda: all(is_wanted(reader, i) for i in ids), "all jobs to be wanted")
    wait_for(lambda: len(limited.begun()) >= limit, "as many as may to run")
    limited.hold.unlink()
    wait_for(lambda: all(reader.execution(i).status.final for i in ids), "the executions to end")
    found = [reader.execution(i) for i in ids]
    assert {e.status.value for e in found} == {"done"}, [e.failure for e in found]
    assert {(e.owner or "").split("-")[0] for e in found} == {"one", "two"}
    ran = limited.ran()
    assert len(ran) == len(ids)
    assert overlap(ran) == limit
    assert reader.places() == []


def a_place_outlives_its_worker(orch: Orch, store: Callable[[], Store]) -> None:
    limited = Limited(orch, 1)
    limited.hold.touch()
    ids = [limited.queue("first")]
    first = orch.start("worker", "--name", "first")
    wait_for(limited.begun, "the first job to run")
    reader = store()
    assert [e for _, _, e in reader.places()] == ids
    ids += [limited.queue(name) for name in ("second", "third")]
    first.kill()
    first.communicate()
    orch.start("worker", "--name", "second")
    wait_for(lambda: all((reader.execution(i).owner or "").startswith("second") for i in ids), "the other to take over")
    # the job of the dead worker still runs, and counts
    wait_for(lambda: all(is_wanted(reader, i) for i in ids), "all jobs to be wanted")
    assert [e for _, _, e in reader.places()] == ids[:1]
    assert len(limited.begun()) == 1
    limited.hold.unlink()
    wait_for(lambda: all(reader.execution(i).status.final for i in ids), "the executions to end")
    ran = limited.ran()
    assert len(ran) == len(ids)
    assert overlap(ran) == 1
    assert reader.places() == []
