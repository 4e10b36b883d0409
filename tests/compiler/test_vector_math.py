"""The polynomials against float64 math over their whole range."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax, te

from bertnas_jax.compiler import lower
from bertnas_jax.compiler.build import build_executable
from bertnas_jax.compiler.vector_math import VECTOR_MATH, erf, exp, tanh
from tests.compiler.conftest import assert_same_results, normal, simplified, trace


def test_exp_is_exact_to_two_units_in_the_last_place(run_compiled):
    x = np.linspace(-87.3, 88.3, 4096, dtype=np.float32)[None]
    exact = np.exp(x.astype(np.float64))
    ulp = np.spacing(exact.astype(np.float32)).astype(np.float64)
    assert (np.abs(run_compiled(jnp.exp, x) - exact) / ulp).max() <= 2


def test_exp_of_a_masked_score_is_zero(run_compiled):
    x = np.array([[-1e9, -1000.0, -88.0, 0.0]], np.float32)
    np.testing.assert_array_equal(run_compiled(jnp.exp, x), [[0, 0, 0, 1]])


def test_erf_error(run_compiled):
    x = np.linspace(-6, 6, 8192, dtype=np.float32)[None]
    assert np.abs(run_compiled(jax.lax.erf, x) - scipy.special.erf(x.astype(np.float64))).max() < 5e-7


def test_tanh_error(run_compiled):
    x = np.linspace(-12, 12, 8192, dtype=np.float32)[None]
    assert np.abs(run_compiled(jnp.tanh, x) - np.tanh(x.astype(np.float64))).max() < 5e-7


# Every 9973rd float32 bit pattern, so that all exponents and both signs are there.
BITS = np.arange(0, 2**32, 9973, dtype=np.uint64).astype(np.uint32).view(np.float32)
EVERYWHERE = np.concatenate([BITS[np.isfinite(BITS)], np.array([np.inf, -np.inf, 0.0, -0.0], np.float32)])
EVERYWHERE = EVERYWHERE[: EVERYWHERE.size // 64 * 64].reshape(-1, 64)
INFINITE = np.array([[np.inf, -np.inf]], np.float32)


def test_exp_over_all_of_float32(run_compiled):
    got, x = run_compiled(jnp.exp, EVERYWHERE), EVERYWHERE.astype(np.float64)
    inside = (x >= -87.33654) & (x <= 88.37626)
    exact = np.exp(x[inside])
    assert (np.abs(got[inside] - exact) / np.spacing(exact.astype(np.float32))).max() <= 2
    assert not got[x < -87.33655].any()
    assert np.isfinite(got).all() and (got[x > 88.37627] > 2.4e38).all()


def test_erf_and_tanh_over_all_of_float32(run_compiled):
    x = EVERYWHERE.astype(np.float64)
    for compiled, exact in ((jax.lax.erf, scipy.special.erf), (jnp.tanh, np.tanh)):
        got = run_compiled(compiled, EVERYWHERE)
        assert np.abs(got - exact(x)).max() < 5e-7
        near = (np.abs(x) < 0.01) & (np.abs(x) > 1e-30)
        assert (np.abs(got - exact(x))[near] / np.abs(exact(x)[near])).max() < 3e-7


def test_the_short_erf_is_near_for_every_float32(run_compiled):
    """Of int8_fast alone; a gelu is off by less than a tenth of the step of a byte, 4.6e-3 in a row that reaches to 1."""
    got = run_compiled(jax.lax.erf, EVERYWHERE, precision="int8_fast")
    error = np.abs(got - scipy.special.erf(EVERYWHERE.astype(np.float64)))
    assert 1e-5 < error.max() < 1.2e-4  # it is another one than that of float32
    x = np.linspace(-6, 6, 8192, dtype=np.float32)[None]
    gelu = run_compiled(lambda x: 0.5 * x * (1 + jax.lax.erf(x * np.float32(np.sqrt(0.5)))), x, precision="int8_fast")
    wide = x.astype(np.float64)
    assert np.abs(gelu - 0.5 * wide * (1 + scipy.special.erf(wide * np.sqrt(0.5)))).max() < 4e-4
    np.testing.assert_allclose(run_compiled(jax.lax.erf, INFINITE, precision="int8_fast"), [[1, -1]], atol=1.2e-4)


def test_int8_accurate_keeps_the_long_erf(run_compiled):
    got = run_compiled(jax.lax.erf, EVERYWHERE, precision="int8_accurate")
    assert np.abs(got - scipy.special.erf(EVERYWHERE.astype(np.float64))).max() < 5e-7


def test_infinities(run_compiled):
    np.testing.assert_array_equal(run_compiled(jax.lax.erf, INFINITE), [[1, -1]])
    np.testing.assert_array_equal(run_compiled(jnp.tanh, INFINITE), [[1, -1]])
    largest, smallest = run_compiled(jnp.exp, INFINITE)[0]
    assert smallest == 0 and 2.4e38 < largest < np.inf


def test_no_call_of_libm_is_left(target):
    x = np.ones((4, 16), np.float32)
    executable = build_executable(lower(trace(lambda x: jnp.tanh(jnp.exp(x) + jax.lax.erf(x)), x), target), target)
    assembly = executable.mod.imports[0].inspect_source("asm")
    assert not any(f"{name}f@" in assembly for name in ("exp", "erf", "tanh", "floor"))


FUNCTIONS = {"exp": (jnp.exp, exp), "erf": (jax.lax.erf, erf), "tanh": (jnp.tanh, tanh)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_becomes_a_loop_over_its_polynomial(name):
    function, polynomial = FUNCTIONS[name]
    x = te.placeholder((4, 8), name="x")
    kernel = te.create_prim_func([x, te.compute(x.shape, lambda *index: polynomial(x(*index)), name=name)], index_dtype_override="int64")
    kernel = kernel.with_attr("global_symbol", name).without_attr("global_symbol")
    builder = relax.BlockBuilder()
    argument = relax.Var("x0", relax.TensorType((4, 8), "float32"))
    with builder.function("main", [argument]):
        with builder.dataflow():
            call = relax.call_tir(builder.add_func(kernel, name), (argument,), relax.TensorType((4, 8), "float32"))
            result = builder.emit_output(call)
        builder.emit_func_output(result)
    tvm.ir.assert_structural_equal(legalized(function, np.ones((4, 8), np.float32)), builder.get())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_numbers_than_float32_are_refused(name):
    with pytest.raises(RuntimeError, match=f"{name} must be of float32, got float16; cast its operand"):  # which TVM makes of any error
        legalized(FUNCTIONS[name][0], np.ones(4, np.float16))


def test_other_functions_stay():
    before = simplified(trace(jnp.sin, np.ones(4, np.float32)))
    tvm.ir.assert_structural_equal(legalized(jnp.sin, np.ones(4, np.float32)), relax.transform.LegalizeOps()(before))


@given(st.lists(st.sampled_from(sorted(FUNCTIONS)), min_size=1, max_size=4), st.integers(1, 20), st.floats(-3, 3), st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_random_programs_compute_what_libm_does(target, names, columns, exponent, seed):
    def program(x):
        for name in names:
            x = FUNCTIONS[name][0](x - 1)
        return x

    x = 2.0**exponent * normal(seed, 3, columns)
    x = np.clip(x, -8, 3).astype(np.float32)  # two exponentials of more are past float32
    by_libm = relax.transform.LegalizeOps()(simplified(trace(program, x)))
    assert_same_results(target, by_libm, legalized(program, x), x, rtol=1e-4, atol=2e-6)


def legalized(function, x):
    return relax.transform.LegalizeOps(VECTOR_MATH)(simplified(trace(function, x)))
