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

from bertnas_jax.compiler import compile_model, list_kernels, lower, set_num_threads
from bertnas_jax.compiler.build import build_executable
from bertnas_jax.compiler.integer_dot import integer_dots
from bertnas_jax.compiler.pipeline import rewrite_passes
from bertnas_jax.compiler.quantize_projections import pack_integers, quantize_columns, quantize_projections
from bertnas_jax.export.parity import logits_of
from tests.compiler.conftest import call, has_byte_weights, rounding_bound, simplified, trace

INT8 = ("int8_accurate", "int8_fast")
HASWELL = tvm.target.Target({"kind": "llvm", "mcpu": "haswell", "mtriple": "x86_64-linux-gnu"})
X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)


def quantized(function, x, precision, target=HASWELL):
    with target:
        return simplified(quantize_projections(simplified(trace(function, x)), precision))


def test_columns_become_whole_numbers_within_the_limit():
    values, scales = quantize_columns(np.array([[1.0, 0.0, -2.0], [-0.5, 0.0, 0.1]], np.float32), 127)
    np.testing.assert_array_equal(values, [[127, 0, -127], [-64, 0, 6]])  # rint(63.5) is even
    np.testing.assert_allclose(scales[[0, 2]], [1 / 127, 2 / 127], rtol=1e-6)


@given(st.integers(1, 20), st.sampled_from([64, 127]), st.floats(-30, 30), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_no_weight_is_further_off_than_half_a_step(columns, limit, exponent, seed):
    weights = (2.0**exponent * np.random.default_rng(seed).standard_normal((16, columns))).astype(np.float32)
    values, scales = quantize_columns(weights, limit)
    assert np.abs(values).max() == limit
    assert np.all(np.abs(weights - values * scales.astype(np.float64)) <= scales * 0.5001)


def test_panels_hold_the_depth_of_each_column_side_by_side():
    with HASWELL:
        dot = integer_dots()["int8_fast"]
    panels = pack_integers(np.arange(8 * 20).reshape(8, 20) % 60, 16, dot)
    assert panels.shape == (2, 2, 64) and panels.dtype == np.int8
    np.testing.assert_array_equal(panels[0, 1, 4:8], np.array([4 * 20 + 1, 5 * 20 + 1, 6 * 20 + 1, 7 * 20 + 1]) % 60)
    assert not panels[1, :, 16:].any()  # columns past the last


@pytest.mark.parametrize(
    ("program", "width"),
    [(lambda x: x @ np.ones((8, 15), np.float32), 8), (lambda x: x @ np.ones((9, 32), np.float32), 9), (lambda x: x @ x.T, 8)],
    ids=["fewer columns than a panel", "no whole steps", "two activations"],
)
def test_other_products_stay(program, width):
    before = simplified(trace(program, np.ones((4, width), np.float32)))
    with HASWELL:
        tvm.ir.assert_structural_equal(quantize_projections(before, "int8_fast"), before)


def test_a_product_becomes_one_of_whole_numbers():
    tvm.ir.assert_structural_equal(quantized(lambda x: x @ WEIGHTS, X, "int8_accurate"), _expected())


WEIGHTS = np.random.default_rng(1).standard_normal((8, 16)).astype(np.float32)


def _expected():
    with HASWELL:
        dot = integer_dots()["int8_accurate"]
    values, scales = quantize_columns(WEIGHTS, 127)
    constants = {"panels": pack_integers(values, 16, dot), "columns": scales}
    return relax.transform.BindParams("main", {name: tvm.runtime.tensor(array) for name, array in constants.items()})(_of_any_weights())


def _of_any_weights():
    @I.ir_module
    class Expected:
        @T.prim_func(private=True, s_tir=True)
        def quantize(
            x: T.Buffer((T.int64(4), T.int64(8)), "float32"),
            inverse: T.Buffer((T.int64(4), T.int64(1)), "float32"),
            numbers: T.Buffer((T.int64(4), T.int64(8)), "int16"),
        ):
            T.func_attr({"tirx.noalias": True})
            for i, k in T.grid(T.int64(4), T.int64(8)):
                with T.sblock("quantize"):
                    vi, vk = T.axis.remap("SS", [i, k])
                    numbers[vi, vk] = T.Cast("int16", T.nearbyint(x[vi, vk] * inverse[vi, T.int64(0)]))

        @T.prim_func(private=True, s_tir=True)
        def packed_gemm_integer(
            numbers: T.Buffer((T.int64(4), T.int64(8)), "int16"),
            panels: T.Buffer((T.int64(1), T.int64(4), T.int64(32)), "int16"),
            total: T.Buffer((T.int64(4), T.int64(16)), "int32"),
        ):
            T.func_attr({"tirx.noalias": True})
            for i, j, g, k in T.grid(T.int64(4), T.int64(16), T.int64(4), T.int64(2)):
                with T.sblock("packed_gemm_integer"):
                    vi, vj, vg, vk = T.axis.remap("SSRR", [i, j, g, k])
                    with T.init():
                        total[vi, vj] = 0
                    total[vi, vj] = total[vi, vj] + T.Cast("int32", numbers[vi, vg * T.int64(2) + vk]) * T.Cast(
                        "int32", panels[vj // T.int64(16), vg, vj % T.int64(16) * T.int64(2) + vk]
                    )

        @T.prim_func(private=True, s_tir=True)
        def dequantize(
            total: T.Buffer((T.int64(4), T.int64(16)), "int32"),
            columns: T.Buffer((T.int64(16),), "float32"),
            rows: T.Buffer((T.int64(4), T.int64(1)), "float32"),
            product: T.Buffer((T.int64(4), T.int64(16)), "float32"),
        ):
            T.func_attr({"tirx.noalias": True})
            for i, j in T.grid(T.int64(4), T.int64(16)):
                with T.sblock("dequantize"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    product[vi, vj] = T.Cast("float32", total[vi, vj]) * columns[vj] * rows[vi, T.int64(0)]

        @R.function
        def main(x0: R.Tensor((4, 8), "float32"), panels: R.Tensor((1, 4, 32), "int16"), columns: R.Tensor((16,), "float32")) -> R.Tensor((4, 16), "float32"):
            cls = Expected
            with R.dataflow():
                magnitude = R.abs(x0)
                reach = R.max(magnitude, axis=[-1], keepdims=True)
                bounded = R.maximum(reach, R.const(1e-30, "float32"))
                rows = R.multiply(bounded, R.const(1 / 32767, "float32"))
                inverse = R.divide(R.const(1.0, "float32"), rows)
                numbers = R.call_tir(cls.quantize, (x0, inverse), out_ty=R.Tensor((4, 8), "int16"))
                total = R.call_tir(cls.packed_gemm_integer, (numbers, panels), out_ty=R.Tensor((4, 16), "int32"))
                product = R.call_tir(cls.dequantize, (total, columns, rows), out_ty=R.Tensor((4, 16), "float32"))
                R.output(product)
            return product

    return Expected


@pytest.mark.parametrize("precision", INT8)
def test_a_value_of_two_products_is_quantised_once(precision):
    def program(x):
        return jnp.tanh(x @ WEIGHTS) + x @ WEIGHTS[::-1]

    names = [binding.value.args[0].name_hint for binding in quantized(program, X, precision)["main"].body.blocks[0].bindings if hasattr(binding.value.args[0], "name_hint")]
    assert names.count("quantize") == 1


shapes = st.tuples(st.integers(1, 9), st.sampled_from([8, 24, 64, 312]), st.sampled_from([48, 49, 96, 100]))


@pytest.mark.slow
@given(shapes, st.sampled_from(INT8), st.floats(-20, 20), st.floats(-5, 5), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_the_error_is_that_of_rounding(target, shape, precision, exponent, mean, seed):
    rows, inner, columns = shape
    rng = np.random.default_rng(seed)
    x = (2.0**exponent * (rng.standard_normal((rows, inner)) + mean)).astype(np.float32)
    weights = rng.standard_normal((inner, columns)).astype(np.float32)
    got = call(build_executable(lower(trace(lambda x: x @ weights, x), target, precision=precision), target), x)
    assert np.all(np.abs(got - x.astype(np.float64) @ weights) <= rounding_bound(x, weights, target, precision))


@pytest.mark.parametrize("precision", INT8)
def test_rows_of_zeros_and_of_one_value_stay_finite(target, precision):
    x = np.stack([np.zeros(8), np.full(8, 3.0)]).astype(np.float32)
    weights = np.concatenate([WEIGHTS] * 3, axis=1)
    got = call(build_executable(lower(trace(lambda x: x @ weights, x), target, precision=precision), target), x)
    assert not got[0].any()
    errors = np.abs(got - x @ weights)
    assert np.all(errors <= rounding_bound(x, weights, target, precision))
    assert errors.max() <= 0.1 or not has_byte_weights(target, precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", INT8)
@pytest.mark.parametrize("cpu", ["host", "haswell"])
@pytest.mark.parametrize("sizes", [{"hidden": 64, "ffn": 128}, {"hidden": 312, "heads": 12, "ffn": 1200}, {"hidden": 39, "heads": 3, "ffn": 50}], ids=str)
def test_a_bert_of_integers_is_near_that_of_floats(make_bert, make_inputs, target, cpu, precision, sizes):
    model, inputs = make_bert(**sizes), make_inputs(16)
    expected = np.asarray(logits_of(model, *inputs))
    got = compile_model(model, 16, target if cpu == "host" else HASWELL, precision).run(*inputs)
    assert 0 <= np.abs(got - expected).max() < 0.05 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("precision", INT8)
def test_two_threads_give_the_same_bits_as_one(make_bert, make_inputs, target, precision):
    compiled, inputs = compile_model(make_bert(depth=1, hidden=256, ffn=512), 32, target, precision), make_inputs(32)
    set_num_threads(1)
    alone = compiled.run(*inputs)
    set_num_threads(2)
    try:
        np.testing.assert_array_equal(compiled.run(*inputs), alone)
    finally:
        set_num_threads(1)


@pytest.mark.parametrize("precision", INT8)
def test_a_product_counts_its_operations_and_its_narrow_weights(target, precision):
    weights = np.ones((64, 96), np.float32)
    *_, gemm = list_kernels(lower(trace(lambda x: x @ weights, np.ones((8, 64), np.float32)), target, precision=precision))
    with target:
        dot = integer_dots()[precision]
    assert gemm.flops == 2 * 8 * 64 * 96 + 8 * 96 * (4 if dot.is_unsigned else 2)
    stored = np.dtype(dot.activation_dtype).itemsize
    assert gemm.bytes == 8 * 64 * stored + 64 * 96 * np.dtype(dot.weight_dtype).itemsize + 4 * (96 + 8) * (2 if dot.is_unsigned else 1) + 4 * 8 * 96


def test_an_unknown_precision_is_named():
    with pytest.raises(ValueError, match="precision must be one of float32, int8_accurate, int8_fast, float16, got int4"):
        rewrite_passes(precision="int4")
