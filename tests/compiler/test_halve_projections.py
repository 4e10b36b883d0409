import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from bertnas_jax.compiler import list_kernels, lower
from bertnas_jax.compiler.build import build_executable
from bertnas_jax.compiler.halve_projections import BLOCKS, halve_projections
from bertnas_jax.compiler.pack_weights import pack
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, named_target
from tests.compiler.conftest import call, normal, simplified, trace

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


def test_a_product_becomes_one_of_halves():
    tvm.ir.assert_structural_equal(halved(lambda x: x @ WEIGHTS, X), _expected())


def _expected():
    panels = tvm.runtime.tensor(pack(WEIGHTS.astype(np.float16), 16))
    return relax.transform.BindParams("main", {"panels": panels})(_of_any_weights())


def _of_any_weights():
    @I.ir_module
    class Expected:
        @T.prim_func(private=True, s_tir=True)
        def halve(x: T.Buffer((T.int64(4), T.int64(8)), "float32"), halves: T.Buffer((T.int64(4), T.int64(8)), "float16")):
            T.func_attr({"tirx.noalias": True})
            for i, k in T.grid(T.int64(4), T.int64(8)):
                with T.sblock("halve"):
                    vi, vk = T.axis.remap("SS", [i, k])
                    halves[vi, vk] = T.Cast("float16", T.max(T.min(x[vi, vk], T.float32(65504)), T.float32(-65504)))

        @T.prim_func(private=True, s_tir=True)
        def packed_gemm_half(
            halves: T.Buffer((T.int64(4), T.int64(8)), "float16"),
            panels: T.Buffer((T.int64(1), T.int64(8), T.int64(16)), "float16"),
            total: T.Buffer((T.int64(4), T.int64(16)), "float32"),
        ):
            T.func_attr({"tirx.noalias": True})
            parts = T.sblock_alloc_buffer((T.int64(4), T.int64(1), T.int64(16)), "float16")
            for i, b, j, k in T.grid(T.int64(4), T.int64(1), T.int64(16), T.int64(8)):
                with T.sblock("packed_gemm_half"):
                    vi, vb, vj, vk = T.axis.remap("SSSR", [i, b, j, k])
                    with T.init():
                        parts[vi, vb, vj] = T.float16(0)
                    parts[vi, vb, vj] = parts[vi, vb, vj] + halves[vi, vb * T.int64(8) + vk] * panels[vj // T.int64(16), vb * T.int64(8) + vk, vj % T.int64(16)]
            for i, j, b in T.grid(T.int64(4), T.int64(16), T.int64(1)):
                with T.sblock("sum_halves"):
                    vi, vj, vb = T.axis.remap("SSR", [i, j, b])
                    with T.init():
                        total[vi, vj] = T.float32(0)
                    total[vi, vj] = total[vi, vj] + T.Cast("float32", parts[vi, vb, vj])

        @R.function
        def main(x0: R.Tensor((4, 8), "float32"), panels: R.Tensor((1, 8, 16), "float16")) -> R.Tensor((4, 16), "float32"):
            cls = Expected
            with R.dataflow():
                halves = R.call_tir(cls.halve, (x0,), out_ty=R.Tensor((4, 8), "float16"))
                product = R.call_tir(cls.packed_gemm_half, (halves, panels), out_ty=R.Tensor((4, 16), "float32"))
                R.output(product)
            return product

    return Expected


@given(st.integers(1, 6), st.sampled_from([8, 24, 65, 130]), st.sampled_from([16, 17, 40]), st.floats(-8, 8), st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_random_products_are_off_by_no_more_than_the_rounding_of_their_blocks(target, rows, inner, columns, exponent, seed):
    x, weights = 2.0**exponent * normal(seed, rows, inner), normal(seed + 1, inner, columns)
    got = call(build_executable(relax.transform.LegalizeOps()(halved(lambda x: x @ weights, x)), target), x)
    unit = 2.0**-11  # of a half: half a step
    terms = np.abs(x) @ np.abs(weights)
    # Each operand and product is rounded once and each sum of a block once a term, or by less than the least half.
    bound = terms * (min(inner, BLOCKS[0]) + 3) * unit + inner * (np.abs(x).max() + np.abs(weights).max() + 1) * 2.0**-24
    assert np.all(np.abs(got - x.astype(np.float64) @ weights) <= bound)


@pytest.mark.parametrize("name", [ANDROID_ARM64_PLAIN, "host"])
def test_a_target_without_float16_is_named(name, target):
    with target if name == "host" else named_target(name), pytest.raises(ValueError, match="must have its arithmetic .* use float32"):
        halve_projections(simplified(trace(lambda x: x @ WEIGHTS, X)))


def test_a_product_counts_its_operations_and_its_narrow_weights():
    weights = np.ones((128, 96), np.float32)
    *_, gemm = list_kernels(lower(trace(lambda x: x @ weights, np.ones((8, 128), np.float32)), named_target(ANDROID_ARM64), precision="float16"))
    assert gemm.flops == 2 * 8 * 128 * 96 + 2 * 8 * 96  # two blocks are added
    assert gemm.bytes == 2 * 8 * 128 + 2 * 128 * 96 + 4 * 8 * 96
