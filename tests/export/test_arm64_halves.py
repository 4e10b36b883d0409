"""float16 for 64-bit Arm, run under qemu: against the same arithmetic in numpy, and against JAX."""

import numpy as np
import pytest

from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from bertnas_jax.export.c_library import write_c_library
from bertnas_jax.export.parity import logits_of
from tests.export.libraries import arm64_emulator, bert, run_compiled, run_model, sentence


def blocked_product(x, weights, block):
    """Halves multiplied and added one after the other with one rounding each, blocks of K summed in float32."""
    x, weights = x.astype(np.float16).astype(np.float64), weights.astype(np.float16).astype(np.float64)
    total = np.zeros((x.shape[0], weights.shape[1]), np.float32)
    for start in range(0, x.shape[1], block):
        partial = np.zeros_like(total, np.float16)
        for k in range(start, start + block):
            partial = (partial + x[:, k, None] * weights[k]).astype(np.float16)  # exact in float64, rounded once
        total += partial
    return total


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "inner", "columns", "block"), [(8, 384, 96, 64), (7, 312, 100, 52), (1, 39, 48, 39)])
def test_products_are_those_of_blocks_of_halves(rows, inner, columns, block, tmp_path):
    rng = np.random.default_rng(inner)
    x, weights = rng.standard_normal((rows, inner)).astype(np.float32), rng.standard_normal((inner, columns)).astype(np.float32)
    got = run_compiled(named_target(ANDROID_ARM64), "float16", lambda x: x @ weights, x, tmp_path, arm64_emulator())
    np.testing.assert_array_equal(got, blocked_product(x, weights, block))


@pytest.mark.slow
def test_an_operand_beyond_the_largest_half_is_cut_there(tmp_path):
    x, weights = np.zeros((4, 64), np.float32), np.full((64, 32), 0.5, np.float32)
    x[:, 0] = [1e30, -1e30, 70000, 2]
    got = run_compiled(named_target(ANDROID_ARM64), "float16", lambda x: x @ weights, x, tmp_path, arm64_emulator())
    np.testing.assert_array_equal(got[:, 0], [32752, -32752, 32752, 1])


@pytest.mark.slow
def test_a_library_of_halves_is_near_jax(tmp_path):
    emulator, target, seq_len = arm64_emulator(), named_target(ANDROID_ARM64), 11
    model, inputs = bert(), sentence(seq_len)
    write_c_library(model, [seq_len], target, tmp_path / "c", precision="float16")
    one, two = (run_model(target, tmp_path / "c", inputs, threads, emulator) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)
    expected = np.asarray(logits_of(model, *inputs))
    assert 0 < np.abs(one - expected).max() < 0.005 * max(1, np.abs(expected).max())
