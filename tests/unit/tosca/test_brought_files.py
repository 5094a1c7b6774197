"""What a topology brings along is read before anything runs: playbooks, scripts of Bash and Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.model.problems import Problem, Severity
from orchestrator.tosca import read_text
from orchestrator.tosca.brought import file_problems
from orchestrator.tosca.brought.keywords import BLOCK, PLAY, TASK, built_in_modules
from orchestrator.tosca.brought.playbooks import playbook_problems

ROOT = Path(__file__).resolve().parents[3]


def told(problems: list[Problem]) -> list[str]:
    return [f"{Path(p.span.file).name}:{p.span.line}: {p.message}" if p.span else p.message for p in problems]


def of_topology(folder: Path, implementation: str, text: str, more: str = "", needs: str = "") -> list[Problem]:
    (folder / implementation).write_text(text)
    written = (
        f"{{ implementation: {{ primary: {implementation}, dependencies: [ {needs} ] }} }}" if needs else implementation
    )
    reading = read_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\nnode_types:\n  x.S:\n    derived_from: tosca.nodes.Root\n"
        "    requirements: [ host: { capability: tosca.capabilities.Compute, occurrences: [ 0, 1 ], "
        "relationship: tosca.relationships.HostedOn } ]\n"
        "    interfaces: { Standard: { type: tosca.interfaces.node.lifecycle.Standard, operations: { create: "
        f"{written} }} }} }}\n"
        f"topology_template: {{ node_templates: {{ Web-server: {{ type: x.S }}{more} }} }}\n",
        str(folder / "t.yaml"),
        folder,
    )
    assert reading.topology is not None
    assert not reading.has_errors, reading.problems
    return [*reading.problems, *file_problems(reading.topology)]


def of_playbook(folder: Path, text: str, **files: str) -> list[str]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "p.yml").write_text(text)
    return told(playbook_problems(folder / "p.yml", ["Web-server", "Job"]))


@pytest.mark.parametrize(
    ("name", "text", "line", "part"),
    [
        ("s.sh", "#!/bin/bash\nif true; then\necho x\n", 4, "unexpected end of file"),
        ("s.bash", "echo ok\necho 'open\n", 2, "matching"),
        ("s.sh", "echo )\n", 1, "syntax error near unexpected token"),
        ("s.py", "import os\ndef f(:\n    pass\n", 2, "Python refuses the script: invalid syntax"),
        ("s.py", "x = 1\n  y = 2\n", 2, "unexpected indent"),
        ("s.py", "a = '\x00'\n", 1, "null bytes"),
    ],
)
def test_a_script_that_cannot_be_read_is_told_with_its_line(
    tmp_path: Path, name: str, text: str, line: int, part: str
) -> None:
    (problem,) = of_topology(tmp_path, name, text)
    assert problem.severity is Severity.ERROR
    assert problem.code == "T0311"
    assert problem.span is not None
    assert (problem.span.file, problem.span.line) == (str(tmp_path / name), line)
    assert part in problem.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.sh", "\ufeff#!/bin/bash\r\nif true; then\r\n  echo x\r\nfi\r\n"),
        ("s.sh", 'shopt -s extglob\necho "$x" ${y:-z}\n'),
        ("s.sh", ""),
        ("s.py", "\ufeffprint('x')\r\n"),
        ("s.py", "import no_such_module\nX = lambda: (yield)\n"),
    ],
)
def test_scripts_that_can_be_read_are_left_alone(tmp_path: Path, name: str, text: str) -> None:
    assert of_topology(tmp_path, name, text) == []


def test_nothing_of_a_script_is_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "env").write_text(f"touch {trace}\n")
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "env"))
    assert of_topology(tmp_path, "s.sh", f"touch {trace}\n$(touch {trace})\n") == []
    assert of_topology(tmp_path, "s.py", f"open({str(trace)!r}, 'w')\n") == []
    assert not trace.exists()


def test_without_bash_it_is_said_that_nothing_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (problem,) = of_topology(tmp_path, "s.sh", "if\n")
    assert (problem.code, problem.severity) == ("T0314", Severity.WARNING)


def test_python_of_another_machine_may_be_another_python(tmp_path: Path) -> None:
    more = ", On: { type: x.S, requirements: [ host: Machine ] }, Machine: { type: tosca.nodes.Compute }"
    severities = {p.severity for p in of_topology(tmp_path, "s.py", "print 'x'\n", more)}
    assert severities == {Severity.WARNING}


PLAY_OF = "- hosts: all\n  gather_facts: false\n  tasks:\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- hosts: all\n  tasks: [\n", ["p.yml:3: this is no YAML: did not find expected node content"]),
        ("hosts: all\n", ["p.yml:1: a playbook is a list of plays"]),
        ("- tasks: []\n", ["p.yml:1: the play does not say on which hosts it runs"]),
        ("- hosts: all\n  task: []\n", ["p.yml:2: 'task' is not a keyword of a play"]),
        (PLAY_OF + "    - debgu: { msg: x }\n", ["p.yml:4: Ansible has no module 'debgu'"]),
        (PLAY_OF + "    - ansible.builtin.no_such:\n", ["p.yml:4: Ansible has no module 'ansible.builtin.no_such'"]),
        (PLAY_OF + "    - name: nothing\n", ["p.yml:4: the task has no module"]),
        (
            PLAY_OF + "    - name: two\n      debug: { msg: x }\n      command: echo\n",
            ["p.yml:6: a task has one module, not several: debug, command"],
        ),
        (
            PLAY_OF + "    - command: echo\n      reigster: x\n",
            ["p.yml:5: 'reigster' is not a keyword of a task"],
        ),
        (
            PLAY_OF
            + "    - block:\n        - debug:\n        - shel: echo\n      rescue: [ fail: ]\n      loop: [ 1 ]\n",
            ["p.yml:6: Ansible has no module 'shel'", "p.yml:8: 'loop' is not a keyword of a block"],
        ),
        (PLAY_OF + "    - rescue: [ debug: ]\n", ["p.yml:4: 'rescue' belongs to a block"]),
        (PLAY_OF + "    - debug\n", ["p.yml:4: a task is a map"]),
        ("- import_playbook: gone.yml\n", ["p.yml:1: there is no playbook 'gone.yml'"]),
    ],
)
def test_what_ansible_would_refuse(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert of_playbook(tmp_path, text) == expected


@pytest.mark.parametrize(
    "tasks",
    [
        "    - debug:\n      with_items: [ 1 ]\n      when: x is defined\n",
        "    - action: debug msg=x\n    - local_action: { module: ping }\n",
        "    - ansible.legacy.shell: echo {{ x }}\n      args: { chdir: / }\n      async: 3\n      poll: 0\n",
        '    - meta: flush_handlers\n    - include_tasks: "{{ name }}.yml"\n    - import_role: { name: elsewhere }\n',
        "    - set_fact: { a: !unsafe '{{ x }}', b: !vault \"$ANSIBLE_VAULT;1.1;AES256\" }\n",
        "    - { ansible.builtin.command: { argv: [ echo ] }, register: r, until: r is success, retries: 3 }\n",
        "    - block: []\n      always: []\n",
    ],
)
def test_playbooks_that_ansible_takes(tmp_path: Path, tasks: str) -> None:
    assert of_playbook(tmp_path, PLAY_OF + tasks) == []


def test_files_that_a_playbook_names_are_read_with_it(tmp_path: Path) -> None:
    files = {
        "more.yml": "- hosts: all\n  tasks: [ import_tasks: steps.yml ]\n  roles: [ own ]\n",
        "steps.yml": "- debug:\n- wrong_one:\n",
        "roles/own/tasks/main.yml": "- own_module:\n- wrong_two:\n",
        "roles/own/library/own_module.py": "",
    }
    said = of_playbook(tmp_path, "- import_playbook: more.yml\n", **files)
    assert said == ["steps.yml:2: Ansible has no module 'wrong_one'", "main.yml:2: Ansible has no module 'wrong_two'"]


def test_modules_of_collections(tmp_path: Path) -> None:
    files = {"collections/ansible_collections/me/mine/plugins/modules/there.py": ""}
    tasks = "    - me.mine.there:\n    - me.mine.gone:\n    - other.coll.thing:\n    - docker_container: { name: x }\n"
    assert of_playbook(tmp_path, PLAY_OF + tasks, **files) == [
        "p.yml:5: Ansible has no module 'me.mine.gone'",
        "p.yml:6: the module 'other.coll.thing' is of the collection other.coll, which is not installed here",
        "p.yml:7: the module 'docker_container' is of the collection community.docker, which is not installed here",
    ]


@pytest.mark.parametrize("hosts", ["webservers", "Web-server", "Other_0", "job_0"])
def test_plays_that_fit_no_host(tmp_path: Path, hosts: str) -> None:
    text = f"- hosts: {hosts}\n  tasks: [ debug: ]\n"
    assert of_playbook(tmp_path, text) == [f"p.yml:1: no host is called {hosts!r}, so that the playbook runs no task"]


@pytest.mark.parametrize(
    "text",
    [
        "- hosts: target_hosts\n- hosts: nobody\n",
        "- hosts: Web_server_0\n",
        "- hosts: Job_12\n",
        "- hosts: localhost\n  tasks: [ add_host: { name: x, groups: web } ]\n- hosts: web\n",
        "- hosts: nobody\n  roles: [ from.elsewhere ]\n- hosts: web\n",
        "- hosts: 'web:&all'\n",
        '- hosts: "{{ group }}"\n',
        "- hosts: [ web, all ]\n",
    ],
)
def test_plays_that_fit_or_may_fit_a_host(tmp_path: Path, text: str) -> None:
    assert of_playbook(tmp_path, text) == []


def test_the_words_are_those_of_ansible() -> None:
    from ansible.playbook.block import Block
    from ansible.playbook.handler import Handler
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

    assert set(Play.fattributes) <= PLAY
    assert set(Block.fattributes) <= BLOCK
    assert {*Task.fattributes, *Handler.fattributes} - {"async_val", "loop_with"} <= TASK
    assert {"debug", "copy", "meta", "setup", "include_role", "wait_for_connection"} <= built_in_modules()


def test_the_playbooks_of_this_project_are_taken() -> None:
    folders = (resources.playbooks_folder(), ROOT / "tests" / "embedded", ROOT / "tests" / "crash")
    files = [f for folder in folders for f in folder.rglob("*.yaml") if "\n  hosts:" in f.read_text()]
    assert len(files) >= 10
    assert [str(p) for file in files for p in playbook_problems(file, [])] == []


PLAYBOOK = "- hosts: all\n  gather_facts: false\n  tasks: [ debug: { msg: hello } ]\n"


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("[defaults]\nroles_path = ../roles\n", 2, "roles_path;"),
        ("# ours\n[defaults]\n# forks = 5\nforks: 5\ntimeout=3\n[x]\na = b\n", 4, "forks, timeout, a;"),
        ("\ufeff[defaults]\r\nroles_path = a:\r\n    b = c\r\n", 2, "roles_path;"),
        ("".join(f"s{n} = 1\n" for n in range(9)), 1, "s0, s1, s2, s3, s4, …;"),
    ],
)  # fmt: skip
def test_settings_of_ansible_beside_a_playbook_are_told(text: str, line: int, named: str, tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text(text, newline="")
    (problem,) = of_topology(tmp_path, "p.yml", PLAYBOOK)
    assert (problem.code, problem.severity) == ("T0316", Severity.WARNING)
    assert problem.span is not None
    assert (problem.span.file, problem.span.line) == (str(tmp_path / "ansible.cfg"), line)
    assert f"not read: {named}" in problem.message


def test_settings_above_a_playbook_are_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "topology" / "playbooks"
    folder.mkdir(parents=True)
    for place in (tmp_path, tmp_path / "topology", folder):
        (place / "ansible.cfg").write_text("forks = 5\n")
    problems = of_topology(tmp_path / "topology", "playbooks/p.yml", PLAYBOOK)
    assert [p.span and p.span.file for p in problems] == [
        str(folder / "ansible.cfg"),
        str(tmp_path / "topology" / "ansible.cfg"),
    ]


@pytest.mark.parametrize("text", ["", "[defaults]\n# forks = 5\n; forks = 5\n", None])
def test_without_settings_there_is_nothing_to_tell(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "ansible.cfg").write_text(text)
    assert of_topology(tmp_path, "p.yml", PLAYBOOK) == []


def test_settings_beside_scripts_are_nobodys(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("forks = 5\n")
    assert of_topology(tmp_path, "s.sh", "echo\n") == []


@pytest.mark.parametrize("hosts", ["[ web, db ]", "web:db", "web,db", "[ 'web:db', other ]", "n"])
def test_plain_names_of_hosts_that_are_nowhere_are_told(hosts: str, tmp_path: Path) -> None:
    (said,) = of_playbook(tmp_path, f"- hosts: {hosts}\n  tasks: []\n")
    assert said.startswith(("p.yml:1: no host is called 'web'", "p.yml:1: no host is called 'n'"))


@pytest.mark.parametrize(
    "hosts", ["[ web, all ]", "web:Web_server_0", "web*", "web:!db", "[ '{{ x }}' ]", "web,&db", "~w.b"]
)
def test_patterns_and_names_that_fit_are_not(hosts: str, tmp_path: Path) -> None:
    assert (
        of_playbook(tmp_path, f'- hosts: "{hosts}"\n  tasks: []\n' if "[" not in hosts else f"- hosts: {hosts}\n") == []
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[]\n", "---\n..."])
def test_a_playbook_without_plays_is_told(text: str, tmp_path: Path) -> None:
    assert of_playbook(tmp_path, text) == ["p.yml:1: the playbook has no play"]
    assert of_playbook(tmp_path, "- import_playbook: q.yml\n", **{"q.yml": text}) == [
        "q.yml:1: the playbook has no play"
    ]


def needing(folder: Path, name: str, text: str | None) -> list[str]:
    """What is told of a script that depends on another file."""
    if text is not None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    reading_and_files = of_topology(folder, "s.sh", ". ./lib.sh\n", needs=name)
    return told(reading_and_files)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("lib.sh", "if true\n", ["lib.sh:2: bash refuses the script"]),
        ("more/lib.bash", "#!/bin/sh\necho )\n", ["lib.bash:2: bash refuses the script"]),
        ("lib.py", "def f(:\n", ["lib.py:1: Python refuses the script"]),
        ("lib.sh", "#!/usr/bin/env zsh\nif true\n", []),
        ("lib.sh", "f() { echo; }\n", []),
        ("data.txt", "if true\n", []),
        ("lib.sh", None, ["t.yaml:6: 'lib.sh', which s.sh depends on, is not found"]),
        ("no/such/data", None, ["t.yaml:6: 'no/such/data', which s.sh depends on, is not found"]),
    ],
)
def test_what_a_script_depends_on_is_looked_at(name: str, text: str | None, says: list[str], tmp_path: Path) -> None:
    found = needing(tmp_path, name, text)
    assert len(found) == len(says)
    for one, wanted in zip(found, says, strict=True):
        assert one.startswith(wanted)
