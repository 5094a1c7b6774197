# ruff: noqa: F821 the variables are given as globals
import hashlib
import pathlib

# what create has set has come here, and not what is shown of it
pathlib.Path(folder, f"sum.{NODE}").write_text(hashlib.sha256(f"{inside}{output}".encode()).hexdigest())
