"""A sequential stand-in for the Python binding of COMPSs, as that binding behaves without its runtime.

Every task is called where it stands and its result is returned at once, so there is nothing to wait for. Two things
follow, as with the real binding run under plain Python: a task that changes an ``IN`` parameter is seen by its caller,
and the exception of a failing task goes straight to its caller, whatever ``on_failure`` says.
"""

__version__ = "3.4+standin"
