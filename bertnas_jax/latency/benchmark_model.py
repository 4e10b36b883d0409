"""LiteRT's benchmark_model on a phone: its command, and what it prints.

Source of the flags: tensorflow/lite/tools/benchmark/README.md.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Sequence

from bertnas_jax.latency.adb import REMOTE, Adb

PROGRAM = "benchmark_model"
# Of what it draws its inputs, both ends included: ids that every vocabulary has, a sentence without padding, one segment.
_RANGES = {"input_ids": (0, 99), "attention_mask": (1, 1), "token_type_ids": (0, 0)}
_STATISTICS = re.compile(r"\bcount=(\d+)((?: [a-z0-9]+=\S+)+)")
_AVERAGE = re.compile(r"Inference \(avg\): (\S+)")
_PEAK = re.compile(r"Overall peak memory footprint \(MB\) via periodic monitoring: (\S+)")


@dataclasses.dataclass(frozen=True)
class BenchmarkOutput:
    """What benchmark_model tells of its timed runs; None is what it did not tell (percentiles: versions before 2024)."""

    runs: int
    mean_ms: float
    std_ms: float
    median_ms: float | None
    p95_ms: float | None
    peak_mb: float | None


def benchmark_command(model: str, seq_len: int, threads: int, runs: int, warmup: int, mask: str = "", gpu: bool = False) -> list[str]:
    """The command for the phone, model and program being in `REMOTE`; `mask` as `taskset` takes it, '' for any core."""
    pinned = ["taskset", mask] if mask else []
    delegate = "--use_gpu=true" if gpu else "--use_xnnpack=true"
    # The defaults of min_secs are 1 and of warmup_min_secs 0.5: with 0 the runs are as many as asked for.
    counts = [f"--warmup_runs={warmup}", "--warmup_min_secs=0", f"--num_runs={runs}", "--min_secs=0"]
    graph = [f"--graph={REMOTE}/{model}", f"--num_threads={threads}"]
    ranges = ":".join(f"{name},{least},{most}" for name, (least, most) in _RANGES.items())
    shapes = ":".join([f"1,{seq_len}"] * len(_RANGES))
    # Without a range it draws any int32, and the lookup of an id that the vocabulary lacks fails.
    inputs = [f"--input_layer={','.join(_RANGES)}", f"--input_layer_shape={shapes}", f"--input_layer_value_range={ranges}"]
    return [*pinned, f"{REMOTE}/{PROGRAM}", *graph, *inputs, delegate, *counts, "--report_peak_memory_footprint=true"]


def parse_benchmark(text: str) -> BenchmarkOutput:
    """What its output tells of the timed runs, the last of its lines of statistics before the summary; microseconds there.

    Raises:
      ValueError: it ends without results.
    """
    average = _AVERAGE.search(text)
    lines = _STATISTICS.findall(text[: average.start()] if average else "")
    if average is None or not lines:
        raise ValueError(f"benchmark_model must end with its timings, got {text.strip()[-500:]!r}; see what it says above")
    count, rest = lines[-1]
    us = {name: float(value) for name, value in (pair.split("=") for pair in rest.split())}
    mean_us = us.get("avg", float(average[1]))  # one run alone prints count and curr
    peak = _PEAK.search(text)
    return BenchmarkOutput(
        int(count),
        mean_us / 1e3,
        us.get("std", 0.0) / 1e3,
        us["median"] / 1e3 if "median" in us else None,
        us["p95"] / 1e3 if "p95" in us else None,
        float(peak[1]) if peak else None,
    )


def measure_tflite(phone: Adb, program: pathlib.Path, model: pathlib.Path, command: Sequence[str]) -> BenchmarkOutput:
    """Pushes benchmark_model and the .tflite file, runs `benchmark_command`'s command, and reads the output."""
    if program.name != PROGRAM:
        raise ValueError(f"benchmark_model must be a file of that name, got {program}; give the path of LiteRT's Android binary")
    phone.push([program, model])
    phone.shell(["chmod", "+x", f"{REMOTE}/{PROGRAM}"])
    return parse_benchmark(phone.shell(command))
