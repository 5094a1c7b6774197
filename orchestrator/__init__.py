"""orch: a TOSCA orchestrator for HPC workflows.

Read a run top-down: ``cli`` -> ``app`` -> ``tosca`` -> ``planning`` -> ``engine`` -> ``operations`` -> ``ansible``.
"""
