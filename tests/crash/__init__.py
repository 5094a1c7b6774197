"""The crash test: processes of orch are killed at random moments, until their executions have ended.

What the ledger says is compared with the traces that the work has left. Time limits are only there to give up at.
"""
