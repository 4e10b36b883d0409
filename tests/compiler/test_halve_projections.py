import jax.numpy as jnp
import numpy as np
import pytest
import tvm

from bertnas_jax.compiler import list_kernels, lower
from bertnas_jax.compiler.halve_projections import halve_projections
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, named_target
from tests.compiler.conftest import simplified, trace

WEIGHTS = np.random.default_rng(1).standard_normal((8, 16)).astype(np.float32)
X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)


def halved(function, x):
    with named_target(ANDROID_ARM64):
        return simplified(halve_projections(simplified(trace(function, x))))


def names_of(module):
    calls = [binding.value for binding in module["main"].body.blocks[0].bindings]
    return [call.args[0].name_hint for call in calls if hasattr(call.args[0], "name_hint")]


@pytest.mark.parametrize(
    ("program", "width"),
    [
        (lambda x: x @ np.ones((8, 15), np.float32), 8),
        (lambda x: x @ np.ones((67, 32), np.float32), 67),
        (lambda x: x @ np.full((8, 32), 7e4, np.float32), 8),
        (lambda x: x @ x.T, 8),
    ],
    ids=["fewer columns than a panel", "no block", "weights beyond a half", "two activations"],
)
def test_other_products_stay(program, width):
    before = simplified(trace(program, np.ones((4, width), np.float32)))
    with named_target(ANDROID_ARM64):
        tvm.ir.assert_structural_equal(halve_projections(before), before)


def test_a_value_of_two_products_is_halved_once():
    assert names_of(halved(lambda x: jnp.tanh(x @ WEIGHTS) + x @ WEIGHTS[::-1], X)).count("halve") == 1


def test_sums_leave_the_product_in_float32():
    module = halved(lambda x: x @ WEIGHTS, X)
    halve, gemm = (binding.value for binding in module["main"].body.blocks[0].bindings)
    assert names_of(module) == ["halve", "packed_gemm_half"]
    assert str(halve.ty.dtype) == "float16" and str(gemm.args[1].fields[1].ty.dtype) == "float16" and str(gemm.ty.dtype) == "float32"


@pytest.mark.parametrize("name", [ANDROID_ARM64_PLAIN, "host"])
def test_a_target_without_float16_is_named(name, target):
    with target if name == "host" else named_target(name), pytest.raises(ValueError, match="must have its arithmetic .* use float32"):
        halve_projections(simplified(trace(lambda x: x @ WEIGHTS, X)))


def test_a_product_counts_its_operations_and_its_narrow_weights():
    weights = np.ones((128, 96), np.float32)
    *_, gemm = list_kernels(lower(trace(lambda x: x @ weights, np.ones((8, 128), np.float32)), named_target(ANDROID_ARM64), precision="float16"))
    assert gemm.flops == 2 * 8 * 128 * 96 + 2 * 8 * 96  # two blocks are added
    assert gemm.bytes == 2 * 8 * 128 + 2 * 128 * 96 + 4 * 8 * 96
