"""The embedded services: what a site that names no real ones offers, with nothing to install.

- :mod:`~orchestrator.services.launcher`: detached jobs, one folder per token; a file that also runs alone elsewhere
- :mod:`~orchestrator.services.catalogue`: the data catalogue, a folder of records
- :mod:`~orchestrator.services.transfer`, :mod:`~orchestrator.services.images`,
  :mod:`~orchestrator.services.application`: programs of jobs (``python -m``), each with a request file

They must never know who calls them or why: no topology, no state of an execution, no secret. Nothing is imported here:
each program of a job would import it, too.
"""
