"""What the documentation tells people to type is understood, and what it shows of files can be read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from orchestrator.cli.root import COMMANDS, root
from orchestrator.sites import read_sites

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "topologies").glob("*/README.md"))]
_LINE = re.compile(r"^ {4,}(?:.*\| )?(orch .*)$", re.MULTILINE)
_INLINE = re.compile(r"`(orch [^`]*)`")


def told(text: str) -> list[str]:
    """The commands of a page."""
    text = text.replace("\\\n", " ")
    inline = [" ".join(command.split()) for command in _INLINE.findall(text)]
    return [*_LINE.findall(text), *(c for c in inline if not re.search(r"[|…\[<>]|\b(N|COMMAND)\b", c))]


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


def test_the_site_of_the_page_on_clusters_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(# sites.yaml\n.*?)```", (ROOT / "docs/clusters.md").read_text(), re.DOTALL)
    file = tmp_path / "sites.yaml"
    file.write_text(block)
    site = read_sites([file])["my-cluster"]
    assert (site.user, site.key, site.login_host) == ("jane", "jane", "login.example.org")
