"""What our plugins report becomes events, failures and outputs."""

from __future__ import annotations

import json
from typing import Any

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


def test_hidden_and_silent_failures_say_what_is_known() -> None:
    reader, _ = journal(result("failed", hidden=True, return_code=2), result("failed", return_code=3), result("failed"))
    assert [failure.message for failure in reader.failures()] == [
        HIDDEN,
        "ended with return code 3",
        "the task failed without a message",
    ]


def test_outputs_with_a_secret_are_secrets() -> None:
    reader, _ = journal(
        {"type": "outputs", "host": "h", "values": {"A": "token123", "B": 1}, "missing": ["C"]}, secrets=("token123",)
    )
    assert reader.outputs == {"h": {"A": Secret("token123"), "B": 1}}
    assert reader.missing == {"h": ["C"]}
