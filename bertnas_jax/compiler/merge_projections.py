"""Pass: products of one input with several weights become one product, whose columns are then sliced.

Distributivity over columns: [x W1, x W2] = x [W1, W2]. The input is read once, and one kernel starts
instead of several. Precondition: primitive Relax operators in one dataflow block; each product is with a
constant float32 matrix and is used only by the addition of its constant bias, a row.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax
from tvm.ir.expr import GenericConst

from bertnas_jax.compiler.dataflow import Dataflow, operator_of
from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.rebind import Rewriter, is_matrix


def merge_projections(module: tvm.IRModule) -> tvm.IRModule:
    """The module with every such set of products merged."""
    dataflow, rewriter = Dataflow(module["main"]), Rewriter(module)
    for value in [*dataflow.function.params, *(binding.var for binding in dataflow.bindings)]:
        sums = [total for user in dict.fromkeys(dataflow.users(value)) if (total := _biased_product(dataflow, user, value)) is not None]
        if len(sums) > 1:
            _merge(dataflow, rewriter, value, sums)
    return relax.transform.DeadCodeElimination()(rewriter.result())


def _biased_product(dataflow: Dataflow, product: relax.Var, x: relax.Var) -> relax.Var | None:
    """The variable x W + b whose product this is."""
    call, users = dataflow.value(product), dataflow.users(product)
    if operator_of(call) != "relax.matmul" or not is_matrix(call.args[1]) or not call.args[0].same_as(x) or len(users) != 1:
        return None
    total = dataflow.value(users[0])
    if operator_of(total) != "relax.add" or not total.args[0].same_as(product) or not isinstance(total.args[1], GenericConst):
        return None
    width = shape_of(product)[-1]
    is_row = shape_of(total.args[1]) == (*(1,) * (len(shape_of(product)) - 1), width)
    return users[0] if is_row and shape_of(users[0]) == shape_of(product) else None


def _merge(dataflow: Dataflow, rewriter: Rewriter, x: relax.Var, sums: list[relax.Var]) -> None:
    calls = [dataflow.value(total) for total in sums]
    weights = np.concatenate([dataflow.value(call.args[0]).args[1].value.numpy() for call in calls], axis=1)
    bias = np.concatenate([call.args[1].value.numpy() for call in calls], axis=-1)
    first = min(sums, key=dataflow.position.__getitem__)
    product = rewriter.bind(relax.op.matmul(x, relax.const(weights)), before=first)
    merged = rewriter.bind(relax.op.add(product, relax.const(bias)), before=first)
    axis, start = len(shape_of(first)) - 1, 0
    for total in sums:
        stop = start + shape_of(total)[-1]
        rewriter.replace(total, relax.op.strided_slice(merged, [axis], [start], [stop], [1]))
        start = stop
