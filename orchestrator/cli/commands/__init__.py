"""The commands, each module imported when one of its commands is used (see :mod:`orchestrator.cli.root`)."""
