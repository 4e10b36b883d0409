import pytest
import tvm

from bertnas_jax.compiler.stack_tiles import STACK_BYTES
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, named_target
from bertnas_jax.compiler.vector_unit import AVX2, AVX512, NEON, vector_unit


@pytest.mark.parametrize(
    ("cpu", "unit"), [("haswell", AVX2), ("znver3", AVX2), ("skylake-avx512", AVX512), ("sapphirerapids", AVX512), ("znver4", AVX512)]
)
def test_a_target_has_the_vectors_of_its_cpu(cpu, unit):
    with tvm.target.Target({"kind": "llvm", "mcpu": cpu}):
        assert vector_unit() == unit


@pytest.mark.parametrize("name", [ANDROID_ARM64, ANDROID_ARM64_PLAIN])
def test_an_arm64_target_has_neon(name):
    with named_target(name):
        assert vector_unit() == NEON


def test_outside_of_a_target_there_is_none():
    with pytest.raises(ValueError, match="a target must be around what is compiled"):
        vector_unit()


@pytest.mark.parametrize(("unit", "registers"), [(AVX2, 16), (AVX512, 32), (NEON, 32)])
def test_a_register_block_fills_the_unit_and_fits(unit, registers):
    block = unit.rows[0] * unit.panel
    assert block >= 8 * unit.lanes, "fewer accumulators do not hide the latency of FMA"
    assert block // unit.lanes + unit.panel // unit.lanes + 1 <= registers, "a row of the panel and a broadcast need registers too"
    for rows, columns in ((unit.rows, unit.panel), (unit.narrow_rows, 2 * unit.lanes)):
        assert 4 * max(rows) * columns <= STACK_BYTES, "TVM takes the rest from the heap"
        assert max(rows) * columns // unit.lanes + columns // unit.lanes + 1 <= registers


def test_widths_are_powers_of_two_down_to_one():
    assert AVX2.widths == (16, 8, 4, 2, 1) and AVX512.widths == (32, 16, 8, 4, 2, 1)
    assert NEON.widths == (8, 4, 2, 1)
