"""The use cases: what a person can ask of orch, one file each, and the wiring of its parts.

The one door for the command line, the web and the tests. It must never print, nor know how an answer is shown.
Modules are imported one by one, so that a command pays only for what it uses.
"""
