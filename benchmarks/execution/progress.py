"""The progress of a sweep: a bar on a terminal, plain lines in a log."""

import sys

from tqdm import tqdm

from benchmarks.records.record import OK, RunRecord

# Terminal codes: Lightning leaves the bars of a run behind, which the next line would overlap.
SAVE_CURSOR, ERASE_SINCE = "\r\x1b7", "\x1b8\x1b[J"


class Progress:
    """Reports each run in a line; on a terminal above a bar, under which Lightning's moves."""

    def __init__(self, titles: list[str], shows_steps: bool) -> None:
        self._numbers = {title: number for number, title in enumerate(titles, 1)}
        self._on_terminal = sys.stdout.isatty()
        self._has_inner_bar = self._on_terminal and shows_steps
        self._is_inner_bar_shown = False
        # Lightning draws the steps of the running process on the next line, position 2.
        self._bar = tqdm(
            total=len(titles),
            unit="run",
            position=1,
            disable=not self._on_terminal,
            file=sys.stdout,
        )
        self._awaited: set[str] = set()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def started(self, title: str, why: str) -> None:
        """Report that a run begins, and why it was not cached."""
        self._bar.set_description(title)
        line = self._start(title) + (f", {why}" if why else "")
        if not self._on_terminal:
            print(f"{line} ...", flush=True)
        elif why:
            self._bar.write(line, file=sys.stdout)
        self._begin_inner_bar()

    def ended(self, title: str, outcome: str) -> None:
        self._erase_inner_bar()
        self._bar.write(f"{self._start(title)}: {outcome}", file=sys.stdout)
        self._bar.update()

    def waits(self, title: str) -> None:
        if title not in self._awaited:
            self._awaited.add(title)
            self.say(f"{self._start(title)}: another sweep runs it, waiting")

    def say(self, line: str) -> None:
        was_shown = self._is_inner_bar_shown
        self._erase_inner_bar()
        self._bar.write(line, file=sys.stdout)
        if was_shown:
            self._begin_inner_bar()

    def _begin_inner_bar(self) -> None:
        if self._has_inner_bar:
            print(SAVE_CURSOR, end="", flush=True)
            self._is_inner_bar_shown = True

    def _erase_inner_bar(self) -> None:
        if self._is_inner_bar_shown:
            print(ERASE_SINCE, end="", flush=True)
            self._is_inner_bar_shown = False

    def _start(self, title: str) -> str:
        return f"[{self._numbers[title]}/{len(self._numbers)}] {title}"


def outcome(record: RunRecord) -> str:
    """How a run ended, in a line."""
    if record.status != OK:
        return f"{record.status}: {record.error}"
    scores, speed, resources = record.scores, record.speed, record.resources
    split = "test" if scores.validation_accuracy is None else "validation"
    parts = [f"{split} accuracy {getattr(scores, f'{split}_accuracy'):.3f}"]
    if (mean_iou := getattr(scores, f"{split}_mean_iou")) is not None:
        parts.append(f"mean IoU {mean_iou:.3f}")
    parts += [f"{speed.examples_per_sec:,.0f} examples/sec", f"{resources.fit_seconds:.0f} s"]
    return ", ".join(parts + ["resumed"] * bool(resources.resumed))
