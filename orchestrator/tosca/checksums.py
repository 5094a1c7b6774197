"""Checksums of artifacts (1.3 section 3.6.7): the file that is there is compared with what is written of it."""

from __future__ import annotations

import hashlib
import re
import zlib
from pathlib import Path

from orchestrator import paths
from orchestrator.model.problems import Problems
from orchestrator.tosca import codes
from orchestrator.tosca.fields import as_scalar
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.tree import Map, Scalar

_BY_DIGITS = {8: "crc32", 32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_OTHERS = ("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s")
_KNOWN = {re.sub(r"\W|_", "", name): name for name in (*_BY_DIGITS.values(), *_OTHERS)}
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+\Z")
_CHUNK = 1024 * 1024


def check_checksum(fields: Map, path: str | None, problems: Problems) -> None:
    """See that the file of an artifact has the checksum that the artifact's ``fields`` name, if they name one.

    ``path`` is where the file was found; None where it is not looked for, or not there.
    """
    written = as_scalar(fields.get("checksum"), "checksum", problems)
    named = as_scalar(fields.get("checksum_algorithm"), "checksum_algorithm", problems)
    if written is None:
        if named is not None:
            message = "there is a checksum_algorithm and no checksum"
            problems.error(codes.CHECKSUM, message, named.span, "add checksum: …, or leave the algorithm out")
        return
    digits = re.sub(r"\s", "", written.text).lower()
    algorithm = _algorithm(written, digits, named, problems)
    if algorithm is None:
        return
    if path is None:
        message = "'checksum' of an artifact is not carried out: its file is not here to be compared with it"
        problems.warning(
            codes.NOT_CARRIED_OUT, message, written.span, "it is compared where the file lies beside the document"
        )
        return
    _compare(Path(path), algorithm, digits, written, problems)


def _algorithm(written: Scalar, digits: str, named: Scalar | None, problems: Problems) -> str | None:
    """The algorithm of a checksum; where none is named, or a family of them (``SHA``), by its length."""
    if not _HEXADECIMAL.match(digits):
        message = f"the checksum {written.text[:150]!r} is no row of hexadecimal digits"
        problems.error(codes.CHECKSUM, message, written.span, "write what for example sha256sum says of the file")
        return None
    by_length = _BY_DIGITS.get(len(digits))
    word = re.sub(r"\W|_", "", named.text).lower() if named is not None else ""
    family = "sha" if word in ("sha", "sha2") else ""
    known = _KNOWN.get(word)
    if known is None and (named is None or family):
        if by_length is None or not by_length.startswith(family):
            message = f"a checksum of {len(digits)} digits does not tell its algorithm"
            problems.error(codes.CHECKSUM, message, written.span, "add checksum_algorithm: SHA-256, or which it is")
            return None
        return by_length
    if known is None:
        assert named is not None
        message = f"there is no checksum algorithm {named.text!r}"
        hint = did_you_mean(word, _KNOWN) or f"known: {', '.join(_KNOWN)}"
        problems.error(codes.CHECKSUM, message, named.span, hint)
        return None
    wanted = 8 if known == "crc32" else 2 * hashlib.new(known).digest_size
    if len(digits) != wanted:
        message = f"a checksum by {known} has {wanted} digits; this one has {len(digits)}"
        problems.error(codes.CHECKSUM, message, written.span, "copy it whole, or name its own algorithm")
        return None
    return known


def _compare(path: Path, algorithm: str, digits: str, written: Scalar, problems: Problems) -> None:
    if not paths.is_file(path):
        what = "a folder" if paths.is_folder(path) else "no regular file"
        problems.error(codes.CHECKSUM, f"{path} is {what}, which has no checksum", written.span, "leave it out")
        return
    try:
        found = _digest(path, algorithm)
    except OSError as error:
        message = f"{path} cannot be compared with its checksum: {error.strerror or error}"
        problems.error(codes.CHECKSUM, message, written.span, "give permission to read it")
        return
    if found != digits:
        message = f"{path} has not the checksum that is written: by {algorithm} it has {found}"
        problems.error(codes.CHECKSUM, message, written.span, "get the file anew, or write the checksum of this one")


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as stream:
        if algorithm != "crc32":
            return hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
        value = 0
        while chunk := stream.read(_CHUNK):
            value = zlib.crc32(chunk, value)
        return f"{value:08x}"
