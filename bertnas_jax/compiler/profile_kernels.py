"""Time of every kernel call of a compiled model, measured while the whole model runs."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence

import numpy as np

from bertnas_jax.compiler.build import CompiledModel


@dataclasses.dataclass(frozen=True)
class KernelTime:
    """The median time of one call of a kernel in its place, weights as cold as in real use."""

    name: str
    median_us: float


def profile_kernels(
    compiled: CompiledModel, inputs: Sequence[np.ndarray], repeats: int = 20, warmup: int = 3
) -> tuple[KernelTime, ...]:
    """The time of every kernel call, in the order of `list_kernels`.

    Threads are those of `set_num_threads`. The two clock reads of a call cost about 1 us.
    """
    if repeats < 1 or warmup < 0:
        raise ValueError(f"repeats must be at least 1 and warmup not negative, got {repeats} and {warmup}; use 20 and 3")
    names: list[str] = []
    runs: list[list[float]] = []
    for run in range(warmup + repeats):
        calls = _time_calls(compiled, inputs)
        names = [name for name, _ in calls]
        if run >= warmup:
            runs.append([elapsed_us for _, elapsed_us in calls])
    medians = [statistics.median(times) for times in zip(*runs, strict=True)]
    return tuple(KernelTime(name, median_us) for name, median_us in zip(names, medians, strict=True))


def _time_calls(compiled: CompiledModel, inputs: Sequence[np.ndarray]) -> list[tuple[str, float]]:
    """(name, microseconds) of every kernel call of one run."""
    calls: list[tuple[str, float]] = []
    start_ns = 0

    def instrument(function, name: str, before_run: bool, result, *arguments) -> int:
        nonlocal start_ns
        if not before_run:
            calls.append((name, (time.perf_counter_ns() - start_ns) / 1e3))
        start_ns = time.perf_counter_ns()
        return 0  # VMInstrumentReturnKind.NO_OP

    compiled.run_instrumented(instrument, *inputs)
    # The machine's own instructions (allocation, tuples) are called through the same hook.
    return [(name, elapsed_us) for name, elapsed_us in calls if not name.startswith("vm.builtin.")]
