"""The JAX primitives the compiler knows, each as Relax operators: one small function a primitive.

Every function maps (emitter, operands, parameters, result aval) to the result; `PRIMITIVES` is
the table. Operands are never all constants: such equations are evaluated by JAX itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from tvm import relax

from bertnas_jax.compiler.emitter import Emitter, Value, shape_of

Translation = Callable[[Emitter, Sequence[Value], Mapping, object], Value]


def _elementwise(operator: Callable[..., relax.Expr]) -> Translation:
    def translate(emitter, operands, params, aval):
        return emitter.elementwise(operator, operands, aval.shape)

    return translate


def _identity(emitter, operands, params, aval):
    return operands[0]


def _reduction(operator: Callable[..., relax.Expr]) -> Translation:
    def translate(emitter, operands, params, aval):
        # Kept axes, then a reshape that usually cancels against the broadcast that follows.
        reduced = emitter.emit(operator(operands[0], list(params["axes"]), keepdims=True))
        return emitter.reshape(reduced, aval.shape)

    return translate


def _divide(emitter, operands, params, aval):
    numerator, denominator = operands
    if isinstance(denominator, np.ndarray) and denominator.size == 1 and denominator.dtype.kind == "f":
        return emitter.elementwise(relax.op.multiply, (numerator, np.asarray(1 / denominator, denominator.dtype)), aval.shape)
    if np.dtype(aval.dtype).kind != "f":
        raise NotImplementedError("div must be of floats, got integers; use floating point in the model's forward pass")
    return emitter.elementwise(relax.op.divide, operands, aval.shape)


def _maximum(emitter, operands, params, aval):
    for bound, other in (operands, operands[::-1]):
        if isinstance(bound, np.ndarray) and np.all(np.isneginf(bound)) and shape_of(other) == aval.shape:
            return other
    return emitter.elementwise(relax.op.maximum, operands, aval.shape)


def _erfc(emitter, operands, params, aval):
    # 1 - erf loses the relative precision of a far tail, not the absolute one.
    erf = emitter.elementwise(relax.op.erf, operands, aval.shape)
    return emitter.elementwise(relax.op.subtract, (np.ones((), aval.dtype), erf), aval.shape)


def _integer_pow(emitter, operands, params, aval):
    exponent = params["y"]
    if exponent == 0:
        return np.ones(aval.shape, aval.dtype)
    power = operands[0]
    for _ in range(abs(exponent) - 1):
        power = emitter.elementwise(relax.op.multiply, (power, operands[0]), aval.shape)
    one = np.ones((), aval.dtype)
    return power if exponent > 0 else emitter.elementwise(relax.op.divide, (one, power), aval.shape)


def _convert_element_type(emitter, operands, params, aval):
    return emitter.elementwise(lambda x: relax.op.astype(x, np.dtype(params["new_dtype"]).name), operands, aval.shape)


def _select_n(emitter, operands, params, aval):
    which, *cases = operands
    if len(cases) != 2:
        raise NotImplementedError(f"select_n must have 2 cases, got {len(cases)}; use jnp.where")
    return emitter.elementwise(relax.op.where, (which, cases[1], cases[0]), aval.shape)


def _clamp(emitter, operands, params, aval):
    low, value, high = operands
    raised = emitter.elementwise(relax.op.maximum, (low, value), aval.shape)
    return emitter.elementwise(relax.op.minimum, (raised, high), aval.shape)


def _reshape(emitter, operands, params, aval):
    return emitter.reshape(operands[0], aval.shape)


def _transpose(emitter, operands, params, aval):
    return emitter.transpose(operands[0], params["permutation"])


def _broadcast_in_dim(emitter, operands, params, aval):
    expanded = [1] * len(aval.shape)
    for axis, size in zip(params["broadcast_dimensions"], shape_of(operands[0])):
        expanded[axis] = size
    value = emitter.reshape(operands[0], expanded)
    return value if tuple(expanded) == aval.shape else emitter.emit(relax.op.broadcast_to(value, aval.shape))


def _slice(emitter, operands, params, aval):
    strides = params["strides"] or (1,) * len(aval.shape)
    axes = list(range(len(aval.shape)))
    return emitter.emit(relax.op.strided_slice(operands[0], axes, params["start_indices"], params["limit_indices"], strides))


def _concatenate(emitter, operands, params, aval):
    return emitter.emit(relax.op.concat([emitter.expression(operand) for operand in operands], params["dimension"]))


def _gather(emitter, operands, params, aval):
    """table[ids] along axis 0, the only form an embedding needs."""
    table, ids = operands
    numbers, width = params["dimension_numbers"], shape_of(table)[1:]
    id_shape = shape_of(ids)[:-1]
    is_take = (
        tuple(numbers.start_index_map) == tuple(numbers.collapsed_slice_dims) == (0,)
        and not numbers.operand_batching_dims
        and tuple(params["slice_sizes"]) == (1, *width)
        and tuple(numbers.offset_dims) == tuple(range(len(id_shape), len(aval.shape)))
    )
    if not is_take or params["mode"].name != "CLIP":
        raise NotImplementedError(
            f"gather must be table[ids] along axis 0 with clipped ids, got {numbers}, mode {params['mode'].name}; "
            "use jnp.take(table, ids, axis=0, mode='clip')"
        )
    flat = emitter.reshape(ids, id_shape)
    return emitter.emit(relax.op.take(emitter.expression(table), emitter.expression(flat), axis=0, mode="clip"))



def _dot_general(emitter, operands, params, aval):
    """A product as relax.matmul: operands permuted to (batch, rows, inner) and (batch, inner, columns)."""
    (left_inner, right_inner), (left_batch, right_batch) = params["dimension_numbers"]
    left, right = operands
    left_free, right_free = _free(left, left_inner, left_batch), _free(right, right_inner, right_batch)
    batch = [shape_of(left)[axis] for axis in left_batch]
    rows = [shape_of(left)[axis] for axis in left_free]
    columns = [shape_of(right)[axis] for axis in right_free]
    inner = math.prod(shape_of(left)[axis] for axis in left_inner)
    left = emitter.transpose(left, [*left_batch, *left_free, *left_inner])
    right = emitter.transpose(right, [*right_batch, *right_inner, *right_free])
    # Rows stay unmerged against a plain matrix: relax.matmul broadcasts it, and no reshape blocks fusion.
    row_axes = [math.prod(rows)] if batch or not rows else rows
    left = emitter.reshape(left, [*batch, *row_axes, inner])
    right = emitter.reshape(right, [*batch, inner, math.prod(columns)])
    product = emitter.emit(relax.op.matmul(emitter.expression(left), emitter.expression(right)))
    return emitter.reshape(product, aval.shape)


def _free(value: Value, inner: Sequence[int], batch: Sequence[int]) -> list[int]:
    return [axis for axis in range(len(shape_of(value))) if axis not in (*inner, *batch)]


_UNARY = {"exp", "log", "tanh", "erf", "rsqrt", "sqrt", "abs", "sign", "floor", "ceil", "square", "sin", "cos"}
_BINARY = {"add": "add", "sub": "subtract", "mul": "multiply", "min": "minimum", "pow": "power"}
_COMPARE = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
_LOGICAL = {"and": "logical_and", "or": "logical_or", "not": "logical_not"}

PRIMITIVES: Mapping[str, Translation] = {
    **{name: _elementwise(getattr(relax.op, name)) for name in sorted(_UNARY)},
    **{name: _elementwise(getattr(relax.op, operator)) for name, operator in (_BINARY | _COMPARE | _LOGICAL).items()},
    **{f"reduce_{name}": _reduction(getattr(relax.op, name)) for name in ("sum", "max", "min")},
    **{name: _identity for name in ("stop_gradient", "copy", "copy_p", "optimization_barrier")},
    **{name: _reshape for name in ("reshape", "squeeze", "expand_dims")},
    "neg": _elementwise(relax.op.negative),
    "logistic": _elementwise(relax.op.sigmoid),
    "div": _divide,
    "max": _maximum,
    "erfc": _erfc,
    "integer_pow": _integer_pow,
    "convert_element_type": _convert_element_type,
    "select_n": _select_n,
    "clamp": _clamp,
    "transpose": _transpose,
    "broadcast_in_dim": _broadcast_in_dim,
    "slice": _slice,
    "concatenate": _concatenate,
    "gather": _gather,
    "dot_general": _dot_general,
}
