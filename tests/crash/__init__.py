"""The crash test: processes of orch are killed at random moments until their executions have ended; then what the ledger
says is compared with the traces that the work has left. It must never look at time limits other than to give up.
"""
