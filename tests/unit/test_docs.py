"""What the documentation tells people to type is understood, and what it shows of files can be read."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from orchestrator.cli.root import COMMANDS, root
from orchestrator.sites import read_sites

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "topologies").glob("*/README.md"))]
OTHER_PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs" / "adr").glob("*.md")),
]
_LINE = re.compile(r"^ {4,}(?:.*\| )?(orch .*)$", re.MULTILINE)
_INLINE = re.compile(r"`(orch [^`]*)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:orchestrator|tests|docs|tosca_types|playbooks|topologies|benchmarks|release)/[\w./-]*)`")
_TARGET = re.compile(r"(?:^ {4}|`)make ([a-z-]+)", re.MULTILINE)


def told(text: str) -> list[str]:
    """The commands of a page."""
    text = text.replace("\\\n", " ")
    return [*_LINE.findall(text), *told_inline(text)]


def told_inline(text: str) -> list[str]:
    """The commands in a text; those that stand for several are left out."""
    inline = [" ".join(command.split()) for command in _INLINE.findall(text)]
    return [command for command in inline if not re.search(r"[|…\[<>]|\.\.\.|\b(N|COMMAND)\b", command)]


def understand(command: str) -> None:
    """Read the words of a command, and carry nothing out. Raises click's errors."""
    words = shlex.split(re.split(r" [|>] ", command)[0], comments=True)[1:]
    found: click.Command = root
    context = click.Context(root, info_name="orch", **root.context_settings)
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        name, inner, words = found.resolve_command(context, words)
        assert inner is not None
        found, context = inner, click.Context(inner, context, name, **inner.context_settings)
    _, left, _ = found.make_parser(context).parse_args(list(words))
    if left:
        raise click.UsageError(f"too many words: {left}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_the_documentation_are_understood(page: Path) -> None:
    for command in told(page.read_text()):
        try:
            understand(command)
        except click.UsageError as error:
            pytest.fail(f"{page.name}: {command}: {error.format_message()}")


def test_commands_are_found_on_pages() -> None:
    text = "Say `orch list` or\n\n    printf x | orch secrets set a b   # so\n    orch run x\n"
    assert told(text) == ["orch secrets set a b   # so", "orch run x", "orch list"]
    with pytest.raises(click.UsageError):
        understand("orch rum x")
    for wrong in ("orch run x --nonsense", "orch list x", "orch executions log"):
        with pytest.raises(click.UsageError):
            understand(wrong)
    assert sum(len(told(page.read_text())) for page in PAGES) > len(COMMANDS)


def texts(tree: ast.AST) -> list[str]:
    """The texts of a program; what is filled in is a word."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(v.value) if isinstance(v, ast.Constant) else "word" for v in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


def test_commands_of_messages_are_understood() -> None:
    seen = 0
    for file in sorted((ROOT / "orchestrator").rglob("*.py")):
        for text in texts(ast.parse(file.read_text())):
            for command in told_inline(text):
                seen += 1
                try:
                    understand(command)
                except click.UsageError as error:
                    pytest.fail(f"{file.name}: {command}: {error.format_message()}")
    assert seen > 50
    assert texts(ast.parse('f"say `orch show {name}`"'))[0] == "say `orch show word`"


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_targets_that_are_named_are_there(page: Path) -> None:
    text = page.read_text()
    links = [link for link in _LINK.findall(text) if "://" not in link and not link.startswith("#")]
    assert [link for link in links if not (page.parent / link.partition("#")[0]).exists()] == []
    assert [name for name in _PATH.findall(text) if not (ROOT / name).exists()] == []
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {*_TARGET.findall(text)} <= {*targets}


def test_the_site_of_the_page_on_clusters_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(# sites.yaml\n.*?)```", (ROOT / "docs/clusters.md").read_text(), re.DOTALL)
    file = tmp_path / "sites.yaml"
    file.write_text(block)
    site = read_sites([file])["my-cluster"]
    assert (site.user, site.key, site.login_host) == ("jane", "jane", "login.example.org")
