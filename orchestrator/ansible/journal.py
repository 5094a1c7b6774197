"""Turns what our plugins report into events, failures and outputs, with all secrets taken out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from orchestrator.ansible.masking import Mask
from orchestrator.ansible.playbook import EventKind, TaskEvent, TaskFailure
from orchestrator.model.numbers import from_python_json
from orchestrator.model.values import Value

HIDDEN = "output hidden by no_log; set debug: true to see it"
UPLOAD = "orch_upload"
"""The action of our own plays around a playbook whose results are told."""

_EVENT_TEXT = 4_000
_FAILURE_TEXT = 64_000
_SHOWN_ACTIONS = ("command", "shell", "script", "raw", "debug")
_SCRIPT = "orch_script"
_NO_ANSWER = ("Module result deserialization failed", "MODULE FAILURE")
"""How Ansible's message begins when a module's program has died: what of is only in what the program printed."""
_LAST_WORDS = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b.*$", re.MULTILINE)


class ProcessMessage(msgspec.Struct, frozen=True, tag="process"):
    """The first message: who leads the run's session."""

    pid: int
    start: int


class PlayMessage(msgspec.Struct, frozen=True, tag="play"):
    """A play begins."""

    task: str


class TaskMessage(msgspec.Struct, frozen=True, tag="task"):
    """A task begins on some hosts."""

    task: str
    place: str | None = None


class ResultMessage(msgspec.Struct, frozen=True, tag="result"):
    """A task has ended on a host."""

    status: str
    task: str
    host: str
    action: str
    place: str | None = None
    hidden: bool = False
    message: str = ""
    stdout: str = ""
    stderr: str = ""
    return_code: Any = None


class RetryMessage(msgspec.Struct, frozen=True, tag="retry"):
    """A task's ``until`` is not met yet."""

    task: str
    host: str
    left: int


class NoHostsMessage(msgspec.Struct, frozen=True, tag="no_hosts"):
    """No host of the inventory fits the play."""


class OutputsMessage(msgspec.Struct, frozen=True, tag="outputs"):
    """The wanted values of a host, and the names of those that are undefined."""

    host: str
    values: dict[str, Any]
    missing: list[str]


class EndMessage(msgspec.Struct, frozen=True, tag="end"):
    """The playbook has come to its end: failed and rescued tasks by host."""

    failed: dict[str, int]
    rescued: dict[str, int]
    unreachable: list[str]


Message = (
    ProcessMessage
    | PlayMessage
    | TaskMessage
    | ResultMessage
    | RetryMessage
    | NoHostsMessage
    | OutputsMessage
    | EndMessage
)
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def _message(line: bytes) -> Message:
    """One message; Ansible runs Python, whose JSON has numbers and halves of characters that others do not take."""
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        return msgspec.convert(from_python_json(line), Message)  # type: ignore[no-any-return]  # a union is no type to mypy


class Journal:
    """Reads the messages of one run, tells its events as they come, and keeps what the result needs."""

    def __init__(self, mask: Mask, on_event: Callable[[TaskEvent], None], words: Collection[str] = ()) -> None:
        self._mask = mask
        self._on_event = on_event
        self._words = words
        self._rest = b""
        self._failures: list[TaskFailure] = []
        self.process: ProcessMessage | None = None
        self.outputs: dict[str, dict[str, Value]] = {}
        self.missing: dict[str, list[str]] = {}
        self.end: EndMessage | None = None
        self.unreachable: list[str] = []
        self.task = ""
        self._unmatched = False
        self._ran = False

    def read(self, data: bytes) -> None:
        """Take in the next bytes of the pipe."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(_message(line))

    @property
    def idle(self) -> bool:
        """Whether no task ran, because no host of the inventory fits the plays."""
        return self._unmatched and not self._ran

    def failures(self) -> tuple[TaskFailure, ...]:
        """The failures that count: of a host whose failures were rescued, only as many of the last as were not."""
        if self.end is None:
            return tuple(self._failures)
        left = dict(self.end.failed)
        counted: list[TaskFailure] = []
        for failure in reversed(self._failures):
            if failure.host in self.unreachable or left.get(failure.host, 0) > 0:
                left[failure.host] = left.get(failure.host, 0) - 1
                counted.append(failure)
        return tuple(reversed(counted))

    def _take(self, message: Message) -> None:
        match message:
            case ProcessMessage():
                self.process = message
            case PlayMessage():
                self._tell(EventKind.PLAY, message.task)
            case TaskMessage():
                self.task = self._mask.text(message.task)
                self._tell(EventKind.TASK, message.task)
            case ResultMessage():
                self._result(message)
            case RetryMessage():
                self._tell(EventKind.OUTPUT, message.task, message.host, f"retrying ({message.left} left)")
            case NoHostsMessage():
                self._unmatched = True
                self._tell(EventKind.OUTPUT, text="no host of the inventory fits this play: it does nothing")
            case OutputsMessage():
                # their names are the topology's, whatever short secret may stand inside of one
                self.outputs[message.host] = {
                    name: self._mask.output(value, word=name in self._words) for name, value in message.values.items()
                }
                self.missing[message.host] = message.missing
            case EndMessage():
                self.end = message

    def _result(self, message: ResultMessage) -> None:
        kind = EventKind(message.status)
        self._ran = self._ran or message.action != UPLOAD
        if message.action == _SCRIPT:
            for text in (message.stdout, message.stderr):
                if text.strip():
                    self._tell(EventKind.SCRIPT, message.task, message.host, text, longest=_FAILURE_TEXT)
        if kind in (EventKind.FAILED, EventKind.IGNORED, EventKind.UNREACHABLE):
            failure = self._failure(message)
            self._tell(kind, message.task, message.host, _summary(failure))
            if kind is EventKind.UNREACHABLE and message.host not in self.unreachable:
                self.unreachable.append(message.host)
            if kind is not EventKind.IGNORED:
                self._failures.append(failure)
            return
        self._tell(kind, message.task, message.host)
        text = message.message if message.action == "debug" else message.stdout
        if message.action in _SHOWN_ACTIONS and text.strip():
            self._tell(EventKind.OUTPUT, message.task, message.host, text)

    def _failure(self, message: ResultMessage) -> TaskFailure:
        shown = self._mask.text
        code = message.return_code if isinstance(message.return_code, int) else None
        text = shown(_cause(message))[-_FAILURE_TEXT:].strip()
        if message.hidden:
            text = HIDDEN
        elif not text:
            text = "the task failed without a message" if code is None else f"ended with return code {code}"
        return TaskFailure(
            task=shown(message.task),
            host=message.host,
            message=text,
            stdout=shown(message.stdout)[-_FAILURE_TEXT:],
            stderr=shown(message.stderr)[-_FAILURE_TEXT:],
            return_code=code,
            place=message.place,
            hidden=message.hidden,
        )

    def _tell(
        self, kind: EventKind, task: str = "", host: str = "", text: str = "", *, longest: int = _EVENT_TEXT
    ) -> None:
        shown = self._mask.text
        self._on_event(TaskEvent(kind, shown(task), host, shown(text).rstrip()[-longest:]))


def _cause(message: ResultMessage) -> str:
    """What went wrong; of a module whose program has died by an exception, that."""
    if message.message.startswith(_NO_ANSWER):
        said = _LAST_WORDS.findall(f"{message.stdout}\n{message.stderr}")
        if said:
            return f"the module broke down: {said[-1].strip()}"
    return message.message


def _summary(failure: TaskFailure) -> str:
    code = "" if failure.return_code is None else f" (return code {failure.return_code})"
    printed = failure.stderr.strip() or (failure.stdout.strip() if failure.return_code else "")
    return "\n".join(part for part in (failure.message + code, printed) if part)
