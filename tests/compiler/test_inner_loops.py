import shutil

import pytest

from bertnas_jax.compiler import lower, trace_model
from bertnas_jax.compiler.inner_loops import analyse_loop, innermost_loop, list_inner_loops
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target

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

needs_mca = pytest.mark.skipif(not (shutil.which("llvm-mca-19") or shutil.which("llvm-mca")), reason="llvm-mca is not installed: the package llvm-19")


def test_a_loop_ends_where_it_jumps_back():
    loop = innermost_loop(ASSEMBLY)
    assert loop[0].startswith("\tldr") and loop[-1] == "\tb.ne\t.LBB0_1" and len(loop) == 6


def test_code_without_a_loop_of_multiply_adds_has_none():
    assert innermost_loop(ASSEMBLY.replace("b.ne", "nop //")) == []
    assert innermost_loop(ASSEMBLY.replace("\tfmla", "\tfadd")) == []


@needs_mca
def test_no_loop_beats_the_two_pipes_of_a_cortex_a76():
    found = analyse_loop("kernel", innermost_loop(ASSEMBLY), named_target(ANDROID_ARM64))
    assert found.multiply_adds == 2 and found.instructions == 6
    # Both wait for the last one into the same register, 2 cycles on this core for accumulators forwarded and 4 without.
    assert 0.4 <= found.multiply_adds_per_cycle <= 1.05


@needs_mca
@pytest.mark.slow
def test_products_for_a_phone_keep_both_pipes_busy(make_bert):
    target = named_target(ANDROID_ARM64)
    loops = list_inner_loops(lower(trace_model(make_bert(hidden=64, ffn=128, heads=2), 32), target), target)
    (widest,) = {loop.multiply_adds_per_cycle for loop in loops if "gemm_add_multiply" in loop.kernel}
    assert 1.8 < widest <= 2


def test_a_missing_program_names_its_package(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="install the package llvm-19"):
        analyse_loop("kernel", innermost_loop(ASSEMBLY), named_target(ANDROID_ARM64))
