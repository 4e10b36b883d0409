"""Measures how much of the machine's FMA peak our scheduled GEMMs reach, and writes it to a dated JSON.

The peak is a loop of fused multiply-adds on registers only (bertnas_jax.latency.fma_peak); the GEMMs are
bias-fused products of float32, compiled by bertnas_jax.compiler. Peak and GEMMs are measured in
turns; the share of the peak is the median over turns of the ratio of their rates by the clock.

  python tools/gemm_peak.py --rounds 15
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
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
from bertnas_jax.latency import usable_cores
from bertnas_jax.latency.fma_peak import fma_peak

# Rows, inner, columns: the projections and feed-forward products of BERT widths 384 and 768 at L = 128.
SHAPES = ((128, 384, 384), (128, 384, 1536), (128, 1536, 384), (128, 768, 3072))
PEAK_ROUNDS = 30_000_000
SETTLE_S = 0.1  # TVM's idle threads spin for a while before they sleep, and would slow the peak loop
TURN_FLOPS = 2_000_000_000  # about 20 ms a thread


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
    cores = usable_cores()
    threads = sorted({1, len(cores)})
    turns: dict[tuple, list[tuple[float, float]]] = {(count, shape): [] for count in threads for shape in SHAPES}
    with contextlib.ExitStack() as stack:
        peaks = {count: stack.enter_context(fma_peak(cores[:count], PEAK_ROUNDS)) for count in threads}
        for _ in range(rounds):
            for count in threads:
                set_num_threads(count)
                for shape, gemm in gemms.items():
                    flops = 2 * shape[0] * shape[1] * shape[2]
                    calls = max(1, TURN_FLOPS * count // flops)
                    time.sleep(SETTLE_S)
                    top = measure_gflops(peaks[count].run, peaks[count].flops)
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
