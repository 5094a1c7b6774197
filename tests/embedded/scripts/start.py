import sys

if how == "python-badly":  # noqa: F821
    sys.exit("it went badly")
LATE = "" if how != "python-forgetful" else None  # noqa: F821
