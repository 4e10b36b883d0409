"""Which element of a buffer each iteration of a loop nest reads or writes, as integer maps.

Source: isl, Verdoolaege 2010 (the sets).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import islpy as isl
from tvm import tirx
from tvm.ir.expr import TensorLoad

from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.loop_nest import expressions

_SHAPES = 1024  # whose sets are kept: isl reads one as text in a millisecond, and a model has few shapes


class AccessMap:
    """Writes the indices of one access in isl's notation."""

    def __init__(self, names: Mapping[tirx.Var, str], extents: tuple[int, ...]):
        self._names, self._extents = names, extents
        self.gathers = False
        self.divisors: set[tuple[int, int]] = set()

    def of(self, buffer: tirx.Var, indices) -> isl.Map:
        """{ [iteration] -> [element] }."""
        inputs = [f"i{position}" for position in range(len(self._extents))]
        outputs = [f"o{position}" for position in range(len(indices))]
        bounds = [f"0 <= {name} < {extent}" for name, extent in zip(inputs, self._extents, strict=True)]
        for output, index, size in zip(outputs, indices, shape_of(buffer), strict=True):
            text = self.affine(index)
            bounds.append(f"0 <= {output} < {size}")  # a concatenation reads past its operands' ends and then drops it
            bounds += [] if text is None else [f"{output} = {text}"]
        return isl.Map(f"{{ [{', '.join(inputs)}] -> [{', '.join(outputs)}] : {' and '.join(bounds) or 'true'} }}")

    def affine(self, index: tirx.Expr) -> str | None:
        """The index in isl's notation, None for one that is read from memory."""
        if any(isinstance(node, TensorLoad) for node in expressions(index)):
            self.gathers = True
            return None
        if isinstance(index, tirx.Var):
            return self._names[index]
        if isinstance(index, tirx.IntImm):
            return str(int(index))
        if isinstance(index, tirx.Cast):
            return self.affine(index.value)
        sign = {tirx.Add: "+", tirx.Sub: "-", tirx.Mul: "*"}.get(type(index))
        if sign is not None:
            return f"({self.affine(index.a)} {sign} {self.affine(index.b)})"
        if isinstance(index, tirx.FloorDiv | tirx.FloorMod) and isinstance(index.b, tirx.IntImm):
            if isinstance(index.a, tirx.Var):
                self.divisors.add((list(self._names).index(index.a), int(index.b)))
            inner = self.affine(index.a)
            return f"floor({inner} / {int(index.b)})" if isinstance(index, tirx.FloorDiv) else f"({inner} mod {int(index.b)})"
        raise NotImplementedError(f"an index must be affine or looked up, got {index}; give the operator another loop nest")


@functools.lru_cache(_SHAPES)
def identity(shape: tuple[int, ...]) -> isl.Map:
    """Every element of a shape to itself."""
    return isl.Map.identity(box(shape).identity().get_space()).intersect_domain(box(shape)) if shape else isl.Map("{ [] -> [] }")


@functools.lru_cache(_SHAPES)
def box(shape: tuple[int, ...]) -> isl.Set:
    """The indices of a shape."""
    names = [f"i{position}" for position in range(len(shape))]
    bounds = " and ".join(f"0 <= {name} < {size}" for name, size in zip(names, shape, strict=True)) or "true"
    return isl.Set(f"{{ [{', '.join(names)}] : {bounds} }}")
