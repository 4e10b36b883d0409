"""A compiled model timed in processes of its own: where a process happens to put a model in memory moves its latency by some percent."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
import os
import pathlib

from tqdm import tqdm

from bertnas_jax.compiler import load_compiled, set_num_threads
from bertnas_jax.export import TfliteModel
from bertnas_jax.latency import Timing, full_inputs, measure_interleaved, pinned


@dataclasses.dataclass(frozen=True)
class Fresh:
    """What a process of its own measured, and its number."""

    timing: Timing
    process: int


def timed_afresh(library: pathlib.Path, reference: pathlib.Path, seq_len: int, threads: int, rounds: int, processes: int) -> list[Fresh]:
    """Timings of a compiled library in turn with a .tflite file, in that many processes one after another.

    Raises:
      RuntimeError: a process ends before it has measured.
    """
    found = []
    for _ in tqdm(range(processes), desc="timing in fresh processes", unit="process", disable=processes < 2):
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                found.append(pool.submit(_time, library, reference, seq_len, threads, rounds).result())
            except concurrent.futures.process.BrokenProcessPool as reason:
                raise RuntimeError(f"{library} must be timed in a process of its own, got one that ended: {reason}; is there memory left?") from reason
    return found


def _time(library: pathlib.Path, reference: pathlib.Path, seq_len: int, threads: int, rounds: int) -> Fresh:
    compiled, inputs = load_compiled(library), full_inputs(seq_len)
    with pinned(threads):
        set_num_threads(threads)
        beside = TfliteModel(reference, threads)
        runners = {"model": lambda: compiled.run(*inputs), "reference": lambda: beside.run(*inputs)}
        return Fresh(measure_interleaved(runners, "reference", rounds, progress=False)["model"], os.getpid())
