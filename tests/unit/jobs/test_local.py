from __future__ import annotations

from pathlib import Path

import msgspec

from orchestrator.jobs import LocalJobs
from orchestrator.model.jobs import JobState


def test_results_that_json_lacks_are_carried(tmp_path: Path) -> None:
    folder = tmp_path / "token"
    folder.mkdir()
    (folder / "job.json").write_text('{"token": "token", "argv": ["true"]}')
    (folder / "exit.json").write_text('{"exit_code": 0}')
    (folder / "result.json").write_text('{"mean": NaN, "range": [-Infinity, 1.5], "name": "\\ud800"}')
    report = LocalJobs(tmp_path).reports(["token"])["token"]
    assert report.state is JobState.COMPLETED
    assert report.results == {"mean": "nan", "range": ["-inf", 1.5], "name": "\ufffd"}
    msgspec.json.encode(report.results)
