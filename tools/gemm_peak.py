"""Measures how much of the machine's FMA peak our scheduled GEMMs reach, and writes it to a dated JSON.

The peak is a loop of fused multiply-adds on registers only, compiled here by gcc; the GEMMs are
bias-fused products of float32, compiled by bertnas_jax.compiler. Peak and GEMMs are measured in
turns. The share of the peak compares rates per second of CPU time, so that other processes do not
change it; rates by the clock are those of an idle machine only if the load average is near 0.

  python tools/gemm_peak.py --rounds 15
"""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import dataclasses
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import tvm
from tvm import relax

from bertnas_jax.compiler import host_target, jaxpr_to_relax, lower, set_num_threads
from bertnas_jax.compiler.build import build_executable

# Rows, inner, columns: the projections and feed-forward products of BERT widths 384 and 768 at L = 128.
SHAPES = ((128, 384, 384), (128, 384, 1536), (128, 1536, 384), (128, 768, 3072))
# 12 chains of 8 lanes hide the latency of FMA; the volatile sink keeps the loop.
PEAK_SOURCE = """
#include <immintrin.h>
volatile float sink;
void peak(long rounds) {
  __m256 a[12], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-3f);
  for (int i = 0; i < 12; i++) a[i] = _mm256_set1_ps((float)i);
  for (long r = 0; r < rounds; r++)
    for (int i = 0; i < 12; i++) a[i] = _mm256_fmadd_ps(a[i], x, y);
  for (int i = 0; i < 12; i++) sink = _mm256_cvtss_f32(a[i]);
}
"""
PEAK_ROUNDS = 10_000_000
PEAK_FLOPS = PEAK_ROUNDS * 12 * 8 * 2
SETTLE_S = 0.1  # TVM's idle threads spin for a while before they sleep, and would count as CPU time
TURN_FLOPS = 2_000_000_000  # about 20 ms a thread


def compile_peak(folder: pathlib.Path) -> Callable[[int], None]:
    """A function that runs the register-only loop."""
    source, library = folder / "peak.c", folder / "peak.so"
    source.write_text(PEAK_SOURCE)
    subprocess.run(["gcc", "-O3", "-march=native", "-funroll-loops", "-shared", "-fPIC", source, "-o", library], check=True)
    peak = ctypes.CDLL(str(library)).peak
    peak.argtypes = [ctypes.c_long]
    return peak


@dataclasses.dataclass(frozen=True)
class Rate:
    """GFLOP/s by the clock, and per second of CPU time, which other processes do not change."""

    wall_gflops: float
    core_gflops: float


def measure_rate(work: Callable[[], object], flops: int) -> Rate:
    """The rate of work that is that many FLOPs."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Rate(flops / wall / 1e9, flops / cpu / 1e9)


def compile_gemm(rows: int, inner: int, columns: int) -> Callable[[], None]:
    """A function that runs x W + b once."""
    rng = np.random.default_rng(0)
    weights = jnp.asarray(rng.standard_normal((inner, columns)), jnp.float32)
    bias = jnp.asarray(rng.standard_normal((1, columns)), jnp.float32)
    aval = jax.ShapeDtypeStruct((rows, inner), jnp.float32)
    target = host_target()
    lowered = lower(jaxpr_to_relax(lambda x: x @ weights + bias, aval, names=("x",)), target)
    main = relax.VirtualMachine(build_executable(lowered, target), tvm.cpu())["main"]
    x = tvm.runtime.tensor(rng.standard_normal((rows, inner)).astype(np.float32))
    return lambda: main(x)


def measure(rounds: int) -> list[dict]:
    """One row per number of threads and shape, over rounds that take peak and GEMM in turns."""
    gemms = {shape: compile_gemm(*shape) for shape in SHAPES}
    threads = sorted({1, len(os.sched_getaffinity(0))})
    turns: dict[tuple, list[tuple[Rate, Rate]]] = {(count, shape): [] for count in threads for shape in SHAPES}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(max(threads)) as pool:
        peak = compile_peak(pathlib.Path(folder))
        for _ in range(rounds):
            for count in threads:
                set_num_threads(count)
                for shape, gemm in gemms.items():
                    flops = 2 * shape[0] * shape[1] * shape[2]
                    calls = max(1, TURN_FLOPS * count // flops)
                    time.sleep(SETTLE_S)
                    top = measure_rate(lambda: list(pool.map(peak, [PEAK_ROUNDS] * count)), count * PEAK_FLOPS)
                    turns[count, shape].append((measure_rate(lambda: [gemm() for _ in range(calls)], calls * flops), top))
    return [summarise(count, shape, pairs) for (count, shape), pairs in turns.items()]


def summarise(threads: int, shape: tuple[int, int, int], pairs: list[tuple[Rate, Rate]]) -> dict:
    """Medians of one shape, in GFLOP/s; the share compares rates per second of CPU time."""
    gemms, peaks = zip(*pairs, strict=True)
    return {
        "threads": threads,
        "dtype": "float32",
        "shape_mkn": list(shape),
        "gflops_median": round(statistics.median(rate.wall_gflops for rate in gemms), 1),
        "gflops_per_core_median": round(statistics.median(rate.core_gflops for rate in gemms), 1),
        "peak_gflops_median": round(statistics.median(rate.wall_gflops for rate in peaks), 1),
        "peak_gflops_per_core_median": round(statistics.median(rate.core_gflops for rate in peaks), 1),
        "share_of_peak_median": round(statistics.median(rate.core_gflops / top.core_gflops for rate, top in pairs), 3),
    }


def cpu_model() -> str:
    """The CPU's name as Linux reports it."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="turns to take the median of (default 15, about a minute)")
    parser.add_argument("--output", type=pathlib.Path, help="file to write (default benchmarks/results/gemm_peak_DATE.json)")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {arguments.rounds}; use 15")
    date = datetime.date.today().isoformat()
    result = {
        "date": date,
        "machine": {"cpu": cpu_model(), "cores": len(os.sched_getaffinity(0)), "target": str(host_target().attrs["mcpu"])},
        "load_average_1min": round(os.getloadavg()[0], 2),
        "versions": {name: importlib.metadata.version(name) for name in ("apache-tvm", "jax", "numpy")},
        "rounds": arguments.rounds,
        "gemms": measure(arguments.rounds),
    }
    default = pathlib.Path(__file__).parent.parent / "benchmarks" / "results" / f"gemm_peak_{date}.json"
    output = arguments.output or default
    output.write_text(json.dumps(result, indent=1) + "\n")
    for row in result["gemms"]:
        rate, share = row["gflops_median"], row["share_of_peak_median"]
        print(f"{row['threads']} threads {row['shape_mkn']}: {rate} GFLOP/s by the clock, {share:.0%} of peak per core")
    print(f"written to {output}")


if __name__ == "__main__":
    main()
