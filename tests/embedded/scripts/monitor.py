from pathlib import Path

polled = Path(folder, "polled")  # noqa: F821
before = polled.read_text() if polled.exists() else ""
polled.write_text(before + TOSCA_JOB_ID + "\n")  # noqa: F821
TOSCA_JOB_STATUS = "COMPLETED" if before else "RUNNING"
