"""Writes what happens in a playbook to a pipe, one JSON object a line, while it happens."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from typing import Any

from ansible.executor.stats import AggregateStats
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: orch_events
type: notification
short_description: events of a playbook through a pipe
description: Writes one JSON object per event to the pipe that the variable ORCH_EVENTS names.
options: {}
"""

COLLECT = "orch_outputs"
LIMIT = 1_000_000
_RUN = "_run"

# What is kept of the result of a task under no_log: by ansible-core 2.19 and 2.20, by 2.21. The return code is no
# secret, and often the only clue. Where none of these names is there, it is just not known.
for _module, _name_in_it in (("ansible.executor.task_result", "_PRESERVE"), ("ansible._internal._task", "PRESERVE")):
    with contextlib.suppress(ImportError, AttributeError):
        _found = importlib.import_module(_module)
        setattr(_found, _name_in_it, frozenset({*getattr(_found, _name_in_it), "rc"}))


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "orch_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pipe = os.open(os.environ["ORCH_EVENTS"], os.O_WRONLY)
        self._set = AggregateStats()  # what set_stats has set, by host; _RUN: for all of them

    def _write(self, type_: str, **fields: Any) -> None:
        data = (json.dumps({"type": type_, **fields}, default=str) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._pipe, data) :]
        except BrokenPipeError:
            # Nobody listens: the orchestrator has died, and whoever takes over starts the operation anew.
            raise SystemExit(250) from None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._write("play", task=play.get_name().strip())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.action != COLLECT:
            self._write("task", task=task.get_name().strip(), place=_place(task))

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: Any) -> None:
        if result.task.action == COLLECT:
            self._outputs(result)
        else:
            self._take_stats(result)
            self._result("changed" if result.is_changed() else "ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_runner_retry(self, result: Any) -> None:
        left = (result.result.get("retries") or 0) - (result.result.get("attempts") or 0)
        self._write("retry", task=_name(result), host=result.host.get_name(), left=left)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._write("no_hosts")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write("end", failed=stats.failures, rescued=stats.rescued, unreachable=sorted(stats.dark))

    def _outputs(self, result: Any) -> None:
        """Tell the wanted values: facts and variables, else what set_stats has set."""
        host, found = result.host.get_name(), result.result
        values = dict(found["values"])
        for name in found["missing"]:
            for owner in (host, _RUN):
                if name in self._set.custom.get(owner, {}):
                    values.setdefault(name, self._set.custom[owner][name])
        missing = [name for name in found["missing"] if name not in values]
        self._write("outputs", host=host, values=values, missing=missing)

    def _take_stats(self, result: Any) -> None:
        items = [result.result, *(result.result.get("results") or ())]
        for stats in (item["ansible_stats"] for item in items if isinstance(item, dict) and "ansible_stats" in item):
            for name, value in (stats.get("data") or {}).items():
                take = self._set.update_custom_stats if stats.get("aggregate") else self._set.set_custom_stats
                # a value that one host sets for all must not be added up over the hosts that set it
                take(name, value, result.host.get_name())
                if not stats.get("per_host"):
                    self._set.set_custom_stats(name, value, _RUN)

    def _result(self, status: str, result: Any) -> None:
        data = result.result
        hidden = "censored" in data
        fields: dict[str, Any] = {} if hidden else _texts(data, status in ("failed", "ignored"))
        if "rc" in data:
            fields["return_code"] = data["rc"]
        self._write(
            "result",
            status=status,
            task=_name(result),
            host=result.host.get_name(),
            action=str(result.task.action).rpartition(".")[2],
            place=_place(result.task),
            hidden=hidden,
            **fields,
        )


def _texts(data: dict[str, Any], failed: bool) -> dict[str, Any]:
    """The texts of a result; those of a loop are taken from its items (of a failed loop, from its failed ones)."""
    items = [item for item in data.get("results") or () if isinstance(item, dict)]
    if failed:
        # Ansible 2.21 does not say `failed` of an item, but what was raised.
        items = [item for item in items if any(item.get(key) for key in ("failed", "unreachable", "exception"))]
    texts = {name: _joined(name, data, items) for name in ("msg", "stdout", "stderr")}
    codes = [item["rc"] for item in items if "rc" in item]
    return {"message" if name == "msg" else name: text for name, text in texts.items() if text} | (
        {"return_code": codes[0]} if codes else {}
    )


def _joined(name: str, data: dict[str, Any], items: list[dict[str, Any]]) -> str:
    own = [] if items and name == "msg" else [data]
    texts = []
    for source in (*own, *items):
        value = source.get(name)
        if name == "msg" and "censored" in source:
            value = "output hidden by no_log"
        if name == "stderr" and not value:
            value = source.get("module_stderr")
        if name == "stdout" and not value:
            value = source.get("module_stdout")
        if value is None or value == "":
            continue
        texts.append(value if isinstance(value, str) else json.dumps(value, default=str))
    return "\n".join(texts)[-LIMIT:]


def _name(result: Any) -> str:
    return str(result.task.get_name()).strip()


def _place(task: Any) -> str | None:
    path = task.get_path()
    return str(path) if path else None
