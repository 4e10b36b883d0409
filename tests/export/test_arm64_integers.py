"""int8 for 64-bit Arm, run under qemu: against the same arithmetic in numpy with exact sums, and against JAX."""

import numpy as np
import pytest

from bertnas_jax.compiler.integer_dot import integer_dots
from bertnas_jax.compiler.quantize_projections import quantize_columns
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, named_target
from bertnas_jax.export.c_library import write_c_library
from bertnas_jax.export.parity import logits_of
from tests.export.libraries import arm64_emulator, bert, run_compiled, run_model, sentence

INT8 = ("int8_accurate", "int8_fast")
ARM64 = (ANDROID_ARM64, ANDROID_ARM64_PLAIN)


def exact_product(x, weights, dot):
    """The two terms of the quantised product, sums in int64: what `dot`'s kernels must add but for rounding in float32."""
    one, limit = np.float32(1), dot.activation_limit(x.shape[-1])
    values, scales = quantize_columns(weights, dot.weight_limit)
    least, largest = x.min(axis=-1, keepdims=True), x.max(axis=-1, keepdims=True)
    origin = (least + largest) * np.float32(0.5) if dot.is_shifted else np.zeros_like(least)
    reach = np.maximum(np.maximum(largest - origin, origin - least), np.float32(1e-30))
    row = reach * np.float32(1 / limit)
    q = np.rint((x - origin) * (one / row)).astype(np.int64)
    assert np.abs(q).max() <= limit
    total = q @ values.astype(np.int64)
    assert np.abs(total).max() < 2**31
    return total * (scales.astype(np.float64) * row), origin * (values.sum(axis=0) * scales.astype(np.float64))


@pytest.mark.slow
@pytest.mark.parametrize("target_name", ARM64)
@pytest.mark.parametrize("precision", INT8)
@pytest.mark.parametrize(("rows", "inner", "columns"), [(4, 384, 96), (7, 312, 100), (6, 24, 48), (1, 3072, 32)])
def test_products_are_those_of_exact_sums(target_name, precision, rows, inner, columns, tmp_path):
    emulator, target = arm64_emulator(), named_target(target_name)
    rng = np.random.default_rng(inner)
    x = (rng.standard_normal((rows, inner)) * np.exp(rng.normal(0, 2, (rows, 1))) + rng.normal(0, 1, (rows, 1))).astype(np.float32)
    weights = rng.standard_normal((inner, columns)).astype(np.float32)
    with target:
        dot = integer_dots()[precision]
    product, shift = exact_product(x, weights, dot)
    got = run_compiled(target, precision, lambda x: x @ weights, x, tmp_path, emulator)
    # Four roundings to float32, relative 2^-24 each. A sum of bytes that is off by 1 is off by 4 to 100 times as much.
    assert np.all(np.abs(got - (product + shift)) <= 4 * 2.0**-24 * (np.abs(product) + np.abs(shift)))


@pytest.mark.slow
@pytest.mark.parametrize("target_name", ARM64)
@pytest.mark.parametrize("precision", INT8)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_are_exact(target_name, precision, sign, tmp_path):
    """Every activation and every weight at its limit, of either sign: the sum of ones is a whole number."""
    inner, x = 12288, np.ones((2, 12288), np.float32)
    x[0, 3] = x[1] = -1
    x[1, 5] = 1
    got = run_compiled(named_target(target_name), precision, lambda x: x @ np.full((inner, 32), sign, np.float32), x, tmp_path, arm64_emulator())
    np.testing.assert_allclose(got, np.full((2, 32), [[sign * (inner - 2.0)], [-sign * (inner - 2.0)]]), rtol=1e-6)


@pytest.mark.slow
def test_a_middle_that_rounds_puts_no_number_past_the_limit(tmp_path):
    """Rows of neighbours in float32, whose middle is one of them: half of their distance is not their distance from it."""
    x = np.full((4, 24), 1, np.float32)
    x[:, 1::2] = np.nextafter(np.float32(1), np.float32(2))
    got = run_compiled(named_target(ANDROID_ARM64), "int8_fast", lambda x: x @ np.ones((24, 32), np.float32), x, tmp_path, arm64_emulator())
    np.testing.assert_allclose(got, np.full((4, 32), 24), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("target_name", ARM64)
@pytest.mark.parametrize("precision", INT8)
def test_a_library_of_integers_is_near_jax(target_name, precision, tmp_path):
    emulator, target, seq_len = arm64_emulator(), named_target(target_name), 11
    model, inputs = bert(), sentence(seq_len)
    write_c_library(model, [seq_len], target, tmp_path / "c", precision=precision)
    one, two = (run_model(target, tmp_path / "c", inputs, threads, emulator) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)
    expected = np.asarray(logits_of(model, *inputs))
    assert 0 < np.abs(one - expected).max() < {"int8_accurate": 0.02, "int8_fast": 0.05}[precision] * max(1, np.abs(expected).max())
