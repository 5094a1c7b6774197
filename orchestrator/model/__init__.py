"""The normal form: what a topology, a workflow, a plan and a job *are*.

Immutable values only (see docs/adr/0001). Nothing in here knows how they are read, stored or run.
"""
