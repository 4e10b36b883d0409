"""What becomes of a module; which operators go together is in test_fusion.py."""

import jax
import jax.numpy as jnp
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from bertnas_jax.compiler.fuse_polyhedral import fuse_polyhedral
from bertnas_jax.compiler.fusion_plan import RELATIONS
from bertnas_jax.compiler.pipeline import apply, rewrite_passes
from tests.compiler.conftest import assert_same_results, normal, trace

HASWELL = tvm.target.Target({"kind": "llvm", "mcpu": "haswell", "mtriple": "x86_64-linux-gnu"})


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def add_one(x: T.Buffer((T.int64(4), T.int64(8)), "float32"), y: T.Buffer((T.int64(4), T.int64(8)), "float32")):
        for i, j in T.grid(T.int64(4), T.int64(8)):
            with T.sblock("add"):
                vi, vj = T.axis.remap("SS", [i, j])
                y[vi, vj] = x[vi, vj] + T.float32(1)

    @T.prim_func(private=True, s_tir=True)
    def sum_rows(x: T.Buffer((T.int64(4), T.int64(8)), "float32"), y: T.Buffer((T.int64(4),), "float32")):
        for i, k in T.grid(T.int64(4), T.int64(8)):
            with T.sblock("sum"):
                vi, vk = T.axis.remap("SR", [i, k])
                with T.init():
                    y[vi] = T.float32(0)
                y[vi] = y[vi] + x[vi, vk]

    @R.function
    def main(x: R.Tensor((4, 8), "float32")) -> R.Tensor((4,), "float32"):
        cls = Before
        with R.dataflow():
            more = R.call_tir(cls.add_one, (x,), out_ty=R.Tensor((4, 8), "float32"))
            total = R.call_tir(cls.sum_rows, (more,), out_ty=R.Tensor((4,), "float32"))
            R.output(total)
        return total


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def fused_add_one_sum_rows(x: T.Buffer((T.int64(4), T.int64(8)), "float32"), total: T.Buffer((T.int64(4),), "float32")):
        T.func_attr({"bertnas.hoisted": {}, "tirx.noalias": True})
        more = T.sblock_alloc_buffer((T.int64(4), T.int64(8)))
        for i, j in T.grid(T.int64(4), T.int64(8)):
            with T.sblock("add"):
                vi, vj = T.axis.remap("SS", [i, j])
                more[vi, vj] = x[vi, vj] + T.float32(1)
        for i, k in T.grid(T.int64(4), T.int64(8)):
            with T.sblock("sum"):
                vi, vk = T.axis.remap("SR", [i, k])
                with T.init():
                    total[vi] = T.float32(0)
                total[vi] = total[vi] + more[vi, vk]

    @R.function
    def main(x: R.Tensor((4, 8), "float32")) -> R.Tensor((4,), "float32"):
        cls = Expected
        with R.dataflow():
            total = R.call_tir(cls.fused_add_one_sum_rows, (x,), out_ty=R.Tensor((4,), "float32"))
            R.output(total)
        return total


def test_a_producer_and_its_consumer_become_one_kernel():
    with HASWELL:
        tvm.ir.assert_structural_equal(fuse_polyhedral(Before), Expected)


def test_over_a_relation_that_is_left_out_nothing_is_merged():
    apart = tvm.IRModule(dict(Before.functions_items()))
    for name in ("add_one", "sum_rows"):
        apart[apart.get_global_var(name)] = apart[name].with_attr("bertnas.hoisted", {})
    with HASWELL:
        tvm.ir.assert_structural_equal(fuse_polyhedral(Before, without=("reduction",)), apart)
        tvm.ir.assert_structural_equal(fuse_polyhedral(apart, without=RELATIONS), apart)


# Each maps [1, 4, 8] to [1, 4, 8].
STEPS = {
    "softmax": lambda x: jax.nn.softmax(x, axis=-1),
    "product": lambda x: x @ normal(0, 8, 8) / 8 + normal(1, 1, 1, 8),
    "attention": lambda x: jnp.einsum("bij,bjk->bik", jax.nn.softmax(jnp.einsum("bij,bkj->bik", x, x), axis=-1), x),
    "residual": lambda x: x + jnp.sin(x.transpose(0, 2, 1)).transpose(0, 2, 1),
    "columns": lambda x: x - x.mean(1, keepdims=True),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4), st.sets(st.sampled_from(RELATIONS)), st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_random_programs_compute_the_same(target, names, without, seed):
    def program(x):
        for name in names:
            x = STEPS[name](x)
        return x

    x = normal(seed, 1, 4, 8)
    with target:
        before = apply(rewrite_passes(), trace(program, x))
        after = fuse_polyhedral(before, without)
    assert_same_results(target, before, after, x, rtol=1e-5, atol=1e-6)
