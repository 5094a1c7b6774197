"""Problems: diagnosed faults of a document, collected in a sink that is passed along."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import msgspec

from orchestrator.errors import ConfigurationError, UserError
from orchestrator.model.source import Span


class Severity(enum.Enum):
    """How bad a problem is: an error stops the document from being used, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Related(msgspec.Struct, frozen=True):
    """Another place that belongs to a problem, such as the definition of a name that is used wrongly."""

    message: str
    span: Span


class Problem(msgspec.Struct, frozen=True):
    """One diagnosed fault: a stable code (``T0123``), what is wrong, where, and what to do."""

    code: str
    severity: Severity
    message: str
    span: Span | None = None
    hint: str | None = None
    related: tuple[Related, ...] = ()

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.severity.value}: {self.message} [{self.code}]{hint}"


class Problems:
    """A sink of problems. Reading goes on after the first one; each is reported once."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, Span | None, str], Problem] = {}

    def add(self, problem: Problem) -> None:
        """Take a problem in; the same one a second time is dropped."""
        self._items.setdefault((problem.code, problem.span, problem.message), problem)

    def error(self, code: str, message: str, span: Span | None, hint: str | None = None, *related: Related) -> None:
        """Report a fault that stops the document from being used."""
        self.add(Problem(code, Severity.ERROR, message, span, hint, related))

    def warning(self, code: str, message: str, span: Span | None, hint: str | None = None, *related: Related) -> None:
        """Report a fault that does not."""
        self.add(Problem(code, Severity.WARNING, message, span, hint, related))

    def __iter__(self) -> Iterator[Problem]:
        """The problems in the order of their places."""
        return iter(sorted(self._items.values(), key=lambda p: (p.span is None, p.span or p.code, p.code)))

    def __len__(self) -> int:
        return len(self._items)

    @property
    def has_errors(self) -> bool:
        """Whether any problem is an error."""
        return any(p.severity is Severity.ERROR for p in self._items.values())


class DocumentError(UserError):
    """A document, or what is asked of it, has faults; carries all of them."""

    code = "E1100"

    def __init__(self, problems: Problems | list[Problem]) -> None:
        self.problems = list(problems)
        errors = [p for p in self.problems if p.severity is Severity.ERROR]
        super().__init__("\n".join(str(p) for p in errors))


class SettingsError(ConfigurationError):
    """A file that is written for orch itself has faults; carries all of them."""

    def __init__(self, problems: Problems | list[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


def problems_of(error: BaseException) -> list[Problem] | None:
    """The problems that an error carries; None when it is of another kind."""
    return error.problems if isinstance(error, DocumentError | SettingsError) else None
