"""``orch types``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from orchestrator.app.documentation import constraint_text, occurrences_text, type_markdown, value_text
from orchestrator.app.types import FieldView, NodeTypeView, OperationView, WorkflowInput, find_types, list_types
from orchestrator.cli import completing
from orchestrator.cli.options import Command
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import counted, paragraph, table


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=completing.types)
@click.option("--markdown", is_flag=True, help="Answer in Markdown.")
@pass_session
def types(session: Session, name: str | None, markdown: bool) -> None:
    """Show what a node type has, or list all node types.

    Shown are its own and its inherited properties, attributes, requirements and capabilities, its operations, and which
    workflow inputs these read. NAME may be short: what a type's name ends with; when several end so, all are shown. The
    types are those of your own profiles and of those that ship with orch.

    \b
    Examples:
      orch types
      orch types PyCOMPSJob
      orch types plugin.nodes.PyCOMPSJob
      orch types dls.ansible.nodes.HTTP2SSH --json
    """
    found = find_types(session.home.settings, name) if name is not None else list_types(session.home.settings)
    if session.json:
        data = [asdict(view) for view in found]
        session.data(data if name is None or len(data) > 1 else data[0])
    elif markdown:
        session.out("\n".join(type_markdown(view) for view in found).rstrip("\n"))
    elif name is None:
        rows = [[view.name, f"{view.profile}:{view.version}", view.description] for view in found]
        session.out(table(["TYPE", "PROFILE", "DESCRIPTION"], rows, session.terminal, less=["PROFILE"]))
    else:
        if len(found) > 1:
            session.note(f"{counted(len(found), 'node type')} are called so:\n")
        for number, view in enumerate(found):
            if number:
                session.out()
            _show(session, view)


def _show(session: Session, view: NodeTypeView) -> None:
    said = [session.terminal.styled(view.name, bold=True) + f" ({view.profile}:{view.version})"]
    said += [paragraph(view.description, session.terminal)] if view.description else []
    said += [f"derived from {', '.join(view.lineage)}"] if view.lineage else []
    said += ["abstract: a node of it is matched to a site"] if view.abstract else []
    session.out("\n".join(said))
    _fields(session, "properties", view.properties, view.name)
    _fields(session, "attributes", view.attributes, view.name)
    _section(
        session,
        "requirements",
        ["NAME", "CAPABILITY", "NODE", "OCCURRENCES", "FROM"],
        [
            [r.name, r.capability, r.node or "", occurrences_text(r.occurrences), _from(r.origin, view.name)]
            for r in view.requirements
        ],
    )
    _section(
        session,
        "capabilities",
        ["NAME", "TYPE", "PROPERTIES", "FROM"],
        [
            [c.name, c.type, ", ".join(p.name for p in c.properties), _from(c.origin, view.name)]
            for c in view.capabilities
        ],
    )
    _section(
        session,
        "operations",
        ["OPERATION", "IMPLEMENTATION", "INPUTS", "READS WORKFLOW INPUTS", "FROM"],
        [_operation(operation, view.name) for operation in view.operations if operation.implementation],
    )
    for data_type in view.data_types:
        if data_type.fields:
            _fields(session, data_type.name, data_type.fields, data_type.name)


def _section(session: Session, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        used = [i for i in range(len(headers)) if any(row[i] for row in rows)]
        named, cells = [headers[i] for i in used], [[row[i] for i in used] for row in rows]
        shown = table(named, cells, session.terminal, less=["FROM", "IMPLEMENTATION"], indent="  ")
        session.out(f"\n{session.terminal.styled(title + ':', bold=True)}\n{shown}")


def _fields(session: Session, title: str, fields: Sequence[FieldView], owner: str) -> None:
    rows = []
    for field in fields:
        limits = "; ".join(constraint_text(constraint) for constraint in field.constraints)
        about = " ".join(part for part in (field.description, limits and f"({limits})") if part)
        needed = "required" if field.required and field.default is None and title != "attributes" else ""
        default = value_text(field.default) if field.default is not None else ""
        rows.append([field.name, field.type, needed, default, about, _from(field.origin, owner)])
    _section(session, title, ["NAME", "TYPE", "REQUIRED", "DEFAULT", "DESCRIPTION", "FROM"], rows)


def _operation(operation: OperationView, owner: str) -> list[str]:
    return [
        f"{operation.interface}.{operation.name}",
        operation.implementation or "",
        ", ".join(operation.inputs),
        ", ".join(_read(read) for read in operation.reads),
        _from(operation.origin, owner),
    ]


def _read(read: WorkflowInput) -> str:
    return f"{read.name} (named by {read.named_by})" if read.named_by else read.name


def _from(origin: str, owner: str) -> str:
    return "" if origin == owner else origin
