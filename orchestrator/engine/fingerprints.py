"""Fingerprints: whether an operation would be carried out with the very same things as before.

Two calls have one fingerprint when their resolved inputs are equal, their implementation files have the same content,
and, for what works on a job, the job is the same. A secret counts through a slow salted digest, so that neither it
nor anything that is quickly tried out can be told from what is stored.
"""

from __future__ import annotations

from functools import partial
from hashlib import pbkdf2_hmac, sha256
from pathlib import Path

import msgspec

from orchestrator.model.values import Secret, Value
from orchestrator.operations import OperationCall

_ROUNDS = 20_000


def fingerprint(call: OperationCall, inputs: Value, implementation: str | None, salt: str) -> str:
    """The fingerprint of a call with its inputs and the file that implements it, but for the job that it works on.

    ``salt`` is for the secrets in the inputs.
    """
    told = {
        "operation": [call.node, call.interface, call.operation, call.requirement],
        "instances": list(call.instances),
        "inputs": inputs,
        "implementation": _content(implementation),
    }
    return sha256(msgspec.json.encode(told, enc_hook=partial(_hidden, salt), order="deterministic")).hexdigest()


def with_job(found: str, job_id: str | None) -> str:
    """A fingerprint that also tells the job that the operation works on, if there is one."""
    return sha256(f"{found}\n{job_id}".encode()).hexdigest() if job_id is not None else found


def _hidden(salt: str, value: object) -> str:
    if isinstance(value, Secret):
        return pbkdf2_hmac("sha256", value.reveal().encode(), salt.encode(), _ROUNDS).hex()
    return str(value)


def _content(path: str | None) -> str | None:
    """The digest of a file's content; None when there is no file."""
    try:
        return sha256(Path(path).read_bytes()).hexdigest() if path is not None else None
    except OSError:
        return None
