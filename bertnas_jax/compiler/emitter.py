"""Emission of Relax operators, looking through what is already bound so that shapes stay fusible.

A value is a numpy array (known at compile time) or a Relax expression. Reshapes are the enemy of
fusion: they are merged, cancelled and sunk below elementwise operators here, at the source.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from tvm import relax

Value = np.ndarray | relax.Expr


def shape_of(value: Value) -> tuple[int, ...]:
    """The static shape of a value."""
    return tuple(int(size) for size in (value.shape if isinstance(value, np.ndarray) else value.ty.shape))


def dtype_of(value: Value) -> str:
    """The element type of a value, by its numpy name."""
    return str(value.dtype if isinstance(value, np.ndarray) else value.ty.dtype)


class Emitter:
    """Appends operators to a Relax block under construction."""

    def __init__(self, builder: relax.BlockBuilder):
        self._builder = builder
        self._constants: dict[int, tuple[np.ndarray, relax.Constant]] = {}

    def emit(self, call: relax.Expr) -> relax.Var:
        return self._builder.emit(call)

    def expression(self, value: Value) -> relax.Expr:
        """The value as an expression; the same array always becomes the same constant."""
        if not isinstance(value, np.ndarray):
            return value
        if id(value) not in self._constants:
            # The array is kept with its constant, so that its id is not reused.
            self._constants[id(value)] = (value, relax.const(np.ascontiguousarray(value).reshape(value.shape)))
        return self._constants[id(value)][1]

    def producer(self, value: Value, operator: str) -> relax.Call | None:
        """The call that made the value, if it is a call of that operator."""
        if not isinstance(value, relax.Var):
            return None
        call = self._builder.lookup_binding(value)
        return call if isinstance(call, relax.Call) and getattr(call.op, "name", "") == operator else None

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """The value in another shape; a reshape of a reshape is one, of the same shape none."""
        shape = tuple(shape)
        if isinstance(value, np.ndarray):
            return value.reshape(shape)
        while (inner := self.producer(value, "relax.reshape")) is not None:
            value = inner.args[0]
        if shape_of(value) == shape:
            return value
        return self.emit(relax.op.reshape(value, shape))

    def transpose(self, value: Value, axes: Sequence[int]) -> Value:
        """The value with axes permuted; a permutation of a permutation is one.

        A product whose rows and columns are exchanged is taken the other way round instead:
        (A B)^T = B^T A^T, whose operands are usually transposed already.
        """
        axes = list(axes)
        if isinstance(value, np.ndarray):
            return value.transpose(axes)
        if (inner := self.producer(value, "relax.permute_dims")) is not None:
            value, axes = inner.args[0], [int(inner.attrs.axes[axis]) for axis in axes]
        product = self.producer(value, "relax.matmul")
        rank = len(axes)
        is_batched = product is not None and all(len(shape_of(operand)) == rank for operand in product.args)
        if is_batched and rank > 2 and axes.index(rank - 1) < axes.index(rank - 2):
            swap = [*range(rank - 2), rank - 1, rank - 2]
            left, right = (self.transpose(operand, swap) for operand in product.args)
            value = self.emit(relax.op.matmul(self.expression(right), self.expression(left)))
            axes = [swap[axis] for axis in axes]
        if axes == list(range(rank)):
            return value
        return self.emit(relax.op.permute_dims(value, axes))

    def elementwise(self, operator: Callable[..., relax.Expr], values: Sequence[Value], shape: Sequence[int]) -> Value:
        """operator(*values) of that shape, operands broadcast by the operator itself."""
        values = [self._unbroadcast(value) for value in values]
        tensors = [value for value in values if math.prod(shape_of(value)) != 1 or not isinstance(value, np.ndarray)]
        sunk = self.producer(tensors[0], "relax.reshape") if len(tensors) == 1 else None
        if sunk is not None:  # the reshape comes after the operator, where it may cancel
            values = [sunk.args[0] if value is tensors[0] else value for value in values]
        scalars = [value.reshape(()) if isinstance(value, np.ndarray) and value.size == 1 else value for value in values]
        result = self.emit(operator(*map(self.expression, scalars)))
        if shape_of(result) == tuple(shape):
            return result
        if math.prod(shape_of(result)) == math.prod(shape):
            return self.reshape(result, shape)
        return self.emit(relax.op.broadcast_to(result, tuple(shape)))

    def _unbroadcast(self, value: Value) -> Value:
        """The value without repetition: axes along which it is constant have size 1."""
        if isinstance(value, np.ndarray):
            return value[(..., *(slice(0, 1) if stride == 0 else slice(None) for stride in value.strides))]
        wide = self.producer(value, "relax.broadcast_to")
        return value if wide is None or len(shape_of(wide.args[0])) != len(shape_of(value)) else wide.args[0]
