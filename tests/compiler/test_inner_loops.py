import shutil
import subprocess

import numpy as np
import pytest

from bertnas_jax.compiler import lower
from bertnas_jax.compiler.inner_loops import analyse_loop, find_mca, innermost_loop, list_inner_loops, products_of
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from tests.compiler.conftest import trace

ASSEMBLY = """kernel:
\tmov\tx1, #0
\tfmla\tv9.4s, v1.4s, v2.s[0]
\tfmla\tv9.4s, v1.4s, v2.s[0]
\tfmla\tv9.4s, v1.4s, v2.s[0]
.LBB0_1:
\tldr\tq1, [x2], #16
\tcbz\tx9, .LBB0_2
\tfmla\tv0.4s, v1.4s, v2.s[0]
\tfmla\tv3.4s, v1.4s, v2.s[1]
\tsubs\tx1, x1, #1
\tb.ne\t.LBB0_1
\tfmla\tv9.4s, v1.4s, v2.s[0]
.LBB0_2:
\tret
"""


@pytest.fixture
def mca() -> str:
    """llvm-mca; skips where that is missing."""
    try:
        return find_mca()
    except RuntimeError as reason:
        pytest.skip(str(reason))


def test_a_loop_ends_where_it_jumps_back():
    loop = innermost_loop(ASSEMBLY)
    assert loop[0].startswith("\tldr") and loop[-1] == "\tb.ne\t.LBB0_1" and len(loop) == 6


def test_code_without_a_loop_of_multiply_adds_has_none():
    assert innermost_loop(ASSEMBLY.replace("b.ne", "nop //")) == []
    assert innermost_loop(ASSEMBLY.replace("\tfmla", "\tfadd")) == []


@pytest.mark.parametrize(
    ("line", "products"),
    [
        ("fmla\tv0.4s, v1.4s, v2.s[0]", 4),
        ("fmla\tv0.8h, v1.8h, v2.h[0]", 8),
        ("sdot\tv30.4s, v12.16b, v8.4b[0]", 16),
        ("smlal2\tv0.4s, v1.8h, v2.8h", 4),
        ("smull\tv0.8h, v1.8b, v2.8b", 8),
        ("vfmadd231ps\t(%rax), %ymm1, %ymm2", 8),
        ("vpdpbusd\t(%rax){1to16}, %zmm1, %zmm2", 64),
        ("vpdpwssd\t%ymm0, %ymm1, %ymm2", 16),
        ("saddlp\tv0.4s, v1.8h", 0),
    ],
)
def test_an_instruction_makes_as_many_products_as_its_register_holds(line, products):
    assert products_of(f"\t{line}") == products


@pytest.mark.usefixtures("mca")
def test_no_loop_beats_the_two_pipes_of_a_cortex_a76():
    found = analyse_loop("kernel", innermost_loop(ASSEMBLY), named_target(ANDROID_ARM64))
    assert found.multiply_adds == 2 and found.instructions == 6
    # Both wait for the last one into the same register, 2 cycles on this core for accumulators forwarded and 4 without.
    assert 0.4 <= found.multiply_adds_per_cycle <= 1.05


@pytest.mark.usefixtures("mca")
@pytest.mark.slow
@pytest.mark.parametrize(("precision", "lanes"), [("float32", 4), ("float16", 8), ("int8_accurate", 16), ("int8_fast", 16)])
def test_products_for_a_phone_keep_both_pipes_busy(precision, lanes):
    target, weights = named_target(ANDROID_ARM64), np.ones((128, 64), np.float32)
    lowered = lower(trace(lambda x: x @ weights, np.ones((32, 128), np.float32)), target, precision=precision)
    (loop,) = list_inner_loops(lowered, target)
    assert 1.9 * lanes < loop.products_per_cycle <= 2 * lanes and not loop.stack_accesses


def test_a_missing_program_names_its_package(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="install the package llvm-19"):
        analyse_loop("kernel", innermost_loop(ASSEMBLY), named_target(ANDROID_ARM64))


def test_an_old_program_is_not_asked(monkeypatch):
    told = subprocess.CompletedProcess([], 0, stdout="Debian LLVM version 14.0.6\n  Optimized build.\n")
    monkeypatch.setattr(shutil, "which", lambda name: "/old/llvm-mca" if name == "llvm-mca" else None)
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: told)
    with pytest.raises(RuntimeError, match="of LLVM 14; install the package llvm-19"):
        find_mca()
