"""The pages of documentation that are made from tables: the shipped node types, and the codes of problems.

``python -m orchestrator.app.documentation docs`` writes them into the folder ``docs``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from orchestrator.app.explain import problems_markdown
from orchestrator.app.types import CapabilityView, FieldView, NodeTypeView, OperationView, RequirementView, views_of
from orchestrator.model.values import Value
from orchestrator.tosca import Catalog


def pages() -> Mapping[str, str]:
    """Every page by its path in the folder of the documentation."""
    views = views_of(Catalog())
    by_profile = {name: list(found) for name, found in groupby(views, key=lambda view: view.profile or "")}
    found = {f"types/{name}.md": profile_markdown(name, types) for name, types in by_profile.items()}
    found["types/README.md"] = _index(by_profile)
    found["problems.md"] = problems_markdown()
    return found


def _index(by_profile: Mapping[str, Sequence[NodeTypeView]]) -> str:
    lines = ["# Node types", "", "The node types of the profiles that ship with `orch`; `orch types NAME` shows one."]
    for profile, views in by_profile.items():
        lines += ["", f"## [{profile}]({profile}.md)", ""]
        lines += [f"- [{view.name}]({profile}.md#{_anchor(view.name)})" for view in views]
    return "\n".join(lines) + "\n"


def _anchor(heading: str) -> str:
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def profile_markdown(profile: str, views: Sequence[NodeTypeView]) -> str:
    """A page about the node types of one profile."""
    version = f":{views[0].version}" if views and views[0].version else ""
    lines = [f"# {profile}", "", f"Node types of the profile, imported as `{profile}{version}`."]
    for view in views:
        lines += ["", *type_markdown(view).rstrip("\n").split("\n")]
    return "\n".join(lines) + "\n"


def type_markdown(view: NodeTypeView) -> str:
    """The section about one node type."""
    lines = [f"## {view.name}", ""]
    lines += [view.description, ""] if view.description else []
    lines += [f"Derived from {', '.join(f'`{name}`' for name in view.lineage)}.", ""] if view.lineage else []
    if view.abstract:
        lines += ["Abstract: a node of this type is matched to a site, or replaced by one of a derived type.", ""]
    lines += _section("Properties", _field_table(view.properties, view.name))
    lines += _section("Attributes", _field_table(view.attributes, view.name, attributes=True))
    lines += _section("Requirements", _requirement_table(view.requirements, view.name))
    lines += _section("Capabilities", _capability_table(view.capabilities, view.name))
    lines += _section("Operations", _operation_table(view.operations, view.name))
    idle = ", ".join(f"`{o.interface}.{o.name}`" for o in view.operations if o.implementation is None)
    if idle:
        lines += [f"Operations that do nothing unless a derived type or a template implements them: {idle}.", ""]
    for data_type in view.data_types:
        rows = _field_table(data_type.fields, data_type.name)
        if rows:
            about = [data_type.description, ""] if data_type.description else []
            lines += [f"### Fields of `{data_type.name}`", "", *about, *rows, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(title: str, rows: list[str]) -> list[str]:
    return [f"### {title}", "", *rows, ""] if rows else []


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lines = [headers, ["---"] * len(headers), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


def _from(origin: str, owner: str) -> str:
    return "" if origin == owner else f"`{origin}`"


def _field_table(fields: Sequence[FieldView], owner: str, *, attributes: bool = False) -> list[str]:
    rows = []
    for field in fields:
        limits = "; ".join(constraint_text(constraint) for constraint in field.constraints)
        default = f"`{value_text(field.default)}`" if field.default is not None else ""
        needed = [] if attributes else ["yes" if field.required and field.default is None else ""]
        about = " ".join(part for part in (field.description, limits and f"(`{limits}`)") if part)
        rows.append([f"`{field.name}`", field.type, *needed, default, about, _from(field.origin, owner)])
    headers = ["Name", "Type", *([] if attributes else ["Required"]), "Default", "Description", "Inherited from"]
    return _table(headers, rows)


def _requirement_table(requirements: Sequence[RequirementView], owner: str) -> list[str]:
    rows = []
    for r in requirements:
        node = f"`{r.node}`" if r.node else ""
        relationship = f"`{r.relationship}`" if r.relationship else ""
        rows.append(
            [
                f"`{r.name}`",
                f"`{r.capability}`",
                node,
                relationship,
                occurrences_text(r.occurrences),
                _from(r.origin, owner),
            ]
        )
    return _table(["Name", "Capability", "Node", "Relationship", "Occurrences", "Inherited from"], rows)


def _capability_table(capabilities: Sequence[CapabilityView], owner: str) -> list[str]:
    rows = []
    for capability in capabilities:
        fields = ", ".join(f"`{field.name}`" for field in capability.properties)
        rows.append([f"`{capability.name}`", f"`{capability.type}`", fields, _from(capability.origin, owner)])
    return _table(["Name", "Type", "Properties", "Inherited from"], rows)


def _operation_table(operations: Sequence[OperationView], owner: str) -> list[str]:
    rows = []
    for operation in operations:
        if operation.implementation is None:
            continue
        reads = ", ".join(
            f"`{read.name}`" + (f" (named by `{read.named_by}`)" if read.named_by else "") for read in operation.reads
        )
        rows.append(
            [
                f"`{operation.interface}.{operation.name}`",
                operation.implementation
                if operation.implementation.startswith("(")
                else f"`{operation.implementation}`",
                ", ".join(f"`{name}`" for name in operation.inputs),
                reads,
                _from(operation.origin, owner),
            ]
        )
    return _table(["Operation", "Implementation", "Inputs", "Workflow inputs it reads", "Inherited from"], rows)


def value_text(value: Value) -> str:
    """A value on one line: texts as they are, the empty one with its quotes, others as JSON."""
    if isinstance(value, str) and value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def constraint_text(constraint: Mapping[str, Value]) -> str:
    """A constraint clause on one line: ``in_range: [1, 4]``."""
    return ", ".join(f"{operator}: {value_text(value)}" for operator, value in constraint.items())


def occurrences_text(occurrences: tuple[int, int | None]) -> str:
    """Occurrences as TOSCA writes them: ``[0, UNBOUNDED]``."""
    low, high = occurrences
    return f"[{low}, {'UNBOUNDED' if high is None else high}]"


def write_pages(folder: Path) -> None:
    """Write every page, and remove pages about profiles that do not ship any more."""
    found = pages()
    for name, text in found.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for page in (folder / "types").glob("*.md"):
        if f"types/{page.name}" not in found:
            page.unlink()


if __name__ == "__main__":
    write_pages(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
