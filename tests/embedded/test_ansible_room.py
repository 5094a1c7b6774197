"""The ansible room with real Ansible: one suite over both ways to carry a playbook."""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.sshd import ssh_server

from orchestrator.ansible import (
    EventKind,
    Host,
    HostGroup,
    PlaybookResult,
    PlaybookRun,
    TaskEvent,
    end_session,
    run_playbook,
)
from orchestrator.ansible.carrier import Carrier
from orchestrator.ansible.cold import ColdCarrier
from orchestrator.ansible.forked import ForkedCarrier
from orchestrator.ansible.processes import RUN_VARIABLE, Process, find_process, mark_of, members
from orchestrator.errors import StorageError, WorkError
from orchestrator.model.values import Secret

ROOT = Path(__file__).resolve().parents[2]
CANARY = 'c4n4ry "quoted" \\ & pass/word ü'
LOCAL = {"ansible_connection": "local"}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of a short name: Ansible makes sockets in the folder of a run, and their paths have a limit."""
    with tempfile.TemporaryDirectory(prefix="orch-room-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def warm() -> Iterator[ForkedCarrier]:
    carrier = ForkedCarrier()
    yield carrier
    carrier.close()


@pytest.fixture(params=["cold", "forked"])
def carrier(request: pytest.FixtureRequest, warm: ForkedCarrier) -> Carrier:
    return warm if request.param == "forked" else ColdCarrier()


class Room:
    """Runs playbooks that are given as text."""

    def __init__(self, tmp_path: Path, carrier: Carrier) -> None:
        self.tmp_path = tmp_path
        self.carrier = carrier
        self.stop = threading.Event()
        self.events: list[TaskEvent] = []
        self.processes: list[Process] = []
        self.on_event: Callable[[TaskEvent], None] = lambda _: None

    def request(self, playbook: str, name: str = "run", **fields: Any) -> PlaybookRun:
        path = self.tmp_path / "playbooks" / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(playbook)
        variables = fields.pop("variables", {})
        fields.setdefault("hosts", (Host("N_0", LOCAL),))
        fields.setdefault("group", HostGroup.HOSTED_OPERATIONS)
        return PlaybookRun(
            playbook=path,
            folder=self.tmp_path / "runs" / name,
            variables={"N_0": variables} | fields.pop("per_host", {}),
            **fields,
        )

    def run(self, request: PlaybookRun) -> PlaybookResult:
        def hear(event: TaskEvent) -> None:
            self.events.append(event)
            self.on_event(event)

        return run_playbook(
            request,
            on_event=hear,
            on_process=lambda pid, start: self.processes.append(Process(pid, int(start))),
            stop=self.stop,
            carrier=self.carrier,
        )

    def play(self, tasks: str, **fields: Any) -> PlaybookResult:
        return self.run(self.request(play(tasks), **fields))

    def texts(self, kind: EventKind) -> list[str]:
        return [event.text for event in self.events if event.kind is kind]


def play(tasks: str) -> str:
    indented = "\n".join("    " + line for line in tasks.strip().splitlines())
    return f"- hosts: all\n  gather_facts: false\n  tasks:\n{indented}\n"


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        time.sleep(0.02)


@pytest.fixture
def room(tmp_path: Path, carrier: Carrier) -> Room:
    return Room(tmp_path, carrier)


# Outputs


def test_outputs_keep_their_types(room: Room) -> None:
    result = room.play(
        """
- set_fact: {TEXT: "5", NUMBER: 5, SHARE: 0.5, TRUTH: true, LIST: [1, "2"], MAP: {a: {b: [null]}}, EMPTY: ""}
- set_fact: {FROM_INPUT: "{{ words }}"}
""",
        variables={"words": ["x", {"y": 1}]},
        outputs=("TEXT", "NUMBER", "SHARE", "TRUTH", "LIST", "MAP", "EMPTY", "FROM_INPUT", "words"),
    )
    assert result.ok, result
    assert result.outputs == {
        "N_0": {
            "TEXT": "5",
            "NUMBER": 5,
            "SHARE": 0.5,
            "TRUTH": True,
            "LIST": [1, "2"],
            "MAP": {"a": {"b": [None]}},
            "EMPTY": "",
            "FROM_INPUT": ["x", {"y": 1}],
            "words": ["x", {"y": 1}],
        }
    }
    assert not result.failures
    assert not any("ollect outputs" in event.task for event in room.events if event.kind is not EventKind.PLAY)


def test_outputs_come_from_each_host(room: Room) -> None:
    result = room.play(
        "- set_fact: {WHO: '{{ inventory_hostname }} {{ own }} {{ all }}'}",
        hosts=(Host("N_0", LOCAL), Host("N_1", LOCAL)),
        per_host={"N_1": {"own": "second"}},
        variables={"own": "first"},
        all_variables={"all": "shared"},
        outputs=("WHO",),
    )
    assert result.outputs == {"N_0": {"WHO": "N_0 first shared"}, "N_1": {"WHO": "N_1 second shared"}}


def test_an_undefined_output_fails_and_is_named(room: Room) -> None:
    result = room.play(
        "- set_fact: {KNOWN: 1, BROKEN: '{{ absent | default(omit) }}'}", outputs=("KNOWN", "TOSCA_JOB_ID")
    )
    assert not result.ok
    assert [failure.host for failure in result.failures] == ["N_0"]
    assert "TOSCA_JOB_ID" in result.failures[0].message


def test_host_variables_win_over_those_of_all_hosts(room: Room) -> None:
    result = room.play(
        "- set_fact: {SEEN: '{{ x }}'}", variables={"x": "own"}, all_variables={"x": "shared"}, outputs=("SEEN",)
    )
    assert result.outputs["N_0"] == {"SEEN": "own"}


def test_both_groups_exist_and_one_is_empty(room: Room) -> None:
    result = room.play(
        "- set_fact: {GROUPS: '{{ groups }}'}", group=HostGroup.TARGET_HOSTS, outputs=("GROUPS", "group_names")
    )
    groups = result.outputs["N_0"]["GROUPS"]
    assert groups["target_hosts"] == ["N_0"]
    assert groups["hosted_operations"] == []


def test_playbook_beside_others_with_a_hostile_path(room: Room, tmp_path: Path) -> None:
    folder = tmp_path / "with space {{ braces }} 'quote' tags=x"
    folder.mkdir()
    (folder / "more.yml").write_text('- set_fact: {FOUND: \'{{ lookup("file", "data.txt") }}\'}\n')
    (folder / "data.txt").write_text("beside")
    (folder / "main.yml").write_text(play("- include_tasks: more.yml"))
    request = PlaybookRun(
        folder / "main.yml",
        tmp_path / "runs" / "r",
        (Host("N_0", LOCAL),),
        HostGroup.HOSTED_OPERATIONS,
        outputs=("FOUND",),
    )
    result = room.run(request)
    assert result.ok, result.log_tail
    assert result.outputs["N_0"] == {"FOUND": "beside"}


# Values are data


def test_no_value_is_templated(room: Room, tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    attack = "{{ lookup('pipe', 'touch " + str(mark) + "') }}"
    result = room.play(
        """
- set_fact:
    DIRECT: "{{ direct }}"
    NESTED: "{{ nested }}"
    CHAIN: "{{ hostvars[inventory_hostname]['direct'] ~ '' }}"
- set_fact: {AGAIN: "{{ DIRECT }}", SECRET: "{{ secret }}", JOINED: "{{ nested.list | join(',') }}"}
- command: {argv: ["printf", "%s", "{{ direct }}"]}
  register: printed
- command: {argv: ["printf", "%s", "{{ item }}"]}
  loop: "{{ nested.list }}"
  register: looped
- debug: {msg: "{{ direct }} {{ secret }}"}
- debug: {var: nested}
- set_fact: {STDOUT: "{{ printed.stdout }}", LOOPED: "{{ looped.results | map(attribute='stdout') | list }}"}
- assert: {that: ["direct == DIRECT", "nested.list | length == 2"]}
- include_vars: {file: "{{ direct }}"}
  ignore_errors: true
- set_fact: {"{{ name_of_fact }}": 1}
  ignore_errors: true
""",
        variables={
            "direct": attack,
            "nested": {"list": [attack, {"deep": attack}], attack: attack},
            "secret": Secret(attack + "secret"),
            "name_of_fact": attack,
        },
        all_variables={"N_0_direct": attack},
        outputs=("DIRECT", "NESTED", "CHAIN", "AGAIN", "SECRET", "JOINED", "STDOUT", "LOOPED", "N_0_direct"),
    )
    assert not mark.exists()
    assert result.ok, result
    outputs = result.outputs["N_0"]
    for name in ("DIRECT", "CHAIN", "AGAIN", "STDOUT", "N_0_direct"):
        assert outputs[name] == attack
    assert outputs["NESTED"] == {"list": [attack, {"deep": attack}], attack: attack}
    assert outputs["LOOPED"][0] == attack
    assert outputs["SECRET"] == Secret(attack + "secret")


@pytest.mark.parametrize("name", ["ansible_host", "ansible_user", "ansible_remote_tmp"])
def test_connection_values_are_data_too(room: Room, tmp_path: Path, name: str) -> None:
    mark = tmp_path / "owned"
    attack = "{{ lookup('pipe', 'touch " + str(mark) + "') }}"
    room.play("- command: 'true'", hosts=(Host("N_0", LOCAL | {name: attack}),))
    assert not mark.exists()


# Old idioms


def test_idioms_of_older_ansible_work(room: Room) -> None:
    result = room.play(
        """
- set_fact: {CONDITION: done}
  when: text
- set_fact: {PARSED: "{{ text_list | from_json }}", NATIVE: "{{ native_list | from_json }}"}
- set_fact: {MAP: "{{ map | from_json }}"}
- set_fact: {LOOPED: "{{ (LOOPED | default([])) + [item] }}"}
  loop: "{{ native_list }}"
- set_fact: {STATE: "is true"}
  when: flag == 'true'
""",
        variables={"text": "yes please", "text_list": "[1, 2]", "native_list": [1, 2], "map": {"a": 1}, "flag": "true"},
        outputs=("CONDITION", "PARSED", "NATIVE", "MAP", "LOOPED", "STATE"),
    )
    assert result.ok, result.failures
    assert result.outputs["N_0"] == {
        "CONDITION": "done",
        "PARSED": [1, 2],
        "NATIVE": [1, 2],
        "MAP": {"a": 1},
        "LOOPED": [1, 2],
        "STATE": "is true",
    }


# Failures


def test_a_failing_task_says_what_and_where(room: Room) -> None:
    request = room.request(
        play(
            """
- name: first is forgiven
  command: {argv: [sh, -c, "exit 9"]}
  ignore_errors: true
- name: Submit the job
  command: {argv: [sh, -c, "echo to stdout; echo to stderr >&2; exit 3"]}
- set_fact: {NEVER: 1}
"""
        ),
        outputs=("NEVER",),
    )
    result = room.run(request)
    assert (result.ok, result.cancelled, result.outputs) == (False, False, {})
    (failure,) = result.failures
    assert (failure.task, failure.host, failure.return_code) == ("Submit the job", "N_0", 3)
    assert (failure.stdout, failure.stderr, failure.hidden) == ("to stdout", "to stderr", False)
    assert "non-zero return code" in failure.message
    assert failure.place == f"{request.playbook}:7"
    assert len(room.texts(EventKind.IGNORED)) == 1
    (text,) = room.texts(EventKind.FAILED)
    assert "return code 3" in text
    assert "to stderr" in text
    assert "Traceback" not in result.log_tail


def test_the_message_of_fail_is_kept(room: Room) -> None:
    result = room.play('- fail: {msg: "state FAILED of the job; see {{ place }}"}', variables={"place": "/log"})
    assert [failure.message for failure in result.failures] == ["state FAILED of the job; see /log"]
    assert room.texts(EventKind.FAILED) == ["state FAILED of the job; see /log"]


def test_a_failing_loop_tells_the_failing_items(room: Room) -> None:
    result = room.play(
        """
- command: {argv: [sh, -c, "echo item {{ item }} >&2; exit {{ item }}"]}
  loop: [0, 4]
"""
    )
    (failure,) = result.failures
    assert failure.return_code == 4
    assert failure.stderr == "item 4"
    assert "non-zero return code" in failure.message


def test_hidden_failures_give_name_and_code_only(room: Room) -> None:
    result = room.play(
        """
- name: Log in
  command: {argv: [sh, -c, "echo {{ word }} >&2; exit 7"]}
  no_log: true
""",
        variables={"word": "private-not-declared"},
    )
    (failure,) = result.failures
    assert (failure.task, failure.return_code, failure.hidden) == ("Log in", 7, True)
    assert failure.message == "output hidden by no_log; set debug: true to see it"
    assert "private-not-declared" not in repr(result) + repr(room.events)


def test_rescued_failures_do_not_count(room: Room) -> None:
    tasks = """
- block:
    - name: rescued
      fail: {msg: rescued}
  rescue:
    - debug: {msg: rescue}
- name: real
  fail: {msg: real}
  when: bad
"""
    assert room.play(tasks, variables={"bad": False}).failures == ()
    result = room.play(tasks, variables={"bad": True}, name="second")
    assert [failure.task for failure in result.failures] == ["real"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- hosts: all\n  tasks:\n    - command: a: b\n", "YAML parsing failed"),
        ("- hosts: all\n  tasks:\n    - no_such_module: {}\n", "no_such_module"),
        ("[]", "must contain at least one play"),
    ],
)
def test_a_broken_playbook_is_a_failure_with_ansibles_words(room: Room, text: str, expected: str) -> None:
    result = room.run(room.request(text))
    assert not result.ok
    (failure,) = result.failures
    assert expected in failure.message.splitlines()[0]
    assert "Traceback" not in failure.message
    if text != "[]":
        assert failure.place is not None
        assert failure.place.endswith("run.yml:3")


def test_a_missing_playbook_is_a_failure(room: Room, tmp_path: Path) -> None:
    absent = tmp_path / "absent.yml"
    result = room.run(
        PlaybookRun(absent, tmp_path / "runs" / "x", (Host("N_0", LOCAL),), HostGroup.HOSTED_OPERATIONS, outputs=("A",))
    )
    (failure,) = result.failures
    assert str(absent) in failure.message


def test_an_unreachable_host_is_named(room: Room) -> None:
    connection = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "nobody"}
    result = room.play("- name: Reach it\n  command: 'true'", hosts=(Host("N_0", connection),), outputs=("A",))
    assert result.unreachable == ("N_0",)
    assert not result.ok
    (failure,) = result.failures
    assert failure.task == "Reach it"
    assert "refused" in failure.message
    assert len(room.texts(EventKind.UNREACHABLE)) == 1


def test_a_run_that_takes_too_long_is_ended(room: Room) -> None:
    result = room.play("- name: Wait long\n  command: sleep 600", timeout=6.0)
    assert (result.ok, result.cancelled) == (False, False)
    assert result.failures[-1].task == "Wait long"
    assert "6 s" in result.failures[-1].message
    assert not members(room.processes[0])


# Events


def test_events_come_while_the_playbook_runs(room: Room, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def open_gate(event: TaskEvent) -> None:
        if event.kind is EventKind.OUTPUT and "first words" in event.text:
            gate.touch()

    room.on_event = open_gate
    result = room.play(
        """
- debug: {msg: first words}
- name: waits for the reader of the first event
  wait_for: {path: "{{ gate }}", timeout: 20}
- command: echo printed
- command: echo never
  when: false
""",
        variables={"gate": str(gate)},
    )
    assert result.ok, result
    kinds = [event.kind for event in room.events]
    assert kinds[0] is EventKind.PLAY
    assert EventKind.SKIPPED in kinds
    assert EventKind.CHANGED in kinds
    assert "printed" in room.texts(EventKind.OUTPUT)


def test_retries_are_told(room: Room) -> None:
    room.play(
        """
- command: {argv: [sh, -c, "echo >> {{ file }}; test $(wc -l < {{ file }}) -ge 3"]}
  register: r
  until: r.rc == 0
  retries: 5
  delay: 0
""",
        variables={"file": str(room.tmp_path / "count")},
    )
    assert [text for text in room.texts(EventKind.OUTPUT) if "retrying" in text]


def test_a_play_without_hosts_is_told(room: Room) -> None:
    result = room.run(room.request("- hosts: elsewhere\n- hosts: all\n  gather_facts: false\n  tasks: [ debug: ]\n"))
    assert result.ok
    assert any("no host" in text for text in room.texts(EventKind.OUTPUT))


# Secrets


def test_secrets_are_shown_nowhere(room: Room, tmp_path: Path) -> None:
    seen: list[str] = []

    def look_around(event: TaskEvent) -> None:
        needles = [CANARY.encode(), json.dumps(CANARY)[1:-1].encode()]
        for process in members(room.processes[0]) if room.processes else ():
            for name in ("cmdline", "environ"):
                content = _read(Path(f"/proc/{process.pid}/{name}"))
                seen.extend(f"{name} of {process.pid}" for needle in needles if needle in content)
        for folder, _, files in os.walk(room.tmp_path / "runs"):
            for path in (Path(folder, file) for file in files):
                if not path.is_fifo():
                    content = _read(path)
                    seen.extend(str(path) for needle in needles if needle in content)

    room.on_event = look_around
    result = room.play(
        """
- set_fact: {COPY: "{{ secret }}", PLAIN: "x", DEEP: ["a{{ secret }}b"]}
- debug: {msg: "{{ secret }} {{ secret | to_json }} {{ secret | urlencode }} {{ [secret] }}"}
- name: "named after {{ secret }}"
  command: cat
  args: {stdin: "{{ secret }}"}
- debug: {msg: "{{ lookup('pipe', 'true') }}"}
- fail: {msg: "it is {{ secret }}"}
  ignore_errors: true
- command: {argv: [sh, -c, "exit 1"], stdin: "{{ secret }}"}
  environment: {OTHER: x}
""",
        variables={"secret": Secret(CANARY)},
        all_variables={"N_0_secret": {"inner": [Secret(CANARY)]}},
        outputs=(),
        debug=True,
        keep_folder=True,
    )
    assert not seen
    shown = repr(result) + repr(room.events)
    assert CANARY not in shown
    assert repr(CANARY)[1:-1] not in shown
    assert json.dumps(CANARY)[1:-1] not in shown
    contexts = [shown[max(0, found.start() - 60) : found.end() + 60] for found in re.finditer("c4n4ry", shown)]
    assert not contexts
    assert "named after ***" in [event.task for event in room.events]
    for folder, _, files in os.walk(tmp_path / "runs"):
        for file in files:
            if not Path(folder, file).is_fifo():
                assert b"c4n4ry" not in _read(Path(folder, file)), file


def test_outputs_with_a_secret_in_them_are_secrets(room: Room) -> None:
    result = room.play(
        "- set_fact: {COPY: '{{ s }}', DEEP: {list: ['a{{ s }}b', plain]}}",
        variables={"s": Secret("s3cr3t")},
        outputs=("COPY", "DEEP"),
    )
    assert result.outputs["N_0"] == {"COPY": Secret("s3cr3t"), "DEEP": {"list": [Secret("as3cr3tb"), "plain"]}}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


# What is left


def _listing(*folders: Path) -> set[str]:
    return {str(path) for folder in folders if folder.is_dir() for path in folder.iterdir()}


def test_nothing_is_left_on_disk(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carrier: Carrier) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    if isinstance(carrier, ForkedCarrier):
        room.carrier = ForkedCarrier()
    temporary = Path(tempfile.gettempdir())
    before = {name for name in _listing(temporary) if "ansible" in name and "orch-ansible-" not in name}
    result = room.play(
        """
- copy: {content: text, dest: "{{ tmp }}/copied"}
- template: {src: "{{ tmp }}/copied", dest: "{{ tmp }}/templated"}
- command: echo
""",
        variables={"tmp": str(tmp_path)},
    )
    room.stop.set()
    cancelled = room.play(
        "- copy: {content: text, dest: '{{ tmp }}/never'}", variables={"tmp": str(tmp_path)}, name="c"
    )
    if isinstance(room.carrier, ForkedCarrier):
        room.carrier.close()
    assert result.ok, result
    assert cancelled.cancelled
    assert not (tmp_path / "never").exists()
    assert _listing(tmp_path / "runs") == set()
    assert _listing(home) == set()
    after = {name for name in _listing(temporary) if "ansible" in name and "orch-ansible-" not in name}
    assert after == before


def test_works_without_a_home(room: Room, monkeypatch: pytest.MonkeyPatch, carrier: Carrier) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "no_such_callback")
    monkeypatch.setenv("ORCH_PRIVATE_WORD", "not for playbooks")
    if isinstance(carrier, ForkedCarrier):
        room.carrier = ForkedCarrier()
    try:
        result = room.play(
            "- command: env\n  register: r\n- set_fact: {ENV: '{{ r.stdout }}'}\n- copy: {content: x, dest: '{{ f }}'}",
            variables={"f": str(room.tmp_path / "f")},
            outputs=("ENV",),
        )
    finally:
        if isinstance(room.carrier, ForkedCarrier):
            room.carrier.close()
    assert result.ok, result
    assert "ORCH_PRIVATE_WORD" not in result.outputs["N_0"]["ENV"]


def test_a_folder_that_cannot_be_made_is_a_storage_error(room: Room, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where a folder belongs")
    with pytest.raises(StorageError, match="cannot be made"):
        room.play("- debug:")
    (tmp_path / "runs").unlink()
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "precious").touch()
    with pytest.raises(StorageError):
        room.play("- debug:")
    assert (tmp_path / "runs" / "run" / "precious").exists()


def test_what_a_killed_orchestrator_left_in_the_folder_is_replaced(room: Room, tmp_path: Path) -> None:
    assert room.play("- debug:", keep_folder=True).ok
    assert (tmp_path / "runs" / "run" / "run.yml").exists()
    assert oct((tmp_path / "runs" / "run").stat().st_mode)[-3:] == "700"
    assert room.play("- debug:").ok
    assert not (tmp_path / "runs" / "run").exists()


# Processes

LEAVES_PROCESSES = """
- name: Leave processes
  shell: |
    (setsid sleep {{ seconds }} </dev/null >/dev/null 2>&1 &)
    (setsid setsid sh -c 'trap "" TERM; sleep {{ seconds }}; sleep {{ seconds }}' </dev/null >/dev/null 2>&1 &)
    (env -u ORCH_RUN setsid sh -c 'echo $$ > {{ survivor }}; exec sleep {{ seconds }}' </dev/null >/dev/null 2>&1 &)
    until test -s {{ survivor }}; do sleep 0.02; done
- name: Work
  command: sleep {{ seconds }}
"""


def _sleepers(seconds: str) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and _read(path / "cmdline").split(b"\0")[:2] == [b"sleep", seconds.encode()]:
            found.append(int(path.name))
    return found


def test_stop_ends_every_process_of_the_run_and_no_other(room: Room, tmp_path: Path) -> None:
    survivor = tmp_path / "survivor"
    seconds = f"600.{os.getpid()}1"

    def stop_at_work(event: TaskEvent) -> None:
        if event.kind is EventKind.TASK and event.task == "Work":
            # Two sleeping orphans, the survivor, and the task itself.
            wait_for(lambda: len(_sleepers(seconds)) == 4)
            room.stop.set()

    room.on_event = stop_at_work
    began = time.monotonic()
    result = room.play(LEAVES_PROCESSES, variables={"seconds": seconds, "survivor": str(survivor)})
    assert (result.ok, result.cancelled, result.failures) == (False, True, ())
    assert time.monotonic() - began < 15
    kept = int(survivor.read_text())
    try:
        assert _sleepers(seconds) == [kept]
        assert not room.processes[0].is_alive()
    finally:
        os.kill(kept, signal.SIGKILL)


def test_every_process_of_a_run_bears_its_mark(room: Room) -> None:
    bare: list[int] = []

    def look(event: TaskEvent) -> None:
        if event.kind is EventKind.TASK:
            leader = room.processes[0]
            wait_for(lambda: len(members(leader)) >= 3)
            mark = f"{RUN_VARIABLE}={mark_of(leader)}".encode()
            bare.extend(p.pid for p in members(leader) if mark not in _read(Path(f"/proc/{p.pid}/environ")))
            room.stop.set()

    room.on_event = look
    assert room.play("- command: sleep 600").cancelled
    assert not bare


def test_stop_before_the_start_does_nothing_of_the_playbook(room: Room, tmp_path: Path) -> None:
    room.stop.set()
    result = room.play("- file: {path: '{{ f }}', state: touch}", variables={"f": str(tmp_path / "touched")})
    assert result.cancelled
    assert not (tmp_path / "touched").exists()


def test_ansible_has_a_session_of_its_own_and_is_known_before_it_works(room: Room) -> None:
    known: list[tuple[int, int]] = []

    def record(pid: int, start: float) -> None:
        known.append((os.getsid(pid), os.getpgid(pid)))
        assert not room.events
        assert find_process(pid) == Process(pid, int(start))

    result = run_playbook(
        room.request(play("- debug:")),
        on_event=room.events.append,
        on_process=record,
        stop=room.stop,
        carrier=room.carrier,
    )
    assert result.ok
    ((session, group),) = known
    assert session == group
    assert session != os.getsid(0)


def test_a_failing_listener_ends_the_run(room: Room) -> None:
    def fail(event: TaskEvent) -> None:
        if event.kind is EventKind.TASK:
            raise RuntimeError("no more events")

    room.on_event = fail
    with pytest.raises(RuntimeError, match="no more events"):
        room.play("- command: sleep 600")
    assert not members(room.processes[0])
    assert not (room.tmp_path / "runs" / "run").exists()


ORCHESTRATOR = """
import sys, threading
from pathlib import Path
from orchestrator.ansible import Host, HostGroup, PlaybookRun, run_playbook
from orchestrator.ansible.cold import ColdCarrier
from orchestrator.ansible.forked import ForkedCarrier
folder = Path(sys.argv[1])
carrier = ColdCarrier() if sys.argv[2] == "ColdCarrier" else ForkedCarrier()
run_playbook(
    PlaybookRun(folder / "playbooks" / "run.yml", folder / "runs" / "run",
                (Host("N_0", {"ansible_connection": "local"}),), HostGroup.HOSTED_OPERATIONS,
                {"N_0": {"seconds": sys.argv[3], "survivor": sys.argv[4]}}),
    on_event=lambda event: event.task == "Work" and print("working", flush=True),
    on_process=lambda pid, start: print(pid, start, flush=True),
    stop=threading.Event(), carrier=carrier)
"""


@pytest.mark.parametrize("leader_dies_too", [False, True])
def test_end_session_ends_what_a_killed_orchestrator_left(room: Room, tmp_path: Path, leader_dies_too: bool) -> None:
    survivor = tmp_path / "survivor"
    seconds = f"700.{os.getpid()}2"
    room.request(play(LEAVES_PROCESSES))
    arguments = [str(tmp_path), type(room.carrier).__name__, seconds, str(survivor)]
    with subprocess.Popen(
        [sys.executable, "-c", ORCHESTRATOR, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as orchestrator:
        assert orchestrator.stdout is not None
        pid, start = orchestrator.stdout.readline().split()
        assert orchestrator.stdout.readline() == "working\n"
        wait_for(lambda: len(_sleepers(seconds)) == 4)
        orchestrator.kill()
    kept = int(survivor.read_text())
    try:
        if leader_dies_too:
            os.kill(int(pid), signal.SIGKILL)
        end_session(int(pid), float(start) + 1)
        assert len(_sleepers(seconds)) == 4, "another start time is another process"
        end_session(int(pid), float(start))
        assert _sleepers(seconds) == [kept]
        assert not Process(int(pid), int(float(start))).is_alive()
        end_session(int(pid), float(start))
    finally:
        os.kill(kept, signal.SIGKILL)


def test_ansible_stops_by_itself_when_its_orchestrator_has_died(room: Room, tmp_path: Path) -> None:
    room.request(
        play(
            """
- name: Work
  command: sleep {{ seconds }}
- command: sleep 600
"""
        )
    )
    arguments = [str(tmp_path), type(room.carrier).__name__, "1", "-"]
    with subprocess.Popen(
        [sys.executable, "-c", ORCHESTRATOR, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as orchestrator:
        assert orchestrator.stdout is not None
        pid, start = orchestrator.stdout.readline().split()
        assert orchestrator.stdout.readline() == "working\n"
        orchestrator.kill()
    leader = Process(int(pid), int(float(start)))
    try:
        wait_for(lambda: not leader.is_alive())
    finally:
        end_session(int(pid), float(start))


# Many at once


def test_runs_at_once_do_not_disturb_each_other(tmp_path: Path, carrier: Carrier) -> None:
    def one(number: int) -> tuple[PlaybookResult, list[TaskEvent]]:
        room = Room(tmp_path, carrier)
        tasks = """
- set_fact: {MINE: "{{ number }}", DOUBLE: "{{ number * 2 }}"}
- debug: {msg: "run {{ number }}"}
- fail: {msg: "bad {{ number }}"}
  when: number % 3 == 0
"""
        result = room.play(tasks, name=f"r{number}", variables={"number": number}, outputs=("MINE", "DOUBLE"))
        return result, room.events

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(one, range(12)))
    for number, (result, events) in enumerate(answers):
        assert [e.text for e in events if e.kind is EventKind.OUTPUT] == [f"run {number}"]
        if number % 3 == 0:
            assert [failure.message for failure in result.failures] == [f"bad {number}"]
        else:
            assert result.outputs == {"N_0": {"MINE": number, "DOUBLE": number * 2}}


def test_signal_handlers_of_the_orchestrator_stay(room: Room) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    assert room.play("- debug:").ok
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)] == before


# The warm process


def _warm_processes(carrier: ForkedCarrier) -> Process:
    warm = carrier._warm
    assert warm is not None
    process = find_process(warm._process.pid)
    assert process is not None
    return process


def test_the_warm_process_dies_with_the_orchestrator(tmp_path: Path) -> None:
    program = (
        "import sys\n" + ORCHESTRATOR + "\nprint(carrier._warm._process.pid, carrier._warm._folder, flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    Room(tmp_path, ColdCarrier()).request(play("- debug:"))
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), "ForkedCarrier", "1", "-"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as orchestrator:
        assert orchestrator.stdout is not None
        orchestrator.stdout.readline()
        pid, folder = orchestrator.stdout.readline().split()
        process = find_process(int(pid))
        assert process is not None
        assert Path(folder).exists()
        orchestrator.kill()
    wait_for(lambda: not process.is_alive())
    wait_for(lambda: not Path(folder).exists())


def test_folders_of_the_dead_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = find_process(os.getpid())
    assert own is not None
    dead = tmp_path / f"orch-ansible-{own.pid}-{own.start + 1}-x"
    living = tmp_path / f"orch-ansible-{own.pid}-{own.start}-x"
    for folder in (dead, living):
        folder.mkdir()
    carrier = ForkedCarrier()
    try:
        assert Room(tmp_path, carrier).play("- debug:").ok
    finally:
        carrier.close()
    assert {path.name for path in tmp_path.glob("orch-ansible-*")} == {living.name}


def test_a_killed_warm_process_is_replaced(tmp_path: Path) -> None:
    carrier = ForkedCarrier()
    try:
        room = Room(tmp_path, carrier)
        assert room.play("- debug:").ok
        first = _warm_processes(carrier)
        os.kill(first.pid, signal.SIGKILL)
        wait_for(lambda: not first.is_alive())
        assert room.play("- debug:").ok
        assert _warm_processes(carrier) != first
    finally:
        carrier.close()


def test_a_run_whose_carrier_dies_is_ended_and_said(tmp_path: Path) -> None:
    carrier = ForkedCarrier()
    room = Room(tmp_path, carrier)

    def kill(event: TaskEvent) -> None:
        if event.kind is EventKind.TASK:
            os.kill(_warm_processes(carrier).pid, signal.SIGKILL)

    room.on_event = kill
    try:
        with pytest.raises(WorkError, match="carried to its end"):
            room.play("- command: sleep 600")
        assert not members(room.processes[0])
    finally:
        carrier.close()


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_worker_that_is_killed_fails_the_run_and_leaves_nothing(room: Room, tmp_path: Path, strategy: str) -> None:
    """As the system does when memory runs out; Ansible's strategy `free` never looks for such workers."""
    began = tmp_path / "began"
    request = room.request(
        f"- hosts: all\n  gather_facts: false\n  strategy: {strategy}\n  tasks:\n"
        f"    - name: Work\n      shell: touch {began}; sleep 600\n"
    )
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(room.run, request)
        wait_for(began.exists)
        (leader,) = room.processes
        (worker,) = _children(leader.pid)
        os.kill(worker, signal.SIGKILL)
        result = running.result(60)
    assert not result.ok
    assert not members(leader), "what the worker had started is ended, too"
    said = " ".join(failure.message for failure in result.failures)
    assert "killed by SIGKILL" in said or "dead state" in said


def test_an_ansible_that_is_killed_is_named_with_its_signal(room: Room, tmp_path: Path) -> None:
    began = tmp_path / "began"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(room.play, f"- name: Work\n  shell: touch {began}; sleep 600")
        wait_for(began.exists)
        (leader,) = room.processes
        os.kill(leader.pid, signal.SIGKILL)
        result = running.result(60)
    by = "SIGKILL" if isinstance(room.carrier, ForkedCarrier) else "a signal"
    assert result.failures[-1].message.startswith(f"the Ansible process was killed by {by}")
    assert result.failures[-1].task == "Work"
    assert not members(leader)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def test_without_a_warm_process_runs_are_carried_the_ordinary_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.ansible.forked.ROOM", tmp_path / "missing")
    carrier = ForkedCarrier()
    try:
        room = Room(tmp_path, carrier)
        result = room.play("- set_fact: {A: 1}", outputs=("A",))
        assert result.outputs == {"N_0": {"A": 1}}
    finally:
        carrier.close()


# Hosts reached by ssh


@pytest.fixture
def ssh_host(tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    """A real ssh server of this user; gives a host for the text of a private key."""
    with ssh_server(tmp_path / "sshd") as server:
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")

        def host(known_hosts: str) -> Host:
            return Host(
                "N_0",
                {
                    "ansible_connection": "ssh",
                    "ansible_host": "127.0.0.1",
                    "ansible_port": server.port,
                    "ansible_user": getpass.getuser(),
                    "ansible_python_interpreter": sys.executable,
                    "ansible_ssh_private_key": Secret(server.user_key),
                    "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts} -o IdentitiesOnly=no",
                },
            )

        yield lambda which: host(str(known) if which == "known" else "/dev/null")


def test_a_host_is_reached_with_a_key_that_is_only_a_value(room: Room, ssh_host: Callable[[str], Host]) -> None:
    masters: set[int] = set()
    # Sockets must have short paths, users' folders need not.
    room.tmp_path = room.tmp_path / ("long" * 20)
    room.tmp_path.mkdir()

    def look(event: TaskEvent) -> None:
        masters.update(
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/comm")
            if _read(path).strip() == b"ssh" and b"[mux]" in _read(path.parent / "cmdline")
        )

    room.on_event = look
    result = room.play(
        """
- command: {argv: [echo, "{{ word }}"]}
  register: said
- copy: {content: text, dest: "{{ file }}"}
- set_fact: {SAID: "{{ said.stdout }}"}
""",
        hosts=(ssh_host("known"),),
        group=HostGroup.TARGET_HOSTS,
        variables={"word": "{{ x }} 'q'", "file": str(room.tmp_path / "copied")},
        outputs=("SAID",),
    )
    assert result.ok, result
    assert result.outputs["N_0"] == {"SAID": "{{ x }} 'q'"}
    assert (room.tmp_path / "copied").read_text() == "text"
    assert "PRIVATE KEY" not in repr(result) + repr(room.events)
    assert masters, "the connection is shared between tasks"
    wait_for(lambda: not any(find_process(pid) for pid in masters), 5)


def test_an_unknown_host_key_is_refused(room: Room, ssh_host: Callable[[str], Host]) -> None:
    result = room.play("- command: 'true'", hosts=(ssh_host("unknown"),))
    assert result.unreachable == ("N_0",)
    assert "ost key" in result.failures[0].message


# What Ansible finds beside a playbook by itself


def _beside(room: Room, **files: str) -> None:
    for name, text in files.items():
        path = room.tmp_path / "playbooks" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_lies_beside_a_playbook_is_found(room: Room) -> None:
    files = {
        "group_vars/all.yml": "of_all: one",
        "group_vars/hosted_operations.yml": "of_group: two",
        "host_vars/N_0/more.yml": "of_host: three",
        "roles/greeter/tasks/main.yml": "- set_fact: { of_role: '{{ greeting }}' }",
        "roles/greeter/defaults/main.yml": "greeting: four",
        "filter_plugins/loud.py": "class FilterModule:\n    def filters(self):\n        return {'loud': str.upper}\n",
        "library/own_module.py": "from ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule({}).exit_json(word='six')\n",
        "collections/ansible_collections/me/mine/roles/seventh/tasks/main.yml": "- set_fact: { of_collection: seven }",
    }
    _beside(room, **files)
    playbook = """
- hosts: all
  gather_facts: false
  tasks:
    - include_role: { name: greeter }
    - include_role: { name: me.mine.seventh }
    - own_module:
      register: own
    - set_fact: { FOUND: "{{ [of_all, of_group, of_host, of_role, 'five' | loud, own.word, of_collection] }}" }
"""
    result = room.run(room.request(playbook, outputs=("FOUND",)))
    assert result.ok, result
    assert result.outputs["N_0"]["FOUND"] == ["one", "two", "three", "four", "FIVE", "six", "seven"]


def test_variables_of_an_operation_win_over_group_vars(room: Room) -> None:
    _beside(room, **{"group_vars/all.yml": "NODE: other\nown: kept"})
    result = room.play('- set_fact: { OUT: "{{ NODE }} {{ own }}" }', variables={"NODE": "N"}, outputs=("OUT",))
    assert result.outputs["N_0"]["OUT"] == "N kept"


# Plays without hosts


@pytest.mark.parametrize(
    "plays", ["- hosts: webservers\n  tasks: [ debug: ]\n", "- hosts: target_hosts\n  roles: []\n- hosts: N_1\n"]
)
def test_a_playbook_that_ran_no_task_failed(room: Room, plays: str) -> None:
    result = room.run(room.request(plays, outputs=("OUT",)))
    assert not result.ok
    (failure,) = result.failures
    assert "ran no task" in failure.message
    assert "all, hosted_operations, N_0" in failure.message


def test_one_play_that_fits_is_enough(room: Room) -> None:
    plays = "- hosts: target_hosts\n  tasks: [ debug: ]\n- hosts: N_0\n  gather_facts: false\n  tasks: [ debug: ]\n"
    assert room.run(room.request(plays)).ok


def test_a_group_that_a_playbook_makes_is_there(room: Room) -> None:
    plays = """
- hosts: all
  gather_facts: false
  tasks: [ group_by: { key: webservers } ]
- hosts: webservers
  gather_facts: false
  tasks: [ set_fact: { OUT: here } ]
"""
    assert room.run(room.request(plays, outputs=("OUT",))).outputs["N_0"] == {"OUT": "here"}


# Outputs by set_stats


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ("- set_stats: { data: { OUT: hello } }", "hello"),
        ("- set_stats: { data: { OUT: 1 } }\n- ansible.builtin.set_stats: { data: { OUT: 2 }, per_host: true }", 3),
        ("- set_stats: { data: { OUT: old } }\n- set_stats: { data: { OUT: [ a, b ] }, aggregate: false }", ["a", "b"]),
        ("- set_stats: { data: { OUT: '{{ item }}' }, aggregate: false }\n  loop: [ x, y ]", "y"),
        ("- set_stats: { data: { OUT: stat } }\n- set_fact: { OUT: fact }", "fact"),
    ],
)
def test_set_stats_sets_outputs(room: Room, tasks: str, expected: object) -> None:
    result = room.play(tasks, outputs=("OUT",))
    assert result.ok, result
    assert result.outputs["N_0"]["OUT"] == expected


def test_stats_of_several_hosts(room: Room) -> None:
    hosts = (Host("N_0", LOCAL), Host("N_1", LOCAL))
    tasks = """
- set_stats: { data: { EACH: "{{ inventory_hostname }}" } }
- set_stats: { data: { ONCE: one } }
  run_once: true
"""
    result = room.play(tasks, hosts=hosts, per_host={"N_1": {}}, outputs=("EACH", "ONCE"))
    assert result.outputs == {"N_0": {"EACH": "N_0", "ONCE": "one"}, "N_1": {"EACH": "N_1", "ONCE": "one"}}


def test_what_neither_facts_nor_stats_set_is_missed(room: Room) -> None:
    result = room.play("- set_stats: { data: { OTHER: 1 } }", outputs=("OUT",))
    assert not result.ok
    assert "without having set OUT" in result.failures[0].message
