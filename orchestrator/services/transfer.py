"""Direct transfers, as a job program: ``python -m orchestrator.services.transfer REQUEST.json`` in the job's folder.

The request's ``kind`` says what: ``stage_in`` (a record of the data catalogue into a folder), ``stage_out`` (a file or
folder into a record), ``image`` (an image file to where jobs find it), ``download`` (a URL to a file). A file appears
under its final name only when it is complete and right; the result is in ``result.json``.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import posixpath
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import msgspec

from orchestrator import paths
from orchestrator.errors import UserError, WorkError
from orchestrator.model.values import Secret
from orchestrator.services import files as fs
from orchestrator.services import program
from orchestrator.services.catalogue import Catalogue, Source
from orchestrator.services.claims import Claim, claim_of, unclaimed
from orchestrator.services.images import images_lock, recorded_digest
from orchestrator.sites import Connection, SshSettings

TIMEOUT = 60.0
"""Seconds that a server may be silent."""

_TOLD_EVERY = 5.0
"""Seconds between two lines of progress within one file."""


class StageIn(msgspec.Struct, frozen=True, tag="stage_in", tag_field="kind", forbid_unknown_fields=True):
    """Copy the files of the record ``oid`` into the folder ``target``."""

    catalogue: Path
    oid: str
    target: Path


class StageOut(msgspec.Struct, frozen=True, tag="stage_out", tag_field="kind", forbid_unknown_fields=True):
    """Store a file or folder as a record, published when ``register``.

    ``key`` identifies this result (storing it again gives the same record); the record ``mid`` lends its title.
    """

    catalogue: Path
    source: Path
    key: str
    mid: str | None = None
    register: bool = False
    execution: str | None = None
    deployment: str | None = None
    workflow: str | None = None
    node: str | None = None


class Image(msgspec.Struct, frozen=True, tag="image", tag_field="kind", forbid_unknown_fields=True):
    """Copy the file ``image`` of the folder ``images`` into ``target``, else into ``default_target``."""

    images: Path
    image: str
    default_target: Path
    target: Path | None = None


class Download(msgspec.Struct, frozen=True, tag="download", tag_field="kind", forbid_unknown_fields=True):
    """Copy what is at ``url`` to the file ``target``; one that is there already is kept unless ``force``.

    A ``target`` that is a folder is the folder to put it in, under the name that the URL has.
    """

    url: str
    target: Path
    force: bool = False
    size: int | None = None
    checksum: str | None = None


Transfer = StageIn | StageOut | Image | Download


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transfer, and the site that its target or source is at; None: this machine.

    The private keys for the site come on standard input, as a JSON list.
    """

    transfer: Transfer
    site: SshSettings | None = None


class Arrived(msgspec.Struct, frozen=True):
    """A file at its place; ``copied`` is false when it was there already. ``checksum`` is ``sha256:<hex>``."""

    name: str
    path: str
    size: int
    checksum: str
    copied: bool


def carry_out(request: Transfer, say: Callable[[str], None] = program.say, claim: Claim = unclaimed) -> dict[str, Any]:
    """Do a transfer; what its ``result.json`` holds. ``claim`` is told the files before they are brought.

    Raises :class:`WorkError` (a source is missing, unreachable or damaged), :class:`StorageError` (a target cannot be
    written), :class:`UserError` (the request or the catalogue's record is wrong).
    """
    if isinstance(request, StageIn):
        return stage_in(request, say, claim)
    if isinstance(request, StageOut):
        return stage_out(request, say)
    if isinstance(request, Image):
        return image(request, say, claim)
    return download(request, say, claim)


def stage_in(request: StageIn, say: Callable[[str], None], claim: Claim = unclaimed) -> dict[str, Any]:
    """See :class:`StageIn`. The result: ``files`` (each :class:`Arrived`) and ``target_path``."""
    target = _absolute(request.target, "target")
    catalogue = Catalogue(request.catalogue)
    record = catalogue.get(request.oid)
    claim({_place(target / f.name): f.checksum or _identity(catalogue.location(f)) for f in record.files})
    fs.make_folder(target)
    arrived = [
        fetch(catalogue.location(f), target / f.name, fs.Expected(f.size, f.checksum), name=f.name, say=say)
        for f in record.files
    ]
    for name in record.folders:
        fs.make_folder(target / name)
    return {"files": [msgspec.to_builtins(a) for a in arrived], "target_path": str(target)}


def stage_out(request: StageOut, say: Callable[[str], None]) -> dict[str, Any]:
    """See :class:`StageOut`. The result: ``oid``, ``published`` and ``files`` (name, path, size, checksum)."""
    source = _absolute(request.source, "source")
    catalogue = Catalogue(request.catalogue)
    record = catalogue.store(
        source,
        request.key,
        title=_title(request, catalogue, say),
        source=Source(request.execution, request.deployment, request.workflow, request.node),
        publish=request.register,
    )
    for file in record.files:
        say(f"{file.name}: {file.size} bytes, {file.checksum}")
    say(f"stored as record {record.oid}" + (", published" if record.published else ""))
    found = [{**msgspec.to_builtins(f), "path": catalogue.location(f)} for f in record.files]
    return {"oid": record.oid, "published": record.published, "files": found}


def _title(request: StageOut, catalogue: Catalogue, say: Callable[[str], None]) -> str:
    """The title of the record that describes such results, else one that says where the result comes from."""
    if request.mid:
        try:
            if title := catalogue.get(request.mid).title:
                return title
        except UserError:
            say(f"the catalogue has no record {request.mid} to describe the result; it gets a title of its own")
    if request.node:
        return f"Result of {request.node} in {request.deployment}, {request.workflow}, execution {request.execution}"
    return f"Result {request.key}"


def image(request: Image, say: Callable[[str], None], claim: Claim = unclaimed) -> dict[str, Any]:
    """See :class:`Image`. The result: ``image_file_path``."""
    fs.check_name(request.image)
    source = _absolute(request.images, "images") / request.image
    target = _absolute(request.target or request.default_target, "target") / request.image
    claim({_place(target): _identity(str(source))})
    with images_lock(request.images, exclusive=False):
        if not paths.is_file(source):
            raise WorkError(f"there is no image {source}", hint="create the image first")
        if paths.exists(target) and target.samefile(source):
            say(f"{request.image}: is there already")
        else:
            fetch(str(source), target, recorded_digest(source), name=request.image, say=say)
    return {"image_file_path": str(target)}


def download(request: Download, say: Callable[[str], None], claim: Claim = unclaimed) -> dict[str, Any]:
    """See :class:`Download`. The result: ``path``, ``size``, ``checksum``."""
    target = _absolute(request.target, "target")
    if paths.is_folder(target):
        target /= name_of(request.url)
    claim({_place(target): request.checksum or _identity(request.url)})
    if paths.is_file(target) and not request.force:
        say(f"{target.name}: is there already")
        known = fs.digest(target).digest()
        return {"path": str(target), "size": known.size, "checksum": known.checksum}
    expected = fs.Expected(request.size, request.checksum)
    arrived = fetch(request.url, target, expected, name=target.name, say=say)
    return {"path": arrived.path, "size": arrived.size, "checksum": arrived.checksum}


def name_of(url: str) -> str:
    """The name of the file that is at a URL."""
    return PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name or "download"


def _place(path: Path) -> str:
    """A file of this machine by the one name that it has whatever links and dots lead to it."""
    return str(path.parent.resolve() / path.name)


def _identity(location: str) -> str:
    """What tells a source from others and does not show what may be secret in its URL."""
    return hashlib.sha256(location.encode("utf-8", "surrogateescape")).hexdigest()


# --- another machine ------------------------------------------------------------------------------------------------


def carry_out_at(
    connection: Connection,
    request: Transfer,
    folder: Path,
    say: Callable[[str], None] = program.say,
    claim: Claim = unclaimed,
) -> dict[str, Any]:
    """The same with the target, or the source of a ``stage_out``, at a site; by way of a folder of this machine.

    Raises as :func:`carry_out`, and SiteError.
    """
    scratch = Path(tempfile.mkdtemp(prefix=".transfer-", dir=folder))
    try:
        return _by_way_of(scratch, connection, request, say, claim)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _by_way_of(
    scratch: Path, connection: Connection, request: Transfer, say: Callable[[str], None], claim: Claim
) -> dict[str, Any]:
    change = msgspec.structs.replace
    match request:
        case StageIn():
            place = _there(connection, request.target, "target")
            result = stage_in(change(request, target=scratch), _quiet)
            claim({posixpath.normpath(f"{place}/{file['name']}"): file["checksum"] for file in result["files"]})
            connection.put(scratch, place, say)
            files = [{**file, "path": f"{place}/{file['name']}"} for file in result["files"]]
            return {"files": files, "target_path": place}
        case StageOut():
            place = _there(connection, request.source, "source")
            local = scratch / PurePosixPath(place).name
            connection.get(place, local, say)
            return stage_out(change(request, source=local), _quiet)
        case Image():
            fs.check_name(request.image)
            folder = _there(connection, request.target or request.default_target, "target")
            source = _absolute(request.images, "images") / request.image
            claim({posixpath.normpath(f"{folder}/{request.image}"): _identity(str(source))})
            with images_lock(request.images, exclusive=False):
                if not paths.is_file(source):
                    raise WorkError(f"there is no image {source}", hint="create the image first")
                connection.put(source, f"{folder}/{request.image}", say)
            return {"image_file_path": f"{folder}/{request.image}"}
        case Download():
            place = _there(connection, request.target, "target")
            if connection.run(["test", "-d", place], repeatable=True).exit_status == 0:
                place = f"{place}/{name_of(request.url)}"
            claim({posixpath.normpath(place): request.checksum or _identity(request.url)})
            if not request.force and connection.exists(place):
                say(f"{PurePosixPath(place).name}: is there already")
                return {"path": place}
            result = download(change(request, target=scratch / PurePosixPath(place).name), _quiet)
            connection.put(Path(result["path"]), place, say)
            return {**result, "path": place}


def _quiet(_line: str) -> None:
    """What happens on the way is not told."""


def _there(connection: Connection, path: Path, what: str) -> str:
    """The absolute path at the site. Raises UserError."""
    if path.parts[:1] == ("~",):
        return str(PurePosixPath(connection.home(), *path.parts[1:]))
    return str(_absolute(path, what))


# --- one file -------------------------------------------------------------------------------------------------------


class _Opened(NamedTuple):
    read: Callable[[int], bytes]
    mode: int


def fetch(
    location: str,
    target: Path,
    expected: fs.Expected = fs.ANY,
    *,
    name: str,
    say: Callable[[str], None],
) -> Arrived:
    """Copy one file from a path or a URL (http, https, file), unless the same is there already.

    Raises :class:`WorkError` when the source is missing, unreachable or not as ``expected``, :class:`StorageError` when
    the target cannot be written.
    """
    path, url = _path_or_url(location)
    there = _same(target, path, expected)
    if there is not None:
        say(f"{name}: is there already, {there.size} bytes")
        return Arrived(name, str(target), there.size, there.checksum, copied=False)
    progress = _Progress(name, say)
    with _opened(path, url) as source:
        got = fs.copy(source.read, target, expected, what=shown(location), mode=source.mode, progress=progress)
    say(f"{name}: {got.size} bytes, {got.checksum}")
    return Arrived(name, str(target), got.size, got.checksum, copied=True)


def _path_or_url(location: str) -> tuple[Path | None, str]:
    scheme, _, _ = location.partition("://")
    if scheme == location or location.startswith("/"):
        return Path(location), ""
    try:
        urllib.parse.urlsplit(location).port  # noqa: B018 - raises for what is no URL
    except ValueError as e:
        raise UserError(f"{shown(location)} is no URL: {e}") from e
    if scheme.lower() in ("http", "https"):
        return None, location
    if scheme.lower() == "file":
        parts = urllib.parse.urlsplit(location)
        if parts.netloc not in ("", "localhost"):
            raise UserError(f"{location} names a file of another machine", hint="write file:///path")
        return Path(urllib.parse.unquote(parts.path)), ""
    raise UserError(
        f"{shown(location)} cannot be fetched: {scheme}: is unknown", hint="use a path, http, https or file"
    )


def _same(target: Path, source: Path | None, expected: fs.Expected) -> fs.Digest | None:
    """The digest of a target that is what the transfer would bring."""
    if not paths.is_file(target) or (source is None and expected.checksum is None):
        return None
    if expected.checksum is None and source is not None:
        if not paths.is_file(source) or source.stat().st_size != target.stat().st_size:
            return None
        known = fs.digest(source).digest()
        expected = fs.Expected(known.size if expected.size is None else expected.size, known.checksum)
    elif expected.size not in (None, target.stat().st_size):
        return None
    meter = fs.digest(target, expected)
    return meter.digest() if meter.fits() else None


@contextmanager
def _opened(path: Path | None, url: str) -> Iterator[_Opened]:
    if path is None:
        yield from _opened_url(url)
        return
    if not paths.is_file(path):
        why = "it is a folder" if paths.is_folder(path) else "there is no such file"
        raise WorkError(f"cannot read {path}: {why}", hint="put the file there, or correct where it is said to be")
    with fs.explained("read", path):
        stream = path.open("rb")
        mode = 0o777 if os.fstat(stream.fileno()).st_mode & 0o100 else 0o666
    with stream:
        yield _Opened(fs.reading(stream, path), mode)


def _opened_url(url: str) -> Iterator[_Opened]:
    try:
        response = urllib.request.urlopen(_request(url), timeout=TIMEOUT)  # noqa: S310 - http or https: see _path_or_url
    except urllib.error.HTTPError as e:
        e.close()
        raise WorkError(f"{shown(url)} answered {e.code} {e.reason}", hint="see whether the address is right") from e
    except (OSError, http.client.HTTPException, ValueError) as e:
        reason = getattr(e, "reason", None) or e
        raise WorkError(f"cannot reach {shown(url)}: {reason}", hint="see whether the server is up") from e
    with response:
        yield _Opened(_whole(response, url), 0o666)


def _request(url: str) -> urllib.request.Request:
    """A request without the user and password that the URL may carry; they go into a header for that server alone."""
    parts = urllib.parse.urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~")
    bare = urllib.parse.urlunsplit((parts.scheme, host, path, parts.query.replace(" ", "%20"), ""))
    request = urllib.request.Request(bare, headers={"User-Agent": "orch"})  # noqa: S310 - http or https
    if at:
        pair = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return request


def _whole(response: http.client.HTTPResponse, url: str) -> Callable[[int], bytes]:
    """Reads of the answer; one that ends too early is a failure (http.client takes it for the end)."""
    length = response.headers.get("Content-Length", "")
    announced = int(length) if length.isdigit() else None
    got = 0

    def read(size: int) -> bytes:
        nonlocal got
        try:
            chunk = response.read(size)
        except (OSError, http.client.HTTPException) as e:
            raise WorkError(f"{shown(url)} broke off after {got} bytes: {e}", hint="try again") from e
        got += len(chunk)
        if not chunk and announced not in (None, got):
            raise WorkError(f"{shown(url)} broke off after {got} of {announced} bytes", hint="try again")
        return chunk

    return read


def shown(location: str) -> str:
    """A path or URL without what may be secret in it: user, password, query."""
    if "://" not in location or location.startswith("/"):
        return location
    scheme, _, rest = location.partition("://")
    place, query, _ = rest.partition("#")[0].partition("?")
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{'?...' if query else ''}"


class _Progress:
    """Tells how far a long transfer is, now and then."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self._name = name
        self._say = say
        self._last = time.monotonic()

    def __call__(self, size: int) -> None:
        if time.monotonic() - self._last >= _TOLD_EVERY:
            self._last = time.monotonic()
            self._say(f"{self._name}: {size} bytes so far")


def _absolute(path: Path, what: str) -> Path:
    path = paths.expanded(path)
    if not path.is_absolute() or "\0" in str(path):
        raise UserError(f"the {what} {str(path)!r} is not an absolute path", hint="begin it with '/'")
    return path


def _work(request: Request, folder: Path) -> dict[str, Any]:
    claim = claim_of(folder, request.site.host if request.site else "")
    if request.site is None:
        return carry_out(request.transfer, claim=claim)
    keys = [Secret(key) for key in msgspec.json.decode(sys.stdin.buffer.read(), type=list[str])]
    from orchestrator.sites.ssh import SshConnection  # heavy: only where it is used

    connection = SshConnection(request.site, keys[0], keys[1] if len(keys) > 1 else None)
    return carry_out_at(connection, request.transfer, folder, claim=claim)


def main() -> int:
    """The job program."""
    return program.run(sys.argv[1:], Request, _work)


if __name__ == "__main__":
    sys.exit(main())
