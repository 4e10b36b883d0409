"""What the fusion passes group and rewrite, read off the module they return."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tvm import relax, tirx
from tvm.script import tirx as T

from bertnas_jax.compiler import UnknownKernelError, fuse, trace_model
from bertnas_jax.compiler.dataflow import Dataflow
from bertnas_jax.compiler.fuse_rows import row_groups
from bertnas_jax.compiler.schedule_kernels import kind_of
from bertnas_jax.compiler.sink_division import sink_division
from tests.compiler.conftest import trace

X = np.ones((1, 4, 8), np.float32)


def operators(module):
    """The operators of `main`, in order."""
    values = [binding.value for block in module["main"].body.blocks for binding in block.bindings]
    return [value.op.name.removeprefix("relax.") for value in values if isinstance(value, relax.Call)]


def clean(module):
    return relax.transform.DeadCodeElimination()(relax.transform.CanonicalizeBindings()(module))


def test_a_division_of_rows_moves_behind_the_product():
    before = clean(trace(lambda e, v: jnp.einsum("blm,bmh->blh", e / e.sum(-1, keepdims=True), v), np.ones((1, 4, 4), np.float32), X))
    assert operators(before) == ["sum", "divide", "matmul"]
    assert operators(clean(sink_division(before))) == ["sum", "matmul", "divide"]


def test_a_division_by_a_matrix_stays():
    before = clean(trace(lambda e, d, v: (e / d) @ v, *(np.ones((4, 4), np.float32),) * 3))
    assert operators(clean(sink_division(before))) == ["divide", "matmul"]


def test_a_softmax_is_one_group():
    dataflow = Dataflow(clean(trace(lambda x: jax.nn.softmax(x, axis=-1), X))["main"])
    (group,) = row_groups(dataflow)
    assert [dataflow.value(variable).op.name for variable in group] == [
        "relax.max",
        "relax.subtract",
        "relax.exp",
        "relax.sum",
        "relax.divide",
    ]


def test_the_residual_stays_with_the_product_before_a_layer_norm():
    weights = np.ones((8, 8), np.float32)

    def block(x):
        y = x @ weights + x
        return y - y.mean(axis=-1, keepdims=True)

    dataflow = Dataflow(clean(trace(block, X))["main"])
    (group,) = row_groups(dataflow)
    assert [dataflow.value(variable).op.name for variable in group] == ["relax.sum", "relax.multiply", "relax.subtract"]


def test_a_bert_has_five_kinds_of_kernels(make_bert, target):
    module = fuse(trace_model(make_bert(), 16), target)
    kinds = {kind_of(function) for _, function in module.functions_items() if isinstance(function, tirx.PrimFunc)}
    assert kinds == {"gemm", "attention", "rows", "reduction", "elementwise"}


def test_a_kernel_no_schedule_knows_is_named():
    @T.prim_func(private=True, s_tir=True)
    def two_products(
        x: T.Buffer((T.int64(4), T.int64(4)), "float32"),
        panels: T.Buffer((T.int64(1), T.int64(4), T.int64(16)), "float32"),
        y: T.Buffer((T.int64(4), T.int64(4)), "float32"),
    ):
        partial = T.sblock_alloc_buffer((T.int64(4), T.int64(4)))
        for i, j, k in T.grid(T.int64(4), T.int64(4), T.int64(4)):
            with T.sblock("packed_gemm"):
                vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                with T.init():
                    partial[vi, vj] = T.float32(0)
                partial[vi, vj] = partial[vi, vj] + x[vi, vk] * panels[T.int64(0), vk, vj]
        for i, j, k in T.grid(T.int64(4), T.int64(4), T.int64(4)):
            with T.sblock("matmul"):
                vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                with T.init():
                    y[vi, vj] = T.float32(0)
                y[vi, vj] = y[vi, vj] + partial[vi, vk] * x[vk, vj]

    with pytest.raises(UnknownKernelError, match="packed_gemm, matmul"):
        kind_of(two_products)
