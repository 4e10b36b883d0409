"""Pass: constant factors before or after a product with weights go into the weights, once and for all.

Associativity and distributivity: (x W + b) s = x (s W) + s b, which takes the scale of attention's
queries, and (s x) W = x (s W), which takes the half of gelu. Precondition: primitive Relax operators
in one dataflow block; the product (and its bias, and the scaled operand) have no other user, the
weights are a constant float32 matrix, the factor is one constant, finite and not zero.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax
from tvm.ir.expr import GenericConst

from bertnas_jax.compiler.dataflow import Dataflow, operator_of
from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.rebind import Rewriter, is_matrix, is_scalar


def fold_scale(module: tvm.IRModule) -> tvm.IRModule:
    """The module with scales folded into weights: first those behind products, then those before."""
    for fold in (_fold_behind, _fold_before):
        dataflow, rewriter = Dataflow(module["main"]), Rewriter(module)
        for binding in dataflow.bindings:
            fold(dataflow, rewriter, binding.var)
        module = relax.transform.DeadCodeElimination()(rewriter.result())
    return module


def _fold_behind(dataflow: Dataflow, rewriter: Rewriter, scaled: relax.Var) -> None:
    """(x W + b) s becomes x (s W) + s b, for a variable bound to that."""
    factor, value = _scaling(dataflow.value(scaled))
    if factor is None or len(dataflow.users(value)) != 1:
        return
    product, bias = _product_with_bias(dataflow, value)
    if product is None or len(dataflow.users(product)) != 1:
        return
    x, weights = dataflow.value(product).args
    renewed = relax.op.matmul(x, _times(weights, factor))
    if bias is not None:
        renewed = relax.op.add(rewriter.bind(renewed, before=scaled), _times(bias, factor))
    rewriter.replace(scaled, renewed)


def _fold_before(dataflow: Dataflow, rewriter: Rewriter, product: relax.Var) -> None:
    """((s a) b) W becomes (a b) (s W), for a variable bound to that."""
    call = dataflow.value(product)
    if operator_of(call) != "relax.matmul" or not is_matrix(call.args[1]) or len(dataflow.users(call.args[0])) != 1:
        return
    factor, rest = _factor_of(dataflow, rewriter, call.args[0], product)
    if factor is not None:
        rewriter.replace(product, relax.op.matmul(rest, _times(call.args[1], factor)))


def _factor_of(dataflow: Dataflow, rewriter: Rewriter, value: relax.Expr, before: relax.Var) -> tuple[np.ndarray | None, relax.Expr]:
    """A constant factor of a value that is a product of factors, and the value without it."""
    call = dataflow.value(value) if isinstance(value, relax.Var) else None
    factor, rest = _scaling(call)
    if factor is not None:
        return factor, rest
    if operator_of(call) == "relax.multiply":
        for inner, other in (call.args, (call.args[1], call.args[0])):
            factor, rest = _scaling(dataflow.value(inner)) if isinstance(inner, relax.Var) else (None, None)
            if factor is not None and len(dataflow.users(inner)) == 1 and shape_of(rest) == shape_of(inner):
                return factor, rewriter.bind(relax.op.multiply(rest, other), before=before)
    return None, value


def _scaling(call: relax.Expr | None) -> tuple[np.ndarray | None, relax.Expr | None]:
    """(factor, value) of a multiplication by one constant."""
    if operator_of(call) == "relax.multiply":
        for factor, value in (call.args, (call.args[1], call.args[0])):
            if is_scalar(factor) and isinstance(value, relax.Var):
                number = factor.value.numpy().reshape(())
                if np.isfinite(number) and number != 0:
                    return number, value
    return None, None


def _product_with_bias(dataflow: Dataflow, value: relax.Var) -> tuple[relax.Var | None, relax.Expr | None]:
    """(product with weights, constant bias or None) that the value is the sum of."""
    call, bias = dataflow.value(value), None
    if operator_of(call) == "relax.add" and isinstance(call.args[0], relax.Var) and isinstance(call.args[1], GenericConst):
        value, bias = call.args
        call = dataflow.value(value)
    is_product = operator_of(call) == "relax.matmul" and is_matrix(call.args[1])
    return (value, bias) if is_product else (None, None)


def _times(constant: relax.Expr, factor: np.ndarray) -> relax.Constant:
    return relax.const(constant.value.numpy() * factor)
