"""Pass: a product with a constant matrix becomes one of whole numbers, exact in int32.

x W = r c (q V) + m c (1 V), where element k of row i of x is r_i q_ik + m_i but for rounding, column j of W is c_j V_j
but for rounding, and q and V are whole numbers that the target's instruction takes (integer_dot.py). Column scales c and
column sums 1 V are constants; a row's (token's) scale r and origin m are found as the model runs: m is its least value for
an instruction of unsigned activations, the middle between its least and largest for signed bytes, 0 for more bits. A
value that several products read is quantised once.

Precondition: primitive Relax operators in one dataflow block, before LegalizeOps, within a target;
`relax.matmul(x, W)` with W a constant float32 matrix [K, N], at least a panel of the vector unit wide, K a
multiple of the instruction's step. Other products (attention's, a classifier's few columns) stay float32.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import tvm
from tvm import relax, te, tirx

from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.gemm_tile import GemmShape, default_tile
from bertnas_jax.compiler.integer_dot import DIGIT, DIGIT_BITS, IntegerDot, integer_dots
from bertnas_jax.compiler.pack_weights import is_weight_matmul
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.tuning import tuned_tile
from bertnas_jax.compiler.vector_unit import vector_unit

# A row of one value, or a column of zeros, has this for its reach: its quantised numbers are 0, its scale is finite.
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


def quantize_plain(x: te.Tensor, inverse_scale: te.Tensor, dtype: str) -> te.Tensor:
    """x [..., K] by the inverse scale of its row [..., 1], rounded to the nearest whole number."""

    def cell(*index):
        return tirx.nearbyint(x(*index) * inverse_scale(*index[:-1], 0)).astype(dtype)

    return te.compute(x.shape, cell, name="quantize")


def quantize_digits(x: te.Tensor, inverse_scale: te.Tensor, dtype: str) -> te.Tensor:
    """`quantize_plain` in two digits [..., 2, K]: h = floor((q + 128) / 256), then q - 256 h, which is -128 to 127."""

    def cell(*index):
        *row, digit, column = index
        number = tirx.nearbyint(x(*row, column) * inverse_scale(*row, 0))
        first = tirx.floor((number + _of(DIGIT / 2)) * _of(1 / DIGIT))
        return tirx.Select(digit == 0, first, number - first * _of(DIGIT)).astype(dtype)

    return te.compute((*x.shape[:-1], 2, x.shape[-1]), cell, name="quantize")


def _of(number: float) -> tirx.Expr:
    return tirx.const(number, "float32")


def quantize_shifted(x: te.Tensor, origin: te.Tensor, inverse_scale: te.Tensor, dtype: str) -> te.Tensor:
    """What x [..., K] is above the origin of its row [..., 1], by the inverse scale, rounded to the nearest whole number."""

    def cell(*index):
        row = (*index[:-1], 0)
        return tirx.nearbyint((x(*index) - origin(*row)) * inverse_scale(*row)).astype(dtype)

    return te.compute(x.shape, cell, name="quantize")


def dequantize_plain(total: te.Tensor, column_scales: te.Tensor, row_scale: te.Tensor) -> te.Tensor:
    """r c (q V) of int32 sums q V [..., N], c [N], r [..., 1]."""

    def cell(*index):
        return total(*index).astype("float32") * column_scales[index[-1]] * row_scale(*index[:-1], 0)

    return te.compute(total.shape, cell, name="dequantize")


def dequantize_shifted(
    total: te.Tensor, column_scales: te.Tensor, row_scale: te.Tensor, column_sums: te.Tensor, origin: te.Tensor
) -> te.Tensor:
    """r c (q V) + m c (1 V) of int32 sums q V [..., N], c [N], r [..., 1], c (1 V) [N], m [..., 1]."""

    def cell(*index):
        row = (*index[:-1], 0)
        product = total(*index).astype("float32") * column_scales[index[-1]] * row_scale(*row)
        return product + origin(*row) * column_sums[index[-1]]

    return te.compute(total.shape, cell, name="dequantize")


def packed_gemm_integer(
    q: te.Tensor, panels: te.Tensor, depth: int, columns: int, num_digits: int, attributes: Mapping[str, int]
) -> te.Tensor:
    """Stored activations [..., K], or [..., digits, K], times packed weights, int32 [..., columns]."""
    panel = int(panels.shape[2]) // depth
    digits = [te.reduce_axis((0, num_digits), name="digit")] if num_digits > 1 else []
    group = te.reduce_axis((0, panels.shape[1]), name="group")
    inner = te.reduce_axis((0, depth), name="k")

    def cell(*index):
        *rows, column = index
        weight = panels[column // panel, group, column % panel * depth + inner].astype("int32")
        number = q(*rows, *digits, group * depth + inner).astype("int32")
        for digit in digits:
            number = tirx.Select(digit.var == 0, tirx.shift_left(number, tirx.const(DIGIT_BITS, "int32")), number)
        return te.sum(number * weight, axis=[*digits, group, inner])

    rows = q.shape[: -1 - len(digits)]
    padded = te.compute((*rows, panels.shape[0] * panel), cell, name="packed_gemm_integer", attrs=attributes)
    if columns == int(panels.shape[0]) * panel:
        return padded
    return te.compute((*rows, columns), lambda *index: padded(*index), name="crop")


@dataclasses.dataclass(frozen=True)
class _Rows:
    """A quantised value: its whole numbers, each row's scale, and each row's origin (None where it is 0)."""

    numbers: relax.Var
    scale: relax.Var
    origin: relax.Var | None


@relax.expr_functor.mutator
class _Quantizer(relax.PyExprMutator):
    def __init__(self, module: tvm.IRModule, precision: Precision):
        super().__init__(module)
        self._precision, self._dot = precision, integer_dots()[precision]
        self._rows: dict[tuple[relax.Expr, int], _Rows] = {}

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = super().visit_call_(call)
        if not is_quantizable(call, self._dot):
            return call
        x, weights = call.args[0], call.args[1].value.numpy()
        inner, columns = weights.shape
        values, scales = quantize_columns(weights, self._dot.weight_limit)
        shape = GemmShape(shape_of(x)[-2], inner, columns, self._precision)
        tuned = tuned_tile(shape)
        panels = relax.const(pack_integers(values, (tuned or default_tile(shape)).panel, self._dot))
        rows = self._quantized(x, self._dot.activation_limit(inner))
        total = self._emit(packed_gemm_integer, rows.numbers, panels, self._dot.depth, columns, self._dot.digits, tuned.attributes() if tuned else {})
        if rows.origin is None:
            return self._emit(dequantize_plain, total, relax.const(scales), rows.scale)
        sums = (values.sum(axis=0) * scales.astype(np.float64)).astype(np.float32)
        return self._emit(dequantize_shifted, total, relax.const(scales), rows.scale, relax.const(sums), rows.origin)

    def _emit(self, compute: Callable[..., te.Tensor], *args) -> relax.Var:
        name = compute.__name__.removesuffix("_plain").removesuffix("_shifted").removesuffix("_digits")
        return self.builder_.emit(self.builder_.call_te(compute, *args, primfunc_name_hint=name))

    def _quantized(self, x: relax.Var, limit: int) -> _Rows:
        """The value quantised, emitted once for all its products."""
        if (x, limit) not in self._rows:
            emit, op, dtype = self.builder_.emit, relax.op, self._dot.activation_dtype
            origin, reach = self._origin_and_reach(x)
            scale = emit(op.multiply(op.maximum(reach, relax.const(_TINY, "float32")), relax.const(1 / limit, "float32")))
            inverse = emit(op.divide(relax.const(1.0, "float32"), scale))
            if origin is not None:
                numbers = self._emit(quantize_shifted, x, origin, inverse, dtype)
            else:
                numbers = self._emit(quantize_digits if self._dot.digits > 1 else quantize_plain, x, inverse, dtype)
            self._rows[x, limit] = _Rows(numbers, scale, origin)
        return self._rows[x, limit]

    def _origin_and_reach(self, x: relax.Var) -> tuple[relax.Var | None, relax.Expr]:
        """What is subtracted of each row (None for nothing), and the largest magnitude that is left in it."""
        emit, op = self.builder_.emit, relax.op
        if not self._dot.is_shifted:
            return None, op.max(op.abs(x), axis=-1, keepdims=True)
        least = emit(op.min(x, axis=-1, keepdims=True))
        if self._dot.is_unsigned:
            return least, op.subtract(op.max(x, axis=-1, keepdims=True), least)
        largest = emit(op.max(x, axis=-1, keepdims=True))
        origin = emit(op.multiply(op.add(least, largest), relax.const(0.5, "float32")))
        # By the very subtractions that quantise: however the middle was rounded, no number is past the limit.
        return origin, op.maximum(op.subtract(largest, origin), op.subtract(origin, least))


def is_quantizable(call: relax.Expr, dot: IntegerDot) -> bool:
    """True for a product with weights that the pass rewrites."""
    if not is_weight_matmul(call):
        return False
    inner, columns = shape_of(call.args[1])
    return inner % dot.step == 0 and columns >= vector_unit().panel


def quantize_projections(module: tvm.IRModule, precision: Precision) -> tvm.IRModule:
    """The module with products with weights in integers; `precision` is a key of `integer_dots()`."""
    quantizer = _Quantizer(module, precision)
    for variable, function in module.functions_items():
        if isinstance(function, relax.Function):
            quantizer.builder_.update_func(variable, quantizer.visit_expr(function))
    return quantizer.builder_.get()
