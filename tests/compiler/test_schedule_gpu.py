import jax
import jax.numpy as jnp
import numpy as np
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import tirx
from tvm.s_tir import SBlock, SBlockRealize
from tvm.script import ir as I
from tvm.script import tirx as T

from bertnas_jax.compiler import fuse
from bertnas_jax.compiler.kernel_object import kernels_of
from bertnas_jax.compiler.schedule_gpu import schedule_gpu
from bertnas_jax.compiler.targets import ANDROID_OPENCL, named_target
from tests.compiler.conftest import assert_same_results, normal, trace


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((T.int64(4), T.int64(32)), "float32"), y: T.Buffer((T.int64(4), T.int64(32)), "float32")):
        total = T.sblock_alloc_buffer((T.int64(4), T.int64(32)))
        for i, j in T.grid(T.int64(4), T.int64(32)):
            with T.sblock("add"):
                vi, vj = T.axis.remap("SS", [i, j])
                total[vi, vj] = x[vi, vj] + T.float32(1)
        for i, j in T.grid(T.int64(4), T.int64(32)):
            with T.sblock("double"):
                vi, vj = T.axis.remap("SS", [i, j])
                y[vi, vj] = total[vi, vj] * T.float32(2)


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((T.int64(4), T.int64(32)), "float32"), y: T.Buffer((T.int64(4), T.int64(32)), "float32")):
        T.func_attr({"bertnas.kind": "elementwise"})
        for group in T.thread_binding(T.int64(2), thread="blockIdx.x"):
            for item in T.thread_binding(T.int64(64), thread="threadIdx.x"):
                with T.sblock("double"):
                    vi = T.axis.spatial(T.int64(4), (group * T.int64(64) + item) // T.int64(32))
                    vj = T.axis.spatial(T.int64(32), (group * T.int64(64) + item) % T.int64(32))
                    y[vi, vj] = (x[vi, vj] + T.float32(1)) * T.float32(2)


def test_two_loops_over_elements_become_one_of_work_items():
    with named_target(ANDROID_OPENCL):
        tvm.ir.assert_structural_equal(schedule_gpu(Before), Expected)


def test_a_module_without_kernels_stays():
    before = trace(lambda x: jnp.sin(x) @ x, np.ones((4, 4), np.float32))
    with named_target(ANDROID_OPENCL):
        tvm.ir.assert_structural_equal(schedule_gpu(before), before)


# Each maps [1, 8, 64] to [1, 8, 64].
STEPS = {
    "gemm": lambda x: x @ normal(0, 64, 64) / 64 + normal(1, 1, 1, 64),
    "attention": lambda x: jnp.einsum("bij,bjk->bik", jax.nn.softmax(jnp.einsum("bij,bkj->bik", x, x) / 8, axis=-1), x),
    "rows": lambda x: x / (1 + jnp.square(x).sum(-1, keepdims=True)),
    "reduction": lambda x: x - x.mean(1, keepdims=True),
    "elementwise": lambda x: jnp.sin(x) * 2,
}


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3), st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_random_programs_compute_the_same(target, names, seed):
    """Work-items one after the other, on the CPU: their order is no matter before TVM lowers reductions across them."""

    def program(x):
        for name in names:
            x = STEPS[name](x)
        return x

    x, gpu = normal(seed, 1, 8, 64), named_target(ANDROID_OPENCL)
    before = fuse(trace(program, x), gpu)
    with gpu:
        after = schedule_gpu(before)
    in_turn = tvm.IRModule(dict(after.functions_items()))
    for variable, function in kernels_of(after).items():
        in_turn[variable] = function.with_body(one_by_one(function.body))
    assert_same_results(target, before, in_turn, x)


def one_by_one(node):
    """The loops, those over work-groups and work-items as any others."""
    if isinstance(node, tirx.For):
        kind = tirx.ForKind.SERIAL if node.kind == tirx.ForKind.THREAD_BINDING else node.kind
        return tirx.For(node.loop_var, node.min, node.extent, kind, one_by_one(node.body), None, node.annotations)
    if isinstance(node, tirx.SeqStmt):
        return tirx.SeqStmt([one_by_one(child) for child in node.seq])
    if isinstance(node, SBlockRealize):
        block = node.block
        fields = block.iter_vars, block.reads, block.writes, block.name_hint, one_by_one(block.body), block.init, block.alloc_buffers
        return SBlockRealize(node.iter_values, node.predicate, SBlock(*fields, block.match_buffers, block.annotations))
    return node
