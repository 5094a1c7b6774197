"""Measurements of orch, side by side with xOpera. Nothing of the package may import this, and no test may run it."""
