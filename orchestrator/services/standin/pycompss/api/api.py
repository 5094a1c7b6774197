"""The functions of a main program. All tasks called so far have ended, so nothing has to be waited for or moved."""

from __future__ import annotations

import os
from typing import IO, Any


def _each(values: tuple[Any, ...], of_one: Any) -> Any:
    """``of_one`` of every value, of the members of lists and tuples too; of a single value not as a list."""
    results = [_each(tuple(v), of_one) if isinstance(v, (list, tuple)) else of_one(v) for v in values]
    return results[0] if len(results) == 1 else results


def compss_start(log_level: str = "off", tracing: bool = False, interactive: bool = False, **_: Any) -> None:
    """Starts the runtime: there is none."""


def compss_stop(code: int = 0, _hard_stop: bool = False) -> None:
    """Stops the runtime: there is none."""


def compss_wait_on(*objects: Any, **_: Any) -> Any:
    """The objects as they are; of several a list. ``to_write`` and ``mode`` make no difference."""
    return objects[0] if len(objects) == 1 else list(objects)


def compss_wait_on_file(*files: Any) -> Any:
    """The names of the files as they are."""
    return files[0] if len(files) == 1 else files


def compss_wait_on_directory(*directories: Any) -> Any:
    """The names of the directories as they are."""
    return directories[0] if len(directories) == 1 else directories


def compss_open(file_name: str, mode: str = "r") -> IO[Any]:
    """The opened file, as :func:`open` gives it. Raises OSError."""
    return open(file_name, mode)  # noqa: PTH123 the caller closes it


def compss_file_exists(*files: Any) -> Any:
    """Whether the file exists; of several a list."""
    return _each(files, os.path.exists)


def compss_delete_file(*files: Any) -> Any:
    """True: the runtime would forget its copies of the file and there are none. The file itself stays."""
    return _each(files, lambda _: True)


def compss_delete_object(*objects: Any) -> Any:
    """True: the runtime would forget its copies of the object and there are none."""
    return _each(objects, lambda _: True)


def compss_barrier(no_more_tasks: bool = False) -> None:
    """Waits for all tasks: they have ended."""


def compss_barrier_group(group_name: str) -> None:
    """Waits for the tasks of a group: they have ended."""


def compss_cancel_group(group_name: str) -> None:
    """Cancels the tasks of a group: they have ended."""


def compss_snapshot() -> None:
    """Takes a checkpoint of the runtime: there is none."""


def compss_get_number_of_resources() -> int:
    """1: this machine."""
    return 1


def compss_request_resources(num_resources: int, group_name: str | None = None) -> None:
    """Asks for more resources: there are no others."""


def compss_free_resources(num_resources: int, group_name: str | None = None) -> None:
    """Gives resources back: there are no others."""


def compss_set_wall_clock(wall_clock_limit: int) -> None:
    """Limits the time of the application: nothing watches it here."""


class TaskGroup:
    """A context whose tasks belong to a group. An exception of a task leaves it at once."""

    def __init__(self, group_name: str, implicit_barrier: bool = True, **_: Any) -> None:
        self.group_name = group_name

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
