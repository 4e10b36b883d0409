"""Measures how much of the machine's FMA peak our scheduled GEMMs reach, and writes it to a dated JSON.

The peak is a loop of fused multiply-adds on registers only, compiled here by gcc; the GEMMs are
bias-fused products of float32, compiled by bertnas_jax.compiler. Peak and GEMMs are measured in
turns; the share of the peak is the median over turns of the ratio of their rates by the clock.

  python tools/gemm_peak.py --rounds 15
"""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import os
import pathlib
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

from bertnas_jax.benchmark import write_result
from bertnas_jax.compiler import host_target, jaxpr_to_relax, lower, set_num_threads
from bertnas_jax.compiler.build import build_executable
from bertnas_jax.compiler.vector_unit import vector_unit

# Rows, inner, columns: the projections and feed-forward products of BERT widths 384 and 768 at L = 128.
SHAPES = ((128, 384, 384), (128, 384, 1536), (128, 1536, 384), (128, 768, 3072))
# 12 chains of a register's lanes hide the latency of FMA; the volatile sink keeps the loop.
PEAK_SOURCE = """
#include <immintrin.h>
#ifdef __AVX512F__
#define VECTOR __m512
#define CALL(name) _mm512_##name
#else
#define VECTOR __m256
#define CALL(name) _mm256_##name
#endif
volatile float sink;
void peak(long rounds) {
  VECTOR a[12], x = CALL(set1_ps)(0.999f), y = CALL(set1_ps)(1e-3f);
  for (int i = 0; i < 12; i++) a[i] = CALL(set1_ps)((float)i);
  for (long r = 0; r < rounds; r++)
    for (int i = 0; i < 12; i++) a[i] = CALL(fmadd_ps)(a[i], x, y);
  for (int i = 0; i < 12; i++) sink = CALL(cvtss_f32)(a[i]);
}
"""
PEAK_ROUNDS = 30_000_000
SETTLE_S = 0.1  # TVM's idle threads spin for a while before they sleep, and would slow the peak loop
TURN_FLOPS = 2_000_000_000  # about 20 ms a thread


def compile_peak(folder: pathlib.Path) -> Callable[[int], None]:
    """A function that runs the register-only loop."""
    source, library = folder / "peak.c", folder / "peak.so"
    source.write_text(PEAK_SOURCE)
    subprocess.run(["gcc", "-O3", "-march=native", "-funroll-loops", "-shared", "-fPIC", source, "-o", library], check=True)
    peak = ctypes.CDLL(str(library)).peak
    peak.argtypes = [ctypes.c_long]
    return peak


def measure_gflops(work: Callable[[], object], flops: int) -> float:
    """The rate of work that is that many FLOPs, by the clock."""
    start = time.perf_counter()
    work()
    return flops / (time.perf_counter() - start) / 1e9


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
    turns: dict[tuple, list[tuple[float, float]]] = {(count, shape): [] for count in threads for shape in SHAPES}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(max(threads)) as pool:
        peak, cores = compile_peak(pathlib.Path(folder)), sorted(os.sched_getaffinity(0))
        with host_target():
            peak_flops = PEAK_ROUNDS * 12 * vector_unit().lanes * 2

        def pinned_peak(core: int) -> None:
            os.sched_setaffinity(0, {core})  # of this worker thread: two of them must not share a core
            peak(PEAK_ROUNDS)

        for _ in range(rounds):
            for count in threads:
                set_num_threads(count)
                for shape, gemm in gemms.items():
                    flops = 2 * shape[0] * shape[1] * shape[2]
                    calls = max(1, TURN_FLOPS * count // flops)
                    time.sleep(SETTLE_S)
                    top = measure_gflops(lambda: list(pool.map(pinned_peak, cores[:count])), count * peak_flops)
                    turns[count, shape].append((measure_gflops(lambda: [gemm() for _ in range(calls)], calls * flops), top))
    return [summarise(count, shape, pairs) for (count, shape), pairs in turns.items()]


def summarise(threads: int, shape: tuple[int, int, int], pairs: list[tuple[float, float]]) -> dict:
    """Medians of one shape, in GFLOP/s, and of its share of the peak."""
    gemms, peaks = zip(*pairs, strict=True)
    return {
        "threads": threads,
        "dtype": "float32",
        "shape_mkn": list(shape),
        "gflops_median": round(statistics.median(gemms), 1),
        "peak_gflops_median": round(statistics.median(peaks), 1),
        "share_of_peak_median": round(statistics.median(gemm / peak for gemm, peak in pairs), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="turns to take the median of (default 15, about a minute)")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error(f"--rounds must be at least 1, got {rounds}; use 15")
    rows = measure(rounds)
    for row in rows:
        rate, share = row["gflops_median"], row["share_of_peak_median"]
        print(f"{row['threads']} threads {row['shape_mkn']}: {rate} GFLOP/s, {share:.0%} of the peak measured in the same turn")
    print(f"written to {write_result('gemm_peak', {'rounds': rounds, 'gemms': rows})}")


if __name__ == "__main__":
    main()
