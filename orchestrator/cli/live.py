"""The live view on a terminal: what runs now, what was done, what jobs say."""

from __future__ import annotations

import time
from contextlib import suppress
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.cli.progress import Progress, StepProgress
from orchestrator.cli.terminal import COLOURS, Terminal, one_line, shortened, text_width
from orchestrator.cli.text import counted, duration
from orchestrator.state import Event

_DONE_SHOWN = 3
_OUTPUT_SHOWN = 5
_NAME_WIDTH = 44


class LiveView:
    """Draws the progress of an execution over and over, and leaves its last picture standing."""

    def __init__(self, progress: Progress, title: str, started: float, terminal: Terminal) -> None:
        self._progress = progress
        self._title = title
        self._started = started
        self._terminal = terminal
        self._console = Console(no_color=not terminal.colour, highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw(ended=True)
        with suppress(OSError):
            self._live.__exit__(kind, error, trace)

    def show(self, event: Event | None) -> None:
        """Take an event in; draw when there is none for a while."""
        if event is not None:
            self._progress.apply(event)
        else:
            self._draw()

    def _draw(self, *, ended: bool = False) -> None:
        size = self._console.size
        lines = picture(
            self._progress,
            self._title,
            self._started,
            time.time(),
            size=(size.width, size.height),
            terminal=self._terminal,
            ended=ended,
        )
        with suppress(OSError):  # the terminal is gone; what is shown goes on
            self._live.update(Text("\n").join(lines), refresh=True)


def picture(
    progress: Progress,
    title: str,
    started: float,
    now: float,
    *,
    size: tuple[int, int],
    terminal: Terminal,
    ended: bool = False,
) -> list[Text]:
    """The lines of the view at one moment, for a terminal of that width and height (columns, lines)."""
    width, height = size
    signs = terminal.symbols
    head = Text(shortened(one_line(title), max(width - 12, 8), signs.ellipsis), style="bold")
    head.append(f" {signs.dot} {duration(now - started)}", style="dim")
    if progress.cancelling and not ended:
        head.append(" cancelling", style="yellow")
    done, recent = progress.by_state("done", "skipped"), progress.newest_done(_DONE_SHOWN)
    running, broken = progress.by_state("running"), progress.by_state("failed", "cancelled")
    waiting = progress.by_state("waiting")
    output = [] if ended else list(progress.output)[-_OUTPUT_SHOWN:] if running else []
    room = max(height - 6 - len(output) - len(recent), 2)
    lines = [head]
    if len(done) > len(recent):
        folded = len(done) - len(recent)
        lines.append(Text.assemble((signs.done, "green"), f" {counted(folded, 'step')} done"))
    steps = [*recent, *broken, *running]
    name_width = min(max((text_width(step.step.title) for step in steps), default=0), _NAME_WIDTH, max(width // 2, 12))
    lines += [_step_line(step, now, name_width, width, terminal) for step in recent]
    active = [*broken, *running]
    lines += [_step_line(step, now, name_width, width, terminal) for step in active[:room]]
    if len(active) > room:
        lines.append(Text(f"  {signs.ellipsis} and {len(active) - room} more", style="dim"))
    if waiting:
        lines.append(Text(f"{signs.waiting} {counted(len(waiting), 'step')} to go", style="dim"))
    for node, line in output:
        lines.append(Text(shortened(f"  {signs.bar} {node}: {line}", width - 1, signs.ellipsis), style="dim"))
    return lines


def _step_line(step: StepProgress, now: float, name_width: int, width: int, terminal: Terminal) -> Text:
    signs = terminal.symbols
    sign = {
        "done": signs.done,
        "failed": signs.failed,
        "cancelled": signs.cancelled,
        "skipped": signs.dot,
        "running": signs.running[int(now * 10) % len(signs.running)],
    }.get(step.state, signs.waiting)
    name = shortened(one_line(step.step.title), name_width, signs.ellipsis)
    took = step.elapsed(now)
    time_text = duration(took) if took is not None else ""
    text = f" {name}{' ' * (name_width - text_width(name))}  {step.step.site or '':<8} {time_text:>9}  {_detail(step)}"
    return Text.assemble(
        (sign, COLOURS.get(step.state, "")), shortened(text.rstrip(), width - text_width(sign) - 1, signs.ellipsis)
    )


def _detail(step: StepProgress) -> str:
    if step.state == "failed":
        return one_line(step.said)
    if step.state != "running":
        return ""
    if step.job_state:
        return f"job {step.job_state}"
    return f"job {step.job}" if step.job else one_line(step.said)
