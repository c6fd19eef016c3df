"""A plan carried out in sight of the user: a bar on a terminal, plain lines in a log."""

import sys
from pathlib import Path

from tqdm import tqdm

from benchmarks.executors import run_each
from benchmarks.plan import RunSpec
from benchmarks.records import OK, RecordStore, RunRecord

# Terminal codes: Lightning leaves the bars of a run behind, which the next line would overlap.
SAVE_CURSOR, ERASE_SINCE = "\r\x1b7", "\x1b8\x1b[J"


def sweep(specs: list[RunSpec], store: RecordStore, data_dir: Path, force: bool) -> list[RunRecord]:
    """Run what has not finished yet, and say what becomes of each run.

    Args:
        specs: the plan.
        store: keeps the records.
        data_dir: the data folder.
        force: run again what has finished.

    Raises:
        KeyboardInterrupt: with a sentence that says what is kept.
    """
    records = []
    due = []
    for spec in specs:
        record = None if force else store.finished(spec)
        if record is not None:
            print(f"{spec.title}: cached, {_outcome(record)}")
            records.append(record)
        else:
            due.append(spec)
    on_terminal = sys.stdout.isatty()
    # Lightning shows the steps of the running process on the next line, position 2.
    bar_options = {"unit": "run", "position": 1, "disable": not on_terminal, "file": sys.stdout}
    with tqdm(total=len(due), **bar_options) as bar:
        runs = run_each(due, store, data_dir, progress_bar=on_terminal)
        for number, spec in enumerate(due, start=1):
            start = f"[{number}/{len(due)}] {spec.title}"
            bar.set_description(spec.title)
            print(SAVE_CURSOR if on_terminal else f"{start} ...\n", end="", flush=True)
            try:
                record = next(runs)
            except KeyboardInterrupt:
                done = sum(record.status == OK for record in records)
                kept = f"{done} of {len(specs)} runs are finished and kept in {store.root}"
                raise KeyboardInterrupt(f"{kept}; the same command goes on") from None
            records.append(record)
            print(ERASE_SINCE if on_terminal else "", end="", flush=True)
            bar.write(f"{start}: {_outcome(record)}", file=sys.stdout)
            bar.update()
    return records


def _outcome(record: RunRecord) -> str:
    if record.status != OK:
        return f"{record.status}: {record.error}"
    split = "test" if record.validation_accuracy is None else "validation"
    scores = f"{split} accuracy {getattr(record, f'{split}_accuracy'):.3f}"
    if (mean_iou := getattr(record, f"{split}_mean_iou")) is not None:
        scores += f", mean IoU {mean_iou:.3f}"
    speed = f"{record.examples_per_sec:,.0f} examples/sec, {record.fit_seconds:.0f} s"
    return f"{scores}, {speed}"
