"""Who carries out a plan: on this machine, one fresh process after the other."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import torch

from benchmarks.plan import RunSpec
from benchmarks.records import FAILED, RecordStore, RunRecord
from datamodules import DataError


def run_each(
    specs: list[RunSpec], store: RecordStore, data_dir: Path, progress_bar: bool
) -> Iterator[RunRecord]:
    """Carry out runs in turn, each in a process of its own, and yield what each left behind.

    Whatever becomes of a run, it leaves a record, and the next one starts.
    """
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    # Imports are paid for once: each run is forked from a server that has them all.
    context.set_forkserver_preload(["benchmarks.train"])
    if context.get_start_method() == "forkserver":
        # Ctrl-C reaches every process of the terminal; the parent answers for all.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        forkserver.ensure_running()
        signal.signal(signal.SIGINT, handler)
    for spec in specs:
        process = context.Process(target=_run, args=(spec, store, data_dir, progress_bar))
        process.start()
        try:
            process.join()
        except BaseException:
            process.kill()
            process.join()
            raise
        if process.exitcode != 0:
            reason = f"its process ended with status {process.exitcode}"
            if process.exitcode < 0:
                reason = f"its process was killed by {signal.Signals(-process.exitcode).name}"
            store.write(spec, RunRecord.of(spec, status=FAILED, error=reason))
        yield store.find(spec)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _run(spec: RunSpec, store: RecordStore, data_dir: Path, progress_bar: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from benchmarks.train import train
    from lit_models.classifier import DivergedError

    try:
        record = train(spec, data_dir, progress_bar)
    except (DivergedError, DataError, torch.OutOfMemoryError) as error:
        record = RunRecord.of(spec, status=FAILED, error=str(error).splitlines()[0])
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        summary = traceback.format_exception_only(error)[-1].strip()
        record = RunRecord.of(spec, status=FAILED, error=summary)
    store.write(spec, record)
