import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from bertnas_jax.compiler.pack_weights import pack, pack_weights
from tests.compiler.conftest import assert_same_on, normal, trace

WEIGHTS = np.arange(6 * 32, dtype=np.float32).reshape(6, 32)
HASWELL = tvm.target.Target({"kind": "llvm", "mcpu": "haswell"})


def test_panels_hold_16_columns_each_row_after_row():
    panels = pack(WEIGHTS, 16)
    assert panels.shape == (2, 6, 16)
    np.testing.assert_array_equal(panels[1, 2], WEIGHTS[2, 16:32])


def test_columns_past_the_last_are_zero():
    panels = pack(WEIGHTS[:, :17], 16)
    np.testing.assert_array_equal(panels[1, :, 0], WEIGHTS[:, 16])
    assert not panels[1, :, 1:].any()


def test_a_product_with_weights_becomes_a_packed_gemm():
    before = trace(lambda x: x @ WEIGHTS, np.ones((4, 6), np.float32))
    with HASWELL:
        after = relax.transform.CanonicalizeBindings()(pack_weights(before))  # without the alias of the result
    tvm.ir.assert_structural_equal(after, _expected())


def _expected():
    @I.ir_module
    class Expected:
        @T.prim_func(private=True, s_tir=True)
        def packed_gemm(
            x: T.Buffer((T.int64(4), T.int64(6)), "float32"),
            panels: T.Buffer((T.int64(2), T.int64(6), T.int64(16)), "float32"),
            product: T.Buffer((T.int64(4), T.int64(32)), "float32"),
        ):
            T.func_attr({"tirx.noalias": True})
            for i, j, k in T.grid(T.int64(4), T.int64(32), T.int64(6)):
                with T.sblock("packed_gemm"):
                    vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                    with T.init():
                        product[vi, vj] = T.float32(0)
                    product[vi, vj] = product[vi, vj] + x[vi, vk] * panels[vj // T.int64(16), vk, vj % T.int64(16)]

        @R.function
        def main(x0: R.Tensor((4, 6), "float32"), panels: R.Tensor((2, 6, 16), "float32")) -> R.Tensor((4, 32), "float32"):
            cls = Expected
            with R.dataflow():
                product = R.call_tir(cls.packed_gemm, (x0, panels), out_ty=R.Tensor((4, 32), "float32"))
                R.output(product)
            return product

    return relax.transform.BindParams("main", {"panels": tvm.runtime.tensor(pack(WEIGHTS, 16))})(Expected)


def test_a_product_of_activations_is_left_alone():
    x = np.ones((4, 4), np.float32)
    module = trace(lambda x, y: x @ y, x, x)
    with HASWELL:
        tvm.ir.assert_structural_equal(pack_weights(module), module)


@pytest.mark.parametrize("rows", [1, 3, 7, 8, 50])
@pytest.mark.parametrize(("inner", "columns"), [(1, 1), (5, 2), (16, 16), (13, 24), (7, 33)])
def test_gemm_of_any_shape_equals_numpy(run_compiled, rows, inner, columns):
    rng = np.random.default_rng(0)
    x, weights, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, inner), (inner, columns), (1, columns)))
    np.testing.assert_allclose(run_compiled(lambda x: x @ weights + bias, x), x @ weights + bias, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run_compiled(lambda x: x @ weights, x), x @ weights, rtol=1e-5, atol=1e-5)


@given(st.integers(1, 9), st.lists(st.integers(1, 40), min_size=2, max_size=4), st.booleans(), st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_random_programs_compute_the_same(target, rows, widths, between, seed):
    matrices = [normal(seed + at, *shape) / shape[0] for at, shape in enumerate(zip(widths, widths[1:], strict=False))]

    def program(x):
        for matrix in matrices:
            x = (x @ x.T @ x if between else x) @ matrix
        return x

    def packed(module):
        with target:
            return pack_weights(module)

    assert_same_on(target, packed, program, normal(seed, rows, widths[0]) / max(widths))
