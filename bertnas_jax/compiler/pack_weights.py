"""Pass: a product with a constant matrix becomes a packed GEMM, its weights packed here and now in the panels that
tuning found best for its shape (tuning.py).

Precondition: primitive Relax operators, before LegalizeOps, within a target; `relax.matmul(x, W)` with
`W` a constant float32 matrix [K, N]. Any other matmul (attention's two activations) is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tvm
from tvm import relax, te
from tvm.ir import GenericConst

from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.gemm_tile import GemmShape, default_tile
from bertnas_jax.compiler.tuning import tuned_tile


def pack(weights: np.ndarray, panel: int) -> np.ndarray:
    """Weights [K, N] as panels [ceil(N / panel), K, panel], columns past N zero."""
    inner, columns = weights.shape
    panels = -(-columns // panel)
    padded = np.zeros((inner, panels * panel), weights.dtype)
    padded[:, :columns] = weights
    return np.ascontiguousarray(padded.reshape(inner, panels, panel).transpose(1, 0, 2))


def packed_gemm(x: te.Tensor, panels: te.Tensor, columns: int, attributes: Mapping[str, int]) -> te.Tensor:
    """x [..., K] times packed weights, [..., columns]; padded columns are computed, then cropped."""
    panel = int(panels.shape[2])
    inner = te.reduce_axis((0, panels.shape[1]), name="k")

    def cell(*index):
        *rows, column = index
        return te.sum(x(*rows, inner) * panels[column // panel, inner, column % panel], axis=inner)

    padded = te.compute((*x.shape[:-1], panels.shape[0] * panel), cell, name="packed_gemm", attrs=attributes)
    if columns == int(panels.shape[0]) * panel:
        return padded
    return te.compute((*x.shape[:-1], columns), lambda *index: padded(*index), name="crop")


@relax.expr_functor.mutator
class _Packer(relax.PyExprMutator):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = super().visit_call_(call)
        if not is_weight_matmul(call):
            return call
        x, weights = call.args
        matrix = weights.value.numpy()
        shape = GemmShape(shape_of(x)[-2], *matrix.shape)
        tuned = tuned_tile(shape)
        panels = relax.const(pack(matrix, (tuned or default_tile(shape)).panel))
        attributes = tuned.attributes() if tuned else {}
        return self.builder_.call_te(packed_gemm, x, panels, matrix.shape[1], attributes, primfunc_name_hint="packed_gemm")


def is_weight_matmul(call: relax.Expr) -> bool:
    """True for relax.matmul(x, W) with W a constant float32 matrix."""
    if not (isinstance(call, relax.Call) and getattr(call.op, "name", "") == "relax.matmul"):
        return False
    weights = call.args[1]
    return isinstance(weights, GenericConst) and len(weights.ty.shape) == 2 and weights.ty.dtype == "float32"


def pack_weights(module: tvm.IRModule) -> tvm.IRModule:
    """The module with every product with a constant matrix as a packed GEMM."""
    packer = _Packer(module)
    for variable, function in module.functions_items():
        if isinstance(function, relax.Function):
            packer.builder_.update_func(variable, packer.visit_expr(function))
    return packer.builder_.get()
