"""The errors of orch: one base, and families by who must act.

Each error says what is wrong, where and what to do. :attr:`OrchError.exit_status` is the exit status of the command
that ends with it: 2 when the request was wrong, 1 when the work failed.
"""

from __future__ import annotations

DOCTOR = "`orch doctor` tells more"


class OrchError(Exception):
    """The base of all errors that a user may see.

    ``message`` says what is wrong and where, ``hint`` what to do; ``code`` is stable and can be searched for.
    """

    code = "E0000"
    exit_status = 1
    of_the_machine = False
    """Whether it is about this machine, orch's home or what its settings name: `orch doctor` looks at all that."""

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    @property
    def advice(self) -> str | None:
        """The hint as people are shown it: with the word of who looks further, where it is about this machine."""
        if not self.of_the_machine:
            return self.hint
        return f"{self.hint}; {DOCTOR}" if self.hint else DOCTOR


class UserError(OrchError):
    """The request or an input is wrong; whoever typed it must act."""

    code = "E1000"
    exit_status = 2


class ConfigurationError(OrchError):
    """A settings file, a site description or the orchestrator's home is wrong."""

    code = "E2000"
    exit_status = 2


class MachineError(ConfigurationError):
    """This machine, orch's home or the database that is named cannot be used as it is."""

    of_the_machine = True


class SecretError(OrchError):
    """A secret is missing, or the secret store cannot be read."""

    code = "E2100"
    exit_status = 2


class SecretStoreUnavailable(SecretError):
    """The secret store is sealed or out of reach now, and may answer later."""

    code = "E2110"
    of_the_machine = True
    exit_status = 1


class SecretAccessError(SecretError):
    """The secret store refuses: a wrong login, a policy that forbids it, a certificate that is not trusted."""

    code = "E2120"
    of_the_machine = True


class SiteError(OrchError):
    """A site or a service cannot be reached or refused the work."""

    code = "E3000"


class WorkError(OrchError):
    """The work itself failed: a playbook, a job, a transfer."""

    code = "E4000"


class StorageError(OrchError):
    """The orchestrator's own files or databases cannot be written or read (disk full, no permission, locked)."""

    code = "E5000"
    of_the_machine = True


class Defect(OrchError):
    """A fault of orch itself."""

    code = "E9000"
