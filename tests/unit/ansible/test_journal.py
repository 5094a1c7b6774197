"""What our plugins report becomes events, failures and outputs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.ansible import EventKind, TaskEvent
from orchestrator.ansible.journal import HIDDEN, Journal
from orchestrator.ansible.masking import Mask
from orchestrator.model.values import Secret


def journal(*messages: dict[str, Any], secrets: tuple[str, ...] = ()) -> tuple[Journal, list[TaskEvent]]:
    events: list[TaskEvent] = []
    reader = Journal(Mask(secrets), events.append)
    data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    for place in range(0, len(data), 7):
        reader.read(data[place : place + 7])
    return reader, events


def result(status: str, host: str = "h", **fields: Any) -> dict[str, Any]:
    return {"type": "result", "status": status, "task": "t", "host": host, "action": "command", **fields}


def end(**fields: Any) -> dict[str, Any]:
    return {"type": "end", "failed": {}, "rescued": {}, "unreachable": [], **fields}


def test_messages_may_arrive_in_any_pieces() -> None:
    reader, events = journal({"type": "process", "pid": 7, "start": 9}, {"type": "task", "task": "Größe"})
    assert reader.process is not None
    assert (reader.process.pid, reader.process.start) == (7, 9)
    assert events == [TaskEvent(EventKind.TASK, "Größe", "", "")]


def test_secrets_are_taken_out_before_a_text_is_cut() -> None:
    secret = "x" * 50 + "tail"
    reader, events = journal(result("failed", message=secret + "y" * 3_990), secrets=(secret,))
    assert "tail" not in events[0].text
    assert reader.failures()[0].message.startswith("***y")


def test_only_the_last_failures_of_a_host_with_rescued_ones_count() -> None:
    reader, _ = journal(
        result("failed", message="rescued"),
        result("failed", message="real"),
        result("failed", host="other", message="rescued there"),
        end(failed={"h": 1}, rescued={"h": 1, "other": 1}),
    )
    assert [failure.message for failure in reader.failures()] == ["real"]


def test_without_an_end_all_failures_count() -> None:
    reader, _ = journal(result("failed", message="one"), result("failed", message="two"))
    assert [failure.message for failure in reader.failures()] == ["one", "two"]


def test_what_a_script_prints_is_told_apart_also_when_it_fails() -> None:
    for status, more in (("changed", []), ("failed", [EventKind.FAILED])):
        said = {"stdout": "one\ntwo\n", "stderr": "a s3cret", "action": "orch_script", "message": "m"}
        _, events = journal(result(status, **said), secrets=("s3cret",))
        scripts = [event.text for event in events if event.kind is EventKind.SCRIPT]
        assert scripts == ["one\ntwo", "a ***"]
        assert [e.kind for e in events if e.kind is EventKind.FAILED] == more
        assert EventKind.OUTPUT not in [event.kind for event in events]


def test_outputs_with_secrets_are_secrets_and_words_of_orch_are_not_by_chance() -> None:
    values = {"A": "x12x", "B": {"12": [12, 3]}, "ID": "4128", "OTHER": "s3cret-one"}
    events: list[TaskEvent] = []
    reader = Journal(Mask({"12", "s3cret-one"}), events.append, ("ID", "OTHER"))
    reader.read(json.dumps({"type": "outputs", "host": "h", "values": values, "missing": []}).encode() + b"\n")
    assert reader.outputs["h"] == {
        "A": Secret("x12x"),
        "B": {"***": [Secret("12"), 3]},
        "ID": "4128",
        "OTHER": Secret("s3cret-one"),
    }


def test_hidden_and_silent_failures_say_what_is_known() -> None:
    reader, _ = journal(result("failed", hidden=True, return_code=2), result("failed", return_code=3), result("failed"))
    assert [failure.message for failure in reader.failures()] == [
        HIDDEN,
        "ended with return code 3",
        "the task failed without a message",
    ]


_DIED = "Module result deserialization failed: No start of json char found"


@pytest.mark.parametrize(
    ("message", "printed", "said"),
    [
        (
            _DIED,
            "OSError: [Errno 28] No space left on device",
            "the module broke down: OSError: [Errno 28] No space left",
        ),
        ("MODULE FAILURE\nSee stdout/stderr for the exact error", "MemoryError", "the module broke down: MemoryError"),
        (
            _DIED,
            "subprocess.CalledProcessError: exit 1\n",
            "the module broke down: subprocess.CalledProcessError: exit 1",
        ),
        (_DIED, "ValueError: first\n\nZeroDivisionError: s3cret", "the module broke down: ZeroDivisionError: ***"),
        (_DIED, "Killed", _DIED),
        (_DIED, "", _DIED),
        ("non-zero return code", "OSError: [Errno 28] No space left on device", "non-zero return code"),
    ],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_module_that_broke_down_says_of_what(message: str, printed: str, said: str, stream: str) -> None:
    trace = f'Traceback (most recent call last):\n  File "<stdin>", line 255, in _ansiballz_main\n{printed}'
    reader, _ = journal(result("failed", message=message, **{stream: trace}), secrets=("s3cret",))
    assert reader.failures()[0].message.startswith(said)


def test_outputs_with_a_secret_are_secrets() -> None:
    reader, _ = journal(
        {"type": "outputs", "host": "h", "values": {"A": "token123", "B": 1}, "missing": ["C"]}, secrets=("token123",)
    )
    assert reader.outputs == {"h": {"A": Secret("token123"), "B": 1}}
    assert reader.missing == {"h": ["C"]}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ([1.5, {"low": float("-inf")}], [1.5, {"low": "-inf"}]),
        ("half \ud800 of it", "half \ufffd of it"),
        ({"\udc80": 1}, {"\ufffd": 1}),
        ("😀", "😀"),
        (10**30, 10**30),
    ],
)
def test_outputs_that_json_lacks_are_carried(value: object, found: object) -> None:
    reader, _ = journal({"type": "outputs", "host": "h", "values": {"MEAN": value}, "missing": []}, end())
    assert reader.outputs == {"h": {"MEAN": found}}
    assert reader.end is not None
