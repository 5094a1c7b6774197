"""``orch catalogue``."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from orchestrator.app.catalogue import add_record
from orchestrator.cli import completing
from orchestrator.cli.options import Group
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import counted, date, moment_data, table


@click.group(cls=Group)
def catalogue() -> None:
    """Keep data sets: add, list, show.

    The data catalogue names data sets by an object id (oid). Workflows stage the files of a record in, and store their
    results as new records.
    """


@catalogue.command()
@click.argument("places", nargs=-1, required=True, metavar="FILE|FOLDER|URL...")
@click.option("--oid", metavar="ID", help="The object id of the record (default: a new one).")
@click.option("--title", default="", help="What the data is.")
@click.option("--no-checksum", is_flag=True, help="Do not read the files: for very large ones, or ones that change.")
@pass_session
def add(session: Session, places: tuple[str, ...], oid: str | None, title: str, no_checksum: bool) -> None:
    """Make one record of files and http(s) URLs; they stay where they are.

    Size and checksum of files are written down, and verified when they are used. Of a folder all files are taken.

    \b
    Examples:
      orch catalogue add data.txt --oid my-text --title "A text to count"
      orch catalogue add https://example.org/data/tides.nc winds.nc
    """
    record = add_record(session.home, places, oid=oid, title=title, checksums=not no_checksum)
    if session.json:
        session.data(_data(record))
    else:
        session.out(record.oid)


@catalogue.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the records.

    \b
    Example:
      orch catalogue list
    """
    records = session.home.catalogue.list()
    if session.json:
        session.data([_data(record) for record in records])
        return
    if not records:
        session.note("there are no records; `orch catalogue add FILE` makes one")
        return
    rows = [
        [
            record.oid,
            record.title,
            counted(len(record.files), "file"),
            "yes" if record.published else "",
            date(record.created),
            (record.source.execution or "") if record.source else "",
        ]
        for record in records
    ]
    session.out(
        table(
            ["OID", "TITLE", "FILES", "PUBLISHED", "CREATED", "EXECUTION"],
            rows,
            session.terminal,
            less=["EXECUTION", "PUBLISHED", "CREATED"],
        )
    )


@catalogue.command()
@click.argument("oid", shell_complete=completing.records)
@pass_session
def show(session: Session, oid: str) -> None:
    """Show a record and where its files are.

    \b
    Example:
      orch catalogue show my-text
    """
    catalogue = session.home.catalogue
    record = catalogue.get(oid)
    places = {file.name: catalogue.location(file) for file in record.files}
    if session.json:
        data = _data(record)
        files = [{**file, "location": places[file["name"]]} for file in data["files"]]
        session.data({**data, "files": files})
        return
    source = record.source
    facts = [
        ("title", record.title),
        ("created", date(record.created)),
        ("published", "yes" if record.published else "no"),
        ("execution", (source.execution or "") if source else ""),
        ("made by", ", ".join(x for x in (source.deployment, source.workflow, source.node) if x) if source else ""),
    ]
    session.out(session.terminal.styled(record.oid, bold=True))
    session.out("\n".join(f"  {name}: {value}" for name, value in facts if value))
    rows = [[f.name, str(f.size) if f.size is not None else "", f.checksum or "", places[f.name]] for f in record.files]
    session.out("\n" + table(["FILE", "BYTES", "CHECKSUM", "LOCATION"], rows, session.terminal))


def _data(record: msgspec.Struct) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(record)
    return {**data, "created": moment_data(data.get("created"))}
