"""Stored values are read back by several threads at once."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading
import msgspec
from orchestrator.model.decoding import from_json
from orchestrator.model.plan import Plan
from orchestrator.model.topology import Topology

sys.setswitchinterval(1e-6)
values = [Topology("a", "b"), Plan("x")] * 6
right = []

def read(value):
    data = msgspec.json.encode(value)
    right.append(all(from_json(data, type(value)) == value for _ in range(20)))

threads = [threading.Thread(target=read, args=[value]) for value in values]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert right == [True] * len(values)
"""


def test_types_are_first_met_by_several_threads() -> None:
    for _ in range(3):  # without the lock, it crashes nearly every time
        subprocess.run([sys.executable, "-c", PROGRAM], check=True)
