import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax, te
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from bertnas_jax.compiler import UnknownKernelError, fuse
from bertnas_jax.compiler.schedule_kernels import SCHEDULES, schedule_kernels
from tests.compiler.conftest import assert_same_results, normal, trace

HASWELL = tvm.target.Target({"kind": "llvm", "mcpu": "haswell", "mtriple": "x86_64-linux-gnu"})


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((T.int64(4), T.int64(24)), "float32"), y: T.Buffer((T.int64(4), T.int64(24)), "float32")):
        total = T.sblock_alloc_buffer((T.int64(4), T.int64(24)))
        for i, j in T.grid(T.int64(4), T.int64(24)):
            with T.sblock("add"):
                vi, vj = T.axis.remap("SS", [i, j])
                total[vi, vj] = x[vi, vj] + T.float32(1)
        for i, j in T.grid(T.int64(4), T.int64(24)):
            with T.sblock("double"):
                vi, vj = T.axis.remap("SS", [i, j])
                y[vi, vj] = total[vi, vj] * T.float32(2)

    @R.function
    def main(x: R.Tensor((4, 24), "float32")) -> R.Tensor((4, 24), "float32"):
        cls = Before
        with R.dataflow():
            y = R.call_tir(cls.kernel, (x,), out_ty=R.Tensor((4, 24), "float32"))
            R.output(y)
        return y


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((T.int64(4), T.int64(24)), "float32"), y: T.Buffer((T.int64(4), T.int64(24)), "float32")):
        T.func_attr({"bertnas.kind": "elementwise"})
        for row, vector in T.grid(T.int64(4), T.int64(3)):
            for lane in T.vectorized(T.int64(8)):
                with T.sblock("double"):
                    vi = T.axis.spatial(T.int64(4), row)
                    vj = T.axis.spatial(T.int64(24), vector * T.int64(8) + lane)
                    y[vi, vj] = (x[vi, vj] + T.float32(1)) * T.float32(2)

    @R.function
    def main(x: R.Tensor((4, 24), "float32")) -> R.Tensor((4, 24), "float32"):
        cls = Expected
        with R.dataflow():
            y = R.call_tir(cls.kernel, (x,), out_ty=R.Tensor((4, 24), "float32"))
            R.output(y)
        return y


def test_two_loops_over_elements_become_one_in_vectors():
    with HASWELL:
        tvm.ir.assert_structural_equal(schedule_kernels(Before), Expected)


def test_a_module_without_kernels_stays():
    before = trace(lambda x: jnp.sin(x) @ x, np.ones((4, 4), np.float32))
    with HASWELL:
        tvm.ir.assert_structural_equal(schedule_kernels(before), before)


def test_a_module_with_a_kernel_no_schedule_knows_is_refused():
    x = te.placeholder((4, 4), name="x")
    row = te.reduce_axis((0, 4), name="row")
    other = te.reduce_axis((0, 4), name="other")
    columns = te.compute((4,), lambda j: te.sum(x[row, j], axis=row), name="columns")
    rows = te.compute((4,), lambda i: te.sum(columns[other] * x[other, i], axis=other), name="rows")
    before = tvm.IRModule({"kernel": te.create_prim_func([x, rows])})
    with HASWELL, pytest.raises(UnknownKernelError, match=f"must be one of {', '.join(SCHEDULES)}, got blocks columns, rows; add a schedule"):
        schedule_kernels(before)


# Each maps [1, 4, 8] to [1, 4, 8]; what fusion makes of them is of every kind of kernel of float32.
STEPS = {
    "gemm": lambda x: x @ normal(0, 8, 8) / 8,
    "attention": lambda x: jnp.einsum("bij,bjk->bik", jax.nn.softmax(jnp.einsum("bij,bkj->bik", x, x), axis=-1), x),
    "matmul": lambda x: jnp.einsum("bij,bkj,bkl->bil", x, x, x) / 32,
    "rows": lambda x: x / (1 + jnp.square(x).sum(-1, keepdims=True)),
    "reduction": lambda x: x - x.mean(1, keepdims=True),
    "elementwise": lambda x: jnp.sin(x) * 2,
}


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3), st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_random_programs_compute_the_same(target, names, seed):
    def program(x):
        for name in names:
            x = STEPS[name](x)
        return x

    assert_schedules_keep(target, "float32", program, normal(seed, 1, 4, 8))


@given(st.integers(1, 9), st.sampled_from([8, 24, 64]), st.sampled_from([48, 49, 100]), st.sampled_from(["int8_accurate", "int8_fast"]), st.integers(0, 5))
@settings(max_examples=5, deadline=None)
def test_random_products_of_whole_numbers_compute_the_same(target, rows, inner, columns, precision, seed):
    weights = normal(seed, inner, columns)
    assert_schedules_keep(target, precision, lambda x: x @ weights, normal(seed + 1, rows, inner))


def assert_schedules_keep(target, precision, program, x):
    with target:
        before = fuse(trace(program, x), target, precision=precision)
        assert_same_results(target, before, schedule_kernels(before), x)
