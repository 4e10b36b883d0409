"""The polynomials against float64 math over their whole range."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special


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


def test_no_call_of_libm_is_left(target):
    from tests.compiler.conftest import trace

    from bertnas_jax.compiler import lower
    from bertnas_jax.compiler.build import build_executable

    x = np.ones((4, 16), np.float32)
    executable = build_executable(lower(trace(lambda x: jnp.tanh(jnp.exp(x) + jax.lax.erf(x)), x), target), target)
    assembly = executable.mod.imports[0].inspect_source("asm")
    assert not any(f"{name}f@" in assembly for name in ("exp", "erf", "tanh", "floor"))
