"""The rate of fused multiply-adds that this machine's cores reach on registers alone, in float32.

What a share of the peak is a share of: a loop compiled here by gcc, run in turn with what it is compared with.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence

# 12 chains of a register's lanes hide the latency of FMA; the volatile sink keeps the loop.
_SOURCE = """
#include <immintrin.h>
#ifdef __AVX512F__
#define VECTOR __m512
#define CALL(name) _mm512_##name
#else
#define VECTOR __m256
#define CALL(name) _mm256_##name
#endif
enum { CHAINS = 12 };
volatile float sink;
long flops_of_round(void) { return 2 * CHAINS * sizeof(VECTOR) / sizeof(float); }
void peak(long rounds) {
  VECTOR a[CHAINS], x = CALL(set1_ps)(0.999f), y = CALL(set1_ps)(1e-3f);
  for (int i = 0; i < CHAINS; i++) a[i] = CALL(set1_ps)((float)i);
  for (long r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) a[i] = CALL(fmadd_ps)(a[i], x, y);
  for (int i = 0; i < CHAINS; i++) sink = CALL(cvtss_f32)(a[i]);
}
"""
_FLAGS = ("-O3", "-march=native", "-funroll-loops", "-shared", "-fPIC")


class FmaPeak:
    """The loop on these cores at once; `flops` is what one run does on all of them."""

    def __init__(self, library: ctypes.CDLL, cores: Sequence[int], pool: concurrent.futures.Executor, rounds: int):
        library.flops_of_round.restype = ctypes.c_long
        library.peak.argtypes = [ctypes.c_long]
        self._peak, self._cores, self._pool, self._rounds = library.peak, tuple(cores), pool, rounds
        self.flops: int = rounds * len(self._cores) * library.flops_of_round()

    def run(self) -> None:
        """Runs the loop once on each core."""
        for _ in self._pool.map(self._run_on, self._cores):
            pass

    def _run_on(self, core: int) -> None:
        os.sched_setaffinity(0, {core})  # of this worker thread: two of them must not share a core
        self._peak(self._rounds)


@contextlib.contextmanager
def fma_peak(cores: Sequence[int], rounds: int = 10_000_000) -> Iterator[FmaPeak]:
    """The loop, compiled and ready; 10 million rounds take some 20 ms.

    Raises:
      RuntimeError: there is no gcc, or it cannot compile the loop for this CPU.
    """
    with loops_in_c(_SOURCE) as library, concurrent.futures.ThreadPoolExecutor(len(cores)) as pool:
        yield FmaPeak(library, cores, pool, rounds)


@contextlib.contextmanager
def loops_in_c(source: str) -> Iterator[ctypes.CDLL]:
    """The functions of a C source, compiled for this CPU.

    Raises:
      RuntimeError: there is no gcc, or it cannot compile them for this CPU.
    """
    if not shutil.which("gcc"):
        raise RuntimeError("gcc must be installed to compile the loop that the peak is measured by, found none; install the package gcc")
    with tempfile.TemporaryDirectory() as folder:
        file, library = pathlib.Path(folder, "loops.c"), pathlib.Path(folder, "loops.so")
        file.write_text(source)
        done = subprocess.run(["gcc", *_FLAGS, file, "-o", library], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the CPU must have AVX2 and FMA for gcc to compile the peak's loop, got {done.stderr[-500:]}; use an x86-64-v3 machine")
        yield ctypes.CDLL(str(library))
