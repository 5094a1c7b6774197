"""The one rule for names that become names of files, words of commands and parts of messages."""

from __future__ import annotations

import hashlib
import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_READABLE = 60
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
"""What names of environment variables are like: those that a shell can set."""
LONGEST = 100


def is_name(text: str, at_most: int = LONGEST) -> bool:
    """Whether a text is a name by :func:`name_rule`: never a path, an option or empty."""
    return len(text) <= at_most and _NAME.fullmatch(text) is not None


def name_rule(at_most: int = LONGEST) -> str:
    """The rule, for messages."""
    return f"a name is letters, digits, '.', '_' and '-', at most {at_most}, and begins with a letter or a digit"


def is_variable(text: str) -> bool:
    """Whether a text is a name of an environment variable (:data:`VARIABLE`)."""
    return re.fullmatch(VARIABLE, text) is not None


def file_name(text: str) -> str:
    """A short name for a file or folder of what has any name at all: the name itself where it is fit.

    Different texts give different names: one that is changed or cut ends with a digest of the whole.
    """
    if is_name(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return "-".join(part for part in (_UNSAFE.sub("_", text).lstrip("._-")[:_READABLE], digest) if part)
