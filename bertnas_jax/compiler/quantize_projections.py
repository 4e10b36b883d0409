"""Pass: a product with a constant matrix becomes one of whole numbers, exact in int32.

x W = r c (q V), where row i of x is r_i q_i but for rounding, column j of W is c_j V_j but for rounding,
and q and V are whole numbers that the target's instruction takes (integer_dot.py). Scales of columns
are constants; those of rows (tokens) are found as the model runs, from the largest magnitude of the row.

Precondition: primitive Relax operators in one dataflow block, before LegalizeOps, within a target;
`relax.matmul(x, W)` with W a constant float32 matrix [K, N], at least a panel of the vector unit wide, K a
multiple of the instruction's step. Other products (attention's, a classifier's few columns) stay float32.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax, te, tirx

from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.integer_dot import IntegerDot, integer_dots
from bertnas_jax.compiler.pack_weights import is_weight_matmul
from bertnas_jax.compiler.vector_unit import vector_unit

# A row or column of zeros has this for its largest magnitude: its quantised numbers are 0, its scale is finite.
_TINY = 1e-30


def quantize_columns(weights: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """(whole numbers V [K, N] of at most `limit` in magnitude, scales c [N]) with weights close to c V."""
    scales = np.maximum(np.abs(weights).max(axis=0), _TINY) / np.float32(limit)
    return np.rint(weights / scales).astype(np.int32), scales.astype(np.float32)


def pack_integers(values: np.ndarray, panel: int, dot: IntegerDot) -> np.ndarray:
    """Whole numbers [K, N] as [ceil(N / panel), K / depth, panel * depth], columns past N zero."""
    inner, columns = values.shape
    panels = -(-columns // panel)
    padded = np.zeros((inner, panels * panel), dot.weight_dtype)
    padded[:, :columns] = values
    steps = inner // dot.depth
    return padded.reshape(steps, dot.depth, panels, panel).transpose(2, 0, 3, 1).reshape(panels, steps, panel * dot.depth)


def quantize(x: te.Tensor, inverse_scale: te.Tensor, offset: int, dtype: str) -> te.Tensor:
    """x [..., K] by the inverse scale of its row [..., 1], rounded to the nearest whole number, as it is stored."""

    def cell(*index):
        rounded = tirx.nearbyint(x(*index) * inverse_scale(*index[:-1], 0))
        return (rounded + tirx.const(float(offset), "float32")).astype(dtype)

    return te.compute(x.shape, cell, name="quantize")


def packed_gemm_integer(q: te.Tensor, panels: te.Tensor, depth: int, columns: int) -> te.Tensor:
    """Stored activations [..., K] times packed weights, int32 [..., columns]."""
    panel = int(panels.shape[2]) // depth
    group = te.reduce_axis((0, panels.shape[1]), name="group")
    inner = te.reduce_axis((0, depth), name="k")

    def cell(*index):
        *rows, column = index
        weight = panels[column // panel, group, column % panel * depth + inner]
        return te.sum(q(*rows, group * depth + inner).astype("int32") * weight.astype("int32"), axis=[group, inner])

    padded = te.compute((*q.shape[:-1], panels.shape[0] * panel), cell, name="packed_gemm_integer")
    if columns == int(panels.shape[0]) * panel:
        return padded
    return te.compute((*q.shape[:-1], columns), lambda *index: padded(*index), name="crop")


@relax.expr_functor.mutator
class _Quantizer(relax.PyExprMutator):
    def __init__(self, module: tvm.IRModule, dot: IntegerDot):
        super().__init__(module)
        self._dot = dot
        self._rows: dict[tuple[relax.Expr, int], tuple[relax.Var, relax.Var]] = {}

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = super().visit_call_(call)
        if not is_quantizable(call, self._dot):
            return call
        x, weights = call.args[0], call.args[1].value.numpy()
        values, column_scales = quantize_columns(weights, self._dot.weight_limit)
        q, row_scale = self._quantized(x, self._dot.activation_limit(weights.shape[0]))
        panels = relax.const(pack_integers(values, vector_unit().panel, self._dot))
        name = "packed_gemm_integer"
        total = self.builder_.emit(self.builder_.call_te(packed_gemm_integer, q, panels, self._dot.depth, weights.shape[1], primfunc_name_hint=name))
        row = (*(1,) * (len(shape_of(call)) - 1), weights.shape[1])
        if self._dot.offset:
            surplus = (self._dot.offset * values.sum(axis=0, dtype=np.int64)).astype(np.int32)
            total = self.builder_.emit(relax.op.subtract(total, relax.const(surplus.reshape(row))))
        product = self.builder_.emit(relax.op.multiply(relax.op.astype(total, "float32"), relax.const(column_scales.reshape(row))))
        return relax.op.multiply(product, row_scale)

    def _quantized(self, x: relax.Var, limit: int) -> tuple[relax.Var, relax.Var]:
        """(stored whole numbers, scale of each row [..., 1]) of a value, emitted once for all its products."""
        if (x, limit) not in self._rows:
            emit = self.builder_.emit
            largest = emit(relax.op.maximum(relax.op.max(relax.op.abs(x), axis=-1, keepdims=True), relax.const(_TINY, "float32")))
            scale = emit(relax.op.multiply(largest, relax.const(1 / limit, "float32")))
            inverse = emit(relax.op.divide(relax.const(float(1), "float32"), scale))
            stored = self.builder_.call_te(quantize, x, inverse, self._dot.offset, self._dot.activation_dtype, primfunc_name_hint="quantize")
            self._rows[x, limit] = emit(stored), scale
        return self._rows[x, limit]


def is_quantizable(call: relax.Expr, dot: IntegerDot) -> bool:
    """True for a product with weights that the pass rewrites."""
    if not is_weight_matmul(call):
        return False
    inner, columns = shape_of(call.args[1])
    return inner % dot.step == 0 and columns >= vector_unit().panel


def quantize_projections(module: tvm.IRModule, precision: str) -> tvm.IRModule:
    """The module with products with weights in integers; `precision` is a key of `integer_dots()`."""
    quantizer = _Quantizer(module, integer_dots()[precision])
    for variable, function in module.functions_items():
        if isinstance(function, relax.Function):
            quantizer.builder_.update_func(variable, quantizer.visit_expr(function))
    return quantizer.builder_.get()
