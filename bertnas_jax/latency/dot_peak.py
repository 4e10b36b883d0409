"""The rate of the dot instructions that int8 products are made of, on registers alone: what the FMA peak is to float32.

The instruction of each precision is the one that the compiler takes for this CPU (compiler/integer_dot.py), with the
additions that it needs beside it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Iterator, Sequence

from bertnas_jax.latency.fma_peak import FmaPeak, loops_in_c

# In the compiler's order: VNNI of 512 bits, VNNI of 256, or else pairs multiplied and added. 12 chains of sums hide latencies;
# the empty asm makes a new operand of x for every step, or its products would be found once for all.
_SOURCE = """
#include <immintrin.h>
#if defined(__AVX512BW__)
#define VECTOR __m512i
#define CALL(name) _mm512_##name
#define ZERO _mm512_setzero_si512()
#else
#define VECTOR __m256i
#define CALL(name) _mm256_##name
#define ZERO _mm256_setzero_si256()
#endif
#if defined(__AVX512VNNI__)
#define PAIRS(a, x, y) _mm512_dpwssd_epi32(a, x, y)
#define FOURS(a, x, y) _mm512_dpbusd_epi32(a, x, y)
#define OF_FOURS 4
#elif defined(__AVXVNNI__) && !defined(__AVX512F__)
#define PAIRS(a, x, y) _mm256_dpwssd_avx_epi32(a, x, y)
#define FOURS(a, x, y) _mm256_dpbusd_avx_epi32(a, x, y)
#define OF_FOURS 4
#else
#define PAIRS(a, x, y) CALL(add_epi32)(a, CALL(madd_epi16)(x, y))
#define FOURS(a, x, y) CALL(add_epi32)(a, CALL(madd_epi16)(CALL(add_epi16)(CALL(maddubs_epi16)(x, y), CALL(maddubs_epi16)(y, x)), y))
#define OF_FOURS 8
#endif
#ifdef INT16
#define STEP PAIRS
#define PRODUCTS 2
#else
#define STEP FOURS
#define PRODUCTS OF_FOURS
#endif
enum { CHAINS = 12 };
volatile int sink;
long flops_of_round(void) { return 2 * CHAINS * (sizeof(VECTOR) / sizeof(int)) * PRODUCTS; }
void peak(long rounds) {
  VECTOR a[CHAINS], x = CALL(set1_epi16)(0x0101), y = CALL(set1_epi16)(1);
  for (int i = 0; i < CHAINS; i++) a[i] = ZERO;
  for (long r = 0; r < rounds; r++)
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) { __asm__ volatile("" : "+x"(x)); a[i] = STEP(a[i], x, y); }
  for (int i = 0; i < CHAINS; i++) { int lanes[sizeof(VECTOR) / sizeof(int)]; __builtin_memcpy(lanes, &a[i], sizeof lanes); sink = lanes[0]; }
}
"""
DOT_DTYPES = ("int8", "int16")  # of the weights: those of int8_fast and of int8_accurate


@contextlib.contextmanager
def dot_peak(dtype: str, cores: Sequence[int], rounds: int = 10_000_000) -> Iterator[FmaPeak]:
    """The loop of the instruction for weights of a dtype of `DOT_DTYPES`; its `flops` are 2 a product.

    Raises:
      RuntimeError: there is no gcc, or it cannot compile the loop for this CPU.
    """
    source = f"#define {dtype.upper()}\n{_SOURCE}"
    with loops_in_c(source) as library, concurrent.futures.ThreadPoolExecutor(len(cores)) as pool:
        yield FmaPeak(library, cores, pool, rounds)
