"""What is written for a run, and what is only sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.ansible import Host, HostGroup, PlaybookRun, Upload
from orchestrator.ansible.environment import base_environment
from orchestrator.ansible.folder import inventory, run_folder, wrapper
from orchestrator.errors import Defect
from orchestrator.model.values import Secret

LOCAL = Host("N_0", {"ansible_connection": "local"})


def request(tmp_path: Path, **fields: object) -> PlaybookRun:
    values = {
        "playbook": tmp_path / "p.yml",
        "folder": tmp_path / "run",
        "hosts": (LOCAL,),
        "group": HostGroup.HOSTED_OPERATIONS,
    }
    return PlaybookRun(**(values | fields))  # type: ignore[arg-type]


def test_the_wrapper_names_the_playbook_and_the_outputs_as_data(tmp_path: Path) -> None:
    run = request(tmp_path, playbook=Path("/a b/{{ x }}.yml"), outputs=("A", "{{ B }}"))
    text = wrapper(run)
    assert '- import_playbook: !unsafe "/a b/{{ x }}.yml"' in text
    assert 'orch_outputs: {names: [!unsafe "A", !unsafe "{{ B }}"]}' in text
    assert "orch_upload" not in text
    assert "orch_outputs" not in wrapper(request(tmp_path, outputs=()))


def test_the_wrapper_uploads_before_and_removes_after(tmp_path: Path) -> None:
    upload = Upload("{{ n }}", Path("/a b/{{ x }}"), "c")
    text = wrapper(request(tmp_path, outputs=("A",), uploads=(upload,), upload_folder="f"))
    places = [
        text.index(part)
        for part in ("files: [", "import_playbook", "orch_outputs", 'orch_upload: {folder: !unsafe "f"}')
    ]
    assert places == sorted(places)
    assert '{name: !unsafe "{{ n }}", source: !unsafe "/a b/{{ x }}", path: !unsafe "c"}' in text


def test_the_inventory_reveals_secrets_and_keeps_types(tmp_path: Path) -> None:
    run = request(
        tmp_path,
        variables={"N_0": {"secret": Secret("s"), "list": (1, {"deep": Secret("t")}), "yes": True}},
        all_variables={"N_0_A": "x"},
    )
    document = json.loads(inventory(run, "/python", Path("/tmp/x")))
    assert document["group"] == "hosted_operations"
    assert document["groups"] == ["target_hosts", "hosted_operations"]
    assert document["all"] == {"N_0_A": "x"}
    assert document["hosts"]["N_0"] == {
        "secret": "s",
        "list": [1, {"deep": "t"}],
        "yes": True,
        "ansible_connection": "local",
        "ansible_python_interpreter": "/python",
        "ansible_remote_tmp": "/tmp/x",
    }


def test_connection_variables_win_over_inputs_and_defaults(tmp_path: Path) -> None:
    host = Host("N_0", {"ansible_connection": "local", "ansible_python_interpreter": "/other"})
    run = request(tmp_path, hosts=(host,), variables={"N_0": {"ansible_connection": "ssh"}})
    variables = json.loads(inventory(run, "/python", Path("/tmp/x")))["hosts"]["N_0"]
    assert variables["ansible_connection"] == "local"
    assert variables["ansible_python_interpreter"] == "/other"


def test_a_value_that_is_no_data_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(Defect, match="object"):
        inventory(request(tmp_path, all_variables={"x": object()}), "/python", Path("/tmp/x"))


def test_no_file_of_the_folder_holds_a_value(tmp_path: Path) -> None:
    run = request(tmp_path, variables={"N_0": {"secret": Secret("c4n4ry"), "plain": "value-of-a-user"}})
    with run_folder(run) as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
        contents = [path.read_text() for path in folder.path.rglob("*") if path.is_file()]
        assert len(contents) == 1
        assert "c4n4ry" not in contents[0]
        assert "value-of-a-user" not in contents[0]
        environment = repr(folder.launch(run).environment)
        assert "c4n4ry" not in environment
    assert not folder.path.exists()


def test_an_agent_holds_private_keys_that_are_values(tmp_path: Path) -> None:
    host = Host("N_0", {"ansible_connection": "ssh", "ansible_ssh_private_key": Secret("KEY")})
    with run_folder(request(tmp_path, hosts=(host,))) as folder:
        assert folder.launch(request(tmp_path, hosts=(host,))).environment["ANSIBLE_SSH_AGENT"] == "auto"
        assert "ANSIBLE_SSH_AGENT" not in folder.launch(request(tmp_path)).environment


def test_the_environment_is_a_short_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "x")
    environment = base_environment()
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert "ANSIBLE_STDOUT_CALLBACK" not in environment
    assert environment["LC_ALL"] == "C.UTF-8"
