"""The folder that goes onto PYTHONPATH of PyCOMPSs programs on a machine without the COMPSs runtime.

It holds one top-level package, ``pycompss``. Nothing of orch imports it, and it imports nothing of orch or of anybody
else: programs run with a Python of their own choice (3.8 or later).
"""
