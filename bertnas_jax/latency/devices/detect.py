"""The profile of the machine this runs on: rates measured by loops compiled here, caches as the kernel tells them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import functools
import os
import pathlib
import time
from collections.abc import Callable, Sequence

from bertnas_jax.host_caches import CACHES, read_data_cache
from bertnas_jax.latency.device import describe_host
from bertnas_jax.latency.dot_peak import DOT_DTYPES, dot_peak
from bertnas_jax.latency.fma_peak import fma_peak, loops_in_c
from bertnas_jax.latency.measure import measure_interleaved
from bertnas_jax.latency.pinning import usable_cores

# Each rotation waits for the one before, one cycle on every x86 core with AVX2 (Source: A. Fog, instruction tables, ROR);
# the sums are of a memory larger than caches, in eight chains.
_SOURCE = """
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
enum { ROTATIONS = 64 };
volatile unsigned long kept;
long cycles_of_round(void) { return ROTATIONS; }
void rotate(long rounds) {
  unsigned long x = 0x123456789abcdefUL;
  for (long r = 0; r < rounds; r++)
#pragma GCC unroll 64
    for (int i = 0; i < ROTATIONS; i++) { x = (x >> 1) | (x << 63); __asm__ volatile("" : "+r"(x)); }
  kept = x;
}
float *filled(size_t count) { float *numbers = malloc(count * sizeof(float)); if (numbers) memset(numbers, 1, count * sizeof(float)); return numbers; }
void released(float *numbers) { free(numbers); }
volatile float total;
void sweep(const float *numbers, size_t count) {
  typedef float vector __attribute__((vector_size(32)));
  const vector *from = (const vector *)__builtin_assume_aligned(numbers, 16);
  vector sums[8] = {0};
  for (size_t i = 0; i + 8 <= count / 8; i += 8)
    for (int j = 0; j < 8; j++) { vector next; memcpy(&next, from + i + j, sizeof next); sums[j] += next; }
  for (int j = 0; j < 8; j++) total = sums[j][0];
}
"""
_REPEATS = 7  # the fastest counts: a neighbour only ever takes away
_ROUNDS, _SWEPT_FLOATS = 100_000, 32 << 20  # some 2 ms, and 128 MiB a core: twice what the largest desktop's caches hold
_FMA_ROUNDS, _TURNS = 1_000_000, 30  # some 2 to 10 ms a loop
_FMA = "float32"
_RATES = (16, 32, 64)  # FLOP a cycle that x86 cores with AVX2 have: one or two FMAs of 256 bits, two of 512
_ASSUMED_KIB = {"l1d_kib": (1, 32.0), "l2_kib": (2, 512.0), "l3_kib": (3, 0.0)}


def detect_host() -> dict:
    """The fields of a profile file for this machine, measured in some seconds.

    Raises:
      RuntimeError: there is no gcc, or the CPU has no AVX2 and FMA.
    """
    host, cores = describe_host(), usable_cores()
    with loops_in_c(_SOURCE) as library:
        rates = _rates(library, cores[0], host.isa)
        alone_gb_s, together_gb_s = (_read_gb_s(library, used) for used in (cores[:1], cores))
    caches = {name: _cache_kib(level, usual) for name, (level, usual) in _ASSUMED_KIB.items()}
    cluster = {
        "label": "large",
        "core": host.cpu,
        "cores": _figure(len(cores), "cores", "the cores this process may run on", "measured"),
        **rates,
        "issue_width": _figure(6, "instructions/cycle", "assumed: that of the x86 cores of the last years", "assumed"),
        "out_of_order": _figure(1, "1 if out of order, 0 if in order", "assumed: every x86 core with AVX2 is", "assumed"),
        "l1d_kib": caches["l1d_kib"],
        "l2_kib": caches["l2_kib"],
        "stream_gb_s": _figure(alone_gb_s, "GB/s", "a sum over 128 MiB on one core", "measured"),
    }
    dram = _figure(max(alone_gb_s, together_gb_s), "GB/s", "the most that one core or all at once read in such sums", "measured")
    shared = {"l3_kib": caches["l3_kib"], "dram_gb_s": dram}
    return {"title": f"This machine: {host.cpu}", "soc": host.cpu, "clusters": [cluster], "cpu": shared, "gpu": None}


def _rates(library: ctypes.CDLL, core: int, isa: Sequence[str]) -> dict:
    """Clock, operations a cycle and vector width.

    Loops of all dtypes run in turn, for the clock moves meanwhile: an integer's rate is its median ratio to that of the multiply-adds.
    """
    with contextlib.ExitStack() as stack:
        peaks = {_FMA: stack.enter_context(fma_peak([core], _FMA_ROUNDS))}
        peaks |= {dtype: stack.enter_context(dot_peak(dtype, [core], _FMA_ROUNDS)) for dtype in DOT_DTYPES}
        timings = measure_interleaved({dtype: peak.run for dtype, peak in peaks.items()}, _FMA, _TURNS, progress=False)
    rotations_ghz = _clock_ghz(library)
    peak_gflops = round(peaks[_FMA].flops / min(timings[_FMA].samples_ms) / 1e6, 1)
    per_cycle = min(_RATES, key=lambda rate: abs(rate - peak_gflops / rotations_ghz))
    # The clock that products run at: wide vectors may have a lower one than rotations.
    clock_ghz = round(peak_gflops / per_cycle, 3)
    clock = f"{peak_gflops:.1f} GFLOP/s of a loop of multiply-adds at {per_cycle} FLOP/cycle"
    rate = f"the nearest rate to {peak_gflops:.1f} GFLOP/s at {rotations_ghz:.2f} GHz, one rotation a cycle"
    return {
        "clock_ghz": _figure(clock_ghz, "GHz", clock, "measured"),
        "sustained_share": _figure(1.0, "share of the clock", "assumed: no throttling, as in a short benchmark with pauses", "assumed"),
        "float32_per_cycle": _figure(per_cycle, "FLOP/cycle", rate, "measured"),
        "float16_per_cycle": None,
        **{f"{dtype}_per_cycle": _dot_rate(dtype, per_cycle * peaks[dtype].flops / peaks[_FMA].flops / timings[dtype].ratio) for dtype in DOT_DTYPES},
        "vector_bits": _figure(512 if "avx512f" in isa else 256, "bits", "the instruction sets that /proc/cpuinfo lists", "published"),
    }


@functools.cache
def detected_host() -> dict:
    """The same, measured once a process."""
    return detect_host()


def _figure(value: float, unit: str, source: str, basis: str) -> dict:
    return {"value": value, "unit": unit, "source": source, "basis": basis}


def _dot_rate(dtype: str, per_cycle: float) -> dict:
    """What the instruction of int8 products does."""
    source = f"a loop of the compiler's instruction for weights in {dtype}, in turn with that of multiply-adds"
    return _figure(round(per_cycle, 1), "op/cycle", source, "measured")


def _fastest_s(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _clock_ghz(library: ctypes.CDLL) -> float:
    library.cycles_of_round.restype, library.rotate.argtypes = ctypes.c_long, [ctypes.c_long]
    return _ROUNDS * library.cycles_of_round() / _fastest_s(lambda: library.rotate(_ROUNDS)) / 1e9


def _read_gb_s(library: ctypes.CDLL, cores: Sequence[int]) -> float:
    """What sums over memory of their own read on these cores together."""
    library.filled.restype, library.filled.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.released.argtypes, library.sweep.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_size_t]

    def sweep(core: int, numbers: int) -> None:
        os.sched_setaffinity(0, {core})  # of this worker thread
        library.sweep(numbers, _SWEPT_FLOATS)

    memory = [library.filled(_SWEPT_FLOATS) for _ in cores]
    try:
        if not all(memory):
            raise RuntimeError(f"memory must have {len(cores) * _SWEPT_FLOATS >> 18} MiB free to measure its bandwidth, got less; close something")
        with concurrent.futures.ThreadPoolExecutor(len(cores)) as pool:
            elapsed_s = _fastest_s(lambda: list(pool.map(sweep, cores, memory)))
    finally:
        for numbers in memory:
            library.released(numbers)
    return round(4 * _SWEPT_FLOATS * len(cores) / elapsed_s / 1e9, 1)


def _cache_kib(level: int, usual: float, folder: pathlib.Path = CACHES) -> dict:
    """A data cache's size as the kernel tells it, or the usual one where it tells none."""
    if found := read_data_cache(level, folder):
        return _figure(found[0] / 1024, "KiB", str(found[1]), "published")
    return _figure(usual, "KiB", f"assumed: {folder} tells no level {level}", "assumed")
