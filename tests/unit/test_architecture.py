"""Rules of the architecture that the import contracts cannot say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent.parent / "orchestrator"
# programs that run on their own, in processes of jobs and of Ansible
STANDALONE = ("services/", "ansible/plugins/", "ansible/warm.py")
READS_THE_ENVIRONMENT = ("cli/entry.py", "ansible/environment.py", "sites/environment.py")
MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(STANDALONE)])
def test_module(module: str) -> None:
    tree = ast.parse((PACKAGE / module).read_text())
    assert ast.get_docstring(tree), "every module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            assert module in READS_THE_ENVIRONMENT, (
                f"line {node.lineno}: the environment is read in app/settings.py's way"
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            pytest.fail(f"line {node.lineno}: only the command line talks, and not with print")
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            pytest.fail(f"line {node.lineno}: except without a type")


def test_every_room_says_what_it_must_not_do() -> None:
    rooms = [p for p in PACKAGE.iterdir() if p.is_dir() and p.name not in ("_data", "__pycache__")]
    for room in rooms:
        docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
        assert len(docstring) > 60, room.name
