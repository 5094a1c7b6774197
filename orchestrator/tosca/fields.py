"""Small readers of tree pieces that report what has the wrong shape and go on."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.model.problems import Problems
from orchestrator.tosca import codes
from orchestrator.tosca.grammar import passed_over
from orchestrator.tosca.names import nearest
from orchestrator.tosca.tree import List, Map, Scalar, Tree, kind_of


def as_map(tree: Tree | None, what: str, problems: Problems) -> Map | None:
    """The tree when it is a map; a problem when it is something else; None when it is not there."""
    if tree is None or isinstance(tree, Map):
        return tree
    if not (isinstance(tree, Scalar) and tree.is_null):
        problems.error(codes.WRONG_KIND, f"{what} is a map, not {kind_of(tree)}", tree.span)
    return None


def as_list(tree: Tree | None, what: str, problems: Problems) -> list[Tree]:
    """The items when the tree is a list; a problem when it is something else."""
    if tree is None:
        return []
    if isinstance(tree, List):
        return tree.items
    if not (isinstance(tree, Scalar) and tree.is_null):
        problems.error(codes.WRONG_KIND, f"{what} is a list, not {kind_of(tree)}", tree.span)
    return []


def as_scalar(tree: Tree | None, what: str, problems: Problems) -> Scalar | None:
    """The tree when it is a text; a problem when it is a map or a list."""
    if tree is None:
        return None
    if isinstance(tree, Scalar):
        return None if tree.is_null else tree
    problems.error(codes.WRONG_KIND, f"{what} is a text, not {kind_of(tree)}", tree.span)
    return None


def text_of(tree: Tree | None, what: str, problems: Problems) -> str:
    """The text of a scalar, empty when there is none."""
    scalar = as_scalar(tree, what, problems)
    return scalar.text if scalar is not None else ""


def scalars_of(tree: Tree | None, what: str, problems: Problems) -> list[Scalar]:
    """The items of a list of texts; one text alone counts as a list of one."""
    if isinstance(tree, Scalar):
        return [] if tree.is_null else [tree]
    found = (as_scalar(item, f"an item of {what}", problems) for item in as_list(tree, what, problems))
    return [scalar for scalar in found if scalar is not None]


def named_items(tree: Tree | None, what: str, problems: Problems) -> Iterator[tuple[Scalar, Tree]]:
    """Names and values of a list of maps with one entry each (as requirements are written), or of a map."""
    if isinstance(tree, Map):
        yield from tree.items()
        return
    for item in as_list(tree, what, problems):
        if isinstance(item, Map) and len(item.entries) == 1:
            yield next(item.items())
        elif isinstance(item, Map) and item.entries:
            message = f"an item of {what} is a map with one entry, the name"
            (key, value), (second, _), *_ = item.items()
            problems.error(codes.WRONG_KIND, message, second.span, "indent what belongs to the name more deeply")
            if isinstance(value, Scalar) and value.is_null:  # go on with what is meant
                value = item.with_entries({k: v for k, v in item.entries.items() if k != key.text})
            yield key, value
        else:
            problems.error(codes.WRONG_KIND, f"an item of {what} is a map, not {kind_of(item)}", item.span)


def check_carried_out(tree: Map, known: frozenset[str], what: str, problems: Problems) -> None:
    """Tell of keynames that orch does not carry out."""
    for name, note in passed_over(known, tree.entries).items():
        message = f"{name!r} of {what} is not carried out: {note}"
        problems.warning(codes.NOT_CARRIED_OUT, message, tree.key(name).span, "remove it, if nothing depends on it")


def check_keynames(tree: Map, known: frozenset[str], what: str, problems: Problems) -> None:
    """Report keynames that mean nothing here (an error when one looks misspelt), or that orch does not carry out."""
    check_carried_out(tree, known, what, problems)
    if tree.entries.keys() <= known:
        return
    for name, (key, _) in tree.entries.items():
        if name in known:
            continue
        meant = nearest(name, known)
        message = f"{name!r} is not a keyname of {what}"
        if meant is not None:
            problems.error(codes.UNKNOWN_KEYNAME, message, key.span, f"did you mean {meant!r}?")
        else:
            problems.warning(codes.UNKNOWN_KEYNAME, message, key.span, "it is ignored")
